"""The kinds of databases: what is special about each stands in its module, and nowhere else."""

from collections.abc import Iterable
from types import MappingProxyType
from typing import Protocol

from sqlalchemy import Table
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.databases import mysql, postgresql, sqlite


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
