"""Runs an agent of openai-agents for one turn."""

from collections.abc import AsyncIterator

from agents import Agent, RunConfig, Runner
from agents.exceptions import AgentsException
from chatkit.agents import AgentContext, stream_agent_response
from chatkit.errors import CustomStreamError
from chatkit.types import ThreadStreamEvent
from openai import OpenAIError

from app.agent_input import AgentInput
from app.identity import RequestContext
from app.item_ids import with_fresh_ids
from app.model_errors import explain_model_error
from app.model_provider import get_model_provider, traces
from app.settings import get_settings
from app.turn import Turn

_INPUT = AgentInput()


async def run_agent(
    agent: Agent[AgentContext[RequestContext]], turn: Turn, note: str | None = None
) -> AsyncIterator[ThreadStreamEvent]:
    """Run the agent on the conversation and return the events for ChatKit's page.

    Args:
        agent: which agent.
        turn: the conversation that it answers.
        note: what it is told besides, for this turn only.

    Raises:
        CustomStreamError: the model failed; the message tells the person why.
    """
    items = await _INPUT.to_agent_input(await turn.history(get_settings().history_items))
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
    try:
        async for event in with_fresh_ids(stream_agent_response(context, result)):
            yield event
    except (OpenAIError, AgentsException) as error:
        raise CustomStreamError(explain_model_error(error), allow_retry=True) from error
    finally:
        if not result.is_complete:
            result.cancel()
