"""ChatKit's protocol: what a request does, what is sent and what is stored."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

from chatkit.actions import Action
from chatkit.errors import CustomStreamError
from chatkit.server import ChatKitServer as BaseServer
from chatkit.server import NonStreamingResult, StreamingResult
from chatkit.store import NotFoundError
from chatkit.types import (
    Attachment,
    AudioInput,
    ChatKitReq,
    ErrorEvent,
    FeedbackKind,
    InputTranscribeReq,
    Page,
    StreamingReq,
    StreamOptionsEvent,
    SyncCustomActionResponse,
    ThreadCreatedEvent,
    ThreadItem,
    ThreadItemDoneEvent,
    ThreadItemReplacedEvent,
    ThreadMetadata,
    ThreadsCreateReq,
    ThreadsDeleteReq,
    ThreadsRetryAfterItemReq,
    ThreadStreamEvent,
    ThreadUpdatedEvent,
    TranscriptionResult,
    UserMessageInput,
    UserMessageItem,
    WidgetItem,
    is_streaming_req,
)
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError

from kit.attachments.attachment_store import AttachmentStore
from kit.attachments.retention import remove
from kit.chat.items import keep_half_answers, with_offsets
from kit.chat.request_checks import audio_of, check_request, parse_request
from kit.chat.turns import Assistant, Turn, running_turn, shielded, shielded_in_stream
from kit.database.chatkit_store import ChatKitStore
from kit.disclosure import went_wrong
from kit.errors import RefusedError
from kit.http.request_handling import explain_failure, naming_request
from kit.http.request_log import note_failure
from kit.people.identity import RequestContext

logger = logging.getLogger("app.chat")

Transcribe = Callable[[AudioInput], Awaitable[TranscriptionResult]]
TitleOf = Callable[[UserMessageItem], str | Awaitable[str]]

DELETED = "This conversation was deleted while it was answered."


@dataclass
class Loaded:
    """What a request has loaded so far."""

    checked: dict[str, ThreadMetadata] = field(default_factory=dict)
    """The threads that its check has just read: its turn need not read them again."""
    threads: dict[str, ThreadMetadata] = field(default_factory=dict)
    """The threads that it knows, by their ids, as they were then."""
    items: set[str] = field(default_factory=set)
    """The ids of the items that it knows."""


class ServedStore(ChatKitStore):
    """The store in the hands of ChatKit's server, which saves only what is there.

    New threads are `add_thread`'s, new files the `AttachmentStore`'s: what is not there any more
    was deleted in another tab, or swept away.
    """

    needs_files = True

    def __init__(self) -> None:
        """Know of no request."""
        self._loaded = WeakKeyDictionary[RequestContext, Loaded]()

    def loaded(self, context: RequestContext) -> Loaded:
        """Return what a request has loaded; it is forgotten with the request."""
        return self._loaded.setdefault(context, Loaded())

    async def load_thread(self, thread_id: str, context: RequestContext) -> ThreadMetadata:
        """Return a thread, and remember it.

        Raises:
            NotFoundError: there is none, or it is somebody else's.
        """
        loaded = self.loaded(context)
        if checked := loaded.checked.pop(thread_id, None):
            return checked
        thread = await super().load_thread(thread_id, context)
        loaded.threads[thread_id] = thread.model_copy(deep=True)
        return thread

    async def save_thread(self, thread: ThreadMetadata, context: RequestContext) -> None:
        """Store what the request has changed of a thread.

        A turn takes long, and meanwhile the person may give its thread a title, say.

        Raises:
            NotFoundError: it was deleted meanwhile.
        """
        threads = self.loaded(context).threads
        before = threads.get(thread.id) or await self.load_thread(thread.id, context)
        await self.update_thread(thread, before, context)
        threads[thread.id] = thread.model_copy(deep=True)

    async def load_item(self, thread_id: str, item_id: str, context: RequestContext) -> ThreadItem:
        """Return an item, and remember that it is there.

        Raises:
            NotFoundError: it is not there, or somebody else's.
        """
        item = await super().load_item(thread_id, item_id, context)
        self.loaded(context).items.add(item.id)
        return item

    async def load_thread_items(
        self, thread_id: str, after: str | None, limit: int, order: str, context: RequestContext
    ) -> Page[ThreadItem]:
        """Return a page of items, and remember that they are there.

        Raises:
            NotFoundError: `after` names an item that is not there.
        """
        page = await super().load_thread_items(thread_id, after, limit, order, context)
        self.loaded(context).items.update(item.id for item in page.data)
        return page

    async def save_item(self, thread_id: str, item: ThreadItem, context: RequestContext) -> None:
        """Store an item, such as a tool's call that has its output now.

        Raises:
            NotFoundError: it was deleted meanwhile, as by a retry in another tab.
        """
        if item.id in self.loaded(context).items:
            await self.update_item(thread_id, item, context)
        else:
            await super().save_item(thread_id, item, context)

    async def save_attachment(self, attachment: Attachment, context: RequestContext) -> None:
        """Store the changed record of an attachment, such as one that is sent.

        Raises:
            NotFoundError: it was removed meanwhile.
        """
        await self.update_attachment(attachment, context)


class ChatKitServer(BaseServer[RequestContext]):
    """The server: a store, files, and the assistant that answers."""

    store: ServedStore

    def __init__(
        self,
        assistant: Assistant,
        files: AttachmentStore,
        transcribe: Transcribe,
        title_of: TitleOf,
    ) -> None:
        """Answer with an assistant.

        Args:
            assistant: answers messages, and what a person does in a widget.
            files: the people's files.
            transcribe: makes text of what a person dictates.
            title_of: makes the title of a conversation of its first message. One that takes its
                time, such as a model's, comes while the answer is written.
        """
        super().__init__(ServedStore(), files)
        self.files = files
        self._assistant = assistant
        self._transcribe = transcribe
        self._title_of = title_of
        self._naming = set[asyncio.Task[ThreadMetadata | None]]()

    async def process(
        self, request: str | bytes | bytearray, context: RequestContext
    ) -> StreamingResult | NonStreamingResult:
        """Answer a request that is not parsed yet.

        Raises:
            pydantic.ValidationError: the request is not one of ChatKit's.
            chatkit.store.NotFoundError: it names something that is not there, or somebody else's.
        """
        return await self.handle(parse_request(request), context)

    async def handle(
        self, request: ChatKitReq, context: RequestContext
    ) -> StreamingResult | NonStreamingResult:
        """Answer a request.

        Raises:
            chatkit.store.NotFoundError: it names something that is not there, or somebody else's.
            kit.errors.RefusedError: it cannot be done; says why.
            ValueError: it does not fit what the conversation has come to.
        """
        if thread := await check_request(request, self.store, context):
            self.store.loaded(context).checked[thread.id] = thread
        if is_streaming_req(request):
            return StreamingResult(self._stream(request, context))
        if isinstance(request, ThreadsDeleteReq):
            return NonStreamingResult(await self._delete_thread(request, context))
        if isinstance(request, InputTranscribeReq):
            heard = await self.transcribe(await audio_of(request), context)
            return NonStreamingResult(self._serialize(heard))
        return NonStreamingResult(await self._process_non_streaming(request, context))

    async def respond(
        self,
        thread: ThreadMetadata,
        input_user_message: UserMessageItem | None,
        context: RequestContext,
    ) -> AsyncIterator[ThreadStreamEvent]:
        """Answer a message, the output of a client tool, or a form (then there is no message)."""
        turn = Turn(thread, input_user_message, context, self.store)
        async for event in keep_half_answers(
            lambda: shielded_in_stream(lambda: self._assistant.respond(turn))
        ):
            yield event

    async def action(
        self,
        thread: ThreadMetadata,
        action: Action[str, Any],
        sender: WidgetItem | None,
        context: RequestContext,
    ) -> AsyncIterator[ThreadStreamEvent]:
        """Answer what a person did in a widget."""
        turn = Turn(thread, None, context, self.store)
        async for event in keep_half_answers(
            lambda: shielded_in_stream(lambda: self._assistant.act(turn, action, sender))
        ):
            yield event

    async def sync_action(
        self,
        thread: ThreadMetadata,
        action: Action[str, Any],
        sender: WidgetItem | None,
        context: RequestContext,
    ) -> SyncCustomActionResponse:
        """Answer what a person did in a widget, with the item that replaces it at most."""
        turn = Turn(thread, None, context, self.store)
        try:
            async for event in shielded(lambda: self._assistant.act(turn, action, sender)):
                if isinstance(event, ThreadItemReplacedEvent):
                    await self.store.save_item(thread.id, event.item, context)
                    return SyncCustomActionResponse(updated_item=event.item)
                if isinstance(event, ThreadItemDoneEvent):
                    await self.store.add_thread_item(thread.id, event.item, context)
        except CustomStreamError as error:
            raise RefusedError(502, error.message) from None
        return SyncCustomActionResponse()

    async def add_feedback(
        self, thread_id: str, item_ids: list[str], feedback: FeedbackKind, context: RequestContext
    ) -> None:
        """Store thumbs up or down."""
        await self.store.save_feedback(thread_id, item_ids, feedback, context)

    async def transcribe(
        self, audio_input: AudioInput, context: RequestContext
    ) -> TranscriptionResult:
        """Return the text of what the person dictated."""
        return await self._transcribe(audio_input)

    async def _delete_thread(self, request: ThreadsDeleteReq, context: RequestContext) -> bytes:
        # What a crash leaves here is in no thread any more, and swept away.
        for attachment_id in await self.store.remove_thread(request.params.thread_id, context):
            await remove(self.store, attachment_id)
        return b"{}"

    async def _stream(
        self, request: StreamingReq, context: RequestContext
    ) -> AsyncGenerator[bytes]:
        thread_id: str | None = None
        if isinstance(request, ThreadsCreateReq):
            events = self._create_thread(request.params.input, context)
        else:
            thread_id = request.params.thread_id
            events = self._continue_thread(thread_id, request, context)
        # Nobody can stop a turn before it says that they may: what they wrote is stored by then.
        held = b""
        may_stop = False
        try:
            async for event in events:
                match event:
                    case ThreadCreatedEvent(thread=thread):
                        thread_id = thread.id
                    case ErrorEvent():
                        note_failure()
                        event = await self._in_words(event, thread_id, context)
                held += self._chunk(event)
                may_stop = may_stop or isinstance(event, StreamOptionsEvent)
                if may_stop:
                    yield held
                    held = b""
        except Exception as error:
            # Before the first chunk there is a status to tell it with. A stream that breaks off
            # makes ChatKit's page post the message again.
            if not may_stop:
                if isinstance(error, NotFoundError):
                    # Something has come in between since the check, which may have words for it.
                    with suppress(NotFoundError):
                        await check_request(request, self.store, context)
                raise
            _, message = explain_failure(error, context.request_id)
            held = self._chunk(ErrorEvent(message=message, allow_retry=True))
        if held:
            yield held

    async def _create_thread(
        self, message_input: UserMessageInput, context: RequestContext
    ) -> AsyncGenerator[ThreadStreamEvent]:
        # As ChatKit does, but all is stored at once, and with its title: there is no thread without
        # a message, and the person waits less for the first word.
        thread = ThreadMetadata(
            id=self.store.generate_thread_id(context), created_at=datetime.now()
        )
        message = await self._build_user_message_item(message_input, thread, context)
        title = self._title_of(message)
        if isinstance(title, str):
            thread.title = title
        await self.store.add_thread(thread, message, context)
        self.store.loaded(context).threads[thread.id] = thread.model_copy(deep=True)
        naming = None if isinstance(title, str) else self._start_naming(thread, title, context)
        yield ThreadCreatedEvent(thread=self._to_thread_response(thread))
        yield ThreadItemDoneEvent(item=message)
        with running_turn(thread.id):
            async for event in self._process_events(
                thread, context, lambda: self.respond(thread, message, context)
            ):
                yield event
            if naming and (named := await asyncio.shield(naming)):
                yield ThreadUpdatedEvent(thread=self._to_thread_response(named))

    def _start_naming(
        self, thread: ThreadMetadata, title: Awaitable[str], context: RequestContext
    ) -> asyncio.Task[ThreadMetadata | None]:
        """Wait for a title in a task of its own, which goes on when the answer is stopped."""
        naming = asyncio.create_task(self._name(thread, title, context))
        self._naming.add(naming)
        naming.add_done_callback(self._naming.discard)
        return naming

    async def _name(
        self, thread: ThreadMetadata, title: Awaitable[str], context: RequestContext
    ) -> ThreadMetadata | None:
        """Give a thread its title, and return it as it is now; None where it has none after all."""
        then = RequestContext(context.owner, context.request_id)
        try:
            words = await title
            named = await self.store.load_thread(thread.id, then)
            if named.title is None:  # whoever has given it one meanwhile has the last word
                named.title = words
                await self.store.save_thread(named, then)
            return named
        except NotFoundError:  # it was deleted
            return None
        except Exception as error:
            explain_failure(
                error, context.request_id
            )  # in the log; the answer is there all the same
            return None

    async def _continue_thread(
        self, thread_id: str, request: StreamingReq, context: RequestContext
    ) -> AsyncGenerator[ThreadStreamEvent]:
        with running_turn(thread_id, alone=isinstance(request, ThreadsRetryAfterItemReq)):
            async for event in self._process_streaming_impl(request, context):
                yield event

    async def _process_new_thread_item_respond(
        self, thread: ThreadMetadata, item: UserMessageItem, context: RequestContext
    ) -> AsyncIterator[ThreadStreamEvent]:
        # As ChatKit does, but that the store puts a message's files into the thread with it.
        await self.store.add_thread_item(thread.id, item, context)
        yield ThreadItemDoneEvent(item=item)
        async for event in self._process_events(
            thread, context, lambda: self.respond(thread, item, context)
        ):
            yield event

    def _chunk(self, event: ThreadStreamEvent) -> bytes:
        return b"data: " + self._serialize(event) + b"\n\n"

    async def _in_words(
        self, error: ErrorEvent, thread_id: str | None, context: RequestContext
    ) -> ErrorEvent:
        if thread_id and await self._is_deleted(thread_id, context):
            return ErrorEvent(message=DELETED, allow_retry=False)
        # Without a message ChatKit's page says no more than that a turn failed.
        message = naming_request(error.message or went_wrong(), context.request_id)
        return ErrorEvent(message=message, allow_retry=error.allow_retry)

    async def _is_deleted(self, thread_id: str, context: RequestContext) -> bool:
        try:
            await self.store.load_thread(thread_id, context)
        except NotFoundError:
            return True
        except SQLAlchemyError:  # then the turn has failed by another reason
            return False
        return False

    def _serialize(self, obj: BaseModel) -> bytes:
        # ChatKit's times are naive and local, and a browser elsewhere would read them as its own.
        return super()._serialize(with_offsets(obj))
