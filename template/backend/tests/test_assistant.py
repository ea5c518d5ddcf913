"""Your assistant, with a model of the tests: change these with it."""

from collections.abc import Iterator

import pytest
from contract.chat import Chat, text_of
from contract.fake_model import FakeModel
from contract.serving import ASSISTANT, run_server
from sqlalchemy.engine import URL


@pytest.fixture(scope="module")
def chat(model: FakeModel, database: URL) -> Iterator[Chat]:
    """A person at a server on which backend/src/app/assistant.py answers."""
    with run_server(database, None, **{**model.settings, ASSISTANT: ""}) as server:
        yield server.chat()


def test_it_answers_what_is_asked(chat: Chat, model: FakeModel) -> None:
    events = chat.say("What is a proxy?")
    assert text_of(events[-1]["item"]) == "Answer 1"
    assert model.requests[-1].said[-1] == ("user", "What is a proxy?")


def test_it_is_told_what_is_done_in_a_widget(chat: Chat, model: FakeModel) -> None:
    thread_id = chat.say("Show me my orders")[0]["thread"]["id"]
    action = {"type": "order.cancel", "payload": {"fruit": "rhubarb"}}
    with chat.stream("threads.custom_action", thread_id=thread_id, action=action) as events:
        assert text_of(list(events)[-1]["item"]) == "Answer 2"
    *_, (role, told) = model.requests[-1].said
    assert role == "user"
    assert "order.cancel" in told
    assert "rhubarb" in told
