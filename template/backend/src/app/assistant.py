"""Your assistant: this file is yours to change.

It defines the instructions, the tools, and the answers to messages and to actions of widgets.
While no model is configured in backend/.env.local, the demo assistant answers instead.
"""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from agents import Agent, RunContextWrapper, StopAtTools, function_tool
from chatkit.actions import Action
from chatkit.agents import ClientToolCall
from chatkit.types import ThreadStreamEvent, WidgetItem

from kit import ChatContext, Turn, get_settings, run_agent


@function_tool
def get_server_time() -> str:
    """Return the date and the time at the server's location."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


@function_tool
async def get_browser_time(wrapper: RunContextWrapper[ChatContext]) -> str:
    """Ask the person's browser for the date and the time at the person's location."""
    # frontend/src/components/chat/client-tools.ts runs it in the browser.
    wrapper.context.client_tool_call = ClientToolCall(name="get_browser_time", arguments={})
    return "The browser has been asked."


agent = Agent[ChatContext](
    name="Assistant",
    instructions="You are a helpful assistant. Answer briefly, in the language of the question.",
    model=get_settings().openai_model,
    tools=[get_server_time, get_browser_time],
    # A tool in the browser ends the turn. Its output starts the next turn.
    tool_use_behavior=StopAtTools(stop_at_tool_names=["get_browser_time"]),
)


async def respond(turn: Turn) -> AsyncIterator[ThreadStreamEvent]:
    """Answer a message, the output of a client tool, or a form."""
    async for event in run_agent(agent, turn):
        yield event


async def act(
    turn: Turn, action: Action[str, Any], widget: WidgetItem | None
) -> AsyncIterator[ThreadStreamEvent]:
    """Answer an action of a widget: the agent gets it as a note, and answers."""
    async for event in run_agent(agent, turn, note=f"The person used a widget: {action!r}"):
        yield event
