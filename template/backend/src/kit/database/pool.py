"""The connections to a database's server that all requests share."""

from typing import Any

from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from kit.settings import get_settings


def make_pool(url: URL, **options: Any) -> AsyncEngine:
    """Make an engine that has no more than DATABASE_POOL_SIZE connections, none of them dead."""
    return create_async_engine(
        url,
        hide_parameters=True,  # they are what people wrote
        pool_pre_ping=True,
        pool_size=get_settings().database_pool_size,
        max_overflow=0,
        **options,
    )
