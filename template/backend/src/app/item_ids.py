"""Ids of our own for the items that a model names."""

from collections import defaultdict
from collections.abc import AsyncIterator

from chatkit.types import (
    AssistantMessageItem,
    ClientToolCallItem,
    ThreadItem,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemRemovedEvent,
    ThreadItemUpdatedEvent,
    ThreadStreamEvent,
)

from app.chatkit_store import generate_id


async def with_fresh_ids(
    events: AsyncIterator[ThreadStreamEvent],
) -> AsyncIterator[ThreadStreamEvent]:
    """Give each message and tool call of a run a new id, the same in all of its events.

    Over Chat Completions, openai-agents calls every item `__fake_id__`: stored as it is, each
    answer would overwrite the one before it.
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
