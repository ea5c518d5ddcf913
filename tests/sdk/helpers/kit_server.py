"""The project's server in the place of the one that the SDK's tests make: a plugin of pytest."""
# mypy: disable-error-code="import-not-found, misc, attr-defined"
# Only where a project is installed can its modules be found, and the SDK's tests have few types.

import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from app.thread_titles import title_of
from chatkit.actions import Action
from chatkit.server import NonStreamingResult, StreamingResult
from chatkit.store import AttachmentStore, NotFoundError
from chatkit.types import (
    Attachment,
    AudioInput,
    ChatKitReq,
    FeedbackKind,
    SyncCustomActionResponse,
    ThreadItemReplacedEvent,
    ThreadMetadata,
    ThreadStreamEvent,
    TranscriptionResult,
    UserMessageItem,
    WidgetItem,
)
from kit.attachments.attachment_store import AttachmentStore as KitAttachmentStore
from kit.chat.chatkit_server import ChatKitServer, ServedStore
from kit.chat.turns import Turn
from kit.database.turn_records import Usage
from kit.people.identity import RequestContext

from tests import _types

REFUSED = {
    "test_creates_thread": "A conversation has its title from the first moment.",
    "test_create_file_without_filestore": "There is a store of files always.",
    "test_delete_file_without_filestore": "There is a store of files always.",
    "test_retry_after_item_invalid_item": "The refusal has words for the person, not the SDK's.",
    "test_raising_in_responder_yields_error_event": (
        "The error has words for the person, which ChatKit's page shows of the code `custom` alone."
    ),
}
"""The tests that the server is not to pass, and why."""

Events = AsyncIterator[ThreadStreamEvent]
Respond = Callable[[ThreadMetadata, UserMessageItem | None, Any], Events]
Act = Callable[[ThreadMetadata, Action[str, Any], WidgetItem | None, Any], Events]
ActAtOnce = Callable[
    [ThreadMetadata, Action[str, Any], WidgetItem | None, Any], SyncCustomActionResponse
]
AddFeedback = Callable[[str, list[str], FeedbackKind, Any], None]
Transcribe = Callable[[AudioInput, Any], TranscriptionResult]


class SQLiteStore(ServedStore):
    """The server's store, by what the SDK's tests know of their own."""

    def __init__(self, db_path: str) -> None:
        """Keep the path: the SDK's tests make a second store on the same data by it."""
        super().__init__()
        self.db_path = db_path

    async def save_attachment(self, attachment: Attachment, context: RequestContext) -> None:
        """Store a record that is new, too: the kit's store of files has stored it before."""
        try:
            await super().save_attachment(attachment, context)
        except NotFoundError:
            await self.add_attachment(attachment, 0, context)


OFFSET = re.compile(rb'("created_at":"[^"]*?)(?:Z|[+-]\d\d:\d\d)"')


def with_local_times(said: bytes) -> bytes:
    """Return JSON with the times of this machine, which the SDK's tests compare with stored ones.

    The kit says of each how far it is from UTC.
    """
    return OFFSET.sub(rb'\1"', said)


async def one_by_one(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Return one event a chunk: the kit may send several together."""
    async for chunk in chunks:
        for event in chunk.split(b"\n\n")[:-1]:
            yield with_local_times(event) + b"\n\n"


def who(context: RequestContext) -> _types.RequestContext:
    """Return whom the SDK's tests mean."""
    return _types.RequestContext(user_id=context.owner)


class Callbacks:
    """The assistant that is made of the functions of a test."""

    def __init__(
        self, responder: Respond | None, action: Act | None, sync_action: ActAtOnce | None
    ) -> None:
        """Answer with those that are given."""
        self._responder = responder
        self._action = action
        self._sync_action = sync_action

    async def respond(self, turn: Turn) -> Events:
        """Answer a message, or with nothing."""
        if self._responder:
            async for event in self._responder(turn.thread, turn.message, who(turn.context)):
                yield event

    async def act(self, turn: Turn, action: Action[str, Any], widget: WidgetItem | None) -> Events:
        """Answer an action: the kit's assistants do it alike at once and as a stream."""
        if self._sync_action:
            answer = self._sync_action(turn.thread, action, widget, who(turn.context))
            yield ThreadItemReplacedEvent(item=answer.updated_item)
        elif self._action:
            async for event in self._action(turn.thread, action, widget, who(turn.context)):
                yield event


@contextmanager
def make_server(
    responder: Respond | None = None,
    handle_feedback: AddFeedback | None = None,
    action_callback: Act | None = None,
    sync_action_callback: ActAtOnce | None = None,
    file_store: AttachmentStore | None = None,
    transcribe_callback: Transcribe | None = None,
) -> Iterator[ChatKitServer]:
    """Make the project's server, as the SDK's tests make theirs."""
    # Not earlier: pytest is to rewrite its assertions first.
    from tests import test_chatkit_server as tests

    async def transcribe(audio: AudioInput) -> tuple[TranscriptionResult, Usage]:
        assert transcribe_callback
        # The kit's is told no context.
        return transcribe_callback(audio, tests.DEFAULT_CONTEXT), Usage()

    class TestChatKitServer(ChatKitServer):
        async def process(
            self, request: str | bytes, context: _types.RequestContext
        ) -> StreamingResult | NonStreamingResult:
            result = await super().process(request, RequestContext(owner=context.user_id))
            if isinstance(result, StreamingResult):
                return StreamingResult(one_by_one(result.json_events))
            return NonStreamingResult(with_local_times(result.json))

        async def add_feedback(
            self,
            thread_id: str,
            item_ids: list[str],
            feedback: FeedbackKind,
            context: RequestContext,
        ) -> None:
            await super().add_feedback(thread_id, item_ids, feedback, context)
            if handle_feedback:
                handle_feedback(thread_id, item_ids, feedback, who(context))

        async def process_streaming(
            self, request: ChatKitReq, context: _types.RequestContext | None = None
        ) -> list[ThreadStreamEvent]:
            result = await self.process(request.model_dump_json(), context or tests.DEFAULT_CONTEXT)
            assert isinstance(result, StreamingResult)
            events: list[ThreadStreamEvent] = await tests.decode_streaming_result(result)
            return events

        async def process_non_streaming(
            self, request: ChatKitReq, context: _types.RequestContext | None = None
        ) -> NonStreamingResult:
            result = await self.process(request.model_dump_json(), context or tests.DEFAULT_CONTEXT)
            assert isinstance(result, NonStreamingResult)
            return result

    assistant = Callbacks(responder, action_callback, sync_action_callback)
    store = SQLiteStore("the project's database")
    server = TestChatKitServer(
        assistant, file_store or KitAttachmentStore(store), transcribe, title_of
    )
    server.store = store
    yield server


@pytest.fixture(autouse=True)
def project_server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the tests make the project's server."""
    monkeypatch.setattr(request.module, "make_server", make_server)
    monkeypatch.setattr(request.module, "SQLiteStore", SQLiteStore)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Expect that the server refuses what it is to refuse.

    Raises:
        pytest.UsageError: the SDK has no such test any more.
    """
    if unknown := REFUSED.keys() - {item.name for item in items}:
        raise pytest.UsageError(f"The SDK has no tests {', '.join(sorted(unknown))}")
    for item in items:
        if reason := REFUSED.get(item.name):
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
