"""Times on the wire, which say how far they are from UTC.

ChatKit's times are naive and local, and a browser elsewhere would read them as its own.
"""

from datetime import datetime
from typing import TypeVar

from chatkit.types import (
    Page,
    SyncCustomActionResponse,
    Thread,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemReplacedEvent,
    ThreadItemUpdatedEvent,
)
from pydantic import BaseModel

Dated = TypeVar("Dated", bound=BaseModel)


def with_offsets(obj: BaseModel) -> BaseModel:
    """Return a copy whose `created_at` say how far they are from UTC."""
    match obj:
        case ThreadItemUpdatedEvent():  # first: there is one for each word
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
