"""Steps that appear while they are done."""

import asyncio

from chatkit.types import (
    CustomSummary,
    CustomTask,
    EndOfTurnItem,
    ProgressUpdateEvent,
    TaskItem,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemUpdatedEvent,
    Workflow,
    WorkflowItem,
    WorkflowTaskAdded,
    WorkflowTaskUpdated,
)

from app.demo.speech import Events, of, say
from app.turn import Turn

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
