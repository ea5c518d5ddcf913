"""What the assistants of all sides answer with, so that they send the same events."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime

from chatkit.types import (
    AssistantMessageContent,
    AssistantMessageContentPartAdded,
    AssistantMessageContentPartDone,
    AssistantMessageContentPartTextDelta,
    AssistantMessageItem,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemUpdatedEvent,
    ThreadStreamEvent,
)

WORD = "word "


async def speak(order: str, item_id: str, thread_id: str) -> AsyncIterator[ThreadStreamEvent]:
    """Stream a message of words.

    Args:
        order: what a person wrote: how many words, and how many seconds to pause between two. At 0
            seconds the event loop goes round, as it does while a model's words come in.
        item_id: the id of the message.
        thread_id: that of its thread.
    """
    words, seconds = map(int, order.split())
    item = AssistantMessageItem(
        id=item_id, thread_id=thread_id, created_at=datetime.now(), content=[]
    )
    yield ThreadItemAddedEvent(item=item)
    empty, full = AssistantMessageContent(text=""), AssistantMessageContent(text=WORD * words)
    yield ThreadItemUpdatedEvent(
        item_id=item_id, update=AssistantMessageContentPartAdded(content_index=0, content=empty)
    )
    for number in range(words):
        if number:
            await asyncio.sleep(seconds)
        yield ThreadItemUpdatedEvent(
            item_id=item_id,
            update=AssistantMessageContentPartTextDelta(content_index=0, delta=WORD),
        )
    yield ThreadItemUpdatedEvent(
        item_id=item_id, update=AssistantMessageContentPartDone(content_index=0, content=full)
    )
    yield ThreadItemDoneEvent(item=item.model_copy(update={"content": [full]}))
