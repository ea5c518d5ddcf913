"""Transformations of events and items: unfinished answers, unique ids, times with an offset."""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime
from typing import TypeVar

from chatkit.types import (
    AssistantMessageContent,
    AssistantMessageContentPartAdded,
    AssistantMessageContentPartAnnotationAdded,
    AssistantMessageContentPartDone,
    AssistantMessageContentPartTextDelta,
    AssistantMessageItem,
    ClientToolCallItem,
    Page,
    SyncCustomActionResponse,
    Thread,
    ThreadItem,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemRemovedEvent,
    ThreadItemReplacedEvent,
    ThreadItemUpdate,
    ThreadItemUpdatedEvent,
    ThreadStreamEvent,
)
from pydantic import BaseModel

from kit.database.chatkit_store import generate_id

Parts = defaultdict[int, AssistantMessageContent]


async def keep_half_answers(
    stream: Callable[[], AsyncIterator[ThreadStreamEvent]],
) -> AsyncIterator[ThreadStreamEvent]:
    """Return the events of a turn. If it fails, first complete the answers that it had begun.

    The person has already read these answers. ChatKit stores them when a turn is stopped, but
    loses them when it fails.

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
            yield ThreadItemDoneEvent(item=item)
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
        """Return the incomplete answers that contain text."""
        for item, parts in self._answers.values():
            content = [parts[index] for index in sorted(parts)]
            if any(part.text.strip() for part in content):
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


Dated = TypeVar("Dated", bound=BaseModel)


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
