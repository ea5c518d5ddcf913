"""A reader of the newspaper, with a model that plays a script."""

import json
from dataclasses import replace

import httpx2
import pytest
from contract.chat import HTTP, Chat, Json
from contract.conversation import Conversation, Reply
from contract.fake_model import FakeModel
from contract.model_script import ToolCall
from contract.serving import Server

SCRIPT = [
    "It is about the library.",
    "In October.",
    ToolCall("open_article", {"article_id": "storks"}),
    "The storks are back.",
]
"""What the model says in the page's test."""


def get(person: Chat, path: str) -> httpx2.Response:
    """Ask a route as this person's browser does."""
    url = person.url.replace("/api/chatkit", "/api/backend").removesuffix("/chatkit")
    return httpx2.get(f"{url}{path}", headers=person.headers, **HTTP)


def effects(reply: Reply) -> list[Json]:
    return [event for event in reply.events if event["type"] == "client_effect"]


def test_the_guide_finds_an_article_and_opens_it(
    conversation: Conversation, model: FakeModel
) -> None:
    with model.playing(
        ToolCall("find_articles", {"words": "bird storks"}),
        ToolCall("open_article", {"article_id": "storks"}),
        "The storks are back.",
    ):
        reply = conversation.say("Is there anything about birds?")
    assert reply.text == "The storks are back."
    assert reply.tools[0].output == "storks: Storks are back on the town hall"
    assert [event["data"] for event in effects(reply)] == [{"id": "storks"}]


def test_the_fact_checker_is_a_tool(conversation: Conversation, model: FakeModel) -> None:
    with model.playing(
        ToolCall("check_fact", {"input": "The ferry is free."}),
        ToolCall("read_article", {"article_id": "bridge"}),
        "It is: “A ferry goes every ten minutes and costs nothing.”",
        "Yes, it is free.",
    ):
        reply = conversation.say("Is the ferry free?")
    guide, checker, told, last = model.requests[-4:]
    assert "check_fact" in guide.tools
    assert "check_fact" not in checker.tools
    assert checker.said == [("user", "The ferry is free.")]
    assert "October" in told.outputs[-1].output
    assert last.outputs[-1].output.startswith("It is: ")
    assert reply.text == "Yes, it is free."
    assert conversation.reload()[1:] == reply.items


def test_the_letters_desk_takes_over(conversation: Conversation, model: FakeModel) -> None:
    with model.playing(
        ToolCall("transfer_to_letters_desk"), "What do you think?", "Dear editor, …"
    ):
        asked = conversation.say("I want to write to the editor")
        written = conversation.say("The bridge should stay open")
    assert [asked.text, written.text] == ["What do you think?", "Dear editor, …"]
    assert model.requests[-1].instructions.startswith("Ask for the reader's opinion")


@pytest.mark.parametrize("tool", ["checker", "letters"])
def test_the_composer_chooses_who_answers(
    conversation: Conversation, model: FakeModel, tool: str
) -> None:
    with model.playing("Well.", "What is new is this."):
        conversation.say(
            "The library closes at ten", inference_options={"tool_choice": {"id": tool}}
        )
        chosen = model.requests[-1].instructions
        conversation.say("What is new?")
    assert chosen.startswith({"checker": "Say whether", "letters": "Ask for"}[tool])
    assert model.requests[-1].instructions.startswith("You guide readers")


def test_what_is_named_is_known(conversation: Conversation, model: FakeModel) -> None:
    [found] = get(conversation.chat, "/articles?words=bridge").json()
    tag = {"type": "input_tag", "id": found["id"], "text": found["title"], "data": {}}
    say = {"type": "input_text", "text": "When does it end? "}
    with model.playing(ToolCall("read_article", {"article_id": "bridge"}), "In October."):
        reply = conversation.say("", content=[say, tag])
    assert reply.text == "In October."
    told = [text for _, text in model.requests[-2].said]
    assert any(json.dumps({"id": "bridge"}) in text for text in told)


def test_the_open_article_is_known(assistant: Server, model: FakeModel) -> None:
    reader = assistant.someone()
    # As the page's own fetch sends it.
    reading = replace(reader, headers={**reader.headers, "X-Page-Context": "article=library&x=1"})
    with model.playing("About the library."):
        reading.say("What is this about?")
    told = [text for _, text in model.requests[-1].said]
    assert "The reader has the article library open: The library stays open until ten" in told


def test_articles_have_routes(assistant: Server) -> None:
    reader = assistant.someone()
    assert len(get(reader, "/articles").json()) == 3
    assert get(reader, "/articles?words=nothing-like-it").json() == []
    assert get(reader, "/articles/storks").json()["title"] == "Storks are back on the town hall"
    missing = get(reader, "/articles/x")
    assert (missing.status_code, missing.json()["message"]) == (404, "There is no such article.")
