"""Answers while no model can be asked: no key, no network, the whole of ChatKit to look at."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any

from chatkit.actions import Action
from chatkit.errors import CustomStreamError
from chatkit.types import (
    AssistantMessageContent,
    AssistantMessageContentPartAdded,
    AssistantMessageContentPartDone,
    AssistantMessageContentPartTextDelta,
    AssistantMessageItem,
    ClientToolCallItem,
    CustomSummary,
    CustomTask,
    ProgressUpdateEvent,
    StructuredInputFreeform,
    StructuredInputItem,
    StructuredInputMultipleChoice,
    StructuredInputMultipleChoiceOption,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemUpdatedEvent,
    ThreadStreamEvent,
    WidgetItem,
    Workflow,
    WorkflowItem,
    WorkflowTaskAdded,
)
from chatkit.widgets import DynamicWidgetRoot

from app.chatkit_store import generate_id
from app.turn import Turn

SECONDS_A_WORD = 0.03
SECONDS_A_STEP = 0.5

GREETING = """I am the **demo assistant**: no model is asked, so I only pretend to understand. \
To get real answers, put your key into `backend/.env.local` and start `uv run dev` again:

    OPENAI_API_KEY=…

or `OPENAI_BASE_URL` and `OPENAI_MODEL` for Ollama, vLLM, LM Studio or OpenRouter. Then make the \
assistant yours in `backend/src/app/assistant.py`.

Meanwhile, ask me for a **widget**, a **client tool**, a **form**, **progress**, an **error** or \
a **long answer**."""

Events = AsyncIterator[ThreadStreamEvent]


async def respond(turn: Turn) -> Events:
    """Answer the person's message, or what a client tool or a form brought."""
    answer = _script(turn.message_text)(turn) if turn.message else _follow_up(turn)
    async for event in answer:
        yield event


async def act(turn: Turn, action: Action[str, Any], widget: WidgetItem | None) -> Events:
    """Answer a click in the demo's widget."""
    async for event in _say(turn, f"You clicked: the server got the action `{action.type}`."):
        yield event


def _script(text: str) -> Callable[[Turn], Events]:
    for word, script in SCRIPTS.items():
        if re.search(rf"\b{word}s?\b", text, re.IGNORECASE):
            return script
    return _greet


async def _say(turn: Turn, text: str) -> Events:
    """Stream a message: added once, a delta a word, done once. ChatKit stores it on done."""
    item = AssistantMessageItem(
        id=generate_id("message"), thread_id=turn.thread.id, created_at=datetime.now(), content=[]
    )
    yield ThreadItemAddedEvent(item=item)
    empty, full = AssistantMessageContent(text=""), AssistantMessageContent(text=text)
    yield ThreadItemUpdatedEvent(
        item_id=item.id, update=AssistantMessageContentPartAdded(content_index=0, content=empty)
    )
    for word in re.findall(r"\S+\s*|\s+", text):
        await asyncio.sleep(SECONDS_A_WORD)
        yield ThreadItemUpdatedEvent(
            item_id=item.id,
            update=AssistantMessageContentPartTextDelta(content_index=0, delta=word),
        )
    yield ThreadItemUpdatedEvent(
        item_id=item.id, update=AssistantMessageContentPartDone(content_index=0, content=full)
    )
    yield ThreadItemDoneEvent(item=item.model_copy(update={"content": [full]}))


async def _greet(turn: Turn) -> Events:
    quoted = " ".join(turn.message_text.split())[:200]
    async for event in _say(turn, f"You said: “{quoted}”.\n\n{GREETING}"):
        yield event


async def _long_answer(turn: Turn) -> Events:
    text = "Counting slowly, so that you can press Stop and see that nothing is lost: "
    async for event in _say(turn, text + " ".join(str(number) for number in range(1, 301))):
        yield event


async def _widget(turn: Turn) -> Events:
    async for event in _say(turn, "Here is a widget. Its button sends an action to the server."):
        yield event
    card = DynamicWidgetRoot.model_validate(
        {
            "type": "Card",
            "children": [
                {"type": "Title", "value": "A widget of the demo"},
                {"type": "Text", "value": "Widgets are made in Python and drawn by ChatKit."},
                {
                    "type": "Button",
                    "label": "Click me",
                    "onClickAction": {"type": "demo.click", "payload": {"from": "widget"}},
                },
            ],
        }
    )
    yield ThreadItemDoneEvent(
        item=WidgetItem(
            id=generate_id("message"),
            thread_id=turn.thread.id,
            created_at=datetime.now(),
            widget=card,
            copy_text="A widget of the demo",
        )
    )


async def _client_tool(turn: Turn) -> Events:
    # Runs in the browser: frontend/src/components/chat/client-tools.ts
    yield ProgressUpdateEvent(icon="globe", text="Asking your browser for its time")
    yield ThreadItemDoneEvent(
        item=ClientToolCallItem(
            id=generate_id("tool_call"),
            call_id=generate_id("tool_call"),
            thread_id=turn.thread.id,
            created_at=datetime.now(),
            name="get_browser_time",
            arguments={},
        )
    )


async def _form(turn: Turn) -> Events:
    async for event in _say(turn, "Two questions, and you may skip them:"):
        yield event
    options = [
        StructuredInputMultipleChoiceOption(value=value) for value in ("FastAPI", "Django", "Other")
    ]
    yield ThreadItemDoneEvent(
        item=StructuredInputItem(
            id=generate_id("message"),
            thread_id=turn.thread.id,
            created_at=datetime.now(),
            inputs=[
                StructuredInputMultipleChoice(
                    id="framework", question="Which framework do you like?", options=options
                ),
                StructuredInputFreeform(id="idea", question="What will you build?"),
            ],
        )
    )


async def _progress(turn: Turn) -> Events:
    item = WorkflowItem(
        id=generate_id("workflow"),
        thread_id=turn.thread.id,
        created_at=datetime.now(),
        workflow=Workflow(type="custom", tasks=[], expanded=True),
    )
    yield ThreadItemAddedEvent(item=item.model_copy(deep=True))
    for index, title in enumerate(("Reading the question", "Looking around", "Making it up")):
        yield ProgressUpdateEvent(text=title)
        await asyncio.sleep(SECONDS_A_STEP)
        task = CustomTask(title=title, status_indicator="complete")
        item.workflow.tasks.append(task)
        yield ThreadItemUpdatedEvent(
            item_id=item.id, update=WorkflowTaskAdded(task_index=index, task=task)
        )
    item.workflow.summary = CustomSummary(title="Three steps, all of them pretended")
    yield ThreadItemDoneEvent(item=item)
    async for event in _say(turn, "That was progress: steps that appear while they are done."):
        yield event


async def _error(turn: Turn) -> Events:
    async for event in _say(turn, "Now something goes wrong, as you asked."):
        yield event
    raise CustomStreamError("This is what an error looks like: a sentence.", allow_retry=True)


async def _follow_up(turn: Turn) -> Events:
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
            text = GREETING
    async for event in _say(turn, text):
        yield event


SCRIPTS: dict[str, Callable[[Turn], Events]] = {
    "widget": _widget,
    "client tool": _client_tool,
    "form": _form,
    "progress": _progress,
    "error": _error,
    "long answer": _long_answer,
}
