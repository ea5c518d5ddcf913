"""What was said of an answer before the turn failed: the person has read it, so it is kept."""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator

from chatkit.types import (
    AssistantMessageContent,
    AssistantMessageContentPartAdded,
    AssistantMessageContentPartAnnotationAdded,
    AssistantMessageContentPartDone,
    AssistantMessageContentPartTextDelta,
    AssistantMessageItem,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemRemovedEvent,
    ThreadItemReplacedEvent,
    ThreadItemUpdate,
    ThreadItemUpdatedEvent,
    ThreadStreamEvent,
)

Parts = defaultdict[int, AssistantMessageContent]


async def keep_half_answers(
    stream: Callable[[], AsyncIterator[ThreadStreamEvent]],
) -> AsyncIterator[ThreadStreamEvent]:
    """Return the events of a turn; if it fails, the answers that it had begun are done first.

    ChatKit keeps them when a turn is stopped, and loses them when it fails.
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
    """The answers of a turn that are not done yet, as far as they have come."""

    def __init__(self) -> None:
        """Know of none."""
        self._answers: dict[str, tuple[AssistantMessageItem, Parts]] = {}

    def follow(self, event: ThreadStreamEvent) -> None:
        """Take note of an event."""
        match event:
            case ThreadItemAddedEvent(item=AssistantMessageItem() as item):
                self._answers[item.id] = (item, Parts(lambda: AssistantMessageContent(text="")))
            case ThreadItemUpdatedEvent(item_id=item_id) if item_id in self._answers:
                _grow(self._answers[item_id][1], event.update)
            case ThreadItemDoneEvent(item=done) | ThreadItemReplacedEvent(item=done):
                self._answers.pop(done.id, None)
            case ThreadItemRemovedEvent(item_id=item_id):
                self._answers.pop(item_id, None)

    def items(self) -> Iterator[AssistantMessageItem]:
        """Return those of which something was said."""
        for item, parts in self._answers.values():
            content = [parts[index] for index in sorted(parts)]
            if any(part.text.strip() for part in content):
                yield item.model_copy(update={"content": content})


def _grow(parts: Parts, update: ThreadItemUpdate) -> None:
    # Copies: ChatKit itself writes into the parts of the events.
    match update:
        case AssistantMessageContentPartAdded() | AssistantMessageContentPartDone():
            parts[update.content_index] = update.content.model_copy(deep=True)
        case AssistantMessageContentPartTextDelta():
            parts[update.content_index].text += update.delta
        case AssistantMessageContentPartAnnotationAdded():
            parts[update.content_index].annotations.append(update.annotation)
