"""MySQL and MariaDB."""

import logging
from collections.abc import Iterable

from sqlalchemy import Table
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.databases.mysql_tls import normalize_tls, tls_context
from app.databases.pool import make_pool


def normalize(url: URL) -> URL:
    """Return the address with what it says of TLS, in one way, and without what else it says.

    Raises:
        StartupError: it asks for a kind of TLS that is not known.
    """
    return normalize_tls(url.set(drivername="mysql+asyncmy"))


def make_engine(url: URL) -> AsyncEngine:
    """Make an engine that takes any text.

    Raises:
        StartupError: a file with certificates cannot be read.
    """
    # It would put every warning of the server's into the log, perhaps with what people wrote.
    logging.getLogger("asyncmy").setLevel(logging.ERROR)
    return make_pool(
        url.set(query={}),
        # Who waited for a lock sees what the one before has written, as on PostgreSQL.
        isolation_level="READ COMMITTED",
        connect_args={"charset": "utf8mb4", "ssl": tls_context(url)},
    )


def describe(url: URL) -> str:
    """Return for a person which server it is."""
    return f"MySQL at {url.host}"


async def count_on(_connection: AsyncConnection, _tables: Iterable[Table]) -> None:
    """Do nothing: a new row is always numbered after the highest."""


def overwrite_deleted(_url: URL) -> None:
    """Do nothing: the files are the server's, and it reuses the place by and by."""
