"""The kinds of databases: what is special about each stands in its module, and nowhere else."""

from collections.abc import Iterable
from types import MappingProxyType
from typing import Protocol

from sqlalchemy import Table
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kit.database import mysql, postgresql, sqlite
from kit.errors import StartupError


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


KINDS: MappingProxyType[str, Kind] = MappingProxyType(
    {
        "sqlite": sqlite,
        "postgres": postgresql,
        "postgresql": postgresql,
        "mysql": mysql,
        "mariadb": mysql,
    }
)
"""The kinds by what addresses begin with."""


def parse_database_url(text: str) -> URL:
    """Return the address with the driver that this project uses.

    Any driver that the address names is replaced, and parameters that belong to other tools
    are dropped.

    Raises:
        StartupError: the text is no address, or one of a database that is not supported.
    """
    try:
        url = make_url(text.strip().strip("\"'"))
    except (ArgumentError, ValueError):
        raise StartupError(
            "DATABASE_URL is not the address of a database. It looks like "
            "sqlite:///chat.db, postgresql://user:password@host/name or "
            "mysql://user:password@host/name; special characters in the password are written as "
            "%40 for @, %2F for /, and so on."
        ) from None
    name = url.drivername.partition("+")[0]
    if name not in KINDS:
        raise StartupError(
            f"DATABASE_URL names the database {name!r}, which is not supported. "
            f"Supported are: {', '.join(sorted(KINDS))}."
        )
    return KINDS[name].normalize(url)
