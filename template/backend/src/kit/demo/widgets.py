"""Widgets of the demo: made in Python, drawn by ChatKit."""

import asyncio
from typing import Any

from chatkit.types import (
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemReplacedEvent,
    ThreadItemUpdate,
    ThreadItemUpdatedEvent,
    WidgetComponentUpdated,
    WidgetItem,
    WidgetRootUpdated,
    WidgetStreamingTextValueDelta,
)
from chatkit.widgets import DynamicWidgetComponent, WidgetRoot
from pydantic import TypeAdapter

from kit.chat.turns import Turn
from kit.demo.answers import SECONDS_A_WORD, Events, of, say

TITLE = "A widget of the demo"
QUESTION = "What is a widget?"

# So that what is sent is what comes back from the history, with all defaults.
_ROOT: TypeAdapter[WidgetRoot] = TypeAdapter(WidgetRoot)


def _card(text: str) -> WidgetRoot:
    def button(label: str, **action: Any) -> dict[str, Any]:
        return {"type": "Button", "label": label, "onClickAction": action}

    return _ROOT.validate_python(
        {
            "type": "Card",
            "children": [
                {"type": "Title", "value": TITLE},
                {"type": "Text", "value": text},
                button("Switch it", type="demo.switch", streaming=False),
                # What the browser does itself: frontend/src/components/chat/widget-actions.ts.
                button("Ask", type="demo.ask", handler="client", payload={"question": QUESTION}),
                button("Click me", type="demo.click", payload={"from": "widget"}),
            ],
        }
    )


async def widget(turn: Turn) -> Events:
    """Show a card whose buttons change it, are answered by a message, or act in the browser."""
    async for event in say(turn, "Here is a widget. Its buttons send actions to the server."):
        yield event
    card = _card("Widgets are made in Python and drawn by ChatKit.")
    yield ThreadItemDoneEvent(item=WidgetItem(**of(turn), widget=card, copy_text=TITLE))


def switched(item: WidgetItem) -> ThreadItemReplacedEvent:
    """Return the card after a click on the button that changes it."""
    return ThreadItemReplacedEvent(
        item=item.model_copy(update={"widget": _card("Switched, without a message.")})
    )


async def growing_widget(turn: Turn) -> Events:
    """Show a card whose text grows, whose badge changes, and which then becomes another one."""
    text = "This text grows in its widget."
    item = WidgetItem(**of(turn), widget=_growing("", "not done"), copy_text=TITLE)
    yield ThreadItemAddedEvent(item=item)

    def update(change: ThreadItemUpdate) -> ThreadItemUpdatedEvent:
        return ThreadItemUpdatedEvent(item_id=item.id, update=change)

    for word in text.split(" "):
        await asyncio.sleep(SECONDS_A_WORD)
        yield update(
            WidgetStreamingTextValueDelta(component_id="text", delta=f"{word} ", done=False)
        )
    badge = DynamicWidgetComponent.model_validate(_badge("nearly done"))
    yield update(WidgetComponentUpdated(component_id="state", component=badge))
    done = _growing(text, "done")
    yield update(WidgetRootUpdated(widget=done))
    yield ThreadItemDoneEvent(item=item.model_copy(update={"widget": done}))


def _growing(text: str, state: str) -> WidgetRoot:
    return _ROOT.validate_python(
        {
            "type": "Card",
            "children": [
                {"type": "Text", "id": "text", "value": text, "streaming": True},
                _badge(state),
            ],
        }
    )


def _badge(state: str) -> dict[str, str]:
    return {"type": "Badge", "id": "state", "label": state}
