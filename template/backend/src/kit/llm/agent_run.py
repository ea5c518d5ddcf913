"""Runs an agent of openai-agents for one turn."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from agents import Agent, RunConfig, RunItem, Runner, RunResultStreaming
from agents.items import ToolCallItem, ToolCallOutputItem
from chatkit.agents import AgentContext, stream_agent_response
from chatkit.errors import BaseStreamError, CustomStreamError
from chatkit.types import (
    HiddenContextItem,
    InferenceOptions,
    ProgressUpdateEvent,
    ThreadItemDoneEvent,
    ThreadStreamEvent,
)

from kit.chat.items import with_fresh_ids
from kit.chat.turns import Turn
from kit.database.chatkit_store import generate_id
from kit.llm.agent_input import AgentInput
from kit.llm.client import explain_model_error, get_model_provider, traces
from kit.people.identity import RequestContext
from kit.settings import MB, get_settings

ChatContext = AgentContext[RequestContext]
"""What the agent's tools are given."""


async def run_agent(
    agent: Agent[ChatContext], turn: Turn, note: str | None = None
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
    context = ChatContext(thread=turn.thread, store=turn.store, request_context=turn.context)
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
    context: ChatContext, result: RunResultStreaming
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


class ToolMemory:
    """Makes hidden items of the outputs of tools: ChatKit has no items for those.

    What a client tool said is in its own item.
    """

    def __init__(self, context: ChatContext) -> None:
        """Remember the run with this context."""
        self._context = context
        self._seen = 0

    def of_new_outputs(self, items: Sequence[RunItem]) -> Iterator[HiddenContextItem]:
        """Return an item for each tool output among a run's items that is new since last time."""
        new, self._seen = items[self._seen :], len(items)
        calls = {item.call_id: item for item in items if isinstance(item, ToolCallItem)}
        client_tool = self._context.client_tool_call
        for item in new:
            call = calls.get(item.call_id) if isinstance(item, ToolCallOutputItem) else None
            if call is None or (client_tool and call.tool_name == client_tool.name):
                continue
            arguments = getattr(call.raw_item, "arguments", "{}")
            yield HiddenContextItem(
                id=generate_id("message"),
                thread_id=self._context.thread.id,
                created_at=datetime.now(),
                content=f"The tool {call.tool_name} was called with {arguments} and said: "
                f"{item.output}",
            )


Context = TypeVar("Context")


def with_choices(agent: Agent[Context], options: InferenceOptions | None) -> Agent[Context]:
    """Return the agent with the model and the tool that the person chose in ChatKit's page.

    Raises:
        CustomStreamError: they are not offered. What costs money is chosen from a list.
    """
    changes: dict[str, Any] = {}
    if options and options.model is not None:
        settings = get_settings()
        if options.model not in [settings.openai_model, *settings.openai_models]:
            raise CustomStreamError(
                f"The model {options.model} is not offered here: OPENAI_MODELS does not name it."
            )
        changes["model"] = options.model
    if options and options.tool_choice is not None:
        tool = options.tool_choice.id
        if tool not in [known.name for known in agent.tools]:
            raise CustomStreamError(f"The assistant has no tool named {tool}.")
        changes["model_settings"] = replace(agent.model_settings, tool_choice=tool)
    return agent.clone(**changes) if changes else agent
