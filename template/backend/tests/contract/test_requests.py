"""Every request of ChatKit's protocol, good and bad, over HTTP: what the page may rely on.

Written against the protocol, so it holds for any ChatKit server with the demo's widgets and forms.
"""

from typing import Any, get_args

import httpx2
import pytest
from chatkit.types import NonStreamingReq, StreamingReq

from contract.chat import TLS, Chat, Json, message

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
    response = httpx2.post(chat.url, content=body, headers=headers)
    assert response.status_code == 400
    assert '{"type": "threads.list", "params": {}}' in response.json()["message"]


def test_what_is_not_json_is_refused(chat: Chat) -> None:
    """A form of another site's page would be sent with the person's cookies."""
    body = '{"type": "threads.list", "params": {}}'
    headers = {**chat.headers, "content-type": "text/plain"}
    response = httpx2.post(chat.url, content=body, headers=headers)
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
    response = httpx2.post(chat.url, content=body, headers=headers, timeout=30, verify=TLS)
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
