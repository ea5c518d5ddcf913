"""SQLite: a file."""

import sqlite3
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Table, event
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from app.errors import StartupError
from app.settings import BACKEND

BUSY_TIMEOUT_SECONDS = 30


def normalize(url: URL) -> URL:
    """Return the address of a file; a relative one lies below backend/, wherever a command runs.

    Raises:
        StartupError: it names no file.
    """
    if not url.database or url.database == ":memory:":
        raise StartupError(
            "DATABASE_URL names no file. SQLite in memory forgets everything and is not shared "
            "between connections: name a file, such as sqlite:///chat.db"
        )
    return url.set(drivername="sqlite+aiosqlite", database=str(BACKEND / url.database))


def make_engine(url: URL) -> AsyncEngine:
    """Make an engine whose writers wait for each other."""
    engine = create_async_engine(
        url,
        hide_parameters=True,  # they are what people wrote
        connect_args={"timeout": BUSY_TIMEOUT_SECONDS},
    )
    event.listen(engine.sync_engine, "do_connect", _open_once)
    event.listen(engine.sync_engine, "connect", _prepare)
    event.listen(engine.sync_engine, "begin", _begin)
    event.listen(engine.sync_engine, "invalidate", _roll_back)
    return engine


def describe(url: URL) -> str:
    """Return for a person which file it is."""
    return f"SQLite, {url.database}"


async def count_on(_connection: AsyncConnection, _tables: Iterable[Table]) -> None:
    """Do nothing: a new row is always numbered after the highest."""


def _open_once(_dialect: object, _entry: object, arguments: list[Any], _options: object) -> None:
    # The driver opens it in a thread, and of a file that cannot be opened that thread outlives the
    # error: at the end of a command it complains, below the words that say what is wrong.
    sqlite3.connect(arguments[0]).close()


def _prepare(connection: Any, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # transactions begin in _begin
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin(connection: Connection) -> None:
    # A transaction that reads first and writes later fails at once when another one wrote in
    # between, whatever the timeout: one that will write says so when it begins.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _roll_back(connection: Any, _entry: ConnectionPoolEntry, _error: object) -> None:
    # A stopped turn gives up its connection, perhaps in the middle of a SELECT: closed as it is,
    # SQLite would keep it, and its lock, until the garbage is collected.
    connection.rollback()
