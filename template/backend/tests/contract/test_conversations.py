"""Conversations over HTTP: what is said is stored, in order, and comes back."""

import sys
from itertools import takewhile
from typing import Any, get_args

import httpx2
import pytest
from chatkit.types import ThreadItem, ThreadItemUpdate, ThreadStreamEvent
from sqlalchemy.engine import URL

from contract.chat import Chat, Json, is_delta, message, text_of, wait_until
from contract.serving import Server, run_server


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
    """Slugs: message-saved-twice, content-type-not-recognised."""
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


def test_emoji_and_nul(chat: Chat) -> None:
    tricky = 'emoji 🧑‍🚀, NUL \0, quotes " and \\, ä '
    thread_id = chat.say(tricky)[0]["thread"]["id"]
    assert chat.ask("threads.update", thread_id=thread_id, title=tricky)["title"] == tricky
    assert chat.ask("threads.get_by_id", thread_id=thread_id)["title"] == tricky
    assert text_of(chat.items(thread_id)[0]) == tricky


def test_ids_collide(chat: Chat) -> None:
    """ChatKit's own ids have 32 random bits."""
    thread_id = chat.say("Hello")[0]["thread"]["id"]
    for one in (thread_id, *(item["id"] for item in chat.items(thread_id))):
        assert len(one.partition("_")[2]) * 4 >= 120


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_skip_items(chat: Chat, order: str) -> None:
    """Slugs: pages-skip-items, page-of-hidden-items. Of a dozen items of the same moment."""
    thread_id = chat.say("many at once")[0]["thread"]["id"]
    everything = chat.items(thread_id)
    assert len(everything) == 13
    assert pages(chat, thread_id, 5, order) == everything[:: 1 if order == "asc" else -1]


def pages(chat: Chat, thread_id: str, size: int, order: str) -> list[Json]:
    """Return the items of a thread that are on its pages, one after the other."""
    seen: list[Json] = []
    page: Json = {"has_more": True}
    while page["has_more"]:
        page = chat.ask(
            "items.list", thread_id=thread_id, limit=size, order=order, after=page.get("after")
        )
        assert page["has_more"] == ("after" in page), "the next page cannot be asked for"
        seen += page["data"]
    return seen


def test_answered_form_reopens(chat: Chat) -> None:
    thread_id = chat.say("Show me a form")[0]["thread"]["id"]
    form = chat.items(thread_id)[-1]["id"]
    params = {"thread_id": thread_id, "item_id": form}
    answers = {"answers": {"idea": {"values": ["A chat"]}}}
    with chat.stream("threads.add_structured_input", **params, input=answers) as events:
        assert "A chat" in text_of(list(events)[-1]["item"])
    stored = next(item for item in chat.items(thread_id) if item["id"] == form)
    assert stored["status"] == "answered"
    chat.say("Send a late form", thread_id)
    assert stored in chat.items(thread_id)
    assert chat.post("threads.add_structured_input", **params, input={}).status_code == 400


def test_a_client_tool_is_called_and_heard(chat: Chat) -> None:
    thread_id = chat.say("Use a client tool")[0]["thread"]["id"]
    assert chat.items(thread_id)[-1]["type"] == "client_tool_call"
    result = {"local_time": "12:34"}
    with chat.stream(
        "threads.add_client_tool_output", thread_id=thread_id, result=result
    ) as events:
        assert "12:34" in text_of(list(events)[-1]["item"])


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


NEVER_SHOWN = {"hidden_context_item", "sdk_hidden_context"}

SHOWN_BY = {
    "user_message": "Hello",
    "assistant_message": "Hello",
    "client_tool_call": "Use a client tool",
    "widget": "Show a growing widget",
    "generated_image": "Show an image",
    "structured_input": "Show me a form",
    "workflow": "Show progress",
    "task": "Show a task",
    "end_of_turn": "Show a task",
}

OTHER_EVENTS = ["lock it", "notice", "effect", "correction", "an error", "sources"]


def types_of(union: Any) -> set[str]:
    """Return the types in a union of ChatKit's."""
    members = get_args(get_args(union)[0]) or get_args(union)
    return {str(member.model_fields["type"].default) for member in members}


@pytest.mark.parametrize("kind", SHOWN_BY)
def test_content_type_not_recognised(chat: Chat, kind: str) -> None:
    """An item of each type comes back from the history as the page was sent it."""
    events = chat.say(SHOWN_BY[kind])
    thread_id = events[0]["thread"]["id"]
    sent = [event["item"] for event in events if event["type"] == "thread.item.done"]
    assert kind in [item["type"] for item in sent]
    assert chat.items(thread_id) == sent
    assert chat.ask("threads.get_by_id", thread_id=thread_id)["items"]["data"] == sent


def test_every_part_of_a_message_comes_back(chat: Chat) -> None:
    """Slug: content-type-not-recognised."""
    tag = {"type": "input_tag", "id": "person_1", "text": "Ada", "data": {"a": [1, None, "🧑‍🚀"]}}
    content = [{"type": "input_text", "text": "Ask "}, tag, {"type": "input_text", "text": "\0!"}]
    written = message("", content=content, quoted_text="that", inference_options={"model": "small"})
    with chat.stream("threads.create", input=written) as events:
        thread_id = next(events)["thread"]["id"]
        list(events)
    stored = chat.items(thread_id)[0]
    assert stored["quoted_text"] == "that"
    assert stored["inference_options"] == {"model": "small"}
    assert stored["content"] == [content[0], tag | {"interactive": False}, content[2]]


def shows_everything(chat: Chat) -> None:
    """Fail unless an assistant shows every item and every event that ChatKit has."""
    events: list[Json] = []
    for text in sorted({*SHOWN_BY.values(), *OTHER_EVENTS}):
        events += chat.say(text)
    chat.say("A hidden note, please")
    assert {event["type"] for event in events} == types_of(ThreadStreamEvent)
    updates = {event["update"]["type"] for event in events if "update" in event}
    assert updates == types_of(ThreadItemUpdate)
    items = {event["item"]["type"] for event in events if "item" in event}
    assert items == types_of(ThreadItem) - NEVER_SHOWN == set(SHOWN_BY)


def test_no_event_and_no_item_of_chatkit_is_forgotten(server: Server) -> None:
    shows_everything(server.someone())


def test_a_correction_is_what_is_stored(chat: Chat) -> None:
    events = chat.say("Show a correction")
    items = chat.items(events[0]["thread"]["id"])
    assert [text_of(item) for item in items] == ["Show a correction", "2 + 2 = 4"]


def test_sources_are_stored_with_what_they_belong_to(chat: Chat) -> None:
    items = chat.items(chat.say("Show sources")[0]["thread"]["id"])
    annotations = items[1]["content"][0]["annotations"]
    assert [one["source"]["type"] for one in annotations] == ["url", "file", "entity"]


def test_hidden_items_are_remembered_and_never_shown(chat: Chat) -> None:
    """Slug: page-of-hidden-items. The note is between what the person sees."""
    first = chat.say("A hidden note")
    thread_id = first[0]["thread"]["id"]
    second = chat.say("Another hidden note", thread_id)
    assert text_of(second[-1]["item"]).startswith("Before this note I had 1")
    assert "hidden_context_item" not in str(first + second)
    everything = chat.items(thread_id)
    assert [item["type"] for item in everything] == ["user_message", "assistant_message"] * 2
    for order in ("asc", "desc"):
        assert pages(chat, thread_id, 1, order) == everything[:: 1 if order == "asc" else -1]


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


def test_widget_props_vanish(chat: Chat) -> None:
    """The same JSON comes back from the history, and to the assistant whose widget is used."""
    shown = chat.say("Show a new widget")
    thread_id, sent = shown[0]["thread"]["id"], shown[-1]["item"]
    assert sent["widget"]["border"] == 2
    chat.say("Show a card in another widget", thread_id)
    before = chat.items(thread_id)
    assert before[1] == sent
    with chat.stream(
        "threads.retry_after_item", thread_id=thread_id, item_id=before[2]["id"]
    ) as events:
        list(events)
    assert chat.items(thread_id)[1] == sent
    used = {"thread_id": thread_id, "item_id": sent["id"], "action": {"type": "demo.again"}}
    with chat.stream("threads.custom_action", **used) as events:
        saved, like_it = [event["item"] for event in events if "item" in event]
    assert saved == sent
    assert like_it["widget"] == sent["widget"]
    assert chat.ask("threads.sync_custom_action", **used)["updated_item"] == sent
    items = chat.items(thread_id)
    assert chat.ask("threads.get_by_id", thread_id=thread_id)["items"]["data"] == items
    assert [one["widget"] for one in (items[1], *items[-2:])] == [sent["widget"]] * 3


def test_sync_action_stops_half_way(chat: Chat) -> None:
    """The widget that was used is returned, and everything that its action does is stored."""
    thread_id = chat.say("Show me a widget")[0]["thread"]["id"]
    *before, card = chat.items(thread_id)
    used = {"thread_id": thread_id, "item_id": card["id"]}
    order = {"type": "demo.order"}
    done = chat.ask("threads.sync_custom_action", **used, action=order)["updated_item"]
    assert done["id"] == card["id"]
    assert "Ordered" in str(done["widget"])
    *items, thanks = chat.items(thread_id)
    assert items == [*before, done]
    assert text_of(thanks) == "Thank you"
    assert chat.ask("threads.get_by_id", thread_id=thread_id)["title"] == "An order"


FAILED_ACTIONS = [("RefusedError", 409), ("KeyError", 500), ("ErrorEvent", 502)]


@pytest.mark.parametrize(("name", "status"), FAILED_ACTIONS)
def test_what_an_action_did_before_it_failed_is_stored(chat: Chat, name: str, status: int) -> None:
    thread_id = chat.say("Show me a widget")[0]["thread"]["id"]
    *_, card = chat.items(thread_id)
    order = {"type": "demo.order", "payload": {"fail": name}}
    refused = chat.post(
        "threads.sync_custom_action", thread_id=thread_id, item_id=card["id"], action=order
    )
    assert refused.status_code == status
    assert refused.json()["message"]
    *_, changed, note = chat.items(thread_id)
    assert "Ordering" in str(changed["widget"])
    assert text_of(note) == "One moment"
    assert chat.ask("threads.get_by_id", thread_id=thread_id)["title"] == "An order"


def test_an_action_ends_with_its_conversation(chat: Chat) -> None:
    """It is deleted in another tab, for example. Nothing of it comes back."""
    thread_id = chat.say("Show me a widget")[0]["thread"]["id"]
    *_, card = chat.items(thread_id)
    order = {"type": "demo.order", "payload": {"fail": "deletion"}}
    refused = chat.post(
        "threads.sync_custom_action", thread_id=thread_id, item_id=card["id"], action=order
    )
    assert refused.status_code == 404
    assert "not found" in refused.json()["message"]
    assert chat.items(thread_id) == []


def test_a_changed_item_keeps_its_place(chat: Chat) -> None:
    thread_id = chat.say("Show me a widget")[0]["thread"]["id"]
    chat.say("And then?", thread_id)
    before = chat.items(thread_id)
    params = {"thread_id": thread_id, "action": {"type": "demo.switch"}}
    chat.ask("threads.sync_custom_action", item_id=before[2]["id"], **params)
    after = chat.items(thread_id)
    assert [item["id"] for item in after] == [item["id"] for item in before]
    assert [one == other for one, other in zip(before, after, strict=True)].index(False) == 2


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
        assert f"{status}: The test {status} it" in response.json()["message"]
    assert chat.items(thread_id) == items
    assert chat.ask("threads.delete", thread_id=thread_id) == {}
