"""Which conversations are being answered at the moment."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import RefusedError

_turns = Counter[str]()


@contextmanager
def running_turn(thread_id: str, alone: bool = False) -> Iterator[None]:
    """Know until the end of the block that a conversation is being answered.

    Only this process knows: a turn that runs in another worker, or on another machine, is not seen.

    Args:
        thread_id: which conversation.
        alone: whether the turn removes items, which no other turn may add to meanwhile.

    Raises:
        RefusedError: it is to be alone and is not (409).
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
