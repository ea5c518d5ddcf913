"""Requests of ChatKit's protocol that are odd, and what is answered."""

import base64
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from contract.chat import HTTP, Chat, Json, is_delta, message, wait_until
from contract.serving import Server


@pytest.mark.parametrize("rest", ["7" * 400_000, " " * 400_000, '"' + "\\a" * 200_000])
def test_json_with_many_strings_is_soon_answered(chat: Chat, rest: str) -> None:
    """Slug: one-request-blocks-all. Whatever comes behind them, or does not."""
    body = '{"type": "x", "a": [' + '"a",' * 4_000 + rest
    headers = {**chat.headers, "content-type": "application/json"}
    response = httpx2.post(chat.url, content=body, headers=headers, **HTTP)
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
    demo: Server, audio: str, mime_type: str, status: int, words: str
) -> None:
    response = demo.chat().post("input.transcribe", audio_base64=audio, mime_type=mime_type)
    assert response.status_code == status
    assert words in response.json()["message"]


@pytest.mark.parametrize("part", [{"type": "input_video"}, {"type": "input_text"}, "text"])
def test_a_part_that_chatkit_does_not_know_is_refused(chat: Chat, part: object) -> None:
    response = chat.post("threads.create", input=message("", content=[part]))
    assert response.status_code == 400
    assert "content" in response.json()["message"]


def test_wrong_request_field(server: Server) -> None:
    response = httpx2.post(f"{server.address}/chatkit", json={"method": "threads.list"}, **HTTP)
    assert response.status_code == 400
    assert '{"type": "threads.list", "params": {}}' in response.json()["message"]


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("threads.get_by_id", {}),
        ("threads.update", {"title": "Mine now"}),
        ("threads.add_user_message", {"input": message("Hello")}),
        ("threads.add_client_tool_output", {"result": {}}),
        ("threads.retry_after_item", {"item_id": "msg_1"}),
    ],
)
def test_not_found_is_500(chat: Chat, kind: str, params: dict[str, object]) -> None:
    response = chat.post(kind, thread_id="thr_none", **params)
    assert response.status_code == 404
    assert "thr_none" in response.json()["message"]


def test_an_id_that_no_database_takes_is_not_there(chat: Chat) -> None:
    assert chat.post("threads.get_by_id", thread_id="thr_\0").status_code == 404
    assert chat.items("thr_\0") == []


def test_many_people_press_stop_at_once(chat: Chat) -> None:
    """Slug: stop-loses-the-answer."""

    def stop_early(_: int) -> str:
        with chat.say_slowly("a long answer") as events:
            thread_id: str = next(events)["thread"]["id"]
            next(filter(is_delta, events))
        return thread_id

    with ThreadPoolExecutor(20) as people:
        threads = list(people.map(stop_early, range(40)))
    wait_until(lambda: all(len(chat.items(thread_id)) == 2 for thread_id in threads))
