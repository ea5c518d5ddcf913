"""The ChatKit server: it handles requests, stores their results and streams events."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
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
    HiddenContextItem,
    InputTranscribeReq,
    Page,
    SDKHiddenContextItem,
    StreamingReq,
    StreamOptions,
    StreamOptionsEvent,
    SyncCustomActionResponse,
    Thread,
    ThreadCreatedEvent,
    ThreadItem,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemRemovedEvent,
    ThreadItemReplacedEvent,
    ThreadItemUpdatedEvent,
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
from kit.attachments.retention import remove_conversation
from kit.chat.request_checks import audio_of, check_request, parse_request
from kit.chat.turns import (
    APPROVAL,
    Assistant,
    Events,
    Turn,
    keep_half_answers,
    running_turn,
    shielded,
    shielded_in_stream,
)
from kit.database.chatkit_store import ChatKitStore
from kit.disclosure import went_wrong
from kit.errors import RefusedError
from kit.http.request_handling import explain_failure, naming_request
from kit.http.request_log import note_failure
from kit.people.identity import RequestContext

logger = logging.getLogger("app.chat")

Transcribe = Callable[[AudioInput], Awaitable[TranscriptionResult]]
TitleOf = Callable[[UserMessageItem], str | Awaitable[str]]

Dated = TypeVar("Dated", bound=BaseModel)

TITLE_SECONDS = 30.0
"""How long a title may take. The stream of the answer stays open for it."""

DELETED = "This conversation was deleted while it was answered."


@dataclass
class Loaded:
    """The threads and items that one request has loaded so far."""

    checked: dict[str, ThreadMetadata] = field(default_factory=dict)
    """Threads, by id, that the check of the request has just read; its turn reuses them."""
    threads: dict[str, ThreadMetadata] = field(default_factory=dict)
    """Copies of the threads as the request loaded or last saved them, by id."""
    items: set[str] = field(default_factory=set)
    """The ids of the items that the request has loaded."""


class ServedStore(ChatKitStore):
    """The store that ChatKit's server uses. It never recreates deleted records.

    Only `add_thread` creates threads, and only the `AttachmentStore` creates attachments. A loaded
    record that is missing on save was deleted meanwhile: in another tab, or by the retention sweep.
    """

    needs_files = True

    def __init__(self) -> None:
        """Start without any loaded records."""
        self._loaded = WeakKeyDictionary[RequestContext, Loaded]()

    def loaded(self, context: RequestContext) -> Loaded:
        """Return what a request has loaded. It is dropped together with the request's context."""
        return self._loaded.setdefault(context, Loaded())

    async def load_thread(self, thread_id: str, context: RequestContext) -> ThreadMetadata:
        """Return a thread and remember its state.

        Raises:
            NotFoundError: the thread does not exist, or belongs to another owner.
        """
        loaded = self.loaded(context)
        if checked := loaded.checked.pop(thread_id, None):
            return checked
        thread = await super().load_thread(thread_id, context)
        loaded.threads[thread_id] = thread.model_copy(deep=True)
        return thread

    async def save_thread(self, thread: ThreadMetadata, context: RequestContext) -> None:
        """Store the fields of a thread that the request has changed.

        A turn takes long. Other changes, such as a title that the person sets meanwhile, are kept.

        Raises:
            NotFoundError: the thread was deleted meanwhile.
        """
        threads = self.loaded(context).threads
        before = threads.get(thread.id) or await self.load_thread(thread.id, context)
        await self.update_thread(thread, before, context)
        threads[thread.id] = thread.model_copy(deep=True)

    async def load_item(self, thread_id: str, item_id: str, context: RequestContext) -> ThreadItem:
        """Return an item and remember that it exists.

        Raises:
            NotFoundError: the item does not exist, or belongs to another owner.
        """
        item = await super().load_item(thread_id, item_id, context)
        self.loaded(context).items.add(item.id)
        return item

    async def load_thread_items(
        self, thread_id: str, after: str | None, limit: int, order: str, context: RequestContext
    ) -> Page[ThreadItem]:
        """Return a page of items and remember that they exist.

        Raises:
            NotFoundError: `after` names an item that does not exist.
        """
        page = await super().load_thread_items(thread_id, after, limit, order, context)
        self.loaded(context).items.update(item.id for item in page.data)
        return page

    async def save_item(self, thread_id: str, item: ThreadItem, context: RequestContext) -> None:
        """Store an item, such as a tool call that has received its output.

        Raises:
            NotFoundError: the item was deleted meanwhile, for example by a retry in another tab.
        """
        if item.id in self.loaded(context).items:
            await self.update_item(thread_id, item, context)
        else:
            await super().save_item(thread_id, item, context)

    async def take_item(
        self, thread_id: str, item_id: str, context: RequestContext
    ) -> ThreadItem | None:
        """Delete an item and return it. Who has taken an item may store it again."""
        self.loaded(context).items.discard(item_id)
        return await super().take_item(thread_id, item_id, context)

    async def save_attachment(self, attachment: Attachment, context: RequestContext) -> None:
        """Store the changed record of an attachment, for example when its message is sent.

        Raises:
            NotFoundError: the attachment was removed meanwhile.
        """
        await self.update_attachment(attachment, context)


class ChatKitServer(BaseServer[RequestContext]):
    """Connects ChatKit's requests with the store, the attachments and the assistant."""

    store: ServedStore

    def __init__(
        self,
        assistant: Assistant,
        files: AttachmentStore,
        transcribe: Transcribe,
        title_of: TitleOf,
    ) -> None:
        """Create the server.

        Args:
            assistant: answers messages and the actions of widgets.
            files: stores attachments.
            transcribe: converts dictated speech into text.
            title_of: makes the title of a conversation from its first message. If it returns an
                awaitable, for example to ask a model, the answer does not wait for it.
        """
        super().__init__(ServedStore(), files)
        self.files = files
        self._assistant = assistant
        self._transcribe = transcribe
        self._title_of = title_of
        self._naming = set[asyncio.Task[bool]]()

    async def process(
        self, request: str | bytes | bytearray, context: RequestContext
    ) -> StreamingResult | NonStreamingResult:
        """Parse a request and answer it.

        Raises:
            pydantic.ValidationError: the request is not a ChatKit request.
            chatkit.store.NotFoundError: the request names a record that does not exist or belongs
                to another owner.
            kit.errors.RefusedError: the request is refused; the message says why.
            ValueError: the request does not fit the state of the conversation.
        """
        return await self.handle(parse_request(request), context)

    async def handle(
        self, request: ChatKitReq, context: RequestContext
    ) -> StreamingResult | NonStreamingResult:
        """Answer a request.

        Raises:
            chatkit.store.NotFoundError: the request names a record that does not exist or belongs
                to another owner.
            kit.errors.RefusedError: the request is refused; the message says why.
            ValueError: the request does not fit the state of the conversation.
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

    def respond(
        self,
        thread: ThreadMetadata,
        input_user_message: UserMessageItem | None,
        context: RequestContext,
    ) -> AsyncIterator[ThreadStreamEvent]:
        """Answer a message, or, with no message, the output of a client tool or a form."""
        turn = Turn(thread, input_user_message, context, self.store, self.files)
        return _for_the_page(lambda: self._assistant.respond(turn))

    def action(
        self,
        thread: ThreadMetadata,
        action: Action[str, Any],
        sender: WidgetItem | None,
        context: RequestContext,
    ) -> AsyncIterator[ThreadStreamEvent]:
        """Answer an action of a widget."""
        return _for_the_page(lambda: self._act(thread, action, sender, context))

    def _act(
        self,
        thread: ThreadMetadata,
        action: Action[str, Any],
        sender: WidgetItem | None,
        context: RequestContext,
    ) -> AsyncIterator[ThreadStreamEvent]:
        turn = Turn(thread, None, context, self.store, self.files, action)
        if action.type == APPROVAL:  # the widget is the kit's, and the run goes on
            return self._assistant.respond(turn)
        return self._assistant.act(turn, action, sender)

    async def sync_action(
        self,
        thread: ThreadMetadata,
        action: Action[str, Any],
        sender: WidgetItem | None,
        context: RequestContext,
    ) -> SyncCustomActionResponse:
        """Answer an action of a widget without a stream. Everything is stored as in a stream.

        Returns:
            The widget, if the assistant has replaced it; otherwise the last item that it replaced.

        Raises:
            kit.errors.RefusedError: the assistant refused, or failed with a message for the person;
                or what it made could not be stored.
            kit.chat.turns.AssistantError: the assistant failed otherwise.
        """
        failures: list[Exception] = []

        async def answer() -> AsyncIterator[ThreadStreamEvent]:
            # A stream would report a failure as an event, which cannot say its status.
            try:
                async for event in keep_half_answers(
                    lambda: shielded(lambda: self._act(thread, action, sender, context))
                ):
                    yield event
            except CustomStreamError as error:
                failures.append(RefusedError(502, error.message))
            except Exception as error:
                failures.append(error)

        replaced: dict[str, ThreadItem] = {}
        with running_turn(thread.id):
            async for event in self._process_events(thread, context, answer):
                match event:
                    case ThreadItemReplacedEvent(item=item) if not _is_hidden(event):
                        replaced.pop(item.id, None)  # so that the last one is the newest
                        replaced[item.id] = item
                    case ThreadItemRemovedEvent(item_id=item_id):
                        replaced.pop(item_id, None)
                    case ErrorEvent():
                        failures.append(await self._refusal_of(event, thread.id, context))
        if failures:
            raise failures[0]
        newest = next(reversed(replaced.values()), None)
        return SyncCustomActionResponse(
            updated_item=replaced.get(sender.id, newest) if sender else newest
        )

    def get_stream_options(self, thread: ThreadMetadata, context: RequestContext) -> StreamOptions:
        """Return whether the page shows a Stop button: `allow_cancel` of the assistant says so."""
        return StreamOptions(allow_cancel=getattr(self._assistant, "allow_cancel", True))

    async def add_feedback(
        self, thread_id: str, item_ids: list[str], feedback: FeedbackKind, context: RequestContext
    ) -> None:
        """Store thumbs up or down for items."""
        await self.store.save_feedback(thread_id, item_ids, feedback, context)

    async def transcribe(
        self, audio_input: AudioInput, context: RequestContext
    ) -> TranscriptionResult:
        """Return the text of a recording."""
        return await self._transcribe(audio_input)

    async def _delete_thread(self, request: ThreadsDeleteReq, context: RequestContext) -> bytes:
        await remove_conversation(self.store, request.params.thread_id, context)
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
        # Events are held back until StreamOptionsEvent, which allows stopping the turn. By then
        # the person's message is stored.
        held = b""
        may_stop = False
        try:
            async for event in events:
                if _is_hidden(event):
                    continue
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
            # Before the first chunk an HTTP status can report the error. After it, a broken stream
            # would make ChatKit's page post the message again, so an event reports it.
            if not may_stop:
                if isinstance(error, NotFoundError):
                    # Something was deleted or changed since the check. Checking again may raise an
                    # error that says what.
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
        # Like ChatKit's own method, but thread, title and message are stored in one transaction.
        # So no thread exists without a message, and the first word arrives sooner.
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
        if naming is None:
            return
        is_named: bool = await asyncio.shield(naming)
        if is_named:
            # As it is now: the assistant or the person may have changed it since it has its title.
            with suppress(NotFoundError):  # it was deleted
                named = await self.store.load_thread(thread.id, context)
                yield ThreadUpdatedEvent(thread=self._to_thread_response(named))

    def _start_naming(
        self, thread: ThreadMetadata, title: Awaitable[str], context: RequestContext
    ) -> asyncio.Task[bool]:
        """Wait for a title in a separate task, which continues when the answer is stopped."""
        naming = asyncio.create_task(self._name(thread, title, context))
        self._naming.add(naming)
        naming.add_done_callback(self._naming.discard)
        return naming

    async def _name(
        self, thread: ThreadMetadata, title: Awaitable[str], context: RequestContext
    ) -> bool:
        """Set the title of a thread, and return whether it has one."""
        # What the turn has loaded stays the turn's: this is another request to the store.
        own_context = RequestContext(context.owner, assistant=context.assistant)
        try:
            async with asyncio.timeout(TITLE_SECONDS):
                words = await title
            named = await self.store.load_thread(thread.id, own_context)
            if named.title is None:  # a title that the person set meanwhile is kept
                named.title = words
                await self.store.save_thread(named, own_context)
            return True
        except NotFoundError:  # the thread was deleted
            return False
        except Exception as error:
            # Not `explain_failure`, which marks the request as failed: the answer did not fail.
            logger.error("The title of a conversation could not be made", exc_info=error)
            return False

    async def _continue_thread(
        self, thread_id: str, request: StreamingReq, context: RequestContext
    ) -> AsyncGenerator[ThreadStreamEvent]:
        with running_turn(thread_id, alone=isinstance(request, ThreadsRetryAfterItemReq)):
            async for event in self._process_streaming_impl(request, context):
                yield event

    async def _process_new_thread_item_respond(
        self, thread: ThreadMetadata, item: UserMessageItem, context: RequestContext
    ) -> AsyncIterator[ThreadStreamEvent]:
        # Like ChatKit's own method, except that the store assigns the message's files to the
        # thread in the same transaction.
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
        # If the event has no message, ChatKit's page only says that the turn failed.
        message = naming_request(error.message or went_wrong(), context.request_id)
        return ErrorEvent(message=message, allow_retry=error.allow_retry)

    async def _refusal_of(
        self, error: ErrorEvent, thread_id: str, context: RequestContext
    ) -> RefusedError:
        if await self._is_deleted(thread_id, context):
            return RefusedError(404, DELETED)
        return RefusedError(502, error.message or went_wrong())

    async def _is_deleted(self, thread_id: str, context: RequestContext) -> bool:
        try:
            await self.store.load_thread(thread_id, context)
        except NotFoundError:
            return True
        except SQLAlchemyError:  # the turn failed for another reason
            return False
        return False

    def _serialize(self, obj: BaseModel) -> bytes:
        # ChatKit's times are naive local times of the server. A browser would read them as times
        # of its own time zone.
        return super()._serialize(with_offsets(obj))


def _for_the_page(answer: Callable[[], Events]) -> Events:
    return keep_half_answers(lambda: shielded_in_stream(answer))


def _is_hidden(event: ThreadStreamEvent) -> bool:
    """Whether an event has an item that the person must not see. ChatKit hides a new one only."""
    return isinstance(event, ThreadItemAddedEvent | ThreadItemReplacedEvent) and isinstance(
        event.item, HiddenContextItem | SDKHiddenContextItem
    )


def with_offsets(obj: BaseModel) -> BaseModel:
    """Return a copy in which each `created_at` has a UTC offset."""
    match obj:
        case ThreadItemUpdatedEvent():  # the most frequent event, so it is tested first
            return obj
        case Page():
            return obj.model_copy(update={"data": [with_offsets(entry) for entry in obj.data]})
        case Thread():
            return _dated(obj).model_copy(update={"items": with_offsets(obj.items)})
        case ThreadItemAddedEvent() | ThreadItemDoneEvent() | ThreadItemReplacedEvent():
            return obj.model_copy(update={"item": _dated(obj.item)})
        case SyncCustomActionResponse(updated_item=item) if item is not None:
            return obj.model_copy(update={"updated_item": _dated(item)})
    if isinstance(thread := getattr(obj, "thread", None), Thread):
        return obj.model_copy(update={"thread": with_offsets(thread)})
    return _dated(obj)


def _dated(obj: Dated) -> Dated:
    moment = getattr(obj, "created_at", None)
    if not isinstance(moment, datetime):
        return obj
    return obj.model_copy(update={"created_at": moment.astimezone()})
