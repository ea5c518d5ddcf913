"""Your assistant: this file is yours to change.

Here is what it is told, what it can do, and what happens when somebody uses one of its widgets.
While backend/.env.local has no OPENAI_API_KEY, the demo assistant answers. With ASSISTANT=own this
file answers without a key of OpenAI, with any library.
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
    """Return the date and the time where the server is."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


@function_tool
async def get_browser_time(wrapper: RunContextWrapper[ChatContext]) -> str:
    """Ask the person's browser for the date and the time where they are."""
    # Runs in the browser: frontend/src/components/chat/client-tools.ts
    wrapper.context.client_tool_call = ClientToolCall(name="get_browser_time", arguments={})
    return "The browser has been asked."


agent = Agent[ChatContext](
    name="Assistant",
    instructions="You are a helpful assistant. Answer briefly, in the language of the question.",
    model=get_settings().openai_model,
    tools=[get_server_time, get_browser_time],
    # What runs in the browser ends the turn; its answer begins the next one.
    tool_use_behavior=StopAtTools(stop_at_tool_names=["get_browser_time"]),
)


async def respond(turn: Turn) -> AsyncIterator[ThreadStreamEvent]:
    """Answer what the conversation says last."""
    async for event in run_agent(agent, turn):
        yield event


async def act(
    turn: Turn, action: Action[str, Any], widget: WidgetItem | None
) -> AsyncIterator[ThreadStreamEvent]:
    """Answer what a person did in a widget. Here: the agent is told, and answers."""
    async for event in run_agent(agent, turn, note=f"The person used a widget: {action!r}"):
        yield event
