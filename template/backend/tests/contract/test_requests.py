"""Requests of ChatKit's protocol that are refused, and what a person is told when something fails.

The requests are written against the protocol: what they ask holds for any ChatKit server.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import httpx2
import pytest
from chatkit.types import NonStreamingReq, StreamingReq
from sqlalchemy.engine import URL

from contract.assistant import BEGUN, ERRORS, HALFWAY, MEANT, NOT_JSON
from contract.chat import HTTP, Chat, Json, is_delta, message, text_of
from contract.model_agent import INSIDE
from contract.serving import Server, migrated_database, run_server
from kit.database.engine import database_url

NOBODY = {"thread_id": "thr_none", "item_id": "msg_none"}

STREAMING: dict[str, Json] = {
    "threads.create": {"input": message("Hello")},
    "threads.add_user_message": {"thread_id": "thr_none", "input": message("Hello")},
    "threads.add_client_tool_output": {"thread_id": "thr_none", "result": {}},
    "threads.add_structured_input": NOBODY | {"input": {}},
    "threads.retry_after_item": NOBODY,
    "threads.custom_action": NOBODY | {"action": {"type": "demo.click"}},
}

JSON: dict[str, Json] = {
    "threads.get_by_id": {"thread_id": "thr_none"},
    "threads.list": {},
    "threads.update": {"thread_id": "thr_none", "title": "New"},
    "threads.delete": {"thread_id": "thr_none"},
    "threads.sync_custom_action": NOBODY | {"action": {"type": "demo.switch"}},
    "items.list": {"thread_id": "thr_none"},
    "items.feedback": {"thread_id": "thr_none", "item_ids": ["msg_none"], "kind": "positive"},
    "attachments.create": {"name": "a.txt", "size": 1, "mime_type": "text/plain"},
    "attachments.delete": {"attachment_id": "atc_none"},
    "input.transcribe": {"audio_base64": "AAAA", "mime_type": "audio/webm"},
}

NEED_A_THREAD = [
    kind
    for kind, params in (STREAMING | JSON).items()
    if "thread_id" in params and kind not in ("threads.delete", "items.list")
]


def test_no_request_of_chatkit_is_forgotten() -> None:
    known = {
        request.model_fields["type"].default
        for request in (*get_args(StreamingReq), *get_args(NonStreamingReq))
    }
    assert known == {*STREAMING, *JSON}


@pytest.mark.parametrize("kind", [*STREAMING, *JSON])
def test_a_request_without_its_parameters_is_refused(chat: Chat, kind: str) -> None:
    if kind == "threads.list":  # needs none
        return
    response = chat.post(kind)
    assert response.status_code == 400
    assert "params" in response.json()["message"]


@pytest.mark.parametrize("kind", NEED_A_THREAD)
def test_not_found_is_500(chat: Chat, kind: str) -> None:
    """Not there, or somebody else's: 404, on streams too, and nothing comes into being."""
    before = chat.ask("threads.list", limit=9999)
    response = chat.post(kind, **(STREAMING | JSON)[kind])
    assert response.status_code == 404
    assert "thr_none" in response.json()["message"]
    assert chat.ask("threads.list", limit=9999) == before


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"{}", b'{"type": "x"}', b"\xff"])
def test_wrong_request_field(chat: Chat, body: bytes) -> None:
    headers = {**chat.headers, "content-type": "application/json"}
    response = httpx2.post(chat.url, content=body, headers=headers, **HTTP)
    assert response.status_code == 400
    assert '{"type": "threads.list", "params": {}}' in response.json()["message"]


def test_what_is_not_json_is_refused(chat: Chat) -> None:
    """A form of another site's page would be sent with the person's cookies."""
    body = '{"type": "threads.list", "params": {}}'
    headers = {**chat.headers, "content-type": "text/plain"}
    response = httpx2.post(chat.url, content=body, headers=headers, **HTTP)
    assert response.status_code == 415
    assert "application/json" in response.json()["message"]


@pytest.mark.parametrize(
    ("content", "words"),
    [("x" * 11 * 1024 * 1024, "10 MB"), ("x" * 600 * 1024, "512 KB"), ([1] * 300_000, "512 KB")],
    ids=["more than speech", "more than text", "many mistakes"],
)
def test_what_is_too_large_is_refused(chat: Chat, content: Any, words: str) -> None:
    """At once: to describe what is wrong with each part of it would hold up everybody."""
    response = chat.post("threads.create", input=message("", content=content))
    assert response.status_code == 413
    assert words in response.json()["message"]


SPEECH = '{"type": "input.transcribe", "params": {"audio_base64": "", "mime_type": "audio/webm"}, '

HOSTILE = {
    "lists": ('{"type": "x", "a": [' + "[]," * 3_000_000 + "[]]}", "512 KB"),
    "lists beside speech": (SPEECH + '"metadata": [' + "[]," * 3_000_000 + "[]]}", "512 KB"),
    "text as speech": (
        '{"type": "threads.list", "params": {}, "metadata": {"audio_base64": "'
        + "A" * 600_000
        + '"}}',
        "512 KB",
    ),
    "a string that goes on": (SPEECH[:-2].replace('""', '"\\"' + "[]," * 200_000 + '"'), "512 KB"),
    "short lists": ('{"type": "x", "a": [' + "[]," * 150_000 + "[]]}", "brackets"),
    "short strings": ('{"type": "x", "a": [' + '"",' * 150_000 + '""]}', "brackets"),
    "names": ('{"type": "x"' + ',"a":1' * 80_000 + "}", "brackets"),
}


@pytest.mark.parametrize(("body", "words"), HOSTILE.values(), ids=HOSTILE)
def test_json_that_takes_long_to_parse_is_refused(chat: Chat, body: str, words: str) -> None:
    """Slug: one-request-blocks-all. What is in a string takes no longer, whatever it is."""
    headers = {**chat.headers, "content-type": "application/json"}
    response = httpx2.post(chat.url, content=body, headers=headers, **HTTP)
    assert response.status_code == 413
    assert words in response.json()["message"]
    assert chat.post("threads.get_by_id", thread_id='[]{},:\\"' * 20_000).status_code == 404


def test_json_of_bytes(chat: Chat) -> None:
    """The answer is an object, and not the text of one; nothing in it is empty for no reason."""
    thread_id = chat.say("Hello")[0]["thread"]["id"]
    page = chat.ask("threads.list", limit=1)
    assert isinstance(page, dict)
    assert [thread["id"] for thread in page["data"]] == [thread_id]
    assert {"id", "title", "created_at", "status", "items"} <= set(page["data"][0])
    assert page["data"][0]["status"] == {"type": "active"}


SECRET = {"CHATKIT_SECRET": "a secret of production, long enough to be one"}


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A server whose database may be broken, and whose log is kept."""
    with migrated_database(tmp_path) as url, run_server(url, tmp_path / "log") as server:
        yield server


def test_error_without_words(own_server: Server, tmp_path: Path) -> None:
    """The database fails in the middle of an answer; an item in it is not as it was stored."""
    chat = own_server.chat()
    whole = chat.say("Hello")[0]["thread"]["id"]
    own_server.sql("UPDATE messages SET document = '{\"id\": 1}'")
    response = chat.post("threads.get_by_id", thread_id=whole)
    assert response.status_code == 500
    assert "log" in response.json()["message"]

    with chat.say_slowly("A long answer, of which no log may have a word: rhubarb") as events:
        next(filter(is_delta, events))
        own_server.sql("ALTER TABLE messages RENAME TO gone")
        last = list(events)[-1]
    assert last["type"] == "error"
    assert "could not be saved" in last["message"]
    request_id = last["message"].split()[-1].rstrip(")")
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert request_id in log
    assert "rhubarb" not in log


def test_errors_multiply_threads(own_server: Server) -> None:
    """The page posts a message again after a 5xx: a stream that cannot be is an event."""
    chat = own_server.chat()
    thread_id = chat.say("notice")[0]["thread"]["id"]
    own_server.sql("ALTER TABLE messages RENAME TO gone")
    for kind, params in (
        ("threads.create", {}),
        ("threads.add_user_message", {"thread_id": thread_id}),
    ):
        with chat.stream(kind, input=message("Hello"), **params) as events:
            last = list(events)[-1]
        assert last["type"] == "error"
        assert last["message"]
    assert chat.post("items.list", thread_id=thread_id).status_code == 503


@pytest.fixture(scope="module")
def careless_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("careless") / "log"


@pytest.fixture(scope="module")
def careless(database: URL, careless_log: Path) -> Iterator[Server]:
    """A server in production, whose assistant lets errors out."""
    with run_server(database, careless_log, APP_ENV="production") as running:
        yield running


def last_words(chat: Chat, kind: str, **params: Any) -> str:
    """Return the error with which a stream ends."""
    with chat.stream(kind, **params) as events:
        last: Json = list(events)[-1]
    assert last["type"] == "error", last
    return str(last["message"])


@pytest.mark.parametrize("when", ["at once", "later"])
@pytest.mark.parametrize("name", ERRORS)
def test_owner_words_reach_visitors(
    careless: Server, careless_log: Path, name: str, when: str
) -> None:
    """What somebody's own code raises is for the log, unless it is meant for people."""
    person = careless.someone()
    thread_id = person.say("Hello")[0]["thread"]["id"]
    action = {"thread_id": thread_id, "action": {"type": f"{name} {when}", "payload": {}}}
    answer = person.post("threads.sync_custom_action", **action)
    said = [
        last_words(person, "threads.create", input=message(f"{name} {when}")),
        last_words(person, "threads.custom_action", **action),
        answer.json()["message"],
    ]
    is_meant = MEANT in str(ERRORS[name].args) or name == "CustomStreamError"
    statuses = {"RefusedError": 409, "CustomStreamError": 502}
    assert answer.status_code == statuses.get(name, 500)
    log = careless_log.read_text(encoding="utf-8")
    for words in said:
        found = re.fullmatch(r"(.*) \(request (\w{32})\)", words)
        assert found, words
        assert found[1] == (MEANT if is_meant else "Something went wrong.")
        lines = [line for line in log.splitlines() if found[2] in line]
        assert any(INSIDE in line for line in lines) == (name != "CustomStreamError")
        assert any("Traceback" in line for line in lines) != is_meant


@pytest.mark.parametrize(
    ("sent", "language"),
    [
        ("de-CH, de;q=0.9, en;q=0.8", "de-CH"),
        ("fr;q=0.3, en;q=0.8, *;q=0.5, es;q=0.8", "en"),
        ("*", None),
        ("en;q=0", None),
        ("; drop=table, , q=1", None),
        ("", None),
    ],
)
def test_the_language_of_a_person_reaches_the_assistant(
    chat: Chat, sent: str, language: str | None
) -> None:
    assert context_of(chat, {"Accept-Language": sent})["language"] == language


def test_what_the_page_says_about_itself_reaches_the_assistant(careless: Server) -> None:
    """What else a browser sends does not. The page's server passes on only what it has listed."""
    chat = careless.someone()
    headers = {"X-Page-Context": "article=a%2F17+%C3%BC&empty=", "X-Role": "admin"}
    assert context_of(chat, headers)["page"] == {"article": "a/17 ü", "empty": ""}
    assert context_of(chat, {})["page"] == {}
    too_long = Chat(chat.url, {**chat.headers, "X-Page-Context": f"path={'a' * 2000}"})
    refused = too_long.post("threads.list")
    assert refused.status_code == 431
    assert refused.json()["message"] == "The page's context is longer than 2000 characters."


def context_of(chat: Chat, headers: dict[str, str]) -> Json:
    """Return what an assistant is told with these headers."""
    events = Chat(chat.url, {**chat.headers, **headers}).say("What is the page context?")
    told: Json = json.loads(text_of(events[-1]["item"]))
    return told


def test_what_fails_when_all_is_said_ends_the_stream_in_words(
    careless: Server, careless_log: Path
) -> None:
    """ChatKit stores the thread once more after the failure. A stream may not break off there."""
    sentence = last_words(careless.someone(), "threads.create", input=message(NOT_JSON))
    found = re.fullmatch(r"Something went wrong\. \(request (\w{32})\)", sentence)
    assert found, sentence
    lines = [
        line for line in careless_log.read_text(encoding="utf-8").splitlines() if found[1] in line
    ]
    assert any("Unable to serialize" in line for line in lines)


def test_a_half_answer_keeps_what_it_has_said_once(careless: Server) -> None:
    """Its sources too: both we and ChatKit gather them."""
    person = careless.someone()
    thread_id = person.say(HALFWAY)[0]["thread"]["id"]
    _, half = person.items(thread_id)
    assert text_of(half) == MEANT
    [content] = half["content"]
    assert [one["source"]["title"] for one in content["annotations"]] == ["A"]


def test_a_half_answer_begins_with_what_it_was_added_with(careless: Server) -> None:
    person = careless.someone()
    thread_id = person.say(BEGUN)[0]["thread"]["id"]
    assert text_of(person.items(thread_id)[-1]) == "The shop"


def test_production_does_not_say_where_the_database_is(tmp_path: Path) -> None:
    nowhere = database_url().set(database=str(tmp_path / "secret-place" / "chat.db"))
    log = tmp_path / "log"
    with run_server(nowhere, log, APP_ENV="production", **SECRET) as server:
        health = httpx2.get(f"{server.address}/health", **HTTP)
    assert health.status_code == 503
    assert health.json()["message"] == "The database does not answer."
    assert "The database does not answer. It says: " in log.read_text(encoding="utf-8")
