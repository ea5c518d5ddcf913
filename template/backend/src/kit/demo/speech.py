"""How the demo assistant speaks."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

from chatkit.store import StoreItemType
from chatkit.types import (
    Annotation,
    AssistantMessageContent,
    AssistantMessageContentPartAdded,
    AssistantMessageContentPartAnnotationAdded,
    AssistantMessageContentPartDone,
    AssistantMessageContentPartTextDelta,
    AssistantMessageItem,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemUpdatedEvent,
    ThreadStreamEvent,
)

from kit.chat.turns import Turn
from kit.database.chatkit_store import generate_id

SECONDS_A_WORD = 0.01

Events = AsyncIterator[ThreadStreamEvent]


def of(turn: Turn, kind: StoreItemType = "message") -> dict[str, Any]:
    """Return what every new item of a turn begins with: its id, its thread, its time."""
    return {
        "id": generate_id(kind),
        "thread_id": turn.thread.id,
        "created_at": datetime.now(),
    }


async def say(turn: Turn, text: str, annotations: Sequence[Annotation] = ()) -> Events:
    """Stream a message: added once, a delta a word, done once. ChatKit stores it on done."""
    item = AssistantMessageItem(**of(turn), content=[])
    yield ThreadItemAddedEvent(item=item)
    empty = AssistantMessageContent(text="")
    full = AssistantMessageContent(text=text, annotations=list(annotations))
    yield ThreadItemUpdatedEvent(
        item_id=item.id, update=AssistantMessageContentPartAdded(content_index=0, content=empty)
    )
    for word in re.findall(r"\S+\s*|\s+", text):
        await asyncio.sleep(SECONDS_A_WORD)
        yield ThreadItemUpdatedEvent(
            item_id=item.id,
            update=AssistantMessageContentPartTextDelta(content_index=0, delta=word),
        )
    for index, annotation in enumerate(annotations):
        yield ThreadItemUpdatedEvent(
            item_id=item.id,
            update=AssistantMessageContentPartAnnotationAdded(
                content_index=0, annotation_index=index, annotation=annotation
            ),
        )
    yield ThreadItemUpdatedEvent(
        item_id=item.id, update=AssistantMessageContentPartDone(content_index=0, content=full)
    )
    yield ThreadItemDoneEvent(item=item.model_copy(update={"content": [full]}))
