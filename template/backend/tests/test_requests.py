"""Every request of ChatKit's protocol, good and bad, over HTTP: what the page may rely on.

Written against the protocol, so it holds for any ChatKit server with the demo's widgets and forms.
"""

import base64
from typing import Any, get_args

import httpx2
import pytest
from chat import TLS, Chat, Json, message, text_of
from chatkit.types import NonStreamingReq, StreamingReq
from conftest import Server

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


@pytest.mark.parametrize("rest", ["7" * 400_000, " " * 400_000, '"' + "\\a" * 200_000])
def test_json_with_many_strings_is_soon_answered(chat: Chat, rest: str) -> None:
    """Slug: one-request-blocks-all. Whatever comes behind them, or does not."""
    body = '{"type": "x", "a": [' + '"a",' * 4_000 + rest
    headers = {**chat.headers, "content-type": "application/json"}
    response = httpx2.post(chat.url, content=body, headers=headers, timeout=30, verify=TLS)
    assert response.status_code == 400


@pytest.mark.parametrize(
    ("kind", "params", "words"),
    [
        ("threads.create", {"input": message("", content=[1] * 5000)}, "5000 things are wrong"),
        ("threads.create", {"input": message("", content=[{"type": "x" * 100_000}])}, "xxx…"),
        ("x" * 100_000, {}, "type"),
    ],
)
def test_mistakes_without_end_are_not_all_told(
    chat: Chat, kind: str, params: Json, words: str
) -> None:
    response = chat.post(kind, **params)
    assert response.status_code == 400
    assert words in response.json()["message"]
    assert len(response.text) < 1000


def test_a_title_or_feedback_without_end_is_refused(chat: Chat) -> None:
    thread_id = chat.say("notice")[0]["thread"]["id"]
    item_id = chat.items(thread_id)[0]["id"]
    for surplus, status in ((1, 400), (0, 200)):
        item_ids = [item_id] * (20 + surplus)
        title = chat.post("threads.update", thread_id=thread_id, title="x" * (1000 + surplus))
        feedback = chat.post(
            "items.feedback", thread_id=thread_id, item_ids=item_ids, kind="positive"
        )
        assert (title.status_code, feedback.status_code) == (status, status)
        shown = chat.ask("threads.get_by_id", thread_id=thread_id)["title"]
        assert shown == ("notice" if surplus else "x" * 1000)


def test_json_of_bytes(chat: Chat) -> None:
    """The answer is an object, and not the text of one; nothing in it is empty for no reason."""
    thread_id = chat.say("Hello")[0]["thread"]["id"]
    page = chat.ask("threads.list", limit=1)
    assert isinstance(page, dict)
    assert [thread["id"] for thread in page["data"]] == [thread_id]
    assert {"id", "title", "created_at", "status", "items"} <= set(page["data"][0])
    assert page["data"][0]["status"] == {"type": "active"}


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_the_history_in_pages(server: Server, order: str) -> None:
    person = server.someone()
    threads = [person.say("notice")[0]["thread"]["id"] for _ in range(5)]
    seen: list[str] = []
    page: Json = {"has_more": True, "after": None}
    while page["has_more"]:
        page = person.ask("threads.list", limit=2, order=order, after=page.get("after"))
        seen += [thread["id"] for thread in page["data"]]
    assert seen == (threads if order == "asc" else threads[::-1])
    assert person.post("threads.list", after="thr_none").status_code == 404


def test_a_thread_is_renamed_and_deleted(chat: Chat) -> None:
    thread_id = chat.say("Hello")[0]["thread"]["id"]
    title = 'Ümläut 🧑‍🚀 "quoted"'
    assert chat.ask("threads.update", thread_id=thread_id, title=title)["title"] == title
    assert chat.ask("threads.get_by_id", thread_id=thread_id)["title"] == title
    chat.say("The title stays", thread_id)
    assert chat.ask("threads.get_by_id", thread_id=thread_id)["title"] == title
    assert chat.ask("threads.delete", thread_id=thread_id) == {}
    assert chat.post("threads.get_by_id", thread_id=thread_id).status_code == 404
    assert chat.items(thread_id) == []


def test_retry_replaces_what_came_after(chat: Chat) -> None:
    thread_id = chat.say("First question")[0]["thread"]["id"]
    chat.say("Second question", thread_id)
    first, answer, _, _ = chat.items(thread_id)
    with chat.stream(
        "threads.retry_after_item", thread_id=thread_id, item_id=first["id"]
    ) as events:
        again = list(events)[-1]["item"]
    assert chat.items(thread_id) == [first, again]
    assert again["id"] != answer["id"]
    assert "First question" in text_of(again)
    refused = chat.post("threads.retry_after_item", thread_id=thread_id, item_id=again["id"])
    assert refused.status_code == 400
    missing = chat.post("threads.retry_after_item", thread_id=thread_id, item_id=answer["id"])
    assert missing.status_code == 404
    assert chat.items(thread_id) == [first, again]


def test_feedback_is_stored(server: Server) -> None:
    person = server.someone()
    thread_id = person.say("Hello")[0]["thread"]["id"]
    question, answer = (item["id"] for item in person.items(thread_id))
    query = f"SELECT message_id, kind FROM feedback WHERE conversation_id = '{thread_id}'"

    def give(kind: str, *item_ids: str) -> httpx2.Response:
        return person.post("items.feedback", thread_id=thread_id, item_ids=item_ids, kind=kind)

    assert give("negative", answer).json() == {}
    assert give("positive", answer).json() == {}
    assert server.sql(query) == [(answer, "positive")]
    assert give("positive", question, "msg_none").status_code == 404
    assert give("wonderful", answer).status_code == 400
    stranger = server.someone().post(
        "items.feedback", thread_id=thread_id, item_ids=[answer], kind="negative"
    )
    assert stranger.status_code == 404
    assert server.sql(query) == [(answer, "positive")]
    person.ask("threads.delete", thread_id=thread_id)
    assert server.sql(query) == []


def test_a_widget_changes_without_a_message(chat: Chat) -> None:
    thread_id = chat.say("Show me a widget")[0]["thread"]["id"]
    question, intro, card = chat.items(thread_id)
    action = card["widget"]["children"][2]["onClickAction"]
    assert action["streaming"] is False
    params = {"thread_id": thread_id, "action": {"type": action["type"]}}
    changed = chat.ask("threads.sync_custom_action", item_id=card["id"], **params)["updated_item"]
    assert changed["id"] == card["id"]
    assert changed["widget"] != card["widget"]
    assert chat.items(thread_id) == [question, intro, changed]
    for kind in ("threads.sync_custom_action", "threads.custom_action"):
        refused = chat.post(kind, item_id=question["id"], **params)
        assert refused.status_code == 400
        assert "widget" in refused.json()["message"]
    assert chat.ask("threads.sync_custom_action", **params) == {}
    for kind in ("threads.sync_custom_action", "threads.custom_action"):
        refused = chat.post(kind, thread_id=thread_id, action={})
        assert (refused.status_code, refused.json()["message"]) == (400, "The action has no type.")


def test_a_changed_item_keeps_its_place(chat: Chat) -> None:
    thread_id = chat.say("Show me a widget")[0]["thread"]["id"]
    chat.say("And then?", thread_id)
    before = chat.items(thread_id)
    params = {"thread_id": thread_id, "action": {"type": "demo.switch"}}
    chat.ask("threads.sync_custom_action", item_id=before[2]["id"], **params)
    after = chat.items(thread_id)
    assert [item["id"] for item in after] == [item["id"] for item in before]
    assert [one == other for one, other in zip(before, after, strict=True)].index(False) == 2


def test_what_nobody_asked_for_is_refused(chat: Chat) -> None:
    """An output of a tool, or answers to a form, where there is none."""
    thread_id = chat.say("Hello")[0]["thread"]["id"]
    items = chat.items(thread_id)
    output = chat.post("threads.add_client_tool_output", thread_id=thread_id, result={})
    answers = chat.post(
        "threads.add_structured_input", thread_id=thread_id, item_id=items[0]["id"], input={}
    )
    assert (output.status_code, answers.status_code) == (400, 400)
    assert chat.items(thread_id) == items


@pytest.mark.parametrize("word", ["lock", "close"])
def test_nobody_writes_in_a_conversation_that_is_over(chat: Chat, word: str) -> None:
    events = chat.say(f"Please {word} it")
    thread_id = events[0]["thread"]["id"]
    status = {"lock": "locked", "close": "closed"}[word]
    assert [e["thread"]["status"]["type"] for e in events if e["type"] == "thread.updated"][-1] == (
        status
    )
    items = chat.items(thread_id)
    attempts: list[tuple[str, Any]] = [
        ("threads.add_user_message", {"input": message("Still there?")}),
        ("threads.retry_after_item", {"item_id": items[0]["id"]}),
        ("threads.custom_action", {"action": {"type": "demo.click"}}),
        ("threads.sync_custom_action", {"action": {"type": "demo.click"}}),
    ]
    for kind, params in attempts:
        response = chat.post(kind, thread_id=thread_id, **params)
        assert response.status_code == 403
        assert f"{status}: The demo {status} it" in response.json()["message"]
    assert chat.items(thread_id) == items
    assert chat.ask("threads.delete", thread_id=thread_id) == {}


@pytest.mark.parametrize(
    ("audio", "mime_type", "status", "words"),
    [
        (base64.b64encode(b"speech").decode(), "audio/webm;codecs=opus", 400, "OPENAI_API_KEY"),
        ("A" * 9_000_000, "audio/webm", 400, "OPENAI_API_KEY"),
        ("not base64!", "audio/webm", 400, "Base64"),
        ("", "audio/webm", 400, "empty"),
        ("AAAA", "video/mp4", 415, "audio/webm"),
    ],
)
def test_dictation_that_cannot_be_heard_is_refused(
    chat: Chat, audio: str, mime_type: str, status: int, words: str
) -> None:
    response = chat.post("input.transcribe", audio_base64=audio, mime_type=mime_type)
    assert response.status_code == status
    assert words in response.json()["message"]
