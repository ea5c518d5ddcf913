"""The assistant of a project that is measured."""

from collections.abc import AsyncIterator
from typing import Any

from chatkit.actions import Action
from chatkit.types import ThreadStreamEvent, WidgetItem
from kit.chat.turns import Turn
from kit.database.chatkit_store import generate_id
from script import speak


def respond(turn: Turn) -> AsyncIterator[ThreadStreamEvent]:
    """Answer what the message orders."""
    return speak(turn.message_text, generate_id("message"), turn.thread.id)


def act(
    turn: Turn, action: Action[str, Any], widget: WidgetItem | None
) -> AsyncIterator[ThreadStreamEvent]:
    """Nobody uses a widget here."""
    raise NotImplementedError
