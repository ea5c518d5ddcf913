"""Your assistant, with a model that plays a script: change these tests with the assistant.

Each test runs over both of OpenAI's APIs. docs/kit.md says more under "Test your assistant".
"""

from contract.conversation import Conversation
from contract.fake_model import FakeModel
from contract.model_script import ToolCall


def test_it_answers_what_is_asked(conversation: Conversation, model: FakeModel) -> None:
    with model.playing("A proxy passes messages on."):
        reply = conversation.say("What is a proxy?")
    assert reply.text == "A proxy passes messages on."
    assert model.requests[-1].said[-1] == ("user", "What is a proxy?")
    assert conversation.reload()[1:] == reply.items


def test_it_looks_at_the_clock(conversation: Conversation, model: FakeModel) -> None:
    """A tool of the server: the model calls it, and is told what it returns."""
    with model.playing(ToolCall("get_server_time"), "It is noon."):
        reply = conversation.say("What time is it?")
    assert [(tool.name, tool.arguments) for tool in reply.tools] == [("get_server_time", {})]
    assert reply.text == "It is noon."
    conversation.check_transcript()


def test_it_asks_the_browser(conversation: Conversation, model: FakeModel) -> None:
    """A client tool: the page runs it, and the assistant goes on with what it returns."""
    with model.playing(ToolCall("get_browser_time"), "It is evening in Rome."):
        call = conversation.say("What time is it here?").client_tool
        assert call
        assert call["name"] == "get_browser_time"
        reply = conversation.answer_client_tool({"time_zone": "Europe/Rome"})
    assert reply.text == "It is evening in Rome."
    assert "Europe/Rome" in model.requests[-1].outputs[-1].output


def test_it_is_told_what_is_done_in_a_widget(conversation: Conversation, model: FakeModel) -> None:
    with model.playing("Here they are.", "The order is cancelled."):
        conversation.say("Show me my orders")
        cancel = {"type": "order.cancel", "payload": {"fruit": "rhubarb"}}
        reply = conversation.act(None, cancel)
    assert reply.text == "The order is cancelled."
    role, told = model.requests[-1].said[-1]
    assert role == "user"
    assert "order.cancel" in told
    assert "rhubarb" in told
