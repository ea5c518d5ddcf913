"""A turn of a conversation: the assistant that answers, and the items that it makes."""

import json
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import dropwhile
from typing import Any, Literal, Protocol

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
from kit.database.chatkit_store import ChatKitStore, generate_id
from kit.disclosure import disclosed
from kit.errors import RefusedError
from kit.people.identity import RequestContext
from kit.settings import get_settings

Role = Literal["user", "assistant"]

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

    @property
    def message_text(self) -> str:
        """The text of the message; empty if there is no message."""
        return "".join(part.text for part in self.message.content) if self.message else ""

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


_turns = Counter[str]()


@contextmanager
def running_turn(thread_id: str, alone: bool = False) -> Iterator[None]:
    """Mark a conversation as being answered until the end of the block.

    The mark exists in this process only: turns in other workers or on other machines are not seen.

    Args:
        thread_id: the id of the conversation.
        alone: whether no other turn may run. Set for a turn that removes items, because another
            turn could add items meanwhile.

    Raises:
        RefusedError: `alone` is set and another turn of the conversation is running (409).
    """
    if alone and _turns[thread_id]:
        raise RefusedError(
            409, "This conversation is being answered, perhaps in another tab. Wait, or press Stop."
        )
    _turns[thread_id] += 1
    try:
        yield
    finally:
        _turns[thread_id] -= 1
        if not _turns[thread_id]:
            del _turns[thread_id]


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
        async for event in answer():
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
        async for event in shielded(answer):
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

    try:
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
    finally:
        if isinstance(pieces, AsyncGenerator):
            await pieces.aclose()
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
    stream: Callable[[], AsyncIterator[ThreadStreamEvent]],
) -> AsyncIterator[ThreadStreamEvent]:
    """Return the events of a turn. If it fails, first complete the answers that it had begun.

    The person has already read these answers. ChatKit stores them when a turn is stopped, but
    loses them when it fails. An answer without any words is removed from the page.

    Raises:
        Exception: whatever the turn raised.
    """
    half_answers = HalfAnswers()
    try:
        async for event in stream():
            half_answers.follow(event)
            yield event
    except Exception:
        for item in half_answers.items():
            if any(part.text.strip() for part in item.content):
                yield ThreadItemDoneEvent(item=item)
            else:
                yield ThreadItemRemovedEvent(item_id=item.id)
        raise


class HalfAnswers:
    """Collects the text of the answers of a turn that are not complete yet."""

    def __init__(self) -> None:
        """Start without any answers."""
        self._answers: dict[str, tuple[AssistantMessageItem, Parts]] = {}

    def follow(self, event: ThreadStreamEvent) -> None:
        """Apply an event to the collected answers."""
        match event:
            case ThreadItemAddedEvent(item=AssistantMessageItem() as item):
                said = enumerate(item.model_copy(deep=True).content)
                parts = Parts(lambda: AssistantMessageContent(text=""), said)
                self._answers[item.id] = (item, parts)
            case ThreadItemUpdatedEvent(item_id=item_id) if item_id in self._answers:
                _grow(self._answers[item_id][1], event.update)
            case ThreadItemDoneEvent(item=done) | ThreadItemReplacedEvent(item=done):
                self._answers.pop(done.id, None)
            case ThreadItemRemovedEvent(item_id=item_id):
                self._answers.pop(item_id, None)

    def items(self) -> Iterator[AssistantMessageItem]:
        """Return the incomplete answers."""
        for item, parts in self._answers.values():
            content = [parts[index] for index in sorted(parts)]
            yield item.model_copy(update={"content": content})


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
