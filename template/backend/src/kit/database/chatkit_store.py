"""ChatKit's store in the database.

Every method that takes a `RequestContext` only accesses records of its owner, and of threads only
those of its assistant. All others are treated exactly like records that do not exist.
"""

import json
import secrets
from bisect import bisect_left
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any, ClassVar, TypeVar, cast

from chatkit.store import NotFoundError, Store, StoreItemType
from chatkit.types import (
    Attachment,
    FeedbackKind,
    Page,
    StructuredInputItem,
    ThreadItem,
    ThreadMetadata,
    UserMessageItem,
    WidgetItem,
)
from chatkit.widgets import DynamicWidgetRoot
from pydantic import ConfigDict, TypeAdapter
from sqlalchemy import (
    ColumnElement,
    LargeBinary,
    Select,
    Table,
    Update,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy import cast as cast_to
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from kit.database import tables, turn_records
from kit.database.engine import read, write
from kit.database.turn_records import NewTurn
from kit.people.identity import RequestContext

PREFIXES: dict[StoreItemType, str] = {
    "thread": "thr",
    "message": "msg",
    "tool_call": "tc",
    "task": "tsk",
    "workflow": "wf",
    "attachment": "atc",
    "sdk_hidden_context": "shcx",
}
MAX_PAGE = 9999
"""The largest number of entries in a page: the limit that ChatKit's page sends for the history."""

MAX_PAGE_BYTES = 2 * 1024 * 1024
"""A page ends after this many bytes of documents, even below its limit."""

NOBODY = ""
"""The owner of attachments that are being deleted."""

CLAIMED = {"upload": "begun"}
"""The metadata of an announced attachment while its bytes are being received.

It is never sent to a browser.
"""

Row = TypeVar("Row")
Entry = TypeVar("Entry", ThreadMetadata, ThreadItem)

# Validation errors go to the log, which must not contain what people write.
_SECRETIVE = ConfigDict(hide_input_in_errors=True)
_ITEM: TypeAdapter[ThreadItem] = TypeAdapter(ThreadItem, config=_SECRETIVE)
_ATTACHMENT: TypeAdapter[Attachment] = TypeAdapter(Attachment, config=_SECRETIVE)

_THREADS = cast(Table, tables.Conversation.__table__)
_ITEMS = cast(Table, tables.Message.__table__)
_OF_THREAD = _ITEMS.c.conversation_id == bindparam("thread_id")
_THE_ITEM = and_(_OF_THREAD, _ITEMS.c.id == bindparam("item_id"))
_LAST_POSITION = select(func.coalesce(func.max(_ITEMS.c.position), 0)).where(_OF_THREAD)

LOAD_THREAD = select(_THREADS.c.document).where(
    _THREADS.c.id == bindparam("thread_id"),
    _THREADS.c.owner == bindparam("owner"),
    _THREADS.c.assistant == bindparam("assistant"),
)
"""Parameters: `thread_id`, `owner`, `assistant`. Result: the document."""

LOCK_THREAD = LOAD_THREAD.with_for_update()

ADD_THREAD = insert(_THREADS).inline()
"""Parameters: all columns except the number."""

FIND_ITEM = select(
    select(_ITEMS.c.document).where(_THE_ITEM).scalar_subquery(),
    _LAST_POSITION.scalar_subquery(),
)
"""Parameters: `thread_id`, `item_id`. Result: the document or NULL, the thread's last position."""

ADD_ITEM = insert(_ITEMS)
"""Parameters: all columns."""

CHANGE_ITEM = update(_ITEMS).where(_THE_ITEM)
"""Parameters: `thread_id`, `item_id` and the changed columns."""


def generate_id(item_type: StoreItemType) -> str:
    """Return a new id with 128 random bits. ChatKit's own ids have 32, so they would collide."""
    return f"{PREFIXES[item_type]}_{secrets.token_hex(16)}"


class ChatKitStore(Store[RequestContext]):
    """Stores conversations, their items, and the records of attachments."""

    needs_files: ClassVar[bool] = False
    """Whether a new message is refused if one of its files no longer exists."""

    def generate_thread_id(self, context: RequestContext) -> str:
        """Return a new id for a thread."""
        return generate_id("thread")

    def generate_item_id(
        self, item_type: StoreItemType, thread: ThreadMetadata, context: RequestContext
    ) -> str:
        """Return a new id for an item of a thread."""
        return generate_id(item_type)

    async def load_thread(self, thread_id: str, context: RequestContext) -> ThreadMetadata:
        """Return a thread.

        Raises:
            NotFoundError: the thread does not exist, or belongs to another owner.
        """
        keys = {"thread_id": thread_id, **_whose(context)}
        async with read() as session:
            document = await session.scalar(LOAD_THREAD, keys)
        return ThreadMetadata.model_validate_json(
            _found(document, f"Thread {thread_id} not found.")
        )

    async def add_thread(
        self, thread: ThreadMetadata, message: UserMessageItem, turn: NewTurn
    ) -> None:
        """Store a new thread, its first message with its files, and the turn: all or nothing.

        Raises:
            NotFoundError: one of the files no longer exists.
            RefusedError: a limit is reached (429).
        """
        context = turn.context
        async with write() as session:
            row = {"id": thread.id, **_whose(context), **_columns_of_thread(thread)}
            await session.execute(ADD_THREAD, row)
            await session.execute(ADD_ITEM, _new_item(thread.id, message, position=1))
            await _take_files(session, thread.id, message, context)
            await turn_records.begin(session, turn, is_first=True)

    async def add_message(
        self,
        thread_id: str,
        message: UserMessageItem,
        turn: NewTurn,
        check: Callable[[ThreadMetadata], None],
    ) -> ThreadMetadata:
        """Store a new message with its files and the turn that answers it: all or nothing.

        Args:
            thread_id: the thread.
            message: the message. No item of the thread has its id.
            turn: the turn.
            check: raises an error if the thread takes no message.

        Returns:
            The thread.

        Raises:
            NotFoundError: the thread, or one of the files, does not exist.
            kit.database.turn_records.AnsweringError: another turn of the conversation runs.
            RefusedError: a limit is reached (429).
            Exception: whatever `check` raised.
        """
        context = turn.context
        async with write() as session:
            keys = {"thread_id": thread_id, **_whose(context)}
            document = await session.scalar(LOCK_THREAD, keys)
            thread = _to_thread(_found(document, f"Thread {thread_id} not found."))
            check(thread)
            last = (await session.execute(_LAST_POSITION, keys)).scalar_one()
            await session.execute(ADD_ITEM, _new_item(thread_id, message, last + 1))
            await _take_files(session, thread_id, message, context)
            await turn_records.begin(session, turn)
        return thread

    async def begin_turn(self, turn: NewTurn) -> None:
        """Record a turn that begins without a new message.

        Raises:
            kit.database.turn_records.AnsweringError: another turn of the conversation runs.
            RefusedError: a limit is reached (429).
        """
        async with write() as session:
            await _lock_thread(session, turn.thread_id, turn.context)
            await turn_records.begin(session, turn)

    async def save_thread(self, thread: ThreadMetadata, context: RequestContext) -> None:
        """Store a new or changed thread, without its items.

        Raises:
            NotFoundError: the thread belongs to another owner.
        """
        async with write() as session:
            if await _changed_thread(session, thread, context):
                return
            table = tables.Conversation
            if await session.scalar(select(table.id).where(table.id == thread.id)) is not None:
                raise NotFoundError(f"Thread {thread.id} not found.")
            session.add(table(id=thread.id, **_whose(context), **_columns_of_thread(thread)))

    async def update_thread(
        self, thread: ThreadMetadata, before: ThreadMetadata, context: RequestContext
    ) -> None:
        """Store the fields of a thread that have changed since it was loaded.

        The other fields keep the values in the database, which may have changed meanwhile. A
        deleted thread is not recreated.

        Args:
            thread: the thread to store.
            before: the thread as it was loaded.
            context: names the owner.

        Raises:
            NotFoundError: the thread was deleted, or belongs to another owner.
        """
        names = ThreadMetadata.model_fields
        changes = {name: getattr(thread, name) for name in names}
        changes = {name: new for name, new in changes.items() if new != getattr(before, name)}
        async with write() as session:
            keys = {"thread_id": thread.id, **_whose(context)}
            document = await session.scalar(LOCK_THREAD, keys)
            stored = ThreadMetadata.model_validate_json(
                _found(document, f"Thread {thread.id} not found.")
            )
            await _changed_thread(session, stored.model_copy(update=changes), context)

    async def load_threads(
        self, limit: int, after: str | None, order: str, context: RequestContext
    ) -> Page[ThreadMetadata]:
        """Return a page of the owner's threads with the assistant, in the order of their creation.

        Raises:
            NotFoundError: `after` names a thread that does not exist.
        """
        table = tables.Conversation
        query = select(table).where(_is_own(context))
        cursor = None
        async with read() as session:
            if after is not None:
                row = await session.scalar(_conversation(after, context))
                cursor = _found(row, f"Thread {after} not found.").number
            found, has_more = await _fetch(session, query, table.number, cursor, order, limit)
        return _page([_to_thread(one) for one in found], has_more)

    async def delete_thread(self, thread_id: str, context: RequestContext) -> None:
        """Delete a thread and its items. Do nothing if the thread does not exist."""
        await self.remove_thread(thread_id, context)

    async def remove_thread(
        self, thread_id: str, context: RequestContext, idle_since: datetime | None = None
    ) -> Sequence[str]:
        """Delete a thread and its items. Its attachments stay, without a thread.

        Args:
            thread_id: the thread to delete. If it does not exist, nothing is deleted.
            context: names the owner.
            idle_since: if the thread has an item since then, nothing is deleted.

        Returns:
            The ids of the attachments that the thread had.
        """
        async with write() as session:
            if await _lock_thread(session, thread_id, context) is None:
                return []
            if idle_since and await session.scalar(
                select(tables.Message.id)
                .where(
                    tables.Message.conversation_id == thread_id,
                    tables.Message.created_at >= idle_since,
                )
                .limit(1)
            ):
                return []
            files = await session.scalars(
                select(tables.Attachment.id).where(tables.Attachment.conversation_id == thread_id)
            )
            attachment_ids = files.all()
            await session.execute(
                delete(tables.Conversation).where(tables.Conversation.id == thread_id)
            )
            return attachment_ids

    async def list_idle_threads(
        self, owners: str, since: datetime
    ) -> Sequence[tuple[str, RequestContext]]:
        """Return the ids of threads without recent items, and contexts that may access them.

        Args:
            owners: the prefix of the owners' names.
            since: threads that were created, or have an item, since then are left out.
        """
        table, items = tables.Conversation, tables.Message
        newer = select(items.id).where(items.conversation_id == table.id, items.created_at >= since)
        query = select(table.id, table.owner, table.assistant).where(
            func.substr(table.owner, 1, len(owners)) == owners,
            table.created_at < since,
            ~newer.exists(),
        )
        async with read() as session:
            return [
                (thread_id, RequestContext(owner, assistant=assistant))
                for thread_id, owner, assistant in await session.execute(query)
            ]

    async def load_thread_items(
        self, thread_id: str, after: str | None, limit: int, order: str, context: RequestContext
    ) -> Page[ThreadItem]:
        """Return a page of a thread's items in the order in which they were stored.

        The page is empty if the thread does not exist or belongs to another owner.

        Raises:
            NotFoundError: `after` names an item that does not exist.
        """
        table = tables.Message
        async with read() as session:
            if await session.scalar(_conversation(thread_id, context)) is None:
                return Page()
            query = select(table).where(table.conversation_id == thread_id)
            cursor = None
            if after is not None:
                row = await session.get(table, (thread_id, after))
                cursor = _found(row, f"Item {after} not found in thread {thread_id}.").position
            found, has_more = await _fetch(session, query, table.position, cursor, order, limit)
        return _page([_to_item(one) for one in found], has_more)

    async def load_item(self, thread_id: str, item_id: str, context: RequestContext) -> ThreadItem:
        """Return an item of a thread.

        Raises:
            NotFoundError: the thread or the item does not exist, or belongs to another owner.
        """
        async with read() as session:
            row = await session.scalar(
                select(tables.Message)
                .join(tables.Conversation)
                .where(
                    tables.Message.conversation_id == thread_id,
                    tables.Message.id == item_id,
                    _is_own(context),
                )
            )
        return _to_item(_found(row, f"Item {item_id} not found in thread {thread_id}.").document)

    async def add_thread_item(
        self, thread_id: str, item: ThreadItem, context: RequestContext
    ) -> None:
        """Store a new item at the end of its thread. If its id exists, replace that item.

        Raises:
            NotFoundError: the thread does not exist or belongs to another owner; or, if
                `needs_files` is set, one of a message's files does not exist.
        """
        await self.save_item(thread_id, item, context)

    async def save_item(self, thread_id: str, item: ThreadItem, context: RequestContext) -> None:
        """Store a new or changed item. An answered form is never set back to pending.

        Raises:
            NotFoundError: the thread does not exist or belongs to another owner; or, if
                `needs_files` is set, one of a new message's files does not exist.
        """
        await self._store_item(thread_id, item, context)

    async def update_item(self, thread_id: str, item: ThreadItem, context: RequestContext) -> None:
        """Store a changed item like `save_item`, but do not recreate a deleted one.

        Raises:
            NotFoundError: the thread or the item does not exist, or belongs to another owner.
        """
        await self._store_item(thread_id, item, context, may_be_new=False)

    async def _store_item(
        self,
        thread_id: str,
        item: ThreadItem,
        context: RequestContext,
        may_be_new: bool = True,
    ) -> None:
        async with write() as session:
            thread = await _lock_thread(session, thread_id, context)
            _found(thread, f"Thread {thread_id} not found.")
            keys = {"thread_id": thread_id, "item_id": item.id}
            stored, last = (await session.execute(FIND_ITEM, keys)).one()
            if stored is None:
                if not may_be_new:
                    raise NotFoundError(f"Item {item.id} not found in thread {thread_id}.")
                await session.execute(ADD_ITEM, _new_item(thread_id, item, last + 1))
                if isinstance(item, UserMessageItem) and self.needs_files:
                    await _take_files(session, thread_id, item, context)
            elif not _reopens(_ITEM.validate_json(stored), item):
                await session.execute(CHANGE_ITEM, keys | _columns_of_item(item))

    async def delete_thread_item(
        self, thread_id: str, item_id: str, context: RequestContext
    ) -> None:
        """Delete an item. Do nothing if it does not exist.

        The retention sweep later removes the item's files, except files that another item of the
        thread has, too. An item has a file if its document has the file's id.
        """
        await self._remove_item(thread_id, item_id, context)

    async def take_item(
        self, thread_id: str, item_id: str, context: RequestContext
    ) -> ThreadItem | None:
        """Delete an item like `delete_thread_item`, and return it.

        Of several who take an item at the same time, one gets it. The others get None.
        """
        document = await self._remove_item(thread_id, item_id, context)
        return None if document is None else _to_item(document)

    async def _remove_item(
        self, thread_id: str, item_id: str, context: RequestContext
    ) -> str | None:
        """Delete an item, and return its document. None if the item does not exist."""
        async with write() as session:
            if await _lock_thread(session, thread_id, context) is None:
                return None
            row = await session.get(tables.Message, (thread_id, item_id))
            if row is None:
                return None
            await session.delete(row)
            table = tables.Attachment
            for attachment_id in await session.scalars(
                select(table.id).where(table.conversation_id == thread_id)
            ):
                if attachment_id not in row.document:
                    continue
                if await session.scalar(_item_with(attachment_id, thread_id)) is None:
                    await session.execute(
                        update(table).where(table.id == attachment_id).values(conversation_id=None)
                    )
            return row.document

    async def save_feedback(
        self, thread_id: str, item_ids: Sequence[str], kind: FeedbackKind, context: RequestContext
    ) -> None:
        """Store the owner's feedback on items of a thread.

        Raises:
            NotFoundError: the thread or one of the items does not exist, or belongs to another
                owner.
        """
        async with write() as session:
            thread = await _lock_thread(session, thread_id, context)
            _found(thread, f"Thread {thread_id} not found.")
            for item_id in dict.fromkeys(item_ids):
                item = await session.get(tables.Message, (thread_id, item_id))
                _found(item, f"Item {item_id} not found in thread {thread_id}.")
                row = tables.Feedback(
                    conversation_id=thread_id,
                    message_id=item_id,
                    kind=kind,
                    created_at=datetime.now(UTC),
                )
                await session.merge(row)

    async def add_attachment(
        self, attachment: Attachment, size: int, context: RequestContext
    ) -> None:
        """Store the record of a new attachment; `size` is its announced size in bytes.

        Raises:
            NotFoundError: the attachment's thread does not exist, or belongs to another owner.
        """
        async with write() as session:
            thread_id = await _lock_thread(session, attachment.thread_id, context)
            if thread_id != attachment.thread_id:
                raise NotFoundError(f"Thread {attachment.thread_id} not found.")
            session.add(_new_attachment(attachment, size, thread_id, context))

    async def save_attachment(self, attachment: Attachment, context: RequestContext) -> None:
        """Store the record of a new or changed attachment.

        Raises:
            NotFoundError: the attachment belongs to another owner, or is in another thread.
        """
        async with write() as session:
            thread_id = await _lock_thread(session, attachment.thread_id, context)
            if await _changed_attachment(session, attachment, thread_id, context):
                return
            if await session.get(tables.Attachment, attachment.id) is not None:
                raise NotFoundError(f"Attachment {attachment.id} not found.")
            session.add(_new_attachment(attachment, 0, thread_id, context))

    async def update_attachment(self, attachment: Attachment, context: RequestContext) -> None:
        """Store the changed record of an attachment. Do not recreate a removed one.

        Raises:
            NotFoundError: the attachment was removed, belongs to another owner, or is in another
                thread.
        """
        async with write() as session:
            thread_id = await _lock_thread(session, attachment.thread_id, context)
            if not await _changed_attachment(session, attachment, thread_id, context):
                raise NotFoundError(f"Attachment {attachment.id} not found.")

    async def claim_attachment(
        self, attachment_id: str, size: int, context: RequestContext
    ) -> bool:
        """Reserve an announced attachment for one upload, and store the upload's size in bytes.

        Returns:
            True if the caller may upload the bytes; False if another upload has claimed the
            attachment or is complete.

        Raises:
            NotFoundError: the attachment does not exist, or belongs to another owner.
        """
        table = tables.Attachment
        async with write() as session:
            row = await session.scalar(
                select(table)
                .where(table.id == attachment_id, table.owner == context.owner)
                .with_for_update()
            )
            if row is None:
                raise NotFoundError(f"Attachment {attachment_id} not found.")
            attachment = _ATTACHMENT.validate_json(row.document)
            if attachment.upload_descriptor is None or attachment.metadata == CLAIMED:
                return False
            attachment.metadata = CLAIMED
            row.document = attachment.model_dump_json()
            row.size = size
            return True

    async def load_attachment(self, attachment_id: str, context: RequestContext) -> Attachment:
        """Return the record of an attachment.

        Raises:
            NotFoundError: the attachment does not exist, or belongs to another owner.
        """
        async with read() as session:
            row = await session.get(tables.Attachment, attachment_id)
        if row is None or row.owner != context.owner:
            raise NotFoundError(f"Attachment {attachment_id} not found.")
        return _ATTACHMENT.validate_json(row.document)

    async def delete_attachment(self, attachment_id: str, context: RequestContext) -> None:
        """Delete the record of an attachment. Do nothing if it does not exist."""
        async with write() as session:
            await session.execute(
                delete(tables.Attachment).where(
                    tables.Attachment.id == attachment_id,
                    tables.Attachment.owner == context.owner,
                )
            )

    async def list_unsent_attachments(self, context: RequestContext) -> Sequence[str]:
        """Return the ids of the owner's attachments that are in no thread, newest first."""
        table = tables.Attachment
        async with read() as session:
            result = await session.scalars(
                select(table.id)
                .where(table.owner == context.owner, table.conversation_id.is_(None))
                .order_by(table.created_at.desc(), table.id)
            )
            return result.all()

    async def size_of_attachments(self, context: RequestContext) -> int:
        """Return the total size in bytes of the owner's attachments, announced ones included."""
        table = tables.Attachment
        return await _sum(select(func.sum(table.size)).where(table.owner == context.owner))

    async def size_of_all_attachments(self) -> int:
        """Return the total size in bytes of all uploaded attachments of all owners."""
        table = tables.Attachment
        are_there = table.document.contains('"upload_descriptor":null')
        return await _sum(select(func.sum(table.size)).where(are_there))

    async def list_orphaned_attachments(self, before: datetime) -> Sequence[str]:
        """Return the ids of all attachments that are in no thread and were created `before`."""
        table = tables.Attachment
        async with read() as session:
            result = await session.scalars(
                select(table.id).where(table.conversation_id.is_(None), table.created_at < before)
            )
            return result.all()

    async def disown_attachment(self, attachment_id: str) -> Attachment | None:
        """Change the owner of an attachment in no thread to NOBODY, so that it cannot be sent.

        Returns:
            The record; None if the attachment does not exist or is in a thread.
        """
        table = tables.Attachment
        async with write() as session:
            row = await session.scalar(
                select(table)
                .where(table.id == attachment_id, table.conversation_id.is_(None))
                .with_for_update()
            )
            if row is None:
                return None
            row.owner = NOBODY
            row.size = 0
            return _ATTACHMENT.validate_json(row.document)

    async def delete_disowned_attachment(self, attachment_id: str) -> None:
        """Delete the record of an attachment whose owner is NOBODY."""
        await self.delete_attachment(attachment_id, RequestContext(NOBODY))


async def keep_item(item: ThreadItem, context: RequestContext) -> bool:
    """Store an item outside a turn, such as the result of work that has outlived its turn.

    If the conversation has an item with this id, replace it.

    Args:
        item: the item. Its `thread_id` names the conversation.
        context: names the owner of the conversation, and the assistant that it is with.

    Returns:
        True if it is stored; False if the conversation was deleted, or belongs to another owner.
    """
    try:
        await ChatKitStore().save_item(item.thread_id, item, context)
    except NotFoundError:
        return False
    return True


def _conversation(thread_id: str, context: RequestContext) -> Select[tables.Conversation]:
    return select(tables.Conversation).where(tables.Conversation.id == thread_id, _is_own(context))


def _is_own(context: RequestContext) -> ColumnElement[bool]:
    """Whether a thread is the owner's, and with the assistant that is asked."""
    table = tables.Conversation
    return and_(table.owner == context.owner, table.assistant == context.assistant)


def _whose(context: RequestContext) -> dict[str, str]:
    return {"owner": context.owner, "assistant": context.assistant}


def _item_with(attachment_id: str, thread_id: str) -> Select[str]:
    table = tables.Message
    its_items = select(table.id).where(table.conversation_id == thread_id)
    return its_items.where(table.document.contains(attachment_id, autoescape=True)).limit(1)


async def _changed_thread(
    session: AsyncSession, thread: ThreadMetadata, context: RequestContext
) -> bool:
    """Update a thread and return whether it exists."""
    return await _found_any(
        session,
        update(tables.Conversation)
        .where(tables.Conversation.id == thread.id, _is_own(context))
        .values(_columns_of_thread(thread)),
    )


async def _lock_thread(
    session: AsyncSession, thread_id: str | None, context: RequestContext
) -> str | None:
    """Lock a thread and return its id; None if it does not exist.

    The lock serializes the writers of a thread, and so the positions of its items. A transaction
    must take it before any other lock: two transactions could deadlock otherwise.
    """
    if thread_id is None:
        return None
    keys = {"thread_id": thread_id, **_whose(context)}
    return None if await session.scalar(LOCK_THREAD, keys) is None else thread_id


def _new_attachment(
    attachment: Attachment, size: int, thread_id: str | None, context: RequestContext
) -> tables.Attachment:
    return tables.Attachment(
        id=attachment.id,
        owner=context.owner,
        conversation_id=thread_id,
        created_at=datetime.now(UTC),
        size=size,
        document=attachment.model_dump_json(),
    )


async def _changed_attachment(
    session: AsyncSession,
    attachment: Attachment,
    thread_id: str | None,
    context: RequestContext,
) -> bool:
    """Update the record of an attachment and return whether it exists.

    An attachment in another thread is not updated, and the result is False.
    """
    thread = tables.Attachment.conversation_id
    return await _found_any(
        session,
        update(tables.Attachment)
        .where(tables.Attachment.id == attachment.id, tables.Attachment.owner == context.owner)
        .where(or_(thread.is_(None), thread == thread_id))
        .values(conversation_id=thread_id, document=attachment.model_dump_json()),
    )


async def _take_files(
    session: AsyncSession, thread_id: str, message: UserMessageItem, context: RequestContext
) -> None:
    """Assign the files of a message to its thread.

    Raises:
        NotFoundError: a file was removed, or sent in another thread, meanwhile.
    """
    for attachment in message.attachments:
        if not await _changed_attachment(session, attachment, thread_id, context):
            raise NotFoundError(f"The file {attachment.name} is not there any more.")


async def _found_any(session: AsyncSession, statement: Update) -> bool:
    """Execute a statement and return whether it matched a row."""
    connection = await session.connection()
    return (await connection.execute(statement)).rowcount > 0


async def _sum(query: Select[int]) -> int:
    async with read() as session:
        return int(await session.scalar(query) or 0)  # MySQL returns a Decimal


def _found(row: Row | None, message: str) -> Row:
    if row is None:
        raise NotFoundError(message)
    return row


async def _fetch(
    session: AsyncSession,
    query: Select[Any],
    key: InstrumentedAttribute[int],
    cursor: int | None,
    order: str,
    limit: int,
) -> tuple[Sequence[str], bool]:
    """Return the documents of a page after the cursor, and whether more follow.

    A page ends at `limit` documents or MAX_PAGE_BYTES, but has at least one document.
    """
    if cursor is not None:
        query = query.where(key < cursor if order == "desc" else key > cursor)
    query = query.order_by(key.desc() if order == "desc" else key)
    limit = max(1, min(limit, MAX_PAGE))
    # The sizes are read before the documents: even 20 large documents could fill the memory.
    document = key.class_.document
    sizes = query.with_only_columns(key, _bytes_of(document, session)).limit(limit + 1)
    measured = (await session.execute(sizes)).all()
    if not measured:
        return [], False
    count = _fitting([size for _, size in measured[:limit]])
    # Selected by first and last key and not by count, since rows may be added in between.
    low, high = sorted((measured[0][0], measured[count - 1][0]))
    page = query.with_only_columns(document).where(key >= low, key <= high)
    documents = (await session.scalars(page)).all()
    return documents, len(measured) > count and len(documents) > 0


def _bytes_of(text: InstrumentedAttribute[str], session: AsyncSession) -> ColumnElement[int]:
    if session.get_bind().dialect.name == "sqlite":  # older versions have no octet_length
        return func.length(cast_to(text, LargeBinary))
    return func.octet_length(text)


def _fitting(sizes: Sequence[int]) -> int:
    """Return how many entries of these sizes in bytes make a page."""
    totals = list(accumulate(sizes))
    return min(len(totals), bisect_left(totals, MAX_PAGE_BYTES) + 1)


def _page(data: list[Entry], has_more: bool) -> Page[Entry]:
    return Page(data=data, has_more=has_more, after=data[-1].id if has_more else None)


def _to_thread(document: str) -> ThreadMetadata:
    return ThreadMetadata.model_validate_json(document)


def _to_item(document: str) -> ThreadItem:
    item = _ITEM.validate_json(document)
    if isinstance(item, WidgetItem):
        stored = json.loads(document)["widget"]
        # ChatKit's named classes, such as `Card`, drop the props that they do not know. They are
        # kept where they lose nothing, for code that reads their attributes.
        if json.dumps(item.widget.model_dump(mode="json")) != json.dumps(stored):
            item.widget = DynamicWidgetRoot.model_validate(stored)
    return item


def _columns_of_thread(thread: ThreadMetadata) -> dict[str, Any]:
    return {
        "title": _without_nul(thread.title),
        "created_at": _utc(thread.created_at),
        "document": thread.model_dump_json(exclude={"items"}),  # which a `Thread` has
    }


def _columns_of_item(item: ThreadItem) -> dict[str, Any]:
    return {
        "type": item.type,
        "created_at": _utc(item.created_at),
        "document": item.model_dump_json(),
    }


def _new_item(thread_id: str, item: ThreadItem, position: int) -> dict[str, Any]:
    keys = {"conversation_id": thread_id, "id": item.id, "position": position}
    return keys | _columns_of_item(item)


def _reopens(stored: ThreadItem, item: ThreadItem) -> bool:
    return (
        isinstance(stored, StructuredInputItem)
        and isinstance(item, StructuredInputItem)
        and stored.status != "pending"
        and item.status == "pending"
    )


def _utc(moment: datetime) -> datetime:
    # ChatKit uses naive local times. `document` keeps them unchanged; the column is in UTC.
    return moment.astimezone(UTC)


def _without_nul(text: str | None) -> str | None:
    # PostgreSQL cannot store NUL in text. `document` keeps it, escaped as JSON.
    return text and text.replace("\0", "")
