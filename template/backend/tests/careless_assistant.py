"""An assistant whose author lets errors out. A message, or an action, says which and when."""

from collections.abc import AsyncIterator
from typing import Any

from chatkit.actions import Action
from chatkit.errors import CustomStreamError
from chatkit.store import NotFoundError
from chatkit.types import (
    Annotation,
    AssistantMessageContentPartDone,
    ProgressUpdateEvent,
    ThreadStreamEvent,
    URLSource,
    WidgetItem,
)

from kit.chat.turns import Turn
from kit.demo.speech import say
from kit.errors import RefusedError

INSIDE = "rhubarb in /srv/app/orders.py"
"""What only the log may have."""

MEANT = "The shop is closed today."
"""What is meant for people."""

NOT_JSON = "Note what is no JSON"
"""What is written to have the thread hold what cannot be stored, and the answer fail."""

HALFWAY = "Name a source and fail"
"""What is written to have an answer fail before it is done."""

ERRORS = {
    "ValueError": ValueError(INSIDE),
    "KeyError": KeyError(INSIDE),
    "NotFoundError": NotFoundError(INSIDE),
    "OSError": OSError(INSIDE),
    "CustomStreamError": CustomStreamError(MEANT),
    "RefusedError": RefusedError(409, MEANT, inside=INSIDE),
}


async def respond(turn: Turn) -> AsyncIterator[ThreadStreamEvent]:
    """Fail as the message says: `ValueError at once`, `ValueError later`, or say it."""
    async for event in _fail(turn, turn.message_text):
        yield event


async def act(
    turn: Turn, action: Action[str, Any], _widget: WidgetItem | None
) -> AsyncIterator[ThreadStreamEvent]:
    """Fail as the action's type says."""
    async for event in _fail(turn, action.type):
        yield event


async def _fail(turn: Turn, text: str) -> AsyncIterator[ThreadStreamEvent]:
    name, _, when = text.partition(" ")
    if when == "later":
        yield ProgressUpdateEvent(text="Looking…")
        async for event in say(turn, "So far"):
            yield event
    if text == NOT_JSON:
        turn.thread.metadata["noted"] = object()
        raise KeyError(INSIDE)
    if text == HALFWAY:
        async for event in say(turn, MEANT, [Annotation(source=URLSource(title="A", url="a:"))]):
            if isinstance(getattr(event, "update", None), AssistantMessageContentPartDone):
                raise KeyError(INSIDE)
            yield event
    if name in ERRORS:
        raise ERRORS[name]
    async for event in say(turn, text):
        yield event
