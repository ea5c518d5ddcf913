"""Steps that appear while they are done."""

import asyncio
from urllib.parse import quote

from chatkit.types import (
    Annotation,
    CustomSummary,
    CustomTask,
    EndOfTurnItem,
    EntitySource,
    FileSource,
    GeneratedImage,
    GeneratedImageItem,
    GeneratedImageUpdated,
    ProgressUpdateEvent,
    TaskItem,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemUpdatedEvent,
    URLSource,
    Workflow,
    WorkflowItem,
    WorkflowTaskAdded,
    WorkflowTaskUpdated,
)

from kit.chat.turns import Turn
from kit.demo.speech import Events, of, say

SECONDS_A_STEP = 0.5


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
