"""PostgreSQL."""

from collections.abc import Iterable

from sqlalchemy import Table, func, select
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from kit.database import embedded_postgres
from kit.database.pool import make_pool
from kit.settings import BACKEND, get_settings


def normalize(url: URL) -> URL:
    """Return the address without what belongs to other tools, such as `pgbouncer=true`."""
    url = url.set(drivername="postgresql+psycopg")
    try:
        from psycopg.pq import Conninfo
    except ModuleNotFoundError:  # a project of another database; its engine says so
        return url
    known = {option.keyword.decode() for option in Conninfo.get_defaults()}
    return url.difference_update_query(set(url.query) - known)


def make_engine(url: URL) -> AsyncEngine:
    """Make an engine without prepared statements.

    They break behind poolers in transaction mode, such as Supabase's.
    """
    return make_pool(url, connect_args={"prepare_threshold": None})


def describe(url: URL) -> str:
    """Return for a person which server it is."""
    if not get_settings().database_url:
        folder = embedded_postgres.data_folder(BACKEND.parent)
        return f"PostgreSQL, the project's own server with its data in {folder}"
    return f"PostgreSQL at {url.host or url.query.get('host')}"


async def count_on(connection: AsyncConnection, tables: Iterable[Table]) -> None:
    """Let new rows be numbered after those that were inserted with their numbers."""
    for table in tables:
        if (column := table.autoincrement_column) is not None:
            sequence = func.pg_get_serial_sequence(table.fullname, column.name)
            await connection.execute(select(func.setval(sequence, func.max(column))))


def overwrite_deleted(_url: URL) -> None:
    """Do nothing: the files are the server's, and it reuses the place by and by."""
