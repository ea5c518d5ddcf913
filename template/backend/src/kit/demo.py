"""The demo assistant. It shows all features of ChatKit without a model, a key or a network."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from chatkit.actions import Action
from chatkit.errors import CustomStreamError
from chatkit.store import StoreItemType
from chatkit.types import (
    Annotation,
    AssistantMessageContent,
    AssistantMessageItem,
    ClientEffectEvent,
    ClientToolCallItem,
    ClosedStatus,
    CustomSummary,
    CustomTask,
    EndOfTurnItem,
    EntitySource,
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
    StructuredInputMultipleChoice,
    StructuredInputMultipleChoiceOption,
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
from chatkit.widgets import DynamicWidgetComponent, WidgetRoot
from pydantic import TypeAdapter

from kit.chat.turns import Turn, stream_text
from kit.database.chatkit_store import generate_id
from kit.disclosure import in_development

GREETING = """I am the **demo assistant**: no model is asked, so I only pretend to understand."""

ADVICE = """ To get real answers, put your key into `backend/.env.local` and start `uv run dev` \
again:

    OPENAI_API_KEY=…

or `OPENAI_BASE_URL` and `OPENAI_MODEL` for Ollama, vLLM, LM Studio or OpenRouter. Then make the \
assistant yours in `backend/src/app/assistant.py`. If it answers with another library, set \
`ASSISTANT=own` instead."""
"""The part of the greeting for people who run the app. It is shown in development only."""

OFFER = """

Meanwhile, ask me for a **widget**, a **client tool**, a **form**, **progress**, an **error** or \
a **long answer**. I also know: growing widget, task, image, sources, notice, effect, correction, \
hidden note, and how to lock or close a conversation."""

SECONDS_A_WORD = 0.01
SECONDS_A_STEP = 0.5

Events = AsyncIterator[ThreadStreamEvent]


async def respond(turn: Turn) -> Events:
    """Answer a message, the output of a client tool, or a form."""
    answer = _script(turn.message_text) if turn.message else answered
    async for event in answer(turn):
        yield event


async def act(turn: Turn, action: Action[str, Any], widget: WidgetItem | None) -> Events:
    """Answer an action of the demo's widget."""
    if action.type == "demo.switch" and widget is not None:
        yield switched(widget)
        return
    async for event in say(turn, f"You clicked: the server got the action `{action.type}`."):
        yield event


def _script(text: str) -> Callable[[Turn], Events]:
    for words, script in SCRIPTS.items():
        if re.search(rf"\b{words}s?\b", text, re.IGNORECASE):
            return script
    return _greet


async def _greet(turn: Turn) -> Events:
    quoted = " ".join(turn.message_text.split())[:200]
    files = [attachment.name for attachment in turn.message.attachments] if turn.message else []
    seen = f" I see your {', '.join(files)}." if files else ""
    greeting = GREETING + (ADVICE if in_development() else "") + OFFER
    async for event in say(turn, f"You said: “{quoted}”.{seen}\n\n{greeting}"):
        yield event


async def _long_answer(turn: Turn) -> Events:
    text = "Counting slowly, so that you can press Stop and see that nothing is lost: "
    async for event in say(turn, text + " ".join(str(number) for number in range(1, 301))):
        yield event


def of(turn: Turn, kind: StoreItemType = "message") -> dict[str, Any]:
    """Return the fields that every new item of a turn has: its id, thread and time."""
    return {
        "id": generate_id(kind),
        "thread_id": turn.thread.id,
        "created_at": datetime.now(),
    }


async def say(turn: Turn, text: str, annotations: Sequence[Annotation] = ()) -> Events:
    """Stream a message word by word."""
    async for event in stream_text(turn, _words(text), annotations):
        yield event


async def _words(text: str) -> AsyncIterator[str]:
    for word in re.findall(r"\S+\s*|\s+", text):
        await asyncio.sleep(SECONDS_A_WORD)
        yield word


async def progress(turn: Turn) -> Events:
    """Show a workflow of three steps."""
    item = WorkflowItem(
        **of(turn, "workflow"), workflow=Workflow(type="custom", tasks=[], expanded=True)
    )
    tasks = item.workflow.tasks
    yield ThreadItemAddedEvent(item=item.model_copy(deep=True))
    for index, title in enumerate(("Reading the question", "Looking around", "Making it up")):
        yield ProgressUpdateEvent(text=title)
        task = CustomTask(title=title, status_indicator="loading")
        yield ThreadItemUpdatedEvent(
            item_id=item.id, update=WorkflowTaskAdded(task_index=index, task=task)
        )
        await asyncio.sleep(SECONDS_A_STEP)
        task = CustomTask(title=title, status_indicator="complete")
        tasks.append(task)
        yield ThreadItemUpdatedEvent(
            item_id=item.id, update=WorkflowTaskUpdated(task_index=index, task=task)
        )
    item.workflow.summary = CustomSummary(title="Three steps, all of them pretended")
    yield ThreadItemDoneEvent(item=item)
    async for event in say(turn, "That was progress: steps that appear while they are done."):
        yield event


async def task(turn: Turn) -> Events:
    """Show a single task, and mark the end of the turn."""
    done = CustomTask(title="One thing is done", content="All by itself.")
    yield ThreadItemDoneEvent(item=TaskItem(**of(turn, "task"), task=done))
    yield ThreadItemDoneEvent(item=EndOfTurnItem(**of(turn)))


SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="320" height="180">'
    '<rect width="320" height="180" fill="#4f46e5"/>'
    '<circle cx="160" cy="90" r="60" fill="#fbbf24"/></svg>'
)


async def image(turn: Turn) -> Events:
    """Show an image while it is being generated, and then the result."""
    item = GeneratedImageItem(**of(turn))
    made = GeneratedImage(id=item.id, url=f"data:image/svg+xml,{quote(SVG)}")
    yield ThreadItemAddedEvent(item=item)
    yield ThreadItemUpdatedEvent(
        item_id=item.id, update=GeneratedImageUpdated(image=made, progress=0.5)
    )
    yield ThreadItemDoneEvent(item=item.model_copy(update={"image": made}))


async def sources(turn: Turn) -> Events:
    """Answer with annotations: a web page, a file and an entity as sources."""
    text = "This is said with sources: a page, a file and a thing that your page knows."
    annotations = [
        Annotation(
            source=URLSource(title="ChatKit", url="https://platform.openai.com/docs/guides/chatkit")
        ),
        Annotation(source=FileSource(title="The handbook", filename="handbook.pdf")),
        Annotation(source=EntitySource(title="Ada", id="person_1", data={"age": 36}), index=60),
    ]
    async for event in say(turn, text, annotations):
        yield event


async def client_tool(turn: Turn) -> Events:
    """Ask the browser for its time. frontend/src/components/chat/client-tools.ts answers."""
    yield ProgressUpdateEvent(icon="globe", text="Asking your browser for its time")
    yield ThreadItemDoneEvent(
        item=ClientToolCallItem(
            **of(turn, "tool_call"),
            call_id=generate_id("tool_call"),
            name="get_browser_time",
            arguments={},
        )
    )


async def form(turn: Turn) -> Events:
    """Ask the person two questions."""
    async for event in say(turn, "Two questions, and you may skip them:"):
        yield event
    options = [
        StructuredInputMultipleChoiceOption(value=value) for value in ("FastAPI", "Django", "Other")
    ]
    yield ThreadItemDoneEvent(
        item=StructuredInputItem(
            **of(turn),
            inputs=[
                StructuredInputMultipleChoice(
                    id="framework", question="Which framework do you like?", options=options
                ),
                StructuredInputFreeform(id="idea", question="What will you build?"),
            ],
        )
    )


async def answered(turn: Turn) -> Events:
    """Repeat what the browser or the person answered."""
    last = next(iter(await turn.history(1)), None)
    match last:
        case ClientToolCallItem():
            text = f"Your browser answered: `{last.output}`."
        case StructuredInputItem():
            answers = "; ".join(
                ", ".join(question.answer.values) if question.answer else "nothing"
                for question in last.inputs
            )
            text = f"Thank you. The form is {last.status}: {answers}."
        case _:
            text = "Thank you."
    async for event in say(turn, text):
        yield event


async def notice(turn: Turn) -> Events:
    """Show a notice above the composer."""
    yield NoticeEvent(level="info", title="A notice", message="This is a **notice** of the server.")


async def effect(turn: Turn) -> Events:
    """Send an effect to the page, which frontend/src/components/chat/effects.ts handles."""
    yield ClientEffectEvent(name="demo.effect", data={"title": "Named by the server"})


async def correction(turn: Turn) -> Events:
    """Send a wrong message and replace it, then send another message and remove it."""
    wrong = AssistantMessageItem(**of(turn), content=[AssistantMessageContent(text="2 + 2 = 5")])
    yield ThreadItemDoneEvent(item=wrong)
    right = [AssistantMessageContent(text="2 + 2 = 4")]
    yield ThreadItemReplacedEvent(item=wrong.model_copy(update={"content": right}))
    unsaid = AssistantMessageItem(**of(turn), content=[AssistantMessageContent(text="Or 6?")])
    yield ThreadItemDoneEvent(item=unsaid)
    yield ThreadItemRemovedEvent(item_id=unsaid.id)


async def hidden_note(turn: Turn) -> Events:
    """Store a hidden note, and say how many earlier ones the conversation has."""
    notes = [
        item.content for item in await turn.history(100) if isinstance(item, HiddenContextItem)
    ]
    yield ThreadItemDoneEvent(
        item=HiddenContextItem(**of(turn), content={"number": len(notes) + 1})
    )
    async for event in say(turn, f"Before this note I had {len(notes)} that you do not see."):
        yield event


async def error(turn: Turn) -> Events:
    """Fail in the middle of an answer."""
    async for event in say(turn, "Now something goes wrong, as you asked."):
        yield event
    raise CustomStreamError("This is what an error looks like: a sentence.", allow_retry=True)


async def lock(turn: Turn) -> Events:
    """Lock the conversation: it can be read, but not continued."""
    turn.thread.status = LockedStatus(reason="The demo locked it, as you asked.")
    async for event in say(turn, "This conversation is locked now."):
        yield event


async def close(turn: Turn) -> Events:
    """Close the conversation."""
    turn.thread.status = ClosedStatus(reason="The demo closed it, as you asked.")
    async for event in say(turn, "This conversation is closed now."):
        yield event


TITLE = "A widget of the demo"
QUESTION = "What is a widget?"

# Validation adds all defaults, so that the sent widget equals the one that the history returns.
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
                # The browser handles it: frontend/src/components/chat/widget-actions.ts.
                button("Ask", type="demo.ask", handler="client", payload={"question": QUESTION}),
                button("Click me", type="demo.click", payload={"from": "widget"}),
            ],
        }
    )


async def widget(turn: Turn) -> Events:
    """Show a card with three buttons: change the card, act in the browser, get a message."""
    async for event in say(turn, "Here is a widget. Its buttons send actions to the server."):
        yield event
    card = _card("Widgets are made in Python and drawn by ChatKit.")
    yield ThreadItemDoneEvent(item=WidgetItem(**of(turn), widget=card, copy_text=TITLE))


def switched(item: WidgetItem) -> ThreadItemReplacedEvent:
    """Return the card as the button "Switch it" changes it."""
    return ThreadItemReplacedEvent(
        item=item.model_copy(update={"widget": _card("Switched, without a message.")})
    )


async def growing_widget(turn: Turn) -> Events:
    """Show a card whose text grows and whose badge changes, and then replace it."""
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


# The first entry whose key is in the message answers it.
SCRIPTS: dict[str, Callable[[Turn], Events]] = {
    "growing widget": growing_widget,
    "widget": widget,
    "client tool": client_tool,
    "form": form,
    "progress": progress,
    "task": task,
    "image": image,
    "source": sources,
    "notice": notice,
    "effect": effect,
    "correction": correction,
    "hidden note": hidden_note,
    "lock": lock,
    "close": close,
    "error": error,
    "long answer": _long_answer,
}
