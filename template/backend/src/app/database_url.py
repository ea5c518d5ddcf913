"""DATABASE_URL, as hosting providers hand it out."""

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from app.databases import KINDS
from app.errors import StartupError


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
