"""The store behind ChatKit's server: what it is given comes back, in order, to its owner alone."""

import asyncio
import contextlib
import json
import tracemalloc
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from chatkit.server import StreamingResult
from chatkit.store import NotFoundError
from chatkit.types import (
    AssistantMessageContent,
    AssistantMessageItem,
    ClientToolCallItem,
    FileAttachment,
    HiddenContextItem,
    InferenceOptions,
    LockedStatus,
    Page,
    ProgressUpdateEvent,
    StructuredInputFreeform,
    StructuredInputItem,
    Thread,
    ThreadItem,
    ThreadMetadata,
    ThreadStreamEvent,
    UserMessageItem,
    UserMessageTagContent,
    UserMessageTextContent,
)
from contract.chat import message
from contract.serving import run_sql
from sqlalchemy.engine import URL

from internals.conftest import Run, new_server
from kit.attachments.attachment_store import AttachmentStore
from kit.chat.chatkit_server import ChatKitServer, ServedStore
from kit.chat.request_checks import parse_request
from kit.chat.turns import Turn
from kit.database.chatkit_store import ChatKitStore, generate_id
from kit.database.engine import get_engine
from kit.people.identity import RequestContext

ADA = RequestContext("ada")
NAIVE = datetime(2026, 3, 29, 2, 30, 0, 123456)
TRICKY = 'emoji 🧑‍🚀, NUL \0, quotes " and \\, " ", ' + "x" * 100_000
STORE = ChatKitStore()


def user_message(thread: ThreadMetadata, text: str = "Hello") -> UserMessageItem:
    return UserMessageItem(
        id=generate_id("message"),
        thread_id=thread.id,
        created_at=NAIVE,
        content=[
            UserMessageTextContent(text=text),
            UserMessageTagContent(id="1", text="Ada", data={"age": 36}),
        ],
        inference_options=InferenceOptions(model="small"),
    )


async def new_thread(context: RequestContext = ADA) -> ThreadMetadata:
    thread = ThreadMetadata(id=generate_id("thread"), created_at=NAIVE, metadata={"a": [1, None]})
    await STORE.save_thread(thread, context)
    return thread


def test_created_at_shifts(run: Run) -> None:
    async def work() -> None:
        for moment in (NAIVE, NAIVE.replace(tzinfo=UTC)):
            thread = ThreadMetadata(id=generate_id("thread"), created_at=moment)
            await STORE.save_thread(thread, ADA)
            assert (await STORE.load_thread(thread.id, ADA)).created_at == moment

    run(work())


def test_thread_for_metadata(run: Run, database: URL) -> None:
    """The server hands over a `Thread` on the first turn; its items are not stored with it."""
    thread = Thread(id=generate_id("thread"), created_at=NAIVE, items=Page())
    thread.items.data.append(user_message(thread))

    async def work() -> None:
        await STORE.save_thread(thread, ADA)
        assert type(await STORE.load_thread(thread.id, ADA)) is ThreadMetadata
        assert {type(one) for one in (await STORE.load_threads(9, None, "desc", ADA)).data} == {
            ThreadMetadata
        }

    run(work())
    [(document,)] = run_sql(
        database, f"SELECT document FROM conversations WHERE id = '{thread.id}'"
    )
    assert "items" not in str(document)


def test_emoji_and_nul(run: Run) -> None:
    async def work() -> None:
        thread = await new_thread()
        thread.title = TRICKY
        await STORE.save_thread(thread, ADA)
        assert await STORE.load_thread(thread.id, ADA) == thread
        item = user_message(thread, TRICKY)
        await STORE.add_thread_item(thread.id, item, ADA)
        assert await STORE.load_item(thread.id, item.id, ADA) == item

    run(work())


@pytest.mark.parametrize("other", ["ADA", "ada ", " ada", "ad\u00e4", "ada\0"])
def test_names_that_are_nearly_the_same(run: Run, other: str) -> None:
    """A database may compare without case or accents, or ignore a space at the end."""

    async def work() -> None:
        prefix = uuid4().hex
        ada, somebody = RequestContext(f"{prefix}ada"), RequestContext(f"{prefix}{other}")
        thread = await new_thread(ada)
        with pytest.raises(NotFoundError):
            await STORE.load_thread(thread.id, somebody)
        item = user_message(thread)
        await STORE.add_thread_item(thread.id, item, ada)
        for item_id in (f"{item.id} ", item.id.upper()):
            with pytest.raises(NotFoundError):
                await STORE.load_item(thread.id, item_id, ada)

    run(work())


def test_message_saved_twice(run: Run) -> None:
    async def work() -> None:
        thread = await new_thread()
        item = AssistantMessageItem(
            id=generate_id("message"), thread_id=thread.id, created_at=NAIVE, content=[]
        )
        await STORE.add_thread_item(thread.id, item, ADA)
        item.content.append(AssistantMessageContent(text="Hello"))
        await STORE.add_thread_item(thread.id, item, ADA)
        assert (await STORE.load_thread_items(thread.id, None, 9, "asc", ADA)).data == [item]

    run(work())


@pytest.mark.parametrize("status", ["answered", "skipped"])
def test_answered_form_reopens(run: Run, status: str) -> None:
    async def work() -> None:
        thread = await new_thread()
        form = StructuredInputItem(
            id=generate_id("message"),
            thread_id=thread.id,
            created_at=NAIVE,
            inputs=[StructuredInputFreeform(id="idea", question="What?")],
        )
        answered = form.model_copy(update={"status": status})
        for item in (form, answered, form):
            await STORE.save_item(thread.id, item, ADA)
        assert await STORE.load_item(thread.id, form.id, ADA) == answered

    run(work())


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("size", [1, 3, 7, 50])
def test_pages_skip_items(run: Run, order: str, size: int) -> None:
    """Slugs: pages-skip-items, page-of-hidden-items."""

    async def work() -> None:
        thread = await new_thread()
        stored: list[ThreadItem] = [user_message(thread) for _ in range(13)]
        stored[5] = HiddenContextItem(
            id=generate_id("message"), thread_id=thread.id, created_at=NAIVE, content="hidden"
        )
        for item in stored:
            await STORE.add_thread_item(thread.id, item, ADA)
        seen, after = [], None
        while True:
            page = await STORE.load_thread_items(thread.id, after, size, order, ADA)
            seen += [item.id for item in page.data]
            after = page.after
            assert page.has_more == (after is not None)
            if not page.has_more:
                break
        expected = [item.id for item in stored]
        assert seen == (expected if order == "asc" else expected[::-1])

    run(work())


@pytest.mark.parametrize("limit", [3, 20, 9999])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_page_is_full_after_so_many_bytes(run: Run, order: str, limit: int) -> None:
    """Slug: one-request-blocks-all. One that is larger than a page is a page of its own."""
    full = 2 * 1024 * 1024

    async def work() -> None:
        thread = await new_thread()
        sizes = [full * 2, *([full // 3] * 8), *([1] * 30), full * 2, full - 1]
        stored = [user_message(thread, "ä" * (size // 2)) for size in sizes]
        for item in stored:
            await STORE.add_thread_item(thread.id, item, ADA)
        expected = [item.id for item in stored][:: 1 if order == "asc" else -1]
        seen, after, pages = list[str](), None, 0
        while len(seen) < len(expected):
            page = await STORE.load_thread_items(thread.id, after, limit, order, ADA)
            read = [len(item.model_dump_json().encode()) for item in page.data]
            assert sum(read[:-1]) < full
            assert 0 < len(read) <= limit
            seen += [item.id for item in page.data]
            after = page.after
            pages += 1
            assert page.has_more == (after is not None) == (len(seen) < len(expected))
        assert seen == expected
        assert limit < 9999 or pages < 8

    run(work())


@pytest.mark.parametrize("limit", [20, 9999])
def test_what_fits_on_no_page_is_not_read(run: Run, limit: int) -> None:
    """Slug: one-request-blocks-all. Some megabytes each would fill the memory, a few at a time."""
    count = 20

    async def work() -> None:
        thread = await new_thread()
        for _ in range(count):
            await STORE.add_thread_item(thread.id, user_message(thread, "x" * 1024**2), ADA)
        tracemalloc.start()
        try:
            page = await STORE.load_thread_items(thread.id, None, limit, "asc", ADA)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert (len(page.data), page.has_more) == (2, True)
        assert peak < count // 2 * 1024**2

    run(work())


@pytest.mark.parametrize("name", ["bob", "aaron"])
def test_foreign_thread(run: Run, name: str) -> None:
    stranger = RequestContext(name)  # who comes after the owner by their name, or before

    async def work() -> None:
        thread = await new_thread(ADA)
        item = user_message(thread)
        await STORE.add_thread_item(thread.id, item, ADA)
        attachment = FileAttachment(id=generate_id("attachment"), name="a", mime_type="text/plain")
        await STORE.save_attachment(attachment, ADA)

        refused = [
            STORE.load_thread(thread.id, stranger),
            STORE.save_thread(thread, stranger),
            STORE.load_item(thread.id, item.id, stranger),
            STORE.save_item(thread.id, item, stranger),
            STORE.add_thread_item(thread.id, item, stranger),
            STORE.load_attachment(attachment.id, stranger),
            STORE.save_attachment(attachment, stranger),
        ]
        for attempt in refused:
            with pytest.raises(NotFoundError):
                await attempt
        assert (await STORE.load_thread_items(thread.id, None, 9, "asc", stranger)).data == []
        assert thread.id not in [
            one.id for one in (await STORE.load_threads(999, None, "asc", stranger)).data
        ]
        await STORE.delete_thread_item(thread.id, item.id, stranger)
        await STORE.delete_thread(thread.id, stranger)
        await STORE.delete_attachment(attachment.id, stranger)
        assert await STORE.load_item(thread.id, item.id, ADA) == item
        assert await STORE.load_attachment(attachment.id, ADA) == attachment

    run(work())


def test_oldest_twenty(run: Run) -> None:
    """What the model is sent of a long conversation ends with the question."""

    async def work() -> None:
        thread = await new_thread()
        stored = [user_message(thread) for _ in range(30)]
        for item in stored:
            await STORE.add_thread_item(thread.id, item, ADA)
        turn = Turn(thread, stored[-1], ADA, STORE, AttachmentStore(STORE))
        assert await turn.history(20) == stored[-20:]

    run(work())


def test_ids_collide() -> None:
    """ChatKit's own ids have 32 random bits."""
    thread = ThreadMetadata(id=STORE.generate_thread_id(ADA), created_at=NAIVE)
    ids = {thread.id, *(STORE.generate_item_id("message", thread, ADA) for _ in range(1000))}
    assert len(ids) == 1001
    assert min(len(one.partition("_")[2]) * 4 for one in ids) >= 120


def test_an_attachment_of_a_deleted_thread_is_stored_without_it(run: Run) -> None:
    async def work() -> None:
        thread = await new_thread()
        await STORE.delete_thread(thread.id, ADA)
        attachment = FileAttachment(
            id=generate_id("attachment"), name="a", mime_type="text/plain", thread_id=thread.id
        )
        await STORE.save_attachment(attachment, ADA)
        assert await STORE.load_attachment(attachment.id, ADA) == attachment
        assert attachment.id in await STORE.list_unsent_attachments(ADA)

    run(work())


def test_whoever_is_stopped_in_a_write_leaves_no_lock(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """Slug: database-is-locked. Stopped at each of the moments in which it waits."""

    async def work() -> None:
        thread = await new_thread()
        for moment in range(60):
            stopped = asyncio.create_task(
                STORE.add_thread_item(thread.id, user_message(thread), ADA)
            )
            for _ in range(moment):
                await asyncio.sleep(0)
            stopped.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await stopped
            next_one = STORE.add_thread_item(thread.id, user_message(thread), ADA)
            await asyncio.wait_for(next_one, 10)

    run(work())
    if get_engine().dialect.name == "sqlite":  # SQLAlchemy logs a stopped rollback elsewhere
        assert not caplog.records, caplog.text


def test_a_deleted_thread_takes_its_items_along(run: Run) -> None:
    async def work() -> None:
        thread = await new_thread()
        item = user_message(thread)
        await STORE.add_thread_item(thread.id, item, ADA)
        await STORE.delete_thread(thread.id, ADA)
        await STORE.delete_thread(thread.id, ADA)
        with pytest.raises(NotFoundError):
            await STORE.load_item(thread.id, item.id, ADA)
        await STORE.save_thread(thread, ADA)
        assert (await STORE.load_thread_items(thread.id, None, 9, "asc", ADA)).data == []

    run(work())


def test_a_thread_deleted_during_its_turn_stays_deleted(run: Run) -> None:
    """In another tab, while the assistant is about to name it."""

    class Server(ChatKitServer):
        async def respond(
            self,
            thread: ThreadMetadata,
            input_user_message: UserMessageItem | None,
            context: RequestContext,
        ) -> AsyncIterator[ThreadStreamEvent]:
            await STORE.delete_thread(thread.id, context)
            thread.title = "A name"
            yield ProgressUpdateEvent(text="Thinking")

    async def work() -> None:
        question = {"type": "threads.create", "params": {"input": message("Hello")}}
        owner = RequestContext("whoever-deletes")
        result = await new_server(Server).handle(parse_request(json.dumps(question)), owner)
        assert isinstance(result, StreamingResult)
        assert b'"type":"error"' in b"".join([chunk async for chunk in result])
        assert (await STORE.load_threads(9, None, "asc", owner)).data == []

    run(work())


CALL = ClientToolCallItem(
    id="tc", thread_id="", created_at=NAIVE, call_id="call", name="ask", arguments={}
)
FORM = StructuredInputItem(
    id="msg",
    thread_id="",
    created_at=NAIVE,
    inputs=[StructuredInputFreeform(id="idea", question="What?")],
)


@pytest.mark.parametrize(
    ("item", "kind", "params"),
    [
        (CALL, "threads.add_client_tool_output", {"result": {}}),
        (FORM, "threads.add_structured_input", {"item_id": FORM.id, "input": {}}),
    ],
)
def test_an_item_deleted_before_it_is_changed_stays_deleted(
    run: Run, item: ThreadItem, kind: str, params: dict[str, object]
) -> None:
    """By a retry in another tab, while what it waited for comes in."""

    class Retried(ServedStore):
        async def save_item(
            self, thread_id: str, item: ThreadItem, context: RequestContext
        ) -> None:
            await STORE.delete_thread_item(thread_id, item.id, context)
            await super().save_item(thread_id, item, context)

    class Server(ChatKitServer):
        async def respond(
            self,
            thread: ThreadMetadata,
            input_user_message: UserMessageItem | None,
            context: RequestContext,
        ) -> AsyncIterator[ThreadStreamEvent]:
            yield ProgressUpdateEvent(text="Going on with what is gone")

    async def work() -> None:
        thread = await new_thread()
        await STORE.add_thread_item(thread.id, item, ADA)
        server = new_server(Server)
        server.store = Retried()
        request = {"type": kind, "params": {"thread_id": thread.id, **params}}
        result = await server.handle(parse_request(json.dumps(request)), RequestContext("ada"))
        assert isinstance(result, StreamingResult)
        heard = b""
        with contextlib.suppress(NotFoundError):  # before the first event it is a 404
            async for chunk in result:
                heard += chunk
        assert b"Going on" not in heard
        assert (await STORE.load_thread_items(thread.id, None, 9, "asc", ADA)).data == []

    run(work())


def test_a_request_stores_again_only_what_it_has_taken(run: Run) -> None:
    async def work() -> None:
        served = ServedStore()
        thread = await new_thread()
        message = user_message(thread)
        await served.add_thread_item(thread.id, message, ADA)
        stored = await served.load_item(thread.id, message.id, ADA)
        assert await served.take_item(thread.id, message.id, ADA) == stored
        assert await served.take_item(thread.id, message.id, ADA) is None
        await served.add_thread_item(thread.id, message, ADA)
        await served.load_item(thread.id, message.id, ADA)
        await served.delete_thread_item(thread.id, message.id, ADA)
        with pytest.raises(NotFoundError):
            await served.save_item(thread.id, message, ADA)

    run(work())


def test_a_thread_keeps_what_others_changed_meanwhile(run: Run) -> None:
    """A person gives it a title while the assistant, which knows the old one, locks it."""

    async def work() -> None:
        served = ServedStore()
        turn, renaming = RequestContext("ada"), RequestContext("ada")
        thread = await served.load_thread((await new_thread()).id, turn)
        same = await served.load_thread(thread.id, renaming)
        same.title = "Another title"
        thread.status = LockedStatus()
        await served.save_thread(same, renaming)
        await served.save_thread(thread, turn)
        thread.metadata = {"turns": 1}
        await served.save_thread(thread, turn)
        stored = await served.load_thread(thread.id, ADA)
        assert (stored.title, stored.status) == ("Another title", LockedStatus())
        assert stored.metadata == {"turns": 1}

    run(work())
