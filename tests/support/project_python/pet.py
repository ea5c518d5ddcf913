"""A conversation about the pet of docs/recipes/pet.md; test_samples.py puts it into a project."""

import httpx2
from contract.chat import HTTP, Chat, Json
from contract.conversation import Conversation, Reply
from contract.fake_model import FakeModel
from contract.model_script import ToolCall
from contract.serving import Server

NEW = {"name": None, "food": 5, "fun": 5, "clean": 5}
NAMES = ToolCall("offer_names", {"names": ["Nettle", "Bramble"]})
SCRIPT = [[NAMES], "Choose one.", "What a name!", ToolCall("feed"), "It ate.", "Hello again."]
"""What the model says in the page's test."""


def pet_of(person: Chat, thread_id: str) -> Json | None:
    """Return what the page's panel gets; None if it is told that there is no pet."""
    url = person.url.replace("/api/chatkit", f"/api/backend/conversations/{thread_id}/pet")
    response = httpx2.get(url, headers=person.headers, **HTTP)
    assert response.status_code in (200, 404), response.text
    state: Json = response.json()
    return state if response.status_code == 200 else None


def changes(reply: Reply) -> int:
    """Count how often the page is told to look at the pet."""
    effects = [event for event in reply.events if event["type"] == "client_effect"]
    assert {effect["name"] for effect in effects} == {"pet.changed"}
    return len(effects)


def test_the_pet_is_looked_after(
    conversation: Conversation, assistant: Server, model: FakeModel
) -> None:
    person = conversation.chat
    with model.playing([NAMES], "Choose one."):
        hello = conversation.say("Hello")
    assert pet_of(person, conversation.thread_id) == NEW
    assert changes(hello) == 1
    assert '"food": 5' in model.requests[0].said[-1][1]

    [widget] = hello.widgets
    bramble = widget["widget"]["children"][2]
    assert bramble["label"] == "Bramble"
    with model.playing("What a prickly Bramble!"):
        named = conversation.act(widget, bramble["onClickAction"])
    [shown] = named.widgets
    assert shown["id"] == widget["id"]
    assert shown["widget"]["children"][0]["value"] == "Its name is Bramble."
    assert changes(named) == 1

    # Two at once: neither is lost.
    with model.playing([ToolCall("feed"), ToolCall("wash")], "It ate, and it is clean."):
        fed = conversation.say("Feed it and wash it")
    assert fed.text == "It ate, and it is clean."
    assert changes(fed) == 3
    state = {"name": "Bramble", "food": 8, "fun": 4, "clean": 7}
    assert pet_of(person, conversation.thread_id) == state
    with model.playing(*[ToolCall("play")] * 5, "It is tired."):
        conversation.say("Play until it is tired")
    state = {"name": "Bramble", "food": 3, "fun": 10, "clean": 7}
    assert pet_of(person, conversation.thread_id) == state

    assert shown in conversation.reload()
    other = Conversation(person, model, conversation.recording)
    with model.playing("Hello again."):
        other.say("Another one")
    assert pet_of(person, other.thread_id) == NEW
    assert pet_of(assistant.someone(), conversation.thread_id) is None
    person.ask("threads.delete", thread_id=conversation.thread_id)
    assert pet_of(person, conversation.thread_id) is None
    left = f"SELECT name FROM pets WHERE conversation_id = '{conversation.thread_id}'"
    assert assistant.sql(left) == []
