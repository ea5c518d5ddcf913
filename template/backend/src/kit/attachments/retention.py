"""The retention sweep: it removes files that were never sent, and old conversations of guests."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from sqlalchemy.exc import DBAPIError

from kit.attachments import file_store
from kit.database import turn_records
from kit.database.chatkit_store import ChatKitStore
from kit.database.engine import overwrite_deleted
from kit.disclosure import explain_database_error
from kit.people.identity import RequestContext
from kit.people.limits import GUEST
from kit.settings import get_settings

logger = logging.getLogger("app.attachments")

KEEP = timedelta(days=1)
"""How long a file without a message is kept after its upload or announcement."""

INTERVAL_SECONDS = 3600.0

NOT_REMOVED = "The retention sweep failed"


async def sweep_for_ever(store: ChatKitStore) -> None:
    """Sweep now and then every hour until cancelled."""
    while True:
        try:
            await sweep(store, datetime.now(UTC) - KEEP)
            if days := get_settings().guest_history_days:
                await forget_guests(store, datetime.now(UTC) - timedelta(days=days))
            kept = timedelta(days=get_settings().turns_kept_days)
            await turn_records.sweep(datetime.now(UTC) - kept)
            await overwrite_deleted()
        except (DBAPIError, OSError) as error:  # the next sweep may succeed
            logger.error("%s. %s", NOT_REMOVED, explain_database_error(error))
        except Exception:
            logger.exception(NOT_REMOVED)
        await asyncio.sleep(INTERVAL_SECONDS)


async def sweep(store: ChatKitStore, before: datetime) -> None:
    """Remove the files that are in no conversation and were announced before `before`."""
    for attachment_id in await store.list_orphaned_attachments(before):
        try:
            await remove(store, attachment_id)
            await store.delete_disowned_attachment(attachment_id)
        except Exception:  # its record stays, so the next sweep tries again
            logger.exception("The file %s could not be removed", attachment_id)


async def forget_guests(store: ChatKitStore, since: datetime) -> None:
    """Remove the conversations of guests that have no item since `since`, and their files."""
    for thread_id, context in await store.list_idle_threads(GUEST, since):
        try:
            await remove_conversation(store, thread_id, context, since)
        except Exception:  # such as a table of yours that refers to it; the next sweep tries again
            logger.exception("The conversation %s of a guest could not be removed", thread_id)


async def remove_conversation(
    store: ChatKitStore,
    thread_id: str,
    context: RequestContext,
    idle_since: datetime | None = None,
) -> None:
    """Remove a conversation with its files; see `ChatKitStore.remove_thread` for the arguments."""
    # After a crash, files that are still here belong to no thread: the sweep removes them.
    for attachment_id in await store.remove_thread(thread_id, context, idle_since):
        await remove(store, attachment_id)


async def remove(store: ChatKitStore, attachment_id: str) -> None:
    """Remove a file, unless it is in a conversation.

    First the owner loses the file, and so cannot send it meanwhile. Then the bytes are deleted, and
    last the record. If this fails halfway, the record remains for the next sweep. The record of an
    announced file remains as well, since its bytes may still be arriving.
    """
    attachment = await store.disown_attachment(attachment_id)
    if attachment is not None:
        await file_store.delete(attachment_id)
        if attachment.upload_descriptor is None:
            await store.delete_disowned_attachment(attachment_id)
