"""Counts as far and as fast as a message says, such as `40 0.1`: 40 words, 0.1 s apart."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from chatkit.actions import Action
from chatkit.types import ThreadStreamEvent, WidgetItem
from kit import Turn, stream_text


def respond(turn: Turn) -> AsyncIterator[ThreadStreamEvent]:
    """Answer a message."""
    return stream_text(turn, _count(turn))


async def _count(turn: Turn) -> AsyncIterator[str]:
    words, seconds = turn.message_text.split()
    for number in range(1, int(words) + 1):
        await asyncio.sleep(float(seconds))
        yield f"{number} "
    turn.count_usage("counter", 10, int(words))


def act(
    turn: Turn, action: Action[str, Any], widget: WidgetItem | None
) -> AsyncIterator[ThreadStreamEvent]:
    """Answer an action, of which there is none."""
    raise NotImplementedError
