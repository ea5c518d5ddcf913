"""SQLite: a file."""

import os
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from typing import Any

from sqlalchemy import Connection, Table, event
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from kit.errors import StartupError
from kit.settings import BACKEND

BUSY_TIMEOUT_SECONDS = 30
OVERWRITE_TIMEOUT_SECONDS = 1
"""How long writers wait at most while what was deleted is overwritten."""

FILES = ("", "-wal", "-shm", "-journal")
"""What is appended to the name of a database."""


class PrivateConnection(sqlite3.Connection):
    """A connection to a database that nobody but the owner of its files can read."""

    def __init__(self, database: str, *arguments: Any, **options: Any) -> None:
        """Open it, and before that make its files private; without effect on somebody else's."""
        # Only a new file: to close one that is there would give up the locks of other connections.
        with suppress(OSError):  # SQLite itself says best why there can be none
            os.close(os.open(database, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        for suffix in FILES:  # new ones get the mode of the database
            with suppress(OSError):
                os.chmod(f"{database}{suffix}", 0o600)
        super().__init__(database, *arguments, **options)


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


def make_engine(url: URL, _for_servers: Mapping[str, Any]) -> AsyncEngine:
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


def overwrite_deleted(url: URL) -> None:
    """Leave nothing of what was deleted in the files.

    `secure_delete` overwrites it in the pages of the database. Older ones, and those that are not
    copied there yet, lie in the write-ahead log: this empties it, as does the last connection that
    is closed. Where somebody reads for longer than a second just then, the next sweep does it.
    """
    with closing(PrivateConnection(str(url.database), OVERWRITE_TIMEOUT_SECONDS)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _open_once(_dialect: object, _entry: object, arguments: list[Any], _options: object) -> None:
    # The driver opens it in a thread, and of a file that cannot be opened that thread outlives the
    # error: at the end of a command it complains, below the words that say what is wrong.
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
    # A transaction that reads first and writes later fails at once when another one wrote in
    # between, whatever the timeout: one that will write says so when it begins.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _roll_back(connection: Any, _entry: ConnectionPoolEntry, _error: object) -> None:
    # A stopped turn gives up its connection, perhaps in the middle of a SELECT: closed as it is,
    # SQLite would keep it, and its lock, until the garbage is collected.
    connection.rollback()
