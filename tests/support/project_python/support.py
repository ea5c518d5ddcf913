"""The box office, with a model that plays a script."""

from collections.abc import Sequence
from datetime import date, timedelta

import pytest
from contract.chat import Json
from contract.conversation import Conversation, Reply
from contract.fake_model import FakeModel, Request
from contract.model_script import ToolCall
from contract.serving import Server

SCRIPT = ["Hello!", ToolCall("offer_drinks", {"number": 1}), "How about these?"]
"""What the model says in the page's test."""

LATER = str(date.today() + timedelta(30))


def bookings(reply: Reply) -> list[Json]:
    """Return the bookings as the panel shows them after a turn."""
    shown = [event["data"] for event in reply.events if event["type"] == "client_effect"]
    found: list[Json] = shown[-1]["bookings"]
    return found


def buttons(widget: Json) -> Sequence[Json]:
    """Return the buttons of a question whether a tool may run."""
    found: Sequence[Json] = widget["widget"]["children"][-1]["children"]
    return found


@pytest.fixture
def number(conversation: Conversation, model: FakeModel) -> int:
    """The number of the person's first booking."""
    with model.playing("Hello! What can I do for you?", besides=title):
        reply = conversation.say("Hello")
    assert [one["play"] for one in bookings(reply)] == ["The Tempest", "The Seagull"]
    return int(bookings(reply)[0]["number"])


def title(request: Request) -> str | None:
    return "A greeting" if request.instructions.startswith("Name this") else None


def test_a_booking_is_moved(conversation: Conversation, model: FakeModel, number: int) -> None:
    move = ToolCall("move_booking", {"number": number, "evening": LATER})
    with model.playing(move, "Done: see you then."):
        reply = conversation.say("I cannot come next week")
    assert reply.text == "Done: see you then."
    assert reply.tools[0].output == f"Booking {number} is for {LATER} now."
    assert bookings(reply)[0]["evening"] == LATER


def test_bookings_of_others_stay(
    conversation: Conversation, model: FakeModel, assistant: Server, number: int
) -> None:
    stranger = Conversation(assistant.someone(), model, conversation.recording)
    move = ToolCall("move_booking", {"number": number, "evening": LATER})
    with model.playing("Hello!", move, "It is not yours.", besides=title):
        stranger.say("Hello")
        reply = stranger.say(f"Move booking {number}")
    assert reply.tools[0].output == f"This person has no booking {number}."


@pytest.mark.parametrize("answer", ["allow", "decline"])
def test_a_refund_is_asked_for(
    conversation: Conversation, model: FakeModel, number: int, answer: str
) -> None:
    refund = ToolCall("refund_booking", {"number": number, "reason": "illness"})
    with model.playing(refund, "Get well soon."):
        [question] = conversation.say("I am ill, give me my money back").widgets
        allow, decline = buttons(question)
        button = allow if answer == "allow" else decline
        reply = conversation.act(question, button["onClickAction"])
    assert reply.text == "Get well soon."
    assert (number in [one["number"] for one in bookings(reply)]) == (answer == "decline")


def test_a_button_orders_drinks(conversation: Conversation, model: FakeModel, number: int) -> None:
    with model.playing(ToolCall("offer_drinks", {"number": number}), "How about these?"):
        [offer] = conversation.say("What do you have to drink?").widgets
    reply = conversation.act(offer, offer["widget"]["children"][1]["onClickAction"])
    assert reply.widgets[0]["widget"]["children"][1]["label"] == "Ordered"
    assert bookings(reply)[0]["has_drinks"]
    with model.playing("Cheers!"):
        conversation.say("Thank you")
    assert f"ordered drinks for booking {number}" in str(model.requests[-1])


def test_no_drinks_are_ordered_for_a_booking_that_is_gone(
    conversation: Conversation, model: FakeModel, number: int
) -> None:
    refund = ToolCall("refund_booking", {"number": number, "reason": "illness"})
    with model.playing(ToolCall("offer_drinks", {"number": number}), "How about these?"):
        [offer] = conversation.say("What do you have to drink?").widgets
    with model.playing(refund, "Get well soon."):
        [question] = conversation.say("I am ill, give me my money back").widgets
        allow, _ = buttons(question)
        conversation.act(question, allow["onClickAction"])
    reply = conversation.act(offer, offer["widget"]["children"][1]["onClickAction"])
    assert reply.errors == [f"There is no booking {number} any more."]


def test_a_model_names_the_conversation(conversation: Conversation, number: int) -> None:
    threads = conversation.chat.ask("threads.list", limit=1)["data"]
    assert threads[0]["title"] == "A greeting"
