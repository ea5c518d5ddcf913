"""The database: its address, engine, transactions and migrations."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from configparser import InterpolationError
from contextlib import asynccontextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType, ModuleType
from typing import Any, Protocol, TypeVar

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Table, inspect
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from kit.database import mysql, postgresql, sqlite
from kit.database.tables import Base
from kit.errors import StartupError
from kit.settings import BACKEND, ENV_FILE, get_settings

Result = TypeVar("Result")


class Kind(Protocol):
    """What the module of a kind of database provides."""

    def normalize(self, url: URL) -> URL:
        """Convert an address as providers show it into one for this project's driver.

        Raises:
            StartupError: the address cannot be used.
        """

    def make_engine(self, url: URL, for_servers: Mapping[str, Any]) -> AsyncEngine:
        """Create an engine.

        Args:
            url: a normalized address.
            for_servers: SQLAlchemy's options for engines that connect to a server.

        Raises:
            ModuleNotFoundError: the driver is not installed.
            StartupError: a file that the address names cannot be read.
        """

    def describe(self, url: URL) -> str:
        """Return a description of the database for a person."""

    async def count_on(self, connection: AsyncConnection, tables: Iterable[Table]) -> None:
        """Continue the numbering of new rows after rows that were inserted with a number."""

    def overwrite_deleted(self, url: URL) -> None:
        """Remove the content of deleted rows from database files that belong to the app."""


KINDS: MappingProxyType[str, Kind] = MappingProxyType(
    {
        "sqlite": sqlite,
        "postgres": postgresql,
        "postgresql": postgresql,
        "mysql": mysql,
        "mariadb": mysql,
    }
)
"""The kinds of databases, by the scheme of the address."""


class MissingDriverError(StartupError):
    """The driver of a kind of database is not installed."""


class UnusableDatabaseError(StartupError):
    """The database does not answer, or refuses who asks."""


@cache
def database_url() -> URL:
    """Return the address of the database, which is DATABASE_URL.

    In development, a PostgreSQL project without DATABASE_URL has its own server. This function
    starts or joins that server and returns its address.

    Raises:
        StartupError: the address is missing or wrong, or the server does not start.
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

    The driver in the address is replaced. Parameters that belong to other tools are dropped.

    Raises:
        StartupError: the text is not an address, or the database is not supported.
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
    if "@" in (url.host or ""):
        raise StartupError("DATABASE_URL has an @ in its password. Write it as %40 there.")
    if name == "mysql" and not url.database:
        raise StartupError(
            "DATABASE_URL names no database. Its name follows the host, as in "
            "mysql://user:password@host/name."
        )
    return KINDS[name].normalize(url)


@cache
def get_engine() -> AsyncEngine:
    """Return the engine that the whole process shares.

    Raises:
        StartupError: see `database_url` and `create_engine`.
    """
    return create_engine(database_url())


def create_engine(url: URL) -> AsyncEngine:
    """Create an engine with the options for its kind of database.

    Raises:
        MissingDriverError: the driver of the database is not installed.
        StartupError: a file that the address names cannot be read.
    """
    name = url.get_backend_name()
    for_servers = {
        "hide_parameters": True,  # errors in the log must not quote what people wrote
        "pool_pre_ping": True,  # replaces connections that the server has closed
        "pool_size": get_settings().database_pool_size,
        "max_overflow": get_settings().database_pool_overflow,
        "pool_timeout": get_settings().database_pool_seconds,
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
    """Open a session for reading."""
    async with AsyncSession(get_engine()) as session:
        yield session


@asynccontextmanager
async def write() -> AsyncIterator[AsyncSession]:
    """Open a session with a transaction for writing.

    The transaction is committed at the end of the block, and rolled back on an exception.
    """
    async with AsyncSession(get_engine(), expire_on_commit=False) as session, session.begin():
        await session.connection(execution_options={"writes": True})
        yield session


async def answered_within(seconds: float, work: Awaitable[Result]) -> Result:
    """Wait for some work in the database, which may hang: a lost network closes no connection.

    Work that takes too long is cancelled. Nobody waits until it is, because drivers ask the server
    first.

    Raises:
        TimeoutError: it takes too long.
    """
    task = asyncio.ensure_future(work)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        await asyncio.wait([task], timeout=seconds)
        if not task.done():
            raise TimeoutError(f"no answer in {seconds:g} s")
        return task.result()
    finally:
        task.cancel()


async def overwrite_deleted() -> None:
    """Remove the content of deleted rows from database files that belong to the app."""
    url = get_engine().url
    await asyncio.to_thread(KINDS[url.get_backend_name()].overwrite_deleted, url)


def alembic_config() -> Config:
    """Return Alembic's configuration, as its command line uses it."""
    return Config(BACKEND / "alembic.ini")


async def missing_migrations() -> list[str]:
    """Return the head revisions that the database lacks; empty if it has them, or is newer.

    While a new version is deployed, the older one still serves, on a database that is migrated
    already. The older code does not know the revisions that it finds there.
    """
    async with get_engine().connect() as connection:
        return await connection.run_sync(missing_migrations_of)


def missing_migrations_of(connection: Connection) -> list[str]:
    """Return the head revisions that the database of a connection lacks."""
    missing = newest_migrations() - applied_migrations(connection)
    # Each check of the health asks this, and mostly nothing is missing.
    return sorted(missing) if missing and not newer_migrations(connection) else []


def newer_migrations(connection: Connection) -> set[str]:
    """Return the revisions that a newer version of the code has applied to the database.

    The code does not know them, and the database has all tables and columns of the code. If it
    lacks some, another branch of the repository has migrated it, and the result is empty.
    """
    script = ScriptDirectory.from_config(alembic_config())
    known = {revision.revision for revision in script.walk_revisions()}
    unknown = applied_migrations(connection) - known
    return unknown if unknown and _has_all_columns(connection) else set()


def _has_all_columns(connection: Connection) -> bool:
    inspector = inspect(connection)
    for table in Base.metadata.sorted_tables:
        if not inspector.has_table(table.name, table.schema):
            return False
        there = {column["name"] for column in inspector.get_columns(table.name, table.schema)}
        if not there >= set(table.columns.keys()):
            return False
    return True


def newest_migrations() -> set[str]:
    """Return the head revisions of the project's migrations."""
    return set(ScriptDirectory.from_config(alembic_config()).get_heads())


def applied_migrations(connection: Connection) -> set[str]:
    """Return the revisions that the database is at."""
    return set(MigrationContext.configure(connection).get_current_heads())


def framework_tables() -> ModuleType | None:
    """Return the module that manages the framework's own tables; None if it has no tables.

    Only Django has such tables. The module has three functions: `names()` returns the tables that
    Alembic leaves alone, `missing()` returns the framework's missing migrations, and `migrate()`
    applies them.
    """
    name = "kit.database.framework_tables"
    return import_module(name) if find_spec(name) else None


def prepare_database() -> str:
    """Migrate the database and pass its address to child processes in the environment.

    Returns:
        A sentence for a person that describes the database.

    Raises:
        StartupError: the database cannot be reached or migrated; the message says what to do.
    """
    migrate()
    url = database_url()
    os.environ["DATABASE_URL"] = url.render_as_string(hide_password=False)
    return f"Database: {KINDS[url.get_backend_name()].describe(url)}, migrated."


def migrate() -> None:
    """Migrate all tables to the newest revisions. A newer database stays as it is.

    Raises:
        StartupError: the database cannot be reached or migrated; the message says what to do.
    """
    from alembic import command

    url = database_url()
    try:
        config = alembic_config()
        config.attributes["upgrade"] = True
        command.upgrade(config, "heads")
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


def unusable(url: URL, error: DBAPIError) -> UnusableDatabaseError:
    """Return an error that says why a database cannot be used and where its address is set."""
    return UnusableDatabaseError(
        f"The database at {url.render_as_string(hide_password=True)} cannot be used: "
        f"{error.orig}\nIts address is DATABASE_URL, from the environment or {ENV_FILE}."
    )


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return the factory of event loops, for `asyncio.Runner(loop_factory=loop_factory())`.

    On Windows, psycopg does not run on Python's default event loop, but on the selector loop.
    """
    if sys.platform == "win32":
        return asyncio.SelectorEventLoop
    return asyncio.new_event_loop
