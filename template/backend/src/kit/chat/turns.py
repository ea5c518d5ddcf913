"""A turn of a conversation: the assistant that answers, and the items that it makes."""

import json
import logging
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import dropwhile
from typing import Any, Literal, Protocol, TypeVar

from chatkit.actions import Action
from chatkit.errors import BaseStreamError, CustomStreamError
from chatkit.types import (
    Annotation,
    AssistantMessageContent,
    AssistantMessageContentPartAdded,
    AssistantMessageContentPartAnnotationAdded,
    AssistantMessageContentPartDone,
    AssistantMessageContentPartTextDelta,
    AssistantMessageItem,
    ClientToolCallItem,
    HiddenContextItem,
    StructuredInputItem,
    ThreadItem,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemRemovedEvent,
    ThreadItemReplacedEvent,
    ThreadItemUpdate,
    ThreadItemUpdatedEvent,
    ThreadMetadata,
    ThreadStreamEvent,
    UserMessageItem,
    WidgetItem,
)
from sqlalchemy.exc import SQLAlchemyError

from kit.attachments.attachment_store import AttachmentStore
from kit.chat.running_turns import RunningTurn
from kit.database.chatkit_store import ChatKitStore, generate_id
from kit.database.turn_records import Usage
from kit.disclosure import disclosed
from kit.errors import RefusedError
from kit.people.identity import RequestContext
from kit.settings import get_settings

logger = logging.getLogger("app.chat")

Role = Literal["user", "assistant"]
Value = TypeVar("Value")

KIT = "kit."
"""How the kinds of hidden items begin that only the kit reads."""

APPROVAL = f"{KIT}approval"
"""The type of the action of the buttons that allow or decline a tool call."""


@dataclass(frozen=True)
class Turn:
    """One turn: a message or another input of a person, and the answer to it."""

    thread: ThreadMetadata
    """Changes to the thread, such as a new title, are stored and shown."""
    message: UserMessageItem | None
    """What the person wrote. None if the turn answers a client tool, a form or an action."""
    context: RequestContext
    store: ChatKitStore
    files: AttachmentStore
    """`keep_made_file` stores a file that the assistant makes."""
    action: Action[str, Any] | None = None
    """What the person did in a widget, if the turn answers an action."""
    usages: list[Usage] = field(default_factory=list[Usage])
    """What the turn has asked of models so far. `count_usage` adds to it."""
    running: RunningTurn | None = None
    """The kit's own record of the turn."""

    @property
    def message_text(self) -> str:
        """The text of the message; empty if there is no message."""
        return "".join(part.text for part in self.message.content) if self.message else ""

    @property
    def is_interrupted(self) -> bool:
        """Whether the server ends the turn, for example to restart, and not the person."""
        return self.running is not None and self.running.early == "interrupted"

    def count_usage(self, model: str, tokens_in: int, tokens_out: int) -> None:
        """Count what a model was asked. It is stored with the turn, and counts for the limits.

        `run_agent` does this by itself. An assistant with another library calls it as often as it
        likes.

        Args:
            model: the name of the model. The last one is stored.
            tokens_in: how many tokens the model has read.
            tokens_out: how many it has written.
        """
        self.usages.append(Usage(model, tokens_in, tokens_out))

    async def history(self, limit: int, until: str | None = None) -> list[ThreadItem]:
        """Return at most `limit` of the newest items of the conversation, oldest first.

        Args:
            limit: at least 1.
            until: the id of the item that is the last one. By default, the newest item is.

        Raises:
            NotFoundError: the conversation has no item `until`.
        """
        last = []
        if until is not None:
            last = [await self.store.load_item(self.thread.id, until, self.context)]
            if limit == 1:
                return last
        page = await self.store.load_thread_items(
            self.thread.id, until, limit - len(last), order="desc", context=self.context
        )
        return page.data[::-1] + last

    async def messages(self, note: str | None = None) -> list[tuple[Role, str]]:
        """Return the conversation as plain text, oldest first, for a library of your choice.

        It is made from the newest HISTORY_ITEMS items, and begins with a message of the user. Files
        are only named. What is neither said nor answered, such as a widget, is left out.

        Args:
            note: an additional message at the end, for this turn only.
        """
        items = await self.history(get_settings().history_items)
        said = [(_role_of(item), text) for item in items if (text := _plain_text(item).strip())]
        if note:
            said.append(("user", note))
        return list(dropwhile(lambda message: message[0] == "assistant", said))


def _role_of(item: ThreadItem) -> Role:
    return "assistant" if isinstance(item, AssistantMessageItem) else "user"


def _plain_text(item: ThreadItem) -> str:
    match item:
        case UserMessageItem():
            lines = [f"> {item.quoted_text}"] if item.quoted_text else []
            lines.append("".join(part.text for part in item.content))
            return "\n".join(lines + [f"(attached: {file.name})" for file in item.attachments])
        case AssistantMessageItem():
            return "".join(part.text for part in item.content)
        case ClientToolCallItem(status="completed"):
            return f"The page's {item.name} answered: {_as_text(item.output)}"
        case StructuredInputItem(status="answered" | "skipped"):
            values = [question.answer.values if question.answer else [] for question in item.inputs]
            return "\n".join(
                f"{question.question} {', '.join(answer) or '(skipped)'}"
                for question, answer in zip(item.inputs, values, strict=True)
            )
        case HiddenContextItem(content={"kind": str(kind)}) if kind.startswith(KIT):
            return ""
        case HiddenContextItem():
            return _as_text(item.content)
        case _:
            return ""


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


Events = AsyncIterator[ThreadStreamEvent]


class Assistant(Protocol):
    """Answers the person. A module with these functions satisfies the protocol.

    If it has `allow_cancel = False`, the page shows no Stop button.
    """

    def respond(self, turn: Turn) -> Events:
        """Answer a message, the output of a client tool, or a form."""

    def act(self, turn: Turn, action: Action[str, Any], widget: WidgetItem | None) -> Events:
        """Answer an action of a widget."""


class AssistantError(Exception):
    """The assistant failed. The original error is `__cause__`, which only the log shows."""


@asynccontextmanager
async def closing(values: AsyncIterator[Value]) -> AsyncIterator[AsyncIterator[Value]]:
    """Close a generator at the end of the block. Other iterators stay as they are.

    A generator that is left in the middle would be closed only when the garbage collector finds it.
    Until then the model would go on. An error of its end is logged only, because the turn is over.
    """
    try:
        yield values
    finally:
        if isinstance(values, AsyncGenerator):
            try:
                await values.aclose()
            except Exception:
                logger.exception("The end of an answer has failed")


async def shielded(answer: Callable[[], Events]) -> Events:
    """Return the events of the assistant, and hide its internal errors from the person.

    ChatKit raises ValueError and NotFoundError for a wrong request, and the person sees their
    messages. The same errors from the assistant's code are bugs, and become AssistantError.

    Raises:
        BaseStreamError: the assistant failed with a message for the person.
        RefusedError: the assistant refused with a message for the person.
        SQLAlchemyError: the database failed.
        AssistantError: the assistant failed otherwise.
    """
    try:
        async with closing(answer()) as events:
            async for event in events:
                yield event
    except (BaseStreamError, RefusedError, SQLAlchemyError):
        raise
    except Exception as error:
        raise AssistantError("The assistant failed") from error


async def shielded_in_stream(answer: Callable[[], Events]) -> Events:
    """Return the events of the assistant for a stream, where no HTTP status can refuse.

    Raises:
        CustomStreamError: the assistant refused, or failed with a message for the person.
        BaseStreamError: the assistant failed with another of ChatKit's stream errors.
        SQLAlchemyError: the database failed.
        AssistantError: the assistant failed otherwise.
    """
    try:
        async with closing(shielded(answer)) as events:
            async for event in events:
                yield event
    except RefusedError as error:
        message = disclosed(str(error), error.inside)
        raise CustomStreamError(message, allow_retry=error.retry_after is not None) from error


async def stream_text(
    turn: Turn, texts: AsyncIterator[str] | str, annotations: Sequence[Annotation] = ()
) -> Events:
    """Answer with a text while it is written. An answer without any makes no message.

    If the turn is stopped or fails, what was said until then is kept.

    Args:
        turn: the turn that is answered.
        texts: the pieces of the text. When the turn ends, for any reason, they are closed.
        annotations: the sources of the text. It may grow until the text ends.
    """
    item = AssistantMessageItem(
        id=generate_id("message"), thread_id=turn.thread.id, created_at=datetime.now(), content=[]
    )
    pieces = _one(texts) if isinstance(texts, str) else texts
    said = unsaid = ""

    def updated(update: ThreadItemUpdate) -> ThreadItemUpdatedEvent:
        return ThreadItemUpdatedEvent(item_id=item.id, update=update)

    async with closing(pieces):
        async for piece in pieces:
            unsaid += piece
            if not unsaid or not (said or unsaid.strip()):
                continue
            if not said:
                yield ThreadItemAddedEvent(item=item)
                empty = AssistantMessageContent(text="")
                yield updated(AssistantMessageContentPartAdded(content_index=0, content=empty))
            said += unsaid
            yield updated(AssistantMessageContentPartTextDelta(content_index=0, delta=unsaid))
            unsaid = ""
    if not said:
        return
    for index, annotation in enumerate(annotations):
        yield updated(
            AssistantMessageContentPartAnnotationAdded(
                content_index=0, annotation_index=index, annotation=annotation
            )
        )
    full = AssistantMessageContent(text=said, annotations=list(annotations))
    yield updated(AssistantMessageContentPartDone(content_index=0, content=full))
    yield ThreadItemDoneEvent(item=item.model_copy(update={"content": [full]}))


async def _one(text: str) -> AsyncIterator[str]:
    yield text


Parts = defaultdict[int, AssistantMessageContent]


async def keep_half_answers(
    stream: Callable[[], AsyncIterator[ThreadStreamEvent]], half_answers: "HalfAnswers"
) -> AsyncIterator[ThreadStreamEvent]:
    """Return the events of a turn. At its end, complete the answers that it has left incomplete.

    The person has already read these answers. ChatKit stores them when a turn is stopped, but
    loses them when it fails or forgets them. An answer without any words is removed from the page.

    Args:
        stream: starts the turn.
        half_answers: follows the events.

    Raises:
        Exception: whatever the turn raised.
    """
    try:
        async with closing(stream()) as events:
            async for event in events:
                half_answers.follow(event)
                yield event
    except Exception:
        for event in half_answers.completed():
            yield event
        raise
    for event in half_answers.completed():
        yield event


def has_words(item: AssistantMessageItem) -> bool:
    """Whether an answer has any words yet."""
    return any(part.text.strip() for part in item.content)


class HalfAnswers:
    """Collects the text of the answers of a turn that are not complete yet."""

    def __init__(self) -> None:
        """Start without any answers."""
        self._answers: dict[str, tuple[AssistantMessageItem, Parts]] = {}
        self._grown = set[str]()

    def follow(self, event: ThreadStreamEvent) -> None:
        """Apply an event to the collected answers."""
        match event:
            case ThreadItemAddedEvent(item=AssistantMessageItem() as item):
                said = enumerate(item.model_copy(deep=True).content)
                parts = Parts(lambda: AssistantMessageContent(text=""), said)
                self._answers[item.id] = (item, parts)
            case ThreadItemUpdatedEvent(item_id=item_id) if item_id in self._answers:
                _grow(self._answers[item_id][1], event.update)
                self._grown.add(item_id)
            case ThreadItemDoneEvent(item=done) | ThreadItemReplacedEvent(item=done):
                self._answers.pop(done.id, None)
            case ThreadItemRemovedEvent(item_id=item_id):
                self._answers.pop(item_id, None)

    def items(self) -> Iterator[AssistantMessageItem]:
        """Return the incomplete answers."""
        for item, parts in self._answers.values():
            content = [parts[index] for index in sorted(parts)]
            yield item.model_copy(update={"content": content})

    def completed(self) -> Iterator[ThreadStreamEvent]:
        """Return the events that end the incomplete answers."""
        for item in self.items():
            if has_words(item):
                yield ThreadItemDoneEvent(item=item)
            else:
                yield ThreadItemRemovedEvent(item_id=item.id)

    async def save_grown(self, save: Callable[[AssistantMessageItem], Awaitable[None]]) -> None:
        """Save the incomplete answers that have grown since they were last saved.

        Raises:
            Exception: whatever `save` raised. The next call tries again.
        """
        for item in list(self.items()):
            if item.id not in self._grown or not has_words(item):
                continue
            self._grown.discard(item.id)
            try:
                await save(item.model_copy(deep=True))
            except BaseException:
                self._grown.add(item.id)
                raise


def _grow(parts: Parts, update: ThreadItemUpdate) -> None:
    # ChatKit itself modifies the parts of the events, so these are copies.
    match update:
        case AssistantMessageContentPartAdded() | AssistantMessageContentPartDone():
            parts[update.content_index] = update.content.model_copy(deep=True)
        case AssistantMessageContentPartTextDelta():
            parts[update.content_index].text += update.delta
        case AssistantMessageContentPartAnnotationAdded():
            annotations = parts[update.content_index].annotations
            annotations.insert(update.annotation_index, update.annotation)


async def with_fresh_ids(
    events: AsyncIterator[ThreadStreamEvent],
) -> AsyncIterator[ThreadStreamEvent]:
    """Give each message and tool call of a run a new id, which is the same in all of its events.

    With Chat Completions, openai-agents gives every item the id `__fake_id__`. If it were stored,
    each answer would overwrite the previous one.
    """
    ids: defaultdict[str, list[str]] = defaultdict(list)
    streamed: set[str] = set()

    def rename(item: ThreadItem) -> ThreadItem:
        return item.model_copy(update={"id": ids[item.id][-1]})

    async for event in events:
        match event:
            case ThreadItemAddedEvent(item=AssistantMessageItem() as item):
                ids[item.id].append(generate_id("message"))
                streamed.add(item.id)
                yield ThreadItemAddedEvent(item=rename(item))
            case ThreadItemUpdatedEvent(item_id=item_id) if item_id in ids:
                yield event.model_copy(update={"item_id": ids[item_id][-1]})
            case ThreadItemDoneEvent(item=AssistantMessageItem() | ClientToolCallItem() as item):
                if item.id not in streamed:
                    is_message = isinstance(item, AssistantMessageItem)
                    ids[item.id].append(generate_id("message" if is_message else "tool_call"))
                streamed.discard(item.id)
                yield ThreadItemDoneEvent(item=rename(item))
            case ThreadItemRemovedEvent(item_id=item_id) if item_id in ids:
                for new_id in ids[item_id]:
                    yield ThreadItemRemovedEvent(item_id=new_id)
            case _:
                yield event
