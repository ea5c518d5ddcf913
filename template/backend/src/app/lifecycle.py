"""What the app does when it starts and when it ends, whatever the framework."""

from app import embedded_postgres
from app.database import get_engine
from app.endpoint import get_server
from app.identity import check_secret
from app.settings import get_settings
from app.streaming import TurnStream

FAREWELL_SECONDS = 5.0


def check_settings() -> None:
    """Find what is missing or wrong in the settings.

    The app does so when it starts, but there the server prints a traceback around the sentence:
    our own commands ask before.

    Raises:
        StartupError: a setting is missing or wrong.
    """
    check_secret(get_settings())
    get_engine()


def start_up() -> None:
    """Check the settings and make what all requests share.

    Raises:
        StartupError: a setting is missing or wrong.
    """
    check_settings()
    get_server()


async def shut_down() -> None:
    """Let ended turns store what they have, then let go of the database."""
    await TurnStream.wait_for_all(FAREWELL_SECONDS)
    await get_engine().dispose()
    embedded_postgres.leave()
