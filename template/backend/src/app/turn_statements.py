"""The statements that every turn needs, built once: building one takes longer than running it."""

from typing import cast

from sqlalchemy import Table, and_, bindparam, func, insert, select, update

from app import models

_THREADS = cast(Table, models.Conversation.__table__)
_ITEMS = cast(Table, models.Message.__table__)
_OF_THREAD = _ITEMS.c.conversation_id == bindparam("thread_id")
_THE_ITEM = and_(_OF_THREAD, _ITEMS.c.id == bindparam("item_id"))
_LAST_POSITION = select(func.coalesce(func.max(_ITEMS.c.position), 0)).where(_OF_THREAD)

LOAD_THREAD = select(_THREADS.c.document).where(
    _THREADS.c.id == bindparam("thread_id"), _THREADS.c.owner == bindparam("owner")
)
"""Takes `thread_id` and `owner`; gives the document."""

LOCK_THREAD = LOAD_THREAD.with_for_update()

ADD_THREAD = insert(_THREADS).inline()
"""Takes the columns, but for the number."""

FIND_ITEM = select(
    select(_ITEMS.c.document).where(_THE_ITEM).scalar_subquery(),
    _LAST_POSITION.scalar_subquery(),
)
"""Takes `thread_id` and `item_id`; gives the document, or NULL, and the thread's last position."""

ADD_ITEM = insert(_ITEMS)
"""Takes the columns."""

CHANGE_ITEM = update(_ITEMS).where(_THE_ITEM)
"""Takes `thread_id`, `item_id` and the columns that change."""
