"""SQLite: a database in a file."""

import os
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from typing import Any

from sqlalchemy import Connection, Table, event
from sqlalchemy.engine import URL, AdaptedConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, PoolResetState

from kit.errors import StartupError
from kit.settings import BACKEND

BUSY_TIMEOUT_SECONDS = 30
OVERWRITE_TIMEOUT_SECONDS = 1
"""How long `overwrite_deleted` waits for readers. Writers wait as long."""

FILES = ("", "-wal", "-shm", "-journal")
"""The suffixes of the files of a database."""


class PrivateConnection(sqlite3.Connection):
    """A connection to a database whose files only their owner can read."""

    def __init__(self, database: str, *arguments: Any, **options: Any) -> None:
        """Make the files private, unless they belong to another user, and open the database."""
        # Only a new file is opened here: closing an existing one would release the locks that
        # other connections of this process hold on it.
        with suppress(OSError):  # SQLite itself reports best why the file cannot be created
            os.close(os.open(database, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        for suffix in FILES:  # SQLite creates the other files with the mode of the database
            with suppress(OSError):
                os.chmod(f"{database}{suffix}", 0o600)
        super().__init__(database, *arguments, **options)


def normalize(url: URL) -> URL:
    """Return the address with an absolute path. Relative paths start from backend/.

    Raises:
        StartupError: the address names no file.
    """
    if not url.database or url.database == ":memory:":
        raise StartupError(
            "DATABASE_URL names no file. SQLite in memory forgets everything and is not shared "
            "between connections: name a file, such as sqlite:///chat.db"
        )
    return url.set(drivername="sqlite+aiosqlite", database=str(BACKEND / url.database))


def make_engine(url: URL, _for_servers: Mapping[str, Any]) -> AsyncEngine:
    """Create an engine whose write transactions wait for each other."""
    engine = create_async_engine(
        url,
        hide_parameters=True,  # errors in the log must not quote what people wrote
        connect_args={"timeout": BUSY_TIMEOUT_SECONDS},
        pool_reset_on_return=None,  # _reset does it
    )
    event.listen(engine.sync_engine, "do_connect", _open_once)
    event.listen(engine.sync_engine, "connect", _prepare)
    event.listen(engine.sync_engine, "begin", _begin)
    event.listen(engine.sync_engine, "reset", _reset)
    event.listen(engine.sync_engine, "invalidate", _roll_back)
    return engine


def describe(url: URL) -> str:
    """Return a description of the database for a person."""
    return f"SQLite, {url.database}"


async def count_on(_connection: AsyncConnection, _tables: Iterable[Table]) -> None:
    """Do nothing: SQLite numbers a new row after the highest existing number."""


def overwrite_deleted(url: URL) -> None:
    """Remove the content of deleted rows from the files.

    `secure_delete` overwrites deleted content in the pages of the database, but the write-ahead log
    may still contain older pages. This function empties the log, as closing the last connection
    does. If a reader blocks it for longer than a second, the next sweep tries again.
    """
    with closing(PrivateConnection(str(url.database), OVERWRITE_TIMEOUT_SECONDS)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _open_once(_dialect: object, _entry: object, arguments: list[Any], _options: object) -> None:
    # The driver opens a database in a thread. If that fails, the thread outlives the error and
    # prints another one at the end of the command, below the message that says what is wrong.
    # Opening the database here first raises the error without a thread.
    PrivateConnection(arguments[0]).close()


def _prepare(connection: Any, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # transactions begin in _begin
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA secure_delete = ON")
    cursor.close()


def _begin(connection: Connection) -> None:
    # A transaction that reads first and writes later fails immediately if another one wrote in
    # between, regardless of the timeout. So a writing transaction takes the lock when it begins.
    writes = connection.get_execution_options().get("writes", False)
    statement = "BEGIN IMMEDIATE" if writes else "BEGIN"
    # Each call of the driver goes to its thread and back. SQLAlchemy's way takes three of them.
    try:
        _driver(connection).run_async(lambda driver: driver.execute(statement))
    except sqlite3.Error as error:
        raise DBAPIError.instance(
            statement, None, error, sqlite3.Error, hide_parameters=True
        ) from error
    except BaseException:  # stopped, and the driver may begin all the same
        connection.invalidate()
        raise


def _driver(connection: Connection) -> AdaptedConnection:
    driver = connection.connection.dbapi_connection
    assert isinstance(driver, AdaptedConnection)  # make_engine makes no other engine
    return driver


def _reset(connection: Any, _entry: ConnectionPoolEntry, state: PoolResetState) -> None:
    # SQLAlchemy would roll back what has ended already, which is another call of the driver.
    if not state.terminate_only and connection.driver_connection.in_transaction:
        connection.rollback()


def _roll_back(connection: Any, _entry: ConnectionPoolEntry, _error: object) -> None:
    # A stopped turn abandons its connection, possibly in the middle of a SELECT. Without a
    # rollback, SQLite would keep the connection and its lock until garbage collection.
    connection.rollback()
