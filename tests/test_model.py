"""Conversations with a model, over both of OpenAI's APIs: aimock answers in OpenAI's place."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import pytest
from conftest import Installed
from contract.chat import text_of, wait_until
from support.backend import Backend, migrate, run_backend
from support.model_server import KEY, MODEL, NPM_PROJECT, ModelServer, run_model
from support.ports import free_port
from support.proxy_trap import ProxyTrap, run_proxy_trap
from support.variants import DEFAULT

Json = dict[str, Any]
RunBackend = Callable[..., AbstractContextManager[Backend]]

NUMBERS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
STORY = json.loads((NPM_PROJECT / "fixtures" / "story.json").read_text(encoding="utf-8"))[
    "fixtures"
][0]["response"]
# Tasks that are left behind complain when the garbage is collected, so it often is.
COLLECT_GARBAGE = """
import gc, threading, time

def collect():
    while True:
        time.sleep(1)
        gc.collect()

threading.Thread(target=collect, daemon=True).start()
"""
COMPLAINTS = re.compile(
    r"Traceback|never retrieved|destroyed but it is pending|tracing|(?<!\.)\b401\b", re.IGNORECASE
)
"""Not a request that took 1.401 s."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    """A model's server."""
    with run_model(tmp_path_factory.mktemp("model") / "aimock") as server:
        yield server


@pytest.fixture(scope="module")
def trap() -> Iterator[ProxyTrap]:
    """What no backend here may run into."""
    with run_proxy_trap() as running:
        yield running


@pytest.fixture(scope="module")
def run(
    project_of: Installed, trap: ProxyTrap, tmp_path_factory: pytest.TempPathFactory
) -> RunBackend:
    """Run the project's backend with settings for a model."""
    project = project_of(DEFAULT)
    project.run("uv", "sync", "--quiet")
    database = migrate(project, tmp_path_factory.mktemp("database") / "chat.db")

    @contextmanager
    def start(**settings: str) -> Iterator[Backend]:
        log_file = tmp_path_factory.mktemp("log") / "backend.log"
        settings = trap.environment | {"DATABASE_URL": database} | settings
        with run_backend(project, log_file, **settings) as backend:
            yield backend
        assert KEY not in backend.log

    return start


@pytest.fixture(scope="module", params=["chat_completions", "responses"])
def backend(
    request: pytest.FixtureRequest,
    run: RunBackend,
    model: ModelServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Backend]:
    """A backend that asks the model; over Chat Completions by default."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "sitecustomize.py").write_text(COLLECT_GARBAGE, encoding="utf-8")
    settings = {
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": model.base_url,
        "OPENAI_MODEL": MODEL,
        "PYTHONPATH": str(folder),
    }
    if request.param == "responses":
        settings["OPENAI_API"] = request.param
    with run(**settings) as running:
        yield running
    assert not COMPLAINTS.findall(running.log), running.log


def deltas(events: Iterator[Json]) -> Iterator[str]:
    for event in events:
        if event.get("update", {}).get("type") == "assistant_message.content_part.text_delta":
            yield event["update"]["delta"]


def error_of(events: list[Json]) -> str:
    """Return the message of the only error of a turn, which must hold no secret."""
    assert KEY not in json.dumps(events)
    [error] = [event for event in events if event["type"] == "error"]
    return str(error["message"])


def said(request: Json) -> list[tuple[str, str]]:
    """Return who said what in a request to the model, without the instructions."""
    return [(entry["role"], _text(entry["content"])) for entry in request["messages"][1:]]


def _text(content: str | list[Json] | None) -> str:
    if isinstance(content, list):
        return "".join(part["text"] for part in content)
    return content or ""


def test_deltas_arrive_while_the_model_writes(backend: Backend, model: ModelServer) -> None:
    ended = model.ended("200")
    with backend.chat.say_slowly("Tell me a story") as events:
        thread_id = next(events)["thread"]["id"]
        spoken = deltas(events)
        first = list(islice(spoken, 3))
        assert model.ended("200") == ended, "the first deltas came when the model had ended"
        assert len(backend.chat.items(thread_id)) == 1
        rest = list(spoken)
    assert "".join(first + rest) == STORY["content"]
    assert len(first + rest) == -(-len(STORY["content"]) // 5), "deltas were put together"
    assert [text_of(item) for item in backend.chat.items(thread_id)[1:]] == [STORY["content"]]


def test_ten_turns(backend: Backend, model: ModelServer) -> None:
    """Slugs: fake-id, second-turn-fails, assistant-message-not-saved."""
    thread_id, expected = None, []
    for number in NUMBERS:
        events = backend.chat.say(f"Question {number}.", thread_id)
        thread_id = thread_id or events[0]["thread"]["id"]
        _, added, *updates, done = [event for event in events if "item" in event["type"]]
        [item_id] = {event["item_id"] for event in updates}
        assert added["item"]["id"] == item_id == done["item"]["id"]
        expected += [("user", f"Question {number}."), ("assistant", f"Answer {number}.")]
    assert thread_id
    items = backend.chat.items(thread_id)
    assert [(item["type"].split("_")[0], text_of(item)) for item in items] == expected
    assert len({item["id"] for item in items}) == 20
    assert all(re.fullmatch(r"msg_[0-9a-f]{32}", item["id"]) for item in items)
    assert said(model.requests("Question ten.")[-1]) == expected[:-1]


def test_thoughts_come_before_the_answer(backend: Backend) -> None:
    thread_id = backend.chat.say("Think first")[0]["thread"]["id"]
    _, thoughts, answer = backend.chat.items(thread_id)
    assert thoughts["workflow"]["tasks"][0]["content"] == "The person wants a thought."
    assert text_of(answer) == "I have thought."


def test_tool_outputs_forgotten(backend: Backend, model: ModelServer) -> None:
    """A tool of the server is run, and the model still knows in the next turn what it said."""
    thread_id = backend.chat.say("Which time has the server?")[0]["thread"]["id"]
    assert [text_of(item) for item in backend.chat.items(thread_id)] == [
        "Which time has the server?",
        "The server has told me.",
    ]
    role, output = said(model.requests("Which time has the server?")[-1])[-1]
    assert role == "tool"
    assert datetime.now().astimezone() - datetime.fromisoformat(output) < timedelta(minutes=1)

    backend.chat.say("Question one.", thread_id)
    *questions, answer, _ = said(model.requests(output)[-1])
    assert {role for role, _ in questions} == {"user"}
    memory = questions[-1][1]
    assert f"The tool get_server_time was called with {{}} and said: {output}" in memory
    assert answer == ("assistant", "The server has told me.")


def test_a_tool_of_the_browser_ends_the_turn(backend: Backend, model: ModelServer) -> None:
    thread_id = backend.chat.say("Which time do I have?")[0]["thread"]["id"]
    question, call = backend.chat.items(thread_id)
    assert (call["type"], call["status"]) == ("client_tool_call", "pending")
    assert call["name"] == "get_browser_time"

    result = {"time": "12:34 in Lisbon"}
    kind = "threads.add_client_tool_output"
    with backend.chat.stream(kind, thread_id=thread_id, result=result) as events:
        answer = list(events)[-1]["item"]
    assert text_of(answer) == "You are in Lisbon."
    answered = call | {"status": "completed", "output": result}
    assert backend.chat.items(thread_id) == [question, answered, answer]

    backend.chat.say("Question one.", thread_id)
    history = said(model.requests("Lisbon")[-1])
    assert [role for role, _ in history] == ["user", "assistant", "tool", "assistant", "user"]
    assert json.loads(history[2][1]) == result


def test_stop_does_not_stop_the_bill(backend: Backend, model: ModelServer) -> None:
    """Slugs: stop-does-not-stop-the-bill, stop-loses-the-answer."""
    hung_up = model.ended("destroyed")
    with backend.chat.say_slowly("Tell me a story") as events:
        thread_id = next(events)["thread"]["id"]
        heard = "".join(islice(deltas(events), 3))
    wait_until(lambda: model.ended("destroyed") > hung_up)
    wait_until(lambda: len(backend.chat.items(thread_id)) == 2)
    stored = text_of(backend.chat.items(thread_id)[1])
    assert STORY["content"].startswith(stored)
    assert stored.startswith(heard)
    assert stored != STORY["content"]

    backend.chat.say("Question two.", thread_id)
    assert text_of(backend.chat.items(thread_id)[-1]) == "Answer two."
    assert ("assistant", stored) in said(model.requests("Question two.")[-1])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("404", "does not know test-model. Set OPENAI_MODEL to a model that it has."),
        ("429", "is asked too often at the moment. Try again in a minute."),
        ("no credit", "has no credit left."),
        ("500", "failed with status 500. Try again."),
        ("400", "refuses the request to test-model: Too long for ***"),
        ("Break off", "cannot be reached. Is it running, and is OPENAI_BASE_URL right?"),
    ],
)
def test_error_without_words(
    backend: Backend, model: ModelServer, text: str, sentence: str
) -> None:
    log = len(backend.log)
    events = backend.chat.say(text)
    assert f"{model.base_url} {sentence}" in error_of(events)
    assert len(re.findall(r"The model failed: .*\(request \w{32}\)", backend.log[log:])) == 1
    assert "Too long" not in backend.log[log:], "the log has the words of the model's server"
    backend.chat.say("Question one.", events[0]["thread"]["id"])


def test_a_wrong_key_is_named(run: RunBackend, model: ModelServer) -> None:
    key = "sk-the-wrong-key"
    with run(OPENAI_API_KEY=key, OPENAI_BASE_URL=model.base_url, OPENAI_MODEL=MODEL) as backend:
        message = error_of(backend.chat.say("Hello"))
    assert message.startswith(f"{model.base_url} refuses the key. Put a valid OPENAI_API_KEY into")
    assert key not in message + backend.log


def test_a_server_that_is_not_there_is_named(run: RunBackend) -> None:
    """Without a key, which local servers do not ask for."""
    address = f"127.0.0.1:{free_port()}/v1"
    url = f"http://ada:the-password@{address}"
    with run(OPENAI_BASE_URL=url, OPENAI_MODEL=MODEL) as backend:
        message = error_of(backend.chat.say("Hello"))
    assert message.startswith(f"http://{address} cannot be reached.")
    assert "the-password" not in backend.log


def test_tracing_without_key(run: RunBackend, model: ModelServer) -> None:
    """Nothing but the model's server is asked, not even at the end, when traces are sent."""
    settings = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": model.base_url, "OPENAI_MODEL": MODEL}
    with run_proxy_trap() as trap:
        with run(**settings, **trap.environment) as backend:
            backend.chat.say("Question one.")
        assert trap.hosts == []


def test_the_trap_sees_what_goes_to_openai(run: RunBackend) -> None:
    """So that the test before this one means something. An empty setting is the default."""
    settings = {"OPENAI_API_KEY": "sk-of-openai", "OPENAI_BASE_URL": "", "OPENAI_MODEL": ""}
    with run_proxy_trap() as trap, run(**settings, **trap.environment) as backend:
        assert error_of(backend.chat.say("Hello")).startswith("OpenAI cannot be reached.")
    assert set(trap.hosts) == {"api.openai.com:443"}
