"""Conversations over HTTP, and the pitfalls in which they get lost."""

import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile

import httpx2
import pytest
from chat import Chat, is_delta, message, text_of
from conftest import Server, run_server
from sqlalchemy.engine import URL
from wait import wait_until


def test_a_turn_has_the_events_that_the_page_expects(chat: Chat) -> None:
    events = chat.say("Hello")
    kinds = [event["type"] for event in events if not is_delta(event)]
    assert kinds == [
        "thread.created",
        "thread.item.done",
        "stream_options",
        "thread.item.added",
        "thread.item.updated",
        "thread.item.updated",
        "thread.item.done",
    ]
    spoken = "".join(event["update"]["delta"] for event in events if is_delta(event))
    assert spoken == text_of(events[-1]["item"])


def test_deltas_arrive_while_the_answer_is_being_written(chat: Chat) -> None:
    with chat.say_slowly("a long answer") as events:
        created = next(events)["thread"]["id"]
        next(event for event in events if is_delta(event))
        stored = [item["type"] for item in chat.items(created)]
        assert stored == ["user_message"], "the first delta came when all was over"


def test_nobody_on_the_way_collects_or_compresses_an_answer(chat: Chat) -> None:
    headers = chat.post("threads.create", input=message("notice")).headers
    assert "no-transform" in headers["cache-control"]
    assert headers["x-accel-buffering"] == "no"


def test_assistant_message_not_saved(chat: Chat) -> None:
    """Slugs: assistant-message-not-saved, message-saved-twice, content-type-not-recognised."""
    events = chat.say("Hello")
    thread_id = events[0]["thread"]["id"]
    chat.say("And again", thread_id)
    items = chat.items(thread_id)
    assert [item["type"] for item in items] == ["user_message", "assistant_message"] * 2
    assert items[1] == events[-1]["item"]
    assert text_of(items[0]) == "Hello"
    loaded = chat.ask("threads.get_by_id", thread_id=thread_id)
    assert loaded["items"]["data"] == items


def test_history_shows_the_title(chat: Chat) -> None:
    created = chat.say("What  is\na proxy?")[0]["thread"]
    assert created["title"] == "What is a proxy?"
    newest = chat.ask("threads.list", limit=1)["data"][0]
    assert (newest["id"], newest["title"]) == (created["id"], created["title"])


def test_created_at_shifts(chat: Chat) -> None:
    thread = chat.say("What time is it?")[0]["thread"]
    item = chat.items(thread["id"])[0]
    for moment in (thread["created_at"], item["created_at"]):
        assert moment.endswith("Z") or moment[-6] in "+-"


def test_wrong_request_field(server: Server) -> None:
    response = httpx2.post(f"{server.address}/chatkit", json={"method": "threads.list"})
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


def test_foreign_thread(server: Server) -> None:
    ada, bob = server.someone(), server.someone()
    thread_id = ada.say("My secret")[0]["thread"]["id"]
    assert bob.ask("threads.list")["data"] == []
    assert bob.items(thread_id) == []
    assert bob.post("threads.get_by_id", thread_id=thread_id).status_code == 404
    refused = bob.post("threads.add_user_message", thread_id=thread_id, input=message("Hi"))
    assert refused.status_code == 404
    bob.ask("threads.delete", thread_id=thread_id)
    assert len(ada.items(thread_id)) == 2


def test_stop_loses_the_answer(chat: Chat, server: Server) -> None:
    """Slugs: stop-loses-the-answer, stop-does-not-stop-the-bill."""
    with chat.say_slowly("a long answer") as events:
        thread_id = next(events)["thread"]["id"]
        heard = "".join(
            event["update"]["delta"]
            for event in takewhile(lambda event: not ends_soon(event), filter(is_delta, events))
        )
    wait_until(lambda: len(chat.items(thread_id)) == 2)
    answer = text_of(chat.items(thread_id)[1])
    assert answer.startswith(heard)
    assert not answer.endswith("300"), "the answer went on after Stop"
    query = f"SELECT type FROM messages WHERE conversation_id = '{thread_id}' ORDER BY position"
    wait_until(lambda: server.sql(query)[-1] == ("sdk_hidden_context",))
    chat.say("Go on", thread_id)


def test_a_retry_waits_for_the_answer_that_is_being_written(chat: Chat) -> None:
    """In another tab: it would remove what is still being added to."""
    with chat.say_slowly("a long answer") as events:
        thread_id = next(events)["thread"]["id"]
        retry = {"thread_id": thread_id, "item_id": chat.items(thread_id)[0]["id"]}
        refused = chat.post("threads.retry_after_item", **retry)
        assert refused.status_code == 409
        assert "is being answered" in refused.json()["message"]
        answer = list(events)[-1]["item"]
    assert chat.items(thread_id)[1:] == [answer]
    with chat.stream("threads.retry_after_item", **retry) as events:
        list(events)
    [_, other] = chat.items(thread_id)
    assert other["id"] != answer["id"]


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


def ends_soon(event: dict[str, object]) -> bool:
    update = event["update"]
    assert isinstance(update, dict)
    return bool(update["delta"] == "3 ")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_crash_mid_stream(database: URL) -> None:
    with run_server(database) as first:
        chat = first.chat()
        with pytest.raises(httpx2.TransportError), chat.say_slowly("a long answer") as events:  # noqa: PT012
            thread_id = next(events)["thread"]["id"]
            next(filter(is_delta, events))
            first.process.kill()
            list(events)
    with run_server(database) as second:
        chat = second.chat()
        assert [text_of(item) for item in chat.items(thread_id)][:1] == ["a long answer"]
        chat.say("Hello again", thread_id)
        assert chat.items(thread_id)[-1]["type"] == "assistant_message"
