"""What is special about a kind of database: a module each, with the same functions."""

from collections.abc import Iterable
from typing import Any, Protocol

from sqlalchemy import Table
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from kit.settings import get_settings


class Kind(Protocol):
    """What a module has to offer."""

    def normalize(self, url: URL) -> URL:
        """Return an address as providers hand them out, made fit for the driver.

        Raises:
            StartupError: it makes no sense.
        """

    def make_engine(self, url: URL) -> AsyncEngine:
        """Make an engine for such an address.

        Raises:
            ModuleNotFoundError: the driver is not installed.
            StartupError: what the address names is not there.
        """

    def describe(self, url: URL) -> str:
        """Return for a person which database it is."""

    async def count_on(self, connection: AsyncConnection, tables: Iterable[Table]) -> None:
        """Let new rows be numbered after those that were inserted with their numbers."""

    def overwrite_deleted(self, url: URL) -> None:
        """Leave nothing of what was deleted in files that are the app's."""


def make_pool(url: URL, **options: Any) -> AsyncEngine:
    """Make an engine for a server: DATABASE_POOL_SIZE connections at most, none of them dead."""
    return create_async_engine(
        url,
        hide_parameters=True,  # they are what people wrote
        pool_pre_ping=True,
        pool_size=get_settings().database_pool_size,
        max_overflow=0,
        **options,
    )
