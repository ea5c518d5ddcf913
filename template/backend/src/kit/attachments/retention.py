"""Removes what is not to be kept: files that were never sent, and what guests wrote long ago."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from sqlalchemy.exc import DBAPIError

from kit.attachments import file_store
from kit.database.chatkit_store import ChatKitStore
from kit.database.engine import overwrite_deleted
from kit.http.health import explain_database_error
from kit.people.identity import RequestContext
from kit.people.limits import GUEST
from kit.settings import get_settings

logger = logging.getLogger("app.attachments")

KEEP = timedelta(days=1)
"""How long a file may wait for its message, from its upload on."""

INTERVAL_SECONDS = 3600.0

NOT_REMOVED = "What nobody needs could not be removed"


async def sweep_for_ever(store: ChatKitStore) -> None:
    """Sweep now and every hour, until it is cancelled."""
    while True:
        try:
            await sweep(store, datetime.now(UTC) - KEEP)
            if days := get_settings().guest_history_days:
                await forget_guests(store, datetime.now(UTC) - timedelta(days=days))
            await overwrite_deleted()
        except (DBAPIError, OSError) as error:  # a database that fails now may answer in an hour
            logger.error("%s. %s", NOT_REMOVED, explain_database_error(error))
        except Exception:
            logger.exception(NOT_REMOVED)
        await asyncio.sleep(INTERVAL_SECONDS)


async def sweep(store: ChatKitStore, before: datetime) -> None:
    """Remove the files that are in no conversation and were announced before a time."""
    for attachment_id in await store.list_orphaned_attachments(before):
        try:
            await remove(store, attachment_id)
            await store.delete_disowned_attachment(attachment_id)
        except Exception:  # the next sweep finds its record again
            logger.exception("The file %s could not be removed", attachment_id)


async def forget_guests(store: ChatKitStore, since: datetime) -> None:
    """Remove the conversations of guests, with their files, that have no item since a time."""
    for thread_id, owner in await store.list_idle_threads(GUEST, since):
        for attachment_id in await store.remove_thread(thread_id, RequestContext(owner), since):
            await remove(store, attachment_id)


async def remove(store: ChatKitStore, attachment_id: str) -> None:
    """Remove a file, unless it is in a conversation by now.

    It is taken from its owner first, who could send it meanwhile. The record goes last: one that is
    left is found by a sweep. So is that of a file whose bytes may be on their way still.
    """
    attachment = await store.disown_attachment(attachment_id)
    if attachment is not None:
        await file_store.delete(attachment_id)
        if attachment.upload_descriptor is None:
            await store.delete_disowned_attachment(attachment_id)
