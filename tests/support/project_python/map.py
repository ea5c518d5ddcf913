"""A conversation about the map of docs/recipes/map.md; test_samples.py puts it into a project."""

from dataclasses import replace

import httpx2
from contract.chat import HTTP
from contract.conversation import Conversation
from contract.fake_model import FakeModel
from contract.model_script import ToolCall

WAY = ToolCall("find_way", {"start": "Shipyard", "goal": "Lighthouse"})
SCRIPT = [WAY, "Blue, then red.", ToolCall("show_pier", {"pier": "Lighthouse"}), "It is alone."]
"""What the model says in the page's test."""


def titles(widget: dict[str, dict[str, list[dict[str, str]]]]) -> list[str]:
    """Return the lines of a card."""
    return [child["value"] for child in widget["widget"]["children"] if "value" in child]


def test_the_map_is_seen_and_moved(conversation: Conversation, model: FakeModel) -> None:
    person = conversation.chat
    url = person.url.replace("/api/chatkit", "/api/backend/ferries")
    ferries = httpx2.get(url, headers=person.headers, **HTTP).json()
    assert ferries["piers"]["Shipyard"] == [20, 80]
    assert ferries["lines"]["blue"] == ["Shipyard", "Mill Island", "Bird Sands"]

    context = {"x-page-context": "pier=Shipyard&secret=1"}
    conversation.chat = replace(person, headers={**person.headers, **context})
    with model.playing([WAY], "First blue, then red."):
        way = conversation.say("How do I get to the Lighthouse?")
    assert ("user", "On the map the person has chosen: Shipyard.") in model.requests[0].said
    assert way.tools[0].output == (
        "blue line from Shipyard to Mill Island; red line from Mill Island to Lighthouse"
    )
    progress = [event["text"] for event in way.events if event["type"] == "progress_update"]
    assert "Looking for ferries to Lighthouse" in progress
    [workflow] = way.of_type("workflow")
    assert workflow["workflow"]["summary"]["title"] == "Found the way to Lighthouse"
    assert [task["title"] for task in workflow["workflow"]["tasks"]] == [
        "Shipyard to Mill Island: blue line",
        "Mill Island to Lighthouse: red line",
    ]
    [card] = way.widgets
    there = ["Shipyard to Lighthouse", "Mill Island, with the blue line"]
    assert titles(card)[:2] == there

    # Without the model.
    [turned] = conversation.act(card, card["widget"]["children"][-1]["onClickAction"]).widgets
    back = ["Lighthouse to Shipyard", "Mill Island, with the red line"]
    assert (turned["id"], titles(turned)[:2]) == (card["id"], back)
    assert turned in conversation.reload()

    conversation.chat = person
    calls = [ToolCall("show_pier", {"pier": "Lighthouse"}), ToolCall("look_at_map")]
    with model.playing(calls, "It is in the south-east, and alone there."):
        shown = conversation.say("Where is that?").client_tool
        assert shown
        assert (shown["name"], shown["arguments"]) == ("show_pier", {"pier": "Lighthouse"})
        looked = conversation.answer_client_tool({"piers": ["Lighthouse"]}).client_tool
        assert looked
        assert looked["name"] == "look_at_map"
        answer = conversation.answer_client_tool({"piers": ["Lighthouse"]})
    assert answer.text == "It is in the south-east, and alone there."
    assert "chosen" not in str(model.requests[-1].said[-1])
    with model.playing(ToolCall("show_pier", {"pier": "Atlantis"})):
        lost = conversation.say("Show me Atlantis")
    assert lost.client_tool is None
    assert lost.errors == ["The model gave no answer. Ask again, or in other words."]
