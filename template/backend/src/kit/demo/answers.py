"""How the demo assistant speaks, and what it shows: progress, pictures, questions, signals."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from chatkit.errors import CustomStreamError
from chatkit.store import StoreItemType
from chatkit.types import (
    Annotation,
    AssistantMessageContent,
    AssistantMessageContentPartAdded,
    AssistantMessageContentPartAnnotationAdded,
    AssistantMessageContentPartDone,
    AssistantMessageContentPartTextDelta,
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
    ThreadItemUpdatedEvent,
    ThreadStreamEvent,
    URLSource,
    Workflow,
    WorkflowItem,
    WorkflowTaskAdded,
    WorkflowTaskUpdated,
)

from kit.chat.turns import Turn
from kit.database.chatkit_store import generate_id

SECONDS_A_WORD = 0.01
SECONDS_A_STEP = 0.5

Events = AsyncIterator[ThreadStreamEvent]


def of(turn: Turn, kind: StoreItemType = "message") -> dict[str, Any]:
    """Return what every new item of a turn begins with: its id, its thread, its time."""
    return {
        "id": generate_id(kind),
        "thread_id": turn.thread.id,
        "created_at": datetime.now(),
    }


async def say(turn: Turn, text: str, annotations: Sequence[Annotation] = ()) -> Events:
    """Stream a message: added once, a delta a word, done once. ChatKit stores it on done."""
    item = AssistantMessageItem(**of(turn), content=[])
    yield ThreadItemAddedEvent(item=item)
    empty = AssistantMessageContent(text="")
    full = AssistantMessageContent(text=text, annotations=list(annotations))
    yield ThreadItemUpdatedEvent(
        item_id=item.id, update=AssistantMessageContentPartAdded(content_index=0, content=empty)
    )
    for word in re.findall(r"\S+\s*|\s+", text):
        await asyncio.sleep(SECONDS_A_WORD)
        yield ThreadItemUpdatedEvent(
            item_id=item.id,
            update=AssistantMessageContentPartTextDelta(content_index=0, delta=word),
        )
    for index, annotation in enumerate(annotations):
        yield ThreadItemUpdatedEvent(
            item_id=item.id,
            update=AssistantMessageContentPartAnnotationAdded(
                content_index=0, annotation_index=index, annotation=annotation
            ),
        )
    yield ThreadItemUpdatedEvent(
        item_id=item.id, update=AssistantMessageContentPartDone(content_index=0, content=full)
    )
    yield ThreadItemDoneEvent(item=item.model_copy(update={"content": [full]}))


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
    """Show a single task, and that the turn is over."""
    done = CustomTask(title="One thing is done", content="All by itself.")
    yield ThreadItemDoneEvent(item=TaskItem(**of(turn, "task"), task=done))
    yield ThreadItemDoneEvent(item=EndOfTurnItem(**of(turn)))


SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="320" height="180">'
    '<rect width="320" height="180" fill="#4f46e5"/>'
    '<circle cx="160" cy="90" r="60" fill="#fbbf24"/></svg>'
)


async def image(turn: Turn) -> Events:
    """Show an image that is being made."""
    item = GeneratedImageItem(**of(turn))
    made = GeneratedImage(id=item.id, url=f"data:image/svg+xml,{quote(SVG)}")
    yield ThreadItemAddedEvent(item=item)
    yield ThreadItemUpdatedEvent(
        item_id=item.id, update=GeneratedImageUpdated(image=made, progress=0.5)
    )
    yield ThreadItemDoneEvent(item=item.model_copy(update={"image": made}))


async def sources(turn: Turn) -> Events:
    """Say something that has sources."""
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
    """Ask the browser for its time, in frontend/src/components/chat/client-tools.ts."""
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
    """Say what the browser or the person answered."""
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
    """Let the page do something: frontend/src/components/chat/effects.ts says what."""
    yield ClientEffectEvent(name="demo.effect", data={"title": "Named by the server"})


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
    """Lock the conversation: it can be read, and nobody can write in it."""
    turn.thread.status = LockedStatus(reason="The demo locked it, as you asked.")
    async for event in say(turn, "This conversation is locked now."):
        yield event


async def close(turn: Turn) -> Events:
    """Close the conversation."""
    turn.thread.status = ClosedStatus(reason="The demo closed it, as you asked.")
    async for event in say(turn, "This conversation is closed now."):
        yield event
