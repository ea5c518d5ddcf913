"""The agents of these tests, for a model that plays a script."""

import base64
import os
from typing import Any

from agents import (
    Agent,
    GuardrailFunctionOutput,
    HostedMCPTool,
    RunContextWrapper,
    StopAtTools,
    ToolOutputImage,
    TResponseInputItem,
    function_tool,
    input_guardrail,
    output_guardrail,
)
from chatkit.agents import ClientToolCall

from kit.llm.agent_run import ChatContext

INSIDE = "rhubarb in /srv/app/orders.py"
"""What only the log may have."""

FORBIDDEN = "forbidden fruit"
"""What no person may ask for, and no answer may contain."""

LONG_TEXT = 1_000_000
"""How many characters the tool `read_book` returns."""

DOT = base64.b64decode("R0lGODdhAQABAIAAAP///////ywAAAAAAQABAAACAkQBADs=")
"""A GIF of one pixel, the picture that the tool `take_photo` returns, with enough data behind it to
tell an image from a text."""

PHOTO = DOT + bytes(300_000)

Wrapper = RunContextWrapper[ChatContext]


@function_tool
def get_weather(place: str = "") -> str:
    """Return the weather."""
    return f"It rains in {place}." if place else "It rains."


@function_tool
def get_order(number: int) -> str:
    """Fail, because nobody has orders here."""
    raise KeyError(INSIDE)


@function_tool
def read_book() -> str:
    """Return a long text."""
    return "word " * (LONG_TEXT // 5)


@function_tool
def take_photo() -> ToolOutputImage:
    """Return an image."""
    return ToolOutputImage(image_url=f"data:image/gif;base64,{base64.b64encode(PHOTO).decode()}")


@function_tool
def where_are_you(wrapper: Wrapper) -> str:
    """Ask the browser for the place of the person."""
    wrapper.context.client_tool_call = ClientToolCall(name="where_are_you", arguments={})
    return "asked"


@function_tool
def show_map(wrapper: Wrapper, place: str) -> str:
    """Let the browser show a place."""
    call = ClientToolCall(name="show_map", arguments={"place": place})
    wrapper.context.client_tool_call = call
    return "asked"


@function_tool(needs_approval=True)
def send_letter(to: str, text: str) -> str:
    """Send a letter."""
    return f"The letter to {to} is sent."


@input_guardrail
def ask_for_nothing_forbidden(
    wrapper: RunContextWrapper[Any], agent: Agent[Any], said: str | list[TResponseInputItem]
) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(None, tripwire_triggered=f"the {FORBIDDEN}" in str(said))


@output_guardrail
def say_nothing_forbidden(
    wrapper: RunContextWrapper[Any], agent: Agent[Any], answer: str
) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(None, tripwire_triggered=FORBIDDEN in answer)


gardener = Agent[ChatContext](
    name="Gardener",
    instructions="You are the gardener.",
    handoff_description="Knows plants.",
    model=os.environ.get("OPENAI_MODEL"),
    tools=[get_weather],
)

bank = HostedMCPTool(
    {
        "type": "mcp",
        "server_label": "bank",
        "server_url": "https://bank.example/mcp",
        "require_approval": "always",
    }
)
HOSTED = [bank] if os.environ.get("OPENAI_API") == "responses" else []
"""Chat Completions has no hosted tools."""

CLIENT_TOOLS = ["where_are_you", "show_map"]

agent = Agent[ChatContext](
    name="Tester",
    instructions="You are the tester.",
    model=os.environ.get("OPENAI_MODEL"),
    tools=[
        get_weather,
        get_order,
        read_book,
        take_photo,
        where_are_you,
        show_map,
        send_letter,
        *HOSTED,
    ],
    handoffs=[gardener],
    input_guardrails=[ask_for_nothing_forbidden],
    output_guardrails=[say_nothing_forbidden],
    tool_use_behavior=StopAtTools(stop_at_tool_names=CLIENT_TOOLS),
)
