"""What the app does when it starts and when it ends, whatever the framework."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator

from kit.attachments.file_store import get_file_store
from kit.attachments.retention import sweep_for_ever
from kit.database import embedded_postgres
from kit.database.chatkit_store import ChatKitStore
from kit.database.engine import get_engine
from kit.http.streaming import TurnStream
from kit.people.identity import check_secret
from kit.settings import get_settings

FAREWELL_SECONDS = 5.0

NEW_OBJECTS = 10_000
"""After how many of them Python looks for garbage: fewer than a large request has."""


def check_settings() -> None:
    """Find what is missing or wrong in the settings.

    The app does so when it starts, but there the server prints a traceback around the sentence:
    our own commands ask before.

    Raises:
        StartupError: a setting is missing or wrong.
    """
    check_secret(get_settings())
    get_file_store()
    get_engine()


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[None]:
    """Do around the app's life what must be done.

    At the start: check the settings. Meanwhile: sweep. At the end:
    let the turns store what they have, then let go of the database.

    Raises:
        StartupError: a setting is missing or wrong.
    """
    check_settings()
    sweeper = asyncio.create_task(sweep_for_ever(ChatKitStore()))
    _collect_less()
    try:
        yield
    finally:
        sweeper.cancel()
        await TurnStream.end_all(FAREWELL_SECONDS)
        await get_engine().dispose()
        embedded_postgres.leave()


def _collect_less() -> None:
    """Keep Python from looking for garbage in what stays for ever.

    A body of some kB holds thousands of lists, which make it look through everything. That takes
    0.2 s with all that is imported here, for which everybody waits.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS)
