"""Conversations with a model, over both of OpenAI's APIs."""

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import URL

from contract.chat import PATIENCE, Chat, Json, is_delta, message, text_of, wait_until
from contract.fake_model import KEY, Answer, CutOffError, FailureError, FakeModel
from contract.serving import (
    DEMO,
    SCRIPTED,
    Server,
    answers,
    environment,
    free_port,
    run_program,
    run_server,
)

TOOL = "get_weather"
"""The tool of the tests' assistant."""


@pytest.fixture(scope="module")
def production_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("production") / "log"


@pytest.fixture(scope="module")
def in_production(database: URL, model: FakeModel, production_log: Path) -> Iterator[Server]:
    """A server that asks the model, with a password in its address."""
    address = f"{model.address}/v1".replace("//", "//gateway:a-password@")
    settings = model.settings | {"OPENAI_BASE_URL": address, "APP_ENV": "production"}
    settings["HISTORY_ITEMS"] = "3"
    with run_server(database, production_log, **settings) as running:
        yield running
    assert "a-password" not in production_log.read_text(encoding="utf-8")


def ask(server: Server, **differently: Any) -> list[Json]:
    """Begin a conversation with an input that the page can make, and return all events."""
    with server.chat().stream("threads.create", input=message("Hello") | differently) as events:
        return list(events)


def deltas(events: Iterator[Json]) -> Iterator[str]:
    return (event["update"]["delta"] for event in events if is_delta(event))


@pytest.mark.parametrize("app_env", ["development", "production"])
def test_demo_in_place_of_mine(database: URL, app_env: str) -> None:
    """Your own assistant answers without any of OpenAI's settings."""
    with run_server(database, None, **SCRIPTED, APP_ENV=app_env) as server:
        answer = server.someone().say("Hello")[-1]["item"]
    assert text_of(answer) == "You said: “Hello”."


def test_production_does_not_start_without_an_assistant(database: URL) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "kit.serve"],
        env=environment(database, **DEMO, APP_ENV="production"),
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("No setting says who answers.")
    assert "ASSISTANT=own" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_second_turn_fails(asking: Server, model: FakeModel) -> None:
    """Ten turns; in the tenth the model knows the nine before it."""
    chat = asking.chat()
    thread_id, expected = "", []
    for number in range(1, 11):
        events = chat.say(f"Question {number}", thread_id)
        thread_id = thread_id or events[0]["thread"]["id"]
        expected += [("user", f"Question {number}"), ("assistant", f"Answer {number}")]
    assert model.requests[-1].said == expected[:-1]
    stored = [(item["type"], text_of(item)) for item in chat.items(thread_id)]
    assert stored == [(f"{role}_message", text) for role, text in expected]


def test_fake_id(asking: Server) -> None:
    chat = asking.chat()
    thread_id, answers = "", []
    for _ in range(3):
        events = chat.say("Hello", thread_id)
        thread_id = thread_id or events[0]["thread"]["id"]
        items = [event["item"] for event in events if "item" in event]
        added, done = [item["id"] for item in items if item["type"] == "assistant_message"]
        assert {event["item_id"] for event in events if "item_id" in event} == {added} == {done}
        answers.append(done)
    assert all(re.fullmatch(r"msg_[0-9a-f]{32}", answer) for answer in answers)
    assert [item["id"] for item in chat.items(thread_id)[1::2]] == answers


def test_tool_outputs_forgotten(asking: Server, model: FakeModel) -> None:
    chat = asking.chat()
    with model.answering(Answer(tool=TOOL)):
        thread_id = chat.say("What time is it?")[0]["thread"]["id"]
    role, output = model.requests[-1].said[-1]
    assert role == "tool"
    chat.say("What did you say?", thread_id)
    question, (_, memory), *rest = model.requests[-1].said
    assert question == ("user", "What time is it?")
    assert TOOL in memory
    assert output in memory
    assert rest == [("assistant", "Answer 1"), ("user", "What did you say?")]


def endlessly() -> Iterator[str]:
    """Speak until somebody hangs up."""
    while True:
        yield "and on "
        time.sleep(0.02)  # no model is faster


def test_stop_does_not_stop_the_bill(asking: Server, model: FakeModel) -> None:
    """Slugs: stop-does-not-stop-the-bill, stop-loses-the-answer."""
    chat = asking.chat()
    with model.answering(Answer(endlessly)):
        with chat.say_slowly("Tell me a story") as events:
            thread_id = next(events)["thread"]["id"]
            heard = "".join(islice(deltas(events), 3))
        assert model.hung_up.wait(60), "the model speaks on after Stop"
    wait_until(lambda: len(chat.items(thread_id)) == 2)
    half = text_of(chat.items(thread_id)[1])
    assert half.startswith(heard)
    chat.say("Something else", thread_id)
    assert ("assistant", half) in model.requests[-1].said


@pytest.mark.parametrize("error", [CutOffError, FailureError])
def test_a_model_that_breaks_off_leaves_its_half_answer(
    asking: Server, model: FakeModel, error: type[Exception]
) -> None:
    """Slugs: error-without-words, assistant-message-not-saved."""
    heard = threading.Event()

    def half_an_answer() -> Iterator[str]:
        yield "Half an answer"
        heard.wait(60)
        raise error("The model is overloaded")

    chat = asking.chat()
    with model.answering(Answer(half_an_answer)), chat.say_slowly("Tell me a story") as events:
        thread_id = next(events)["thread"]["id"]
        assert next(deltas(events)) == "Half an answer"
        heard.set()
        [sentence] = [event["message"] for event in events if event["type"] == "error"]
    assert sentence
    assert text_of(chat.items(thread_id)[-1]) == "Half an answer"
    chat.say("Go on", thread_id)
    assert ("assistant", "Half an answer") in model.requests[-1].said


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (400, None, "refuses the request to fake-model: Not with Bearer ***"),
        (401, None, "refuses the key. Put a valid OPENAI_API_KEY into backend/.env.local."),
        (404, None, "does not know fake-model. Set OPENAI_MODEL"),
        (429, None, "is asked too often at the moment. Try again"),
        (429, "insufficient_quota", "has no credit left."),
        (500, None, "failed with status 500. Try again."),
        (0, None, "cannot be reached. Is it running, and is OPENAI_BASE_URL right?"),
    ],
)
def test_error_without_words(
    asking: Server, model: FakeModel, status: int, code: str | None, words: str
) -> None:
    with model.answering(Answer(status=status, code=code)):
        events = ask(asking)
    [sentence] = [event["message"] for event in events if event["type"] == "error"]
    assert f"{model.address}/v1 {words}" in sentence
    assert re.search(r" \(request [0-9a-f]{32}\)$", sentence)
    assert KEY not in json.dumps(events)


@pytest.mark.parametrize(
    ("status", "code", "sentence", "cause"),
    [
        (400, None, "The assistant cannot answer this.", "refuses the request to fake-"),
        (401, None, "The assistant cannot answer at the moment.", "refuses the key. Put a valid"),
        (404, None, "The assistant cannot answer at the moment.", "does not know fake-"),
        (429, None, "The assistant is asked too often at the moment. Try again in a minute.", ""),
        (429, "insufficient_quota", "The assistant cannot answer at the moment.", "no credit left"),
        (500, None, "The assistant failed. Try again.", "failed with status 500."),
        (0, None, "The assistant cannot answer at the moment.", "cannot be reached. Is it running"),
    ],
)
def test_visitors_see_the_inside(
    in_production: Server,
    model: FakeModel,
    production_log: Path,
    status: int,
    code: str | None,
    sentence: str,
    cause: str,
) -> None:
    """What the owner can act on is in the log; the words of the model's server nowhere."""
    person = in_production.someone()
    with model.answering(Answer(status=status, code=code)):
        events = person.say("Hello")
        spoken = person.post("input.transcribe", audio_base64="AAAA", mime_type="audio/webm")
    [said] = [event["message"] for event in events if event["type"] == "error"]
    for words in (said, spoken.json()["message"]):
        found = re.fullmatch(r"(.*) \(request ([0-9a-f]{32})\)", words)
        assert found, words
        assert found[1] == sentence
        lines = production_log.read_text(encoding="utf-8").splitlines()
        [line] = [line for line in lines if found[2] in line and "The model failed" in line]
        assert f"{model.address}/v1" in line
        assert cause in line
        assert "Not with" not in line
        assert KEY not in line


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no orderly end")
def test_tracing_without_key(model: FakeModel, database: URL) -> None:
    """With a key that is not OpenAI's, nobody but the model is asked, even at the end."""
    port = free_port()
    proxies = dict.fromkeys(["http_proxy", "https_proxy", "all_proxy"], model.address)
    settings = model.settings | proxies | {"no_proxy": "127.0.0.1", "BACKEND_PORT": str(port)}
    # Traces that are left are sent as the process ends, which one that is forked skips.
    command = [sys.executable, "-c", "from contract.serving import serve; serve()"]
    env = environment(database, **settings, PYTHONPATH=str(Path(__file__).parents[1]))
    with run_program(command, env=env) as process:
        address = f"http://127.0.0.1:{port}"
        wait_until(lambda: answers(process.poll() is None, f"{address}/health"))
        Chat(f"{address}/chatkit", {}).say("Hello")
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)
    assert model.requests
    assert model.elsewhere == []
