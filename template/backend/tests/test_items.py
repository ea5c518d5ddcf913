"""Every item and every event of ChatKit's protocol: what is streamed is there afterwards."""

from typing import Any, get_args

import pytest
from chat import Chat, Json, message, text_of
from chatkit.types import ThreadItem, ThreadItemUpdate, ThreadStreamEvent
from conftest import Server

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
OTHER_EVENTS = ["lock it", "notice", "effect", "correction", "error", "sources"]


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


@pytest.mark.parametrize("part", [{"type": "input_video"}, {"type": "input_text"}, "text"])
def test_a_part_that_chatkit_does_not_know_is_refused(chat: Chat, part: object) -> None:
    response = chat.post("threads.create", input=message("", content=[part]))
    assert response.status_code == 400
    assert "content" in response.json()["message"]


def test_no_event_and_no_item_of_chatkit_is_forgotten(server: Server) -> None:
    chat = server.someone()
    events: list[Json] = []
    for text in sorted({*SHOWN_BY.values(), *OTHER_EVENTS}):
        events += chat.say(text)
    chat.say("A hidden note, please")
    assert {event["type"] for event in events} == types_of(ThreadStreamEvent)
    updates = {event["update"]["type"] for event in events if "update" in event}
    assert updates == types_of(ThreadItemUpdate)
    items = {event["item"]["type"] for event in events if "item" in event}
    assert items == types_of(ThreadItem) - NEVER_SHOWN == set(SHOWN_BY)


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
        seen: list[Json] = []
        page: Json = {"has_more": True}
        while page["has_more"]:
            page = chat.ask(
                "items.list", thread_id=thread_id, limit=1, order=order, after=page.get("after")
            )
            assert page["has_more"] == ("after" in page), "the next page cannot be asked for"
            seen += page["data"]
        assert seen == (everything if order == "asc" else everything[::-1])
