"""The assistant of these tests, in the place of yours: what it shows, a message names.

Where the server has the address of a model it asks that, with a tool of its own.
"""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Any

from chatkit.actions import Action
from chatkit.errors import CustomStreamError
from chatkit.store import NotFoundError, StoreItemType
from chatkit.types import (
    Annotation,
    AssistantMessageContent,
    AssistantMessageContentPartDone,
    AssistantMessageContentPartTextDelta,
    AssistantMessageItem,
    ClientEffectEvent,
    ClientToolCallItem,
    ClosedStatus,
    CustomTask,
    EndOfTurnItem,
    EntitySource,
    ErrorEvent,
    FileSource,
    GeneratedImage,
    GeneratedImageItem,
    GeneratedImageUpdated,
    HiddenContextItem,
    LockedStatus,
    NoticeEvent,
    ProgressUpdateEvent,
    StructuredInputFreeform,
    StructuredInputItem,
    TaskItem,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemRemovedEvent,
    ThreadItemReplacedEvent,
    ThreadItemUpdate,
    ThreadItemUpdatedEvent,
    ThreadStreamEvent,
    URLSource,
    WidgetComponentUpdated,
    WidgetItem,
    WidgetRootUpdated,
    WidgetStreamingTextValueDelta,
    Workflow,
    WorkflowItem,
    WorkflowTaskAdded,
    WorkflowTaskUpdated,
)
from chatkit.widgets import DynamicWidgetComponent, DynamicWidgetRoot, WidgetRoot
from pydantic import TypeAdapter

from contract.model_agent import INSIDE, agent
from kit.chat.turns import Turn, stream_text
from kit.errors import RefusedError
from kit.llm.agent_run import run_agent

Events = AsyncIterator[ThreadStreamEvent]

MEANT = "The shop is closed today."
"""What is meant for people."""

ERRORS = {
    "ValueError": ValueError(INSIDE),
    "KeyError": KeyError(INSIDE),
    "NotFoundError": NotFoundError(INSIDE),
    "OSError": OSError(INSIDE),
    "CustomStreamError": CustomStreamError(MEANT),
    "RefusedError": RefusedError(409, MEANT, inside=INSIDE),
}
"""What is raised where a message, or an action, is its name: `KeyError at once`, or `later`."""

NOT_JSON = "Keep what is no JSON"
"""What is written to have the thread hold what cannot be stored, and the answer fail."""

HALFWAY = "Say where that is from, and fail"
"""What is written to have an answer fail before it is done."""

BEGUN = "Begin with a word, and fail"
"""What is written to have an answer fail that was added with its first word."""

# So that what is sent is what comes back from the history, with all defaults.
ROOT: TypeAdapter[WidgetRoot] = TypeAdapter(WidgetRoot)


async def respond(turn: Turn) -> Events:
    """Show what the message names, or ask the model."""
    answer = run_agent(agent, turn) if asks_model() else script(turn.message_text)(turn)
    async for event in answer:
        yield event


async def act(turn: Turn, action: Action[str, Any], widget: WidgetItem | None) -> Events:
    """Fail as the action says, change the widget, or say what was clicked; or ask the model."""
    if asks_model():
        answer = run_agent(agent, turn, note=f"The person used a widget: {action!r}")
    elif widget and action.type == "demo.switch":
        answer = switched(widget)
    elif widget and action.type == "demo.again":
        answer = shown_again(turn, widget)
    elif widget and action.type == "demo.order":
        answer = ordered(turn, widget, **(action.payload or {}))
    elif action.type.split()[0] in ERRORS:
        answer = fail(turn, action.type)
    else:
        answer = say(turn, f"You clicked: the server got the action `{action.type}`.")
    async for event in answer:
        yield event


def asks_model() -> bool:
    return bool(os.environ.get("OPENAI_BASE_URL"))


def script(text: str) -> Callable[[Turn], Events]:
    """Return what a message names: the first whose words are in it."""
    named = (shown for words, shown in SCRIPTS.items() if words in text.lower())
    return next(named, greet)


def of(turn: Turn, kind: StoreItemType = "message") -> dict[str, Any]:
    """Return what every new item of a turn begins with."""
    item_id = turn.store.generate_item_id(kind, turn.thread, turn.context)
    return {"id": item_id, "thread_id": turn.thread.id, "created_at": datetime.now()}


async def say(turn: Turn, text: str, annotations: Sequence[Annotation] = ()) -> Events:
    """Say something word by word."""
    async for event in stream_text(turn, words_of(text), annotations):
        yield event


async def words_of(text: str) -> AsyncIterator[str]:
    for word in re.findall(r"\S+\s*", text):
        await asyncio.sleep(0.01)
        yield word


async def greet(turn: Turn) -> Events:
    if turn.message is None:  # a client tool or a form has answered
        last = (await turn.history(1))[-1]
        async for event in say(turn, f"I heard: {last.model_dump_json(exclude={'created_at'})}"):
            yield event
        return
    if turn.message_text == NOT_JSON:
        turn.thread.metadata["kept"] = object()
        raise KeyError(INSIDE)
    if turn.message_text == HALFWAY:
        origin = Annotation(source=URLSource(title="A", url="https://example.com"))
        async for event in say(turn, MEANT, [origin]):
            if isinstance(getattr(event, "update", None), AssistantMessageContentPartDone):
                raise KeyError(INSIDE)
            yield event
    if turn.message_text == BEGUN:
        begun = AssistantMessageItem(**of(turn), content=[AssistantMessageContent(text="The ")])
        yield ThreadItemAddedEvent(item=begun)
        more = AssistantMessageContentPartTextDelta(content_index=0, delta="shop")
        yield ThreadItemUpdatedEvent(item_id=begun.id, update=more)
        raise KeyError(INSIDE)
    if turn.message_text.split(" ")[0] in ERRORS:
        async for event in fail(turn, turn.message_text):
            yield event
    seen = "".join(f" I see your {one.name}." for one in turn.message.attachments)
    async for event in say(turn, f"You said: “{turn.message_text[:200]}”.{seen}"):
        yield event


async def fail(turn: Turn, text: str) -> Events:
    """Fail at once, or later."""
    name, _, when = text.partition(" ")
    if when == "later":
        yield ProgressUpdateEvent(text="Looking…")
        async for event in say(turn, "So far"):
            yield event
    raise ERRORS[name]


async def page_context(turn: Turn) -> Events:
    seen = {"language": turn.context.language, "page": dict(turn.context.page)}
    async for event in say(turn, json.dumps(seen)):
        yield event


async def long_answer(turn: Turn, last: int = 300) -> Events:
    async for event in say(turn, "Counting: " + " ".join(map(str, range(1, last + 1)))):
        yield event


async def endless_answer(turn: Turn) -> Events:
    """Count for so long that nobody waits for the end."""
    async for event in long_answer(turn, 100_000):
        yield event


async def notice(turn: Turn) -> Events:
    yield NoticeEvent(level="info", title="A notice", message="This is a **notice**.")


async def effect(turn: Turn) -> Events:
    yield ClientEffectEvent(name="demo.effect", data={"title": "Named by the server"})


async def error(turn: Turn) -> Events:
    async for event in say(turn, "Now something goes wrong, as you asked."):
        yield event
    raise CustomStreamError("This is what an error looks like: a sentence.", allow_retry=True)


async def lock(turn: Turn) -> Events:
    turn.thread.status = LockedStatus(reason="The test locked it.")
    async for event in say(turn, "This conversation is locked now."):
        yield event


async def close(turn: Turn) -> Events:
    turn.thread.status = ClosedStatus(reason="The test closed it.")
    async for event in say(turn, "This conversation is closed now."):
        yield event


async def correction(turn: Turn) -> Events:
    """Say something wrong and replace it, say something else and take it back."""
    wrong = AssistantMessageItem(**of(turn), content=[AssistantMessageContent(text="2 + 2 = 5")])
    yield ThreadItemDoneEvent(item=wrong)
    right = [AssistantMessageContent(text="2 + 2 = 4")]
    yield ThreadItemReplacedEvent(item=wrong.model_copy(update={"content": right}))
    unsaid = AssistantMessageItem(**of(turn), content=[AssistantMessageContent(text="Or 6?")])
    yield ThreadItemDoneEvent(item=unsaid)
    yield ThreadItemRemovedEvent(item_id=unsaid.id)


async def hidden_note(turn: Turn) -> Events:
    """Remember something that the person does not see, as the next turn shows."""
    notes = [item for item in await turn.history(100) if isinstance(item, HiddenContextItem)]
    note = HiddenContextItem(**of(turn), content="Counting")
    yield ThreadItemDoneEvent(item=note)
    number = {"number": len(notes) + 1}
    yield ThreadItemReplacedEvent(item=note.model_copy(update={"content": number}))
    async for event in say(turn, f"Before this note I had {len(notes)} that you do not see."):
        yield event


async def sources(turn: Turn) -> Events:
    annotations = [
        Annotation(source=URLSource(title="A page", url="https://example.com/page")),
        Annotation(source=FileSource(title="A file", filename="file.pdf")),
        Annotation(source=EntitySource(title="Ada", id="person_1", data={"age": 36}), index=6),
    ]
    async for event in say(turn, "This is said with sources.", annotations):
        yield event


async def image(turn: Turn) -> Events:
    item = GeneratedImageItem(**of(turn))
    made = GeneratedImage(id=item.id, url="data:image/gif;base64,R0lGODdhAQABAIAAAP///////ywAAA==")
    yield ThreadItemAddedEvent(item=item)
    update = GeneratedImageUpdated(image=made, progress=0.5)
    yield ThreadItemUpdatedEvent(item_id=item.id, update=update)
    yield ThreadItemDoneEvent(item=item.model_copy(update={"image": made}))


async def client_tool(turn: Turn) -> Events:
    item = of(turn, "tool_call")
    call = ClientToolCallItem(**item, call_id=item["id"], name="tool_of_the_tests", arguments={})
    yield ThreadItemDoneEvent(item=call)


async def form(turn: Turn) -> Events:
    question = StructuredInputFreeform(id="idea", question="What will you build?")
    yield ThreadItemDoneEvent(item=StructuredInputItem(**of(turn), inputs=[question]))


async def late_form(turn: Turn) -> Events:
    """Send the form once more as it was, as an assistant does that has kept a copy of it."""
    [form] = [one for one in await turn.history(100) if isinstance(one, StructuredInputItem)]
    yield ThreadItemReplacedEvent(item=form.model_copy(update={"status": "pending"}))


async def progress(turn: Turn) -> Events:
    """Show a workflow whose steps take their time."""
    workflow = Workflow(type="custom", tasks=[], expanded=True)
    item = WorkflowItem(**of(turn, "workflow"), workflow=workflow)
    yield ThreadItemAddedEvent(item=item.model_copy(deep=True))
    for index, title in enumerate(("Reading", "Looking around", "Making it up")):
        yield ProgressUpdateEvent(text=title)
        task = CustomTask(title=title, status_indicator="loading")
        added = WorkflowTaskAdded(task_index=index, task=task)
        yield ThreadItemUpdatedEvent(item_id=item.id, update=added)
        await asyncio.sleep(0.2)
        task = CustomTask(title=title, status_indicator="complete")
        workflow.tasks.append(task)
        done = WorkflowTaskUpdated(task_index=index, task=task)
        yield ThreadItemUpdatedEvent(item_id=item.id, update=done)
    yield ThreadItemDoneEvent(item=item)
    async for event in say(turn, "That was progress."):
        yield event


async def task(turn: Turn) -> Events:
    yield ThreadItemDoneEvent(item=TaskItem(**of(turn, "task"), task=CustomTask(title="Done")))
    yield ThreadItemDoneEvent(item=EndOfTurnItem(**of(turn)))


async def many_at_once(turn: Turn) -> Events:
    """Do a dozen things in the same moment, which no clock can tell apart."""
    moment = datetime.now()
    for number in range(12):
        item = of(turn, "task") | {"created_at": moment}
        yield ThreadItemDoneEvent(item=TaskItem(**item, task=CustomTask(title=str(number))))


def card(text: str) -> WidgetRoot:
    """Return a card with a button that changes it, and one that is answered by a message."""
    click = {"type": "demo.click", "payload": {"from": "widget"}}
    switch = {"type": "demo.switch", "streaming": False}
    buttons = [
        {"type": "Button", "label": "Switch it", "onClickAction": switch},
        {"type": "Button", "label": "Click me", "onClickAction": click},
    ]
    children = [{"type": "Title", "value": "A card"}, {"type": "Text", "value": text}, *buttons]
    return ROOT.validate_python({"type": "Card", "children": children})


async def widget(turn: Turn) -> Events:
    async for event in say(turn, "Here is a widget."):
        yield event
    shown = WidgetItem(**of(turn), widget=card("As it was"), copy_text="A card")
    yield ThreadItemDoneEvent(item=shown)


async def switched(item: WidgetItem) -> Events:
    yield ThreadItemReplacedEvent(item=item.model_copy(update={"widget": card("Switched")}))


def novelty() -> WidgetRoot:
    """Return a card with what the classes of ChatKit do not know, as a template can make it."""
    row = {"type": "Row", "shiny": True, "children": [{"type": "Text", "value": "Ü", "zoom": 1}]}
    deep = {"type": "Orbit", "radius": 2.5, "center": {"type": "Text", "value": "Sun", "glow": 1}}
    chart = {"type": "Chart", "data": [{"z": 1, "a": None}, {"z": 2, "a": []}], "depth": "3d"}
    button = {"type": "Button", "label": "Go", "size": "huge", "iconEnd": None}
    return DynamicWidgetRoot.model_validate(
        {
            "type": "Card",
            "border": 2,
            "padding": True,
            "children": [row, deep, chart, button, {"type": "Orbit", "children": deep}],
        }
    )


async def new_widget(turn: Turn) -> Events:
    yield ThreadItemDoneEvent(item=WidgetItem(**of(turn), widget=novelty()))


async def shown_again(turn: Turn, item: WidgetItem) -> Events:
    """Save the widget as it was loaded, and show another one like it."""
    yield ThreadItemReplacedEvent(item=item)
    yield ThreadItemDoneEvent(item=item.model_copy(update=of(turn)))


async def ordered(turn: Turn, item: WidgetItem, fail: str | None = None) -> Events:
    """Say on the widget that the order is being made, make it, and say that it is."""
    yield ThreadItemReplacedEvent(item=item.model_copy(update={"widget": card("Ordering")}))
    note = AssistantMessageItem(**of(turn), content=[AssistantMessageContent(text="One moment")])
    yield ThreadItemDoneEvent(item=note)
    turn.thread.title = "An order"
    if fail == "ErrorEvent":
        yield ErrorEvent(message=MEANT)
        return
    if fail == "deletion":
        await turn.store.delete_thread(turn.thread.id, turn.context)
    elif fail:
        raise ERRORS[fail]
    yield ThreadItemReplacedEvent(item=item.model_copy(update={"widget": card("Ordered")}))
    yield ThreadItemRemovedEvent(item_id=note.id)
    thanks = [AssistantMessageContent(text="Thank you")]
    receipt = AssistantMessageItem(**of(turn), content=thanks)
    yield ThreadItemDoneEvent(item=receipt)
    yield ThreadItemReplacedEvent(item=receipt)


async def growing_widget(turn: Turn) -> Events:
    """Show a card whose text grows, whose badge changes, and which then becomes another one."""

    def growing(text: str, state: str) -> WidgetRoot:
        streamed = {"type": "Text", "id": "text", "value": text, "streaming": True}
        return ROOT.validate_python({"type": "Card", "children": [streamed, badge(state)]})

    def badge(state: str) -> dict[str, str]:
        return {"type": "Badge", "id": "state", "label": state}

    item = WidgetItem(**of(turn), widget=growing("", "not done"), copy_text="A card")
    changed = DynamicWidgetComponent.model_validate(badge("nearly done"))
    done = growing("It grows.", "done")
    yield ThreadItemAddedEvent(item=item)
    updates: list[ThreadItemUpdate] = [
        WidgetStreamingTextValueDelta(component_id="text", delta="It grows.", done=False),
        WidgetComponentUpdated(component_id="state", component=changed),
        WidgetRootUpdated(widget=done),
    ]
    for update in updates:
        yield ThreadItemUpdatedEvent(item_id=item.id, update=update)
    yield ThreadItemDoneEvent(item=item.model_copy(update={"widget": done}))


SCRIPTS: dict[str, Callable[[Turn], Events]] = {
    "growing widget": growing_widget,
    "new widget": new_widget,
    "widget": widget,
    "client tool": client_tool,
    "late form": late_form,
    "form": form,
    "progress": progress,
    "task": task,
    "image": image,
    "source": sources,
    "notice": notice,
    "effect": effect,
    "correction": correction,
    "hidden note": hidden_note,
    "page context": page_context,
    "lock": lock,
    "close": close,
    "an error": error,
    "long answer": long_answer,
    "endless answer": endless_answer,
    "many at once": many_at_once,
}
