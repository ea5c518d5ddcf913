"""The ChatKit server: it handles requests, stores their results and streams events."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress
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
    AssistantMessageItem,
    Attachment,
    AudioInput,
    ErrorEvent,
    FeedbackKind,
    HiddenContextItem,
    InputTranscribeReq,
    Page,
    ProgressUpdateEvent,
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
    ThreadsAddUserMessageReq,
    ThreadsCreateReq,
    ThreadsDeleteReq,
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
from kit.chat.request_checks import (
    AnyReq,
    TurnReq,
    audio_of,
    check_request,
    check_status,
    parse_request,
)
from kit.chat.running_turns import (
    INTERRUPTED,
    Begin,
    RunningTurn,
    here,
    to_its_end,
    until_taken,
)
from kit.chat.turns import (
    APPROVAL,
    Assistant,
    Events,
    HalfAnswers,
    Turn,
    closing,
    has_words,
    keep_half_answers,
    shielded,
    shielded_in_stream,
)
from kit.database import turn_records
from kit.database.chatkit_store import ChatKitStore
from kit.database.turn_records import NewTurn, Usage
from kit.disclosure import explain_database_error, went_wrong
from kit.errors import RefusedError
from kit.http.request_handling import event_chunk, explain_failure, naming_request
from kit.http.request_log import note_outcome
from kit.http.streaming import tell
from kit.people.identity import RequestContext

logger = logging.getLogger("app.chat")

Transcribe = Callable[[AudioInput], Awaitable[tuple[TranscriptionResult, Usage]]]
TitleOf = Callable[[UserMessageItem], str | Awaitable[str]]

Dated = TypeVar("Dated", bound=BaseModel)
Result = TypeVar("Result")

TITLE_SECONDS = 30.0
"""How long a title may take. The stream of the answer stays open for it."""

DELETED = "This conversation was deleted while it was answered."
WAITING = "The database does not answer. What is written here is saved as soon as it does."
UNSAVED = "This answer could not be saved, and a reload loses it. Copy what you need."


@dataclass
class Loaded:
    """The threads and items that one request has loaded so far."""

    checked: dict[str, ThreadMetadata] = field(default_factory=dict)
    """Threads, by id, that the check of the request has just read; its turn reuses them."""
    threads: dict[str, ThreadMetadata] = field(default_factory=dict)
    """Copies of the threads as the request loaded or last saved them, by id."""
    items: set[str] = field(default_factory=set)
    """The ids of the items that the request has loaded."""
    halves: set[str] = field(default_factory=set)
    """The ids of the answers that were saved while they grew."""
    deleted: set[str] = field(default_factory=set)
    """The ids of the items that the request has deleted."""

    def begin_again(self, item_id: str) -> None:
        """Take an item for a new one if the request has deleted the one with its id."""
        if item_id in self.deleted:
            self.items.discard(item_id)


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
        await _kept(context, lambda: self.update_thread(thread, before, context))
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

    async def add_thread_item(
        self, thread_id: str, item: ThreadItem, context: RequestContext
    ) -> None:
        """Store an item that the assistant has made.

        It may have the id of one that the request has deleted, such as the answer before a retry.

        Raises:
            NotFoundError: the item, or the conversation, was deleted meanwhile.
        """
        self.loaded(context).begin_again(item.id)
        await self.save_item(thread_id, item, context)

    async def save_item(self, thread_id: str, item: ThreadItem, context: RequestContext) -> None:
        """Store an item, such as a tool call that has received its output.

        Raises:
            NotFoundError: the item was deleted meanwhile, for example by a retry in another tab.
        """
        await _kept(context, lambda: self._save_item(thread_id, item, context))

    async def save_half(
        self, thread_id: str, item: AssistantMessageItem, context: RequestContext
    ) -> None:
        """Store an answer that still grows.

        Raises:
            NotFoundError: the conversation was deleted meanwhile.
        """
        loaded = self.loaded(context)
        loaded.begin_again(item.id)
        await self._save_item(thread_id, item, context)
        loaded.halves.add(item.id)

    async def _save_item(self, thread_id: str, item: ThreadItem, context: RequestContext) -> None:
        loaded = self.loaded(context)
        if item.id in loaded.items or item.id in loaded.halves:
            await self.update_item(thread_id, item, context)
        else:
            await super().save_item(thread_id, item, context)

    async def delete_thread_item(
        self, thread_id: str, item_id: str, context: RequestContext
    ) -> None:
        """Delete an item. Do nothing if it does not exist."""
        base, loaded = super().delete_thread_item, self.loaded(context)

        async def delete() -> None:  # when no half of it is being saved any more
            loaded.halves.discard(item_id)
            loaded.deleted.add(item_id)
            await base(thread_id, item_id, context)

        await _kept(context, delete)

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


async def _kept(context: RequestContext, save: Callable[[], Awaitable[Result]]) -> Result:
    """Save something of a turn, even if the database is away for a while or the turn is ended.

    Outside a turn, for example when a title is changed, save it at once.
    """
    turn = here.of(context)
    if turn is None:
        return await save()

    async def work() -> Result:
        try:
            async with turn.saving:
                waiting = event_chunk(ProgressUpdateEvent(text=WAITING))
                return await until_taken(save, lambda: tell(waiting))
        except (SQLAlchemyError, OSError) as error:
            turn.is_unsaved = True
            logger.error("An answer could not be saved. %s", explain_database_error(error))
            raise

    return await to_its_end(work())


@asynccontextmanager
async def _run_whole(turn: RunningTurn, begin: Begin) -> AsyncIterator[None]:
    """Run a turn whose reply is sent as a whole. If it is ended early, the reply says so.

    Raises:
        RefusedError: it is ended early (502). The status is not 503, because a proxy may send a
            request again for that, and what the turn has done would be done twice. Or it cannot
            begin: see `RunningTurns.run`.
    """
    try:
        async with here.run(turn, begin):
            yield
    except asyncio.CancelledError:
        if turn.caught() is None:
            raise
        raise RefusedError(502, turn.why) from None


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
            transcribe: converts dictated speech into text, and says what the model has used.
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
        self, request: AnyReq, context: RequestContext
    ) -> StreamingResult | NonStreamingResult:
        """Answer a request.

        Raises:
            chatkit.store.NotFoundError: the request names a record that does not exist or belongs
                to another owner.
            kit.errors.RefusedError: the request is refused; the message says why.
            ValueError: the request does not fit the state of the conversation.
        """
        if isinstance(request, TurnReq):
            about = await self._about_turn(request, context)
            return NonStreamingResult(about.model_dump_json().encode())
        if thread := await check_request(request, self.store, context):
            self.store.loaded(context).checked[thread.id] = thread
        if is_streaming_req(request):
            return StreamingResult(self._stream(request, context))
        if isinstance(request, ThreadsDeleteReq):
            return NonStreamingResult(await self._delete_thread(request, context))
        if isinstance(request, InputTranscribeReq):
            audio = await audio_of(request)
            turn = RunningTurn(NewTurn(context, None))
            async with _run_whole(turn, lambda: self.store.begin_turn(turn.new)):
                heard, usage = await self._transcribe(audio)
                turn.usages.append(usage)
            return NonStreamingResult(self._serialize(heard))
        return NonStreamingResult(await self._process_non_streaming(request, context))

    def respond(
        self,
        thread: ThreadMetadata,
        input_user_message: UserMessageItem | None,
        context: RequestContext,
    ) -> AsyncIterator[ThreadStreamEvent]:
        """Answer a message, or, with no message, the output of a client tool or a form."""
        turn = self._turn(thread, context, message=input_user_message)
        return self._for_the_page(turn, lambda: self._assistant.respond(turn))

    def action(
        self,
        thread: ThreadMetadata,
        action: Action[str, Any],
        sender: WidgetItem | None,
        context: RequestContext,
    ) -> AsyncIterator[ThreadStreamEvent]:
        """Answer an action of a widget."""
        turn = self._turn(thread, context, action=action)
        return self._for_the_page(turn, lambda: self._act(turn, action, sender))

    def _turn(
        self,
        thread: ThreadMetadata,
        context: RequestContext,
        message: UserMessageItem | None = None,
        action: Action[str, Any] | None = None,
    ) -> Turn:
        return Turn(
            thread, message, context, self.store, self.files, action, running=here.of(context)
        )

    def _act(
        self, turn: Turn, action: Action[str, Any], sender: WidgetItem | None
    ) -> AsyncIterator[ThreadStreamEvent]:
        if action.type == APPROVAL:  # the widget is the kit's, and the run goes on
            return self._assistant.respond(turn)
        return self._assistant.act(turn, action, sender)

    def _for_the_page(self, turn: Turn, answer: Callable[[], Events]) -> Events:
        return keep_half_answers(lambda: shielded_in_stream(answer), self._follow(turn))

    def _follow(self, turn: Turn) -> HalfAnswers:
        """Return what follows the answers of a turn, which are saved while they grow."""
        half_answers = HalfAnswers()
        if running := turn.running:
            running.usages = turn.usages
            running.save = lambda: half_answers.save_grown(
                lambda item: self.store.save_half(turn.thread.id, item, turn.context)
            )
        return half_answers

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
            turn = self._turn(thread, context, action=action)
            events = keep_half_answers(
                lambda: shielded(lambda: self._act(turn, action, sender)), self._follow(turn)
            )
            # A stream would report a failure as an event, which cannot say its status.
            try:
                async with closing(events):
                    async for event in events:
                        yield event
            except CustomStreamError as error:
                failures.append(RefusedError(502, error.message))
            except Exception as error:
                failures.append(error)

        replaced: dict[str, ThreadItem] = {}
        running = RunningTurn(NewTurn(context, None))
        async with _run_whole(running, lambda: self.store.begin_turn(running.new)):
            async for event in self._process_events(thread, context, answer):
                match event:
                    case ThreadItemReplacedEvent(item=item) if not _is_hidden(event):
                        replaced.pop(item.id, None)  # so that the last one is the newest
                        replaced[item.id] = item
                    case ThreadItemRemovedEvent(item_id=item_id):
                        replaced.pop(item_id, None)
                    case ErrorEvent():
                        failures.append(await self._refusal_of(event, thread.id, context))
            running.has_failed = bool(failures)
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

    async def handle_stream_cancelled(
        self, thread: ThreadMetadata, pending_items: list[ThreadItem], context: RequestContext
    ) -> None:
        """Store what a turn has said that is ended early.

        If the person has stopped it, the model is told so. If the server has interrupted it, the
        person may ask the model to go on.
        """
        turn = here.of(context)
        with suppress(NotFoundError):  # the conversation was deleted
            if turn is None or turn.early != "interrupted":
                await super().handle_stream_cancelled(thread, pending_items, context)
                return
            for item in pending_items:
                if isinstance(item, AssistantMessageItem) and has_words(item):
                    await self.store.add_thread_item(thread.id, item, context)

    async def _delete_thread(self, request: ThreadsDeleteReq, context: RequestContext) -> bytes:
        await remove_conversation(self.store, request.params.thread_id, context)
        await here.stop(request.params.thread_id, context.owner)
        return b"{}"

    async def _about_turn(self, request: TurnReq, context: RequestContext) -> BaseModel:
        thread_id = request.params.thread_id
        if request.type == "kit.stop":
            return StopResponse(stopped=await here.stop(thread_id, context.owner))
        latest = await here.latest(thread_id, context.owner)
        if latest is None:
            return TurnResponse()
        message = INTERRUPTED if latest.outcome == "interrupted" else None
        return TurnResponse(id=latest.id, outcome=latest.outcome, message=message)

    async def _stream(
        self, request: StreamingReq, context: RequestContext
    ) -> AsyncGenerator[bytes]:
        thread_id: str | None = None
        if isinstance(request, ThreadsCreateReq):
            new_id = self.store.generate_thread_id(context)
            thread = ThreadMetadata(id=new_id, created_at=datetime.now())
            turn = RunningTurn(NewTurn(context, new_id))
            events = self._create_thread(thread, request.params.input, turn)
        else:
            thread_id = request.params.thread_id
            turn = RunningTurn(NewTurn(context, thread_id))
            events = self._continue_thread(thread_id, request, turn)
        # Events are held back until StreamOptionsEvent, which allows stopping the turn. By then
        # the person's message is stored.
        held = b""
        may_stop = False
        try:
            async with aclosing(events):  # so that the turn is over when this fails
                async for event in events:
                    if _is_hidden(event):
                        continue
                    match event:
                        case ThreadCreatedEvent(thread=thread):
                            thread_id = thread.id
                        case ErrorEvent():
                            note_outcome("failed")
                            turn.has_failed = True
                            event = await self._in_words(event, thread_id, context, turn)
                    held += self._chunk(event)
                    may_stop = may_stop or isinstance(event, StreamOptionsEvent)
                    if may_stop:
                        yield held
                        held = b""
        except asyncio.CancelledError:
            # Somebody may still read a turn that is stopped in another tab, or interrupted.
            early = turn.caught()
            if early is None:
                raise
            note_outcome(early)
            if early == "interrupted":
                message = naming_request(turn.why, context.request_id)
                held += self._chunk(ErrorEvent(message=message, allow_retry=True))
            elif thread_id and await self._is_deleted(thread_id, context):
                if not may_stop:  # an HTTP status can still say so
                    raise NotFoundError(f"Thread {thread_id} not found.") from None
                held += self._chunk(ErrorEvent(message=DELETED, allow_retry=False))
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
        self, thread: ThreadMetadata, message_input: UserMessageInput, turn: RunningTurn
    ) -> AsyncGenerator[ThreadStreamEvent]:
        # Like ChatKit's own method, but thread, title and message are stored in one transaction.
        # So no thread exists without a message, and the first word arrives sooner.
        new, context = turn.new, turn.new.context
        message = await self._build_user_message_item(message_input, thread, context)
        title = self._title_of(message)
        if isinstance(title, str):
            thread.title = title
        async with here.run(turn, lambda: self.store.add_thread(thread, message, new)):
            self.store.loaded(context).threads[thread.id] = thread.model_copy(deep=True)
            naming = None if isinstance(title, str) else self._start_naming(thread, title, context)
            yield ThreadCreatedEvent(thread=self._to_thread_response(thread))
            yield ThreadItemDoneEvent(item=message)
            async for event in self._process_events(
                thread, context, lambda: self.respond(thread, message, context)
            ):
                yield event
        if naming is None:
            return
        if await here.wait_after_turn(naming):
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
        self, thread_id: str, request: StreamingReq, turn: RunningTurn
    ) -> AsyncGenerator[ThreadStreamEvent]:
        new, context = turn.new, turn.new.context
        if not isinstance(request, ThreadsAddUserMessageReq):
            async with here.run(turn, lambda: self.store.begin_turn(new)):
                async for event in self._process_streaming_impl(request, context):
                    yield event
            return
        # Like ChatKit's own method, but one transaction reads and checks the thread, and stores the
        # message, its files and the turn.
        thread = ThreadMetadata(id=thread_id, created_at=datetime.now())
        message = await self._build_user_message_item(request.params.input, thread, context)

        async def begin() -> None:
            nonlocal thread
            thread = await self.store.add_message(thread_id, message, new, check_status)

        async with here.run(turn, begin):
            self.store.loaded(context).threads[thread_id] = thread.model_copy(deep=True)
            yield ThreadItemDoneEvent(item=message)
            async for event in self._process_events(
                thread, context, lambda: self.respond(thread, message, context)
            ):
                yield event

    async def _process_events(
        self,
        thread: ThreadMetadata,
        context: RequestContext,
        stream: Callable[[], AsyncIterator[ThreadStreamEvent]],
    ) -> AsyncGenerator[ThreadStreamEvent]:
        # ChatKit's own method leaves the answer open when saving one of its items is cancelled or
        # fails.
        async with closing(stream()) as answer:
            async for event in super()._process_events(thread, context, lambda: answer):
                yield event

    def _chunk(self, event: ThreadStreamEvent) -> bytes:
        return b"data: " + self._serialize(event) + b"\n\n"

    async def _in_words(
        self,
        error: ErrorEvent,
        thread_id: str | None,
        context: RequestContext,
        turn: RunningTurn,
    ) -> ErrorEvent:
        if turn.is_unsaved:
            message = naming_request(UNSAVED, context.request_id)
            return ErrorEvent(message=message, allow_retry=True)
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


class TurnResponse(BaseModel):
    """The answer to `kit.turn`: the newest turn of a conversation, if it has one."""

    id: str | None = None
    outcome: turn_records.Outcome | None = None
    message: str | None = None
    """What the person reads about the outcome, if that needs words."""


class StopResponse(BaseModel):
    """The answer to `kit.stop`: whether a turn was running."""

    stopped: bool


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
