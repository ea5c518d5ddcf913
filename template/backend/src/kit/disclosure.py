"""What an error message discloses: internal details go to the log in production."""

import logging
import os
import re
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from kit.errors import explain_certificate
from kit.settings import LOOPBACK, get_settings, is_loopback

logger = logging.getLogger("app.inside")

DIRECT = {f"all://[{host}]" if ":" in host else f"all://{host}": None for host in LOOPBACK}
"""httpx2's `mounts` by which no request to this machine goes through a proxy."""

NO_TABLE = re.compile("no such table|relation .* does not exist|Table .* doesn't exist")
"""The errors of SQLite, PostgreSQL and MySQL for a missing table."""

COLLISION = re.compile("database is locked|[Dd]eadlock|could not serialize|Lock wait timeout")
"""The errors of the databases for a conflict between transactions."""

NOT_MIGRATED = "The database is not migrated."
MIGRATE = (
    "Run `uv run dev`, which migrates, or in production `uv run --no-dev alembic upgrade head` in "
    "backend/."
)


def disclosed(message: str, inside: str | None, level: int = logging.ERROR) -> str:
    """Return the error message for a person.

    Args:
        message: a sentence for any person.
        inside: details for people who run the app: settings, hosts, commands, or the message of
            another server, but no secret. In development they follow the message; in production
            they go to the log only.
        level: the level of the line in the log.
    """
    if inside is None:
        return message
    if in_development():
        return f"{message} {inside}"
    logger.log(level, "%s %s", message, inside)
    return message


def went_wrong(error: Exception | None = None) -> str:
    """Return the message for an unexpected error, whose cause is in the log."""
    message = "Something went wrong."
    if error and (refusal := explain_certificate(error)):
        return disclosed(message, refusal)
    return f"{message} The backend's log says why." if in_development() else message


def in_development() -> bool:
    """Whether this is development, where the person who uses the app also runs it."""
    return get_settings().app_env == "development"


def explain_database_error(error: Exception) -> str:
    """Return a sentence for a person on an error of the database.

    The error itself may name the server and its user. Outside development only the log shows it.
    """
    if isinstance(error, PoolTimeoutError):
        inside = "All connections of DATABASE_POOL_SIZE and DATABASE_POOL_OVERFLOW are in use."
        return disclosed("The server is busy. Try again in a moment.", inside)
    cause = str(error.orig if isinstance(error, DBAPIError) else error).partition("\n")[0]
    if NO_TABLE.search(cause):
        return disclosed(NOT_MIGRATED, f"It says: {cause}. {MIGRATE}")
    if COLLISION.search(cause):
        return "Something else was changed at the same moment. Try again."
    if isinstance(error, IntegrityError):
        problem = "The database refuses this, since it does not fit what it holds."
        return disclosed(problem, f"It says: {cause}.")
    inside = f"It says: {cause}. DATABASE_URL says where it is."
    return disclosed("The database does not answer.", inside)


def through_proxy(url: str) -> str:
    """Return a sentence that names the proxy variable through which a server is asked, if any."""
    parts = urlsplit(url)
    if is_loopback(url) or proxy_bypass(parts.hostname or ""):
        return ""
    proxies = getproxies()
    for scheme in (parts.scheme, "all"):
        if scheme in proxies:
            names = (f"{scheme.upper()}_PROXY", f"{scheme}_proxy")
            name = next((one for one in names if os.environ.get(one)), "the system's proxy")
            return f" It is asked through {name}; NO_PROXY names the servers without a proxy."
    return ""
