"""Addresses of databases, as hosting providers hand them out, made fit for the async drivers."""

from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from app.errors import StartupError

DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
}


def parse_database_url(text: str, base: Path) -> URL:
    """Return the address with the driver that this project uses.

    Any driver that the address names is replaced, and parameters that belong to other tools
    (Prisma's `pgbouncer=true`, say) are dropped. A relative SQLite file lies below `base`.

    Raises:
        StartupError: the text is no address, or one of a database that is not supported.
    """
    try:
        url = make_url(text.strip().strip("\"'"))
    except (ArgumentError, ValueError):
        raise StartupError(
            "DATABASE_URL is not the address of a database. It looks like "
            "sqlite:///chat.db or postgresql://user:password@host/name; special characters in "
            "the password are written as %40 for @, %2F for /, and so on."
        ) from None
    backend = url.drivername.partition("+")[0]
    if backend not in DRIVERS:
        raise StartupError(
            f"DATABASE_URL names the database {backend!r}, which is not supported. "
            f"Supported are: {', '.join(sorted(DRIVERS))}."
        )
    url = url.set(drivername=DRIVERS[backend])
    if backend == "sqlite":
        return _below(base, url)
    return _without_foreign_parameters(url)


def _below(base: Path, url: URL) -> URL:
    if not url.database or url.database == ":memory:":
        raise StartupError(
            "DATABASE_URL names no file. SQLite in memory forgets everything and is not shared "
            "between connections: name a file, such as sqlite:///chat.db"
        )
    return url.set(database=str(base / url.database))


def _without_foreign_parameters(url: URL) -> URL:
    try:
        from psycopg.pq import Conninfo
    except ModuleNotFoundError:  # a project of another database; its engine says so
        return url
    known = {option.keyword.decode() for option in Conninfo.get_defaults()}
    return url.difference_update_query(set(url.query) - known)
