"""Runs an agent of openai-agents for one turn."""

import asyncio
from collections.abc import AsyncIterator

from agents import Agent, RunConfig, Runner, RunResultStreaming
from chatkit.agents import AgentContext, stream_agent_response
from chatkit.errors import BaseStreamError, CustomStreamError
from chatkit.types import ProgressUpdateEvent, ThreadItemDoneEvent, ThreadStreamEvent

from app.agent_input import AgentInput
from app.identity import RequestContext
from app.item_ids import with_fresh_ids
from app.model_choice import with_choices
from app.model_errors import explain_model_error
from app.model_provider import get_model_provider, traces
from app.settings import MB, get_settings
from app.tool_memory import ToolMemory
from app.turn import Turn


async def run_agent(
    agent: Agent[AgentContext[RequestContext]], turn: Turn, note: str | None = None
) -> AsyncIterator[ThreadStreamEvent]:
    """Run the agent on the conversation and return the events for ChatKit's page.

    The model and the tool that the person chose for the message are used.

    Args:
        agent: which agent.
        turn: the conversation that it answers.
        note: what it is told besides, for this turn only.

    Raises:
        CustomStreamError: the run failed; the message tells the person why.
    """
    agent = with_choices(agent, turn.message.inference_options if turn.message else None)
    settings = get_settings()
    history = await turn.history(settings.history_items)
    items = await AgentInput(settings.history_files_mb * MB).to_agent_input(history)
    if note:
        items.append({"role": "user", "content": note})
    context = AgentContext[RequestContext](
        thread=turn.thread, store=turn.store, request_context=turn.context
    )
    result = Runner.run_streamed(
        agent,
        items,
        context=context,
        run_config=RunConfig(model_provider=get_model_provider(), tracing_disabled=not traces()),
    )
    memory = ToolMemory(context)
    try:
        async for event in with_fresh_ids(_events(context, result)):
            for item in memory.of_new_outputs(result.new_items):
                yield ThreadItemDoneEvent(item=item)
            yield event
        for item in memory.of_new_outputs(result.new_items):
            yield ThreadItemDoneEvent(item=item)
    except BaseStreamError:
        raise
    except Exception as error:
        raise CustomStreamError(explain_model_error(error), allow_retry=True) from error


async def _events(
    context: AgentContext[RequestContext], result: RunResultStreaming
) -> AsyncIterator[ThreadStreamEvent]:
    """Return the events of a run, which is over when they are.

    ChatKit reads them in two tasks that it leaves behind when it is cancelled or fails, and that
    complain in the log. So it is never cancelled: the run is, and ChatKit reads on to the end.
    """
    events: asyncio.Queue[ThreadStreamEvent | None] = asyncio.Queue()

    async def read() -> None:
        try:
            async for event in stream_agent_response(context, result):
                events.put_nowait(event)
        finally:
            events.put_nowait(None)

    reader = asyncio.create_task(read())
    try:
        while (event := await events.get()) is not None:
            yield event
        await reader
    finally:
        if not result.is_complete:
            result.cancel()
        await asyncio.gather(reader, return_exceptions=True)
        # After a failure, one of ChatKit's tasks still waits for an event.
        await context.stream(ProgressUpdateEvent(text=""))
