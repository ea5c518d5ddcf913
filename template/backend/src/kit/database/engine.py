"""The database: its address, its engine, its transactions, its migrations."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from configparser import InterpolationError
from contextlib import asynccontextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType, ModuleType
from typing import Any, Protocol

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Table
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from kit.database import mysql, postgresql, sqlite
from kit.errors import StartupError
from kit.settings import BACKEND, ENV_FILE, get_settings


class Kind(Protocol):
    """What a module has to offer."""

    def normalize(self, url: URL) -> URL:
        """Return an address as providers hand them out, made fit for the driver.

        Raises:
            StartupError: it makes no sense.
        """

    def make_engine(self, url: URL, for_servers: Mapping[str, Any]) -> AsyncEngine:
        """Make an engine for such an address.

        Args:
            url: a normalized one.
            for_servers: options of SQLAlchemy's that all engines for a server have.

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


class MissingDriverError(StartupError):
    """The driver of a kind of database is not installed."""


@cache
def database_url() -> URL:
    """Return the address of the database.

    That is DATABASE_URL; a PostgreSQL project that has none in development gets a server of its
    own, which this starts or joins.

    Raises:
        StartupError: there is no address, or a wrong one, or the server does not start.
    """
    settings = get_settings()
    text = settings.database_url
    if not text and settings.app_env == "development" and postgresql.has_own_server():
        text = postgresql.start_own_server(BACKEND.parent)
    if not text:
        raise StartupError(
            "DATABASE_URL is not set. Set it in the environment or in "
            f"{ENV_FILE}, such as DATABASE_URL=sqlite:///chat.db"
        )
    return parse_database_url(text)


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


@cache
def get_engine() -> AsyncEngine:
    """Return the engine that the whole process shares.

    Raises:
        StartupError: as `database_url`, or the database's driver is not installed.
    """
    return create_engine(database_url())


def create_engine(url: URL) -> AsyncEngine:
    """Make an engine with the options that its kind of database needs.

    Raises:
        MissingDriverError: the database's driver is not installed.
    """
    name = url.get_backend_name()
    for_servers = {
        "hide_parameters": True,  # they are what people wrote
        "pool_pre_ping": True,  # no connection of it is dead
        "pool_size": get_settings().database_pool_size,
        "max_overflow": 0,
    }
    try:
        return KINDS[name].make_engine(url, for_servers)
    except (ModuleNotFoundError, NoSuchModuleError):
        raise MissingDriverError(
            f"DATABASE_URL names a {name} database, and its driver {url.get_driver_name()} is not "
            "installed, because this project is made for another one (.copier-answers.yml).\n"
            "To use that one: set DATABASE_URL as backend/.env.example shows it.\n"
            f"To stay with {name}: uvx copier update --data database={name}"
        ) from None


@asynccontextmanager
async def read() -> AsyncIterator[AsyncSession]:
    """Open a session for one read."""
    async with AsyncSession(get_engine()) as session:
        yield session


@asynccontextmanager
async def write() -> AsyncIterator[AsyncSession]:
    """Open a session for one write: committed at the end, rolled back on an error."""
    async with AsyncSession(get_engine(), expire_on_commit=False) as session, session.begin():
        await session.connection(execution_options={"writes": True})
        yield session


async def overwrite_deleted() -> None:
    """Leave nothing of what was deleted in files that are the app's."""
    url = get_engine().url
    await asyncio.to_thread(KINDS[url.get_backend_name()].overwrite_deleted, url)


def alembic_config() -> Config:
    """Return Alembic's configuration, the one that its command line uses."""
    return Config(BACKEND / "alembic.ini")


async def missing_migrations() -> list[str]:
    """Return the newest revisions that the database lacks; none when it is up to date."""
    async with get_engine().connect() as connection:
        return sorted(newest_migrations() - await connection.run_sync(applied_migrations))


def newest_migrations() -> set[str]:
    """Return the newest revisions that the project has."""
    return set(ScriptDirectory.from_config(alembic_config()).get_heads())


def applied_migrations(connection: Connection) -> set[str]:
    """Return the revisions that the database has."""
    return set(MigrationContext.configure(connection).get_current_heads())


def framework_tables() -> ModuleType | None:
    """Return what looks after the tables that a framework brings of its own, as Django does.

    It has `names()`, of the tables that Alembic leaves alone, `missing()`, of their migrations, and
    `migrate()`.
    """
    name = "kit.database.framework_tables"
    return import_module(name) if find_spec(name) else None


def prepare_database() -> str:
    """Reach the database, migrate it, and leave its address to child processes.

    Returns:
        A sentence for a person on which database it is.

    Raises:
        StartupError: it cannot be reached or migrated; says what to do.
    """
    migrate()
    url = database_url()
    os.environ["DATABASE_URL"] = url.render_as_string(hide_password=False)
    return f"Database: {KINDS[url.get_backend_name()].describe(url)}, migrated."


def migrate() -> None:
    """Bring all tables to their newest revisions.

    Raises:
        StartupError: the database cannot be reached or migrated; says what to do.
    """
    from alembic import command

    url = database_url()
    try:
        command.upgrade(alembic_config(), "heads")
    except InterpolationError:
        raise StartupError(
            f"Alembic cannot work below a path with a % sign. Move the project: {BACKEND.parent}"
        ) from None
    except CommandError as error:
        raise StartupError(
            f"The database cannot be migrated: {error}\nIf it was migrated on another branch of "
            "your repository, go back to that branch, or use another database here."
        ) from None
    except DBAPIError as error:
        raise unusable(url, error) from None
    if tables := framework_tables():
        tables.migrate()


def unusable(url: URL, error: DBAPIError) -> StartupError:
    """Return in words that a database cannot be used, and where its address comes from."""
    return StartupError(
        f"The database at {url.render_as_string(hide_password=True)} cannot be used: "
        f"{error.orig}\nIts address is DATABASE_URL, from the environment or {ENV_FILE}."
    )


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return what makes an event loop, for `asyncio.Runner(loop_factory=loop_factory())`.

    Python's usual loop on Windows cannot run psycopg; the selector loop can.
    """
    if sys.platform == "win32":
        return asyncio.SelectorEventLoop
    return asyncio.new_event_loop
