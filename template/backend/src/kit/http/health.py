"""`GET /health`: whether the database answers and has its tables."""

import re
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from kit.database.engine import missing_migrations
from kit.disclosure import disclosed

NO_TABLE = re.compile("no such table|relation .* does not exist|Table .* doesn't exist")
"""What SQLite, PostgreSQL and MySQL say."""

COLLISION = re.compile("database is locked|[Dd]eadlock|could not serialize|Lock wait timeout")
"""What they say of changes at once that cannot both be made."""

NOT_MIGRATED = "The database is not migrated."
MIGRATE = (
    "Run `uv run dev`, which migrates, or in production `uv run --no-dev alembic upgrade head` in "
    "backend/."
)


@dataclass(frozen=True)
class Health:
    """The answer: 200 when all is well, else 503 with the cause."""

    status: int
    body: dict[str, str]


async def check_health() -> Health:
    """Ask the database for its revisions and compare them with the newest ones."""
    try:
        missing = await missing_migrations()
    except (SQLAlchemyError, OSError) as error:
        return Health(503, {"status": "unavailable", "message": explain_database_error(error)})
    if missing:
        message = disclosed(NOT_MIGRATED, f"It lacks {', '.join(missing)}. {MIGRATE}")
        return Health(503, {"status": "not migrated", "message": message})
    return Health(200, {"status": "ok"})


def explain_database_error(error: Exception) -> str:
    """Return a sentence for a person on what the database refused.

    It may name the server and its user, so outside development only the log has it.
    """
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
