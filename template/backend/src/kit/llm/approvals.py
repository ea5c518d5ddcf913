"""Questions to the person whether a tool may run: for tools that have `needs_approval`."""

import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Literal

from agents import Agent, RunContextWrapper, RunResultStreaming, RunState, ToolApprovalItem
from chatkit.actions import Action
from chatkit.errors import CustomStreamError
from chatkit.store import NotFoundError
from chatkit.types import (
    HiddenContextItem,
    ThreadItemDoneEvent,
    ThreadItemRemovedEvent,
    ThreadItemReplacedEvent,
    ThreadStreamEvent,
    WidgetItem,
)
from chatkit.widgets import WidgetRoot
from pydantic import BaseModel, TypeAdapter, ValidationError

from kit.chat.turns import KIT, Turn
from kit.database.chatkit_store import generate_id
from kit.llm.model_errors import Sentences

ACTION = f"{KIT}approval"
"""The type of the action of the two buttons, and the kind of the hidden item."""

MAX_ARGUMENTS = 2000
"""How many characters of a tool's arguments the person is shown."""

ROOT: TypeAdapter[WidgetRoot] = TypeAdapter(WidgetRoot)


class AskedCall(BaseModel):
    """A tool call that the person is asked to allow."""

    call_id: str
    tool: str
    arguments: str
    widget_id: str
    is_allowed: bool | None = None
    """None until the person has answered."""


class PendingApproval(BaseModel):
    """The content of the hidden item that keeps a run until the person has answered."""

    kind: Literal["kit.approval"] = "kit.approval"
    state: dict[str, Any]
    """openai-agents' `RunState`. It never leaves the server."""
    calls: list[AskedCall]

    @classmethod
    def of(cls, item: object) -> "PendingApproval | None":
        """Return the interrupted run in an item. None if the item is something else."""
        content = item.content if isinstance(item, HiddenContextItem) else None
        if not isinstance(content, dict) or content.get("kind") != ACTION:
            return None
        try:
            return cls.model_validate(content)
        except ValidationError:
            return None


class Decision(BaseModel):
    """The payload of the buttons' action."""

    item_id: str
    call_id: str
    allow: bool


async def ask(
    turn: Turn, result: RunResultStreaming, sentences: Sentences
) -> AsyncIterator[ThreadStreamEvent]:
    """Show a widget for each tool call of an interrupted run, and keep the run."""
    item_id = generate_id("message")
    calls = []
    for interruption in result.interruptions:
        tool, arguments = interruption.tool_name or "", interruption.arguments or "{}"
        call_id = _call_id(interruption)
        call = AskedCall(
            call_id=call_id, tool=tool, arguments=arguments, widget_id=generate_id("message")
        )
        calls.append(call)
    state = result.to_state().to_json(context_serializer=lambda _context: {})
    pending = PendingApproval(state=state, calls=calls)
    yield ThreadItemDoneEvent(item=_hidden(turn, item_id, pending))
    for call in calls:
        yield ThreadItemDoneEvent(
            item=WidgetItem(
                id=call.widget_id,
                thread_id=turn.thread.id,
                created_at=datetime.now(),
                widget=_widget(call, item_id, sentences),
                copy_text=sentences.ask.format(tool=call.tool),
            )
        )


async def answered(
    turn: Turn, action: Action[str, Any], sentences: Sentences
) -> AsyncIterator[ThreadStreamEvent | PendingApproval]:
    """Apply the person's answer.

    Yields:
        The events for the page, and at the end, if the person has answered for all of the run's
        tool calls, the run.

    Raises:
        CustomStreamError: the question is not open any more.
    """
    closed = CustomStreamError("This question is not open any more.", allow_retry=False)
    try:
        decision = Decision.model_validate(action.payload)
        item = await turn.store.load_item(turn.thread.id, decision.item_id, turn.context)
    except (ValidationError, NotFoundError):
        raise closed from None
    pending = PendingApproval.of(item)
    calls = pending.calls if pending else []
    call = next((one for one in calls if one.call_id == decision.call_id), None)
    if pending is None or call is None or call.is_allowed is not None:
        raise closed
    call.is_allowed = decision.allow
    yield await _closed(turn, call, sentences)
    if any(one.is_allowed is None for one in pending.calls):
        # Not as an event, which the page would get.
        hidden = _hidden(turn, decision.item_id, pending)
        await turn.store.save_item(turn.thread.id, hidden, turn.context)
        return
    yield ThreadItemRemovedEvent(item_id=decision.item_id)
    yield pending


async def withdraw(
    turn: Turn, item_id: str, sentences: Sentences
) -> AsyncIterator[ThreadStreamEvent]:
    """Close the questions of a run, because the person has written something else."""
    try:
        item = await turn.store.load_item(turn.thread.id, item_id, turn.context)
    except NotFoundError:
        return
    if pending := PendingApproval.of(item):
        for call in pending.calls:
            if call.is_allowed is None:
                yield await _closed(turn, call, sentences)
        yield ThreadItemRemovedEvent(item_id=item_id)


async def resumed(
    pending: PendingApproval, agent: Agent[Any], context: object
) -> RunState[Any, Agent[Any]]:
    """Return the state from which the run goes on."""
    for item in pending.state.get("original_input") or []:
        if isinstance(item, dict) and item.get("role") == "assistant":
            _make_plain(item)
    state: RunState[Any, Agent[Any]] = await RunState.from_json(
        agent, pending.state, context_override=RunContextWrapper(context)
    )
    allowed = {call.call_id: call.is_allowed for call in pending.calls}
    for interruption in state.get_interruptions():
        if allowed.get(_call_id(interruption)):
            state.approve(interruption)
        else:
            state.reject(interruption, rejection_message="The person declined this.")
    return state


def _make_plain(answer: dict[str, Any]) -> None:
    """Make an earlier answer plain text again.

    openai-agents keeps it as content parts, which it does not accept for Chat Completions.
    """
    content = answer.get("content")
    if isinstance(content, list) and "id" not in answer:
        answer["content"] = "".join(part.get("text", "") for part in content)
        answer.pop("status", None)


def _call_id(interruption: ToolApprovalItem) -> str:
    raw: Any = interruption.raw_item
    found = raw.get("call_id") if isinstance(raw, dict) else getattr(raw, "call_id", None)
    return str(found or "")


def _hidden(turn: Turn, item_id: str, pending: PendingApproval) -> HiddenContextItem:
    return HiddenContextItem(
        id=item_id,
        thread_id=turn.thread.id,
        created_at=datetime.now(),
        content=pending.model_dump(),
    )


async def _closed(turn: Turn, call: AskedCall, sentences: Sentences) -> ThreadItemReplacedEvent:
    """Return the event that replaces the buttons of a question by its answer."""
    item = await turn.store.load_item(turn.thread.id, call.widget_id, turn.context)
    if not isinstance(item, WidgetItem):
        raise CustomStreamError("This question is not open any more.", allow_retry=False)
    widget = _widget(call, None, sentences)
    return ThreadItemReplacedEvent(item=item.model_copy(update={"widget": widget}))


def _widget(call: AskedCall, item_id: str | None, sentences: Sentences) -> WidgetRoot:
    children: list[dict[str, Any]] = [
        {"type": "Title", "value": sentences.ask.format(tool=call.tool), "size": "sm"}
    ]
    if (arguments := _readable(call.arguments)) != "{}":
        children.append({"type": "Markdown", "value": f"```json\n{arguments}\n```"})
    if item_id is None:
        said = {None: sentences.unanswered, True: sentences.allowed, False: sentences.declined}
        children.append({"type": "Caption", "value": said[call.is_allowed]})
    else:
        buttons = [
            {
                "type": "Button",
                "label": label,
                "style": style,
                "onClickAction": {
                    "type": ACTION,
                    "payload": {"item_id": item_id, "call_id": call.call_id, "allow": allow},
                },
            }
            for label, style, allow in (
                (sentences.allow, "primary", True),
                (sentences.decline, "secondary", False),
            )
        ]
        children.append({"type": "Row", "gap": 2, "children": buttons})
    return ROOT.validate_python({"type": "Card", "children": children})


def _readable(arguments: str) -> str:
    try:
        text = json.dumps(json.loads(arguments), ensure_ascii=False, indent=2)
    except ValueError:
        text = arguments
    text = text.replace("```", "'''")  # it must not end the block that shows it
    return text if len(text) <= MAX_ARGUMENTS else f"{text[:MAX_ARGUMENTS]}…"
