"""Questions to the person whether a tool may run: for tools that have `needs_approval`."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Literal

from agents import (
    Agent,
    RunContextWrapper,
    RunResultStreaming,
    RunState,
    ToolApprovalItem,
    TResponseInputItem,
)
from chatkit.actions import Action
from chatkit.errors import CustomStreamError
from chatkit.store import NotFoundError
from chatkit.types import (
    HiddenContextItem,
    ThreadItem,
    ThreadItemDoneEvent,
    ThreadItemReplacedEvent,
    ThreadStreamEvent,
    WidgetItem,
)
from chatkit.widgets import WidgetRoot
from pydantic import BaseModel, TypeAdapter, ValidationError

from kit.chat.turns import APPROVAL, Turn
from kit.database.chatkit_store import generate_id
from kit.llm.model_errors import Sentences

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
    """openai-agents' `RunState`. It never leaves the server.

    The input of the run is left out where it can be made again: it may contain large files.
    """
    last_item: str | None = None
    """The last item of the conversation in the input that is left out."""
    note: str | None = None
    """The additional input of the run."""
    calls: list[AskedCall]

    @classmethod
    def of(cls, item: object) -> "PendingApproval | None":
        """Return the interrupted run in an item. None if the item is something else."""
        content = item.content if isinstance(item, HiddenContextItem) else None
        if not isinstance(content, dict) or content.get("kind") != APPROVAL:
            return None
        try:
            return cls.model_validate(content)
        except ValidationError:
            return None

    @property
    def open_calls(self) -> list[AskedCall]:
        """The calls that the person has not answered yet."""
        return [call for call in self.calls if call.is_allowed is None]


class Decision(BaseModel):
    """The payload of the buttons' action."""

    item_id: str
    call_id: str
    allow: bool


async def ask(
    turn: Turn,
    result: RunResultStreaming,
    sentences: Sentences,
    made_from: str | None,
    note: str | None,
) -> AsyncIterator[ThreadStreamEvent]:
    """Show a widget for each tool call of an interrupted run, and keep the run.

    Args:
        turn: the turn that the run answers.
        result: the interrupted run.
        sentences: what the person reads.
        made_from: the last item of the conversation in the run's input. None if a handoff has
            changed the input, so that it cannot be made again.
        note: the additional input of the run.
    """
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
    if made_from is not None:
        state["original_input"] = []
    pending = PendingApproval(state=state, last_item=made_from, note=note, calls=calls)
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
    """Apply the person's answer. Of two clicks at the same time, one counts.

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
    if PendingApproval.of(item) is None:
        raise closed
    taken = await turn.store.take_item(turn.thread.id, decision.item_id, turn.context)
    pending = PendingApproval.of(taken)
    if pending is None:
        raise closed
    call = next((one for one in pending.open_calls if one.call_id == decision.call_id), None)
    if call is not None:
        call.is_allowed = decision.allow
    if pending.open_calls:
        # Not as an event, which the page would get.
        hidden = _hidden(turn, decision.item_id, pending)
        await turn.store.add_thread_item(turn.thread.id, hidden, turn.context)
    if call is None:
        raise closed
    yield await _closed(turn, call, sentences)
    if not pending.open_calls:
        yield pending


async def withdraw(
    turn: Turn, history: Sequence[ThreadItem], sentences: Sentences
) -> AsyncIterator[ThreadStreamEvent]:
    """Close the questions that are open, because the person has written something else."""
    for item in history:
        if PendingApproval.of(item) is None:
            continue
        taken = await turn.store.take_item(turn.thread.id, item.id, turn.context)
        if pending := PendingApproval.of(taken):
            for call in pending.open_calls:
                with suppress(NotFoundError):  # the process ended before the question was stored
                    yield await _closed(turn, call, sentences)


async def resumed(
    pending: PendingApproval, agent: Agent[Any], context: object, start: list[TResponseInputItem]
) -> RunState[Any, Agent[Any]]:
    """Return the state from which the run goes on.

    Args:
        pending: the run that has waited.
        agent: the agent that answers.
        context: what the agent's tools receive.
        start: the input of the run, unless the run keeps it itself.
    """
    if pending.last_item is not None:
        pending.state["original_input"] = start
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
    values = raw if isinstance(raw, dict) else vars(raw)
    # The call of a hosted MCP server has an id only.
    return str(values.get("call_id") or values["id"])


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
                    "type": APPROVAL,
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
