"""An assistant that answers with text of any library, and what it is told of the conversation."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from contract.chat import Chat, Json, is_delta, message, text_of, wait_until
from contract.serving import ASSISTANT, Server, run_server
from sqlalchemy.engine import URL

ASSISTANT_OF_A_LIBRARY = """
import asyncio, json, os
from pathlib import Path

from kit import stream_text

allow_cancel = False

async def nothing(turn):
    yield ""
    yield "  "

async def blank_first(turn):
    for piece in ("", "\\n", "The ", "answer", ""):
        yield piece

async def endless(turn):
    try:
        while True:
            yield "on and "
            await asyncio.sleep(0.01)
    finally:
        Path(os.environ["CLOSED"]).write_text("closed")

async def failing(turn):
    yield "So far"
    raise ValueError

async def told(turn):
    yield json.dumps(await turn.messages())

async def respond(turn):
    answer = globals().get(turn.message_text.replace(" ", "_"), told)
    async for event in stream_text(turn, answer(turn)):
        yield event
"""


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that is written when an endless text is closed."""
    return tmp_path_factory.mktemp("library") / "closed"


@pytest.fixture(scope="module")
def library(database: URL, closed: Path) -> Iterator[Server]:
    """A server whose assistant streams text."""
    (closed.parent / "of_a_library.py").write_text(ASSISTANT_OF_A_LIBRARY, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(closed.parent)
        settings = {ASSISTANT: "of_a_library", "CLOSED": str(closed)}
        with run_server(database, None, **settings) as running:
            yield running


def answers(items: list[Json]) -> list[str]:
    return [text_of(item) for item in items if item["type"] == "assistant_message"]


def events_of(person: Chat, kind: str, thread_id: str, **params: Any) -> list[Json]:
    with person.stream(kind, thread_id=thread_id, **params) as events:
        return list(events)


def test_an_answer_without_text_makes_no_message(library: Server) -> None:
    person = library.chat()
    events = person.say("nothing")
    assert "assistant_message" not in json.dumps(events)
    assert answers(person.items(events[0]["thread"]["id"])) == []


def test_blanks_before_an_answer_wait_for_it(library: Server) -> None:
    person = library.chat()
    events = person.say("blank first")
    deltas = [event["update"]["delta"] for event in events if is_delta(event)]
    assert deltas == ["\nThe ", "answer"]
    assert answers(person.items(events[0]["thread"]["id"])) == ["\nThe answer"]


def test_stop_closes_the_text_and_keeps_what_was_said(library: Server, closed: Path) -> None:
    person = library.chat()
    with person.say_slowly("endless") as events:
        thread_id = next(events)["thread"]["id"]
        next(event for event in events if is_delta(event))
    wait_until(closed.exists)
    wait_until(lambda: answers(person.items(thread_id)) != [])
    assert answers(person.items(thread_id))[0].startswith("on and ")


def test_what_was_said_before_a_failure_is_kept(library: Server) -> None:
    person = library.chat()
    events = person.say("failing")
    assert events[-1]["type"] == "error"
    assert answers(person.items(events[0]["thread"]["id"])) == ["So far"]


def test_the_conversation_is_told_as_text(library: Server, chat: Chat) -> None:
    """Another assistant has begun it, in the same database."""
    thread_id = chat.say("A hidden note")[0]["thread"]["id"]
    form = chat.say("A form", thread_id)[-1]["item"]["id"]
    answered = {"input": {"answers": {"idea": {"values": ["A boat"]}}}}
    events_of(chat, "threads.add_structured_input", thread_id, item_id=form, **answered)
    chat.say("A client tool", thread_id)
    events_of(chat, "threads.add_client_tool_output", thread_id, result={"time": "12:34"})

    quoting = message("What is that?", quoted_text="One")
    asked = events_of(library.chat(), "threads.add_user_message", thread_id, input=quoting)
    told = json.loads(text_of(asked[-1]["item"]))
    assert told[0] == ["user", "A hidden note"]
    assert ["user", '{"number": 1}'] in told
    assert ["assistant", "Before this note I had 0 that you do not see."] in told
    assert ["user", "What will you build? A boat"] in told
    assert ["user", 'The page\'s tool_of_the_tests answered: {"time": "12:34"}'] in told
    assert told[-1] == ["user", "> One\nWhat is that?"]


def test_an_assistant_may_hide_the_stop_button(library: Server, chat: Chat) -> None:
    for person, may_stop in ((library.chat(), False), (chat, True)):
        told = [event for event in person.say("Hello") if event["type"] == "stream_options"]
        assert [event["stream_options"] for event in told] == [{"allow_cancel": may_stop}]


def test_dictation_needs_a_model_of_openais_api(library: Server) -> None:
    sound = {"audio_base64": "AAAA", "mime_type": "audio/webm"}
    refused = library.chat().post("input.transcribe", **sound)
    assert refused.status_code == 400
    assert refused.json()["message"].startswith("Dictation needs a model.")
