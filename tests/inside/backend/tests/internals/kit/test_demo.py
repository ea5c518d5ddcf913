"""What the demo assistant shows while there is no key. Slug: no-key-no-answer."""

from typing import Any

import pytest
from contract.chat import Chat, message, text_of
from contract.serving import Server
from contract.test_conversations import SHOWN_BY, shows_everything


@pytest.fixture
def chat(demo: Server) -> Chat:
    return demo.someone()


def last_item(chat: Chat, text: str) -> tuple[str, dict[str, Any]]:
    """Return the thread that a message makes, and its last item."""
    thread_id = chat.say(text)[0]["thread"]["id"]
    return thread_id, chat.items(thread_id)[-1]


def test_no_key_no_answer(chat: Chat) -> None:
    _, answer = last_item(chat, "Who are you?")
    assert "demo assistant" in text_of(answer)
    assert "OPENAI_API_KEY" in text_of(answer)


def test_it_shows_a_widget_whose_button_works(chat: Chat) -> None:
    thread_id, item = last_item(chat, "Show me a widget")
    assert item["type"] == "widget"
    action = item["widget"]["children"][-1]["onClickAction"]
    with chat.stream(
        "threads.custom_action", thread_id=thread_id, item_id=item["id"], action=action
    ) as events:
        assert "demo.click" in text_of(list(events)[-1]["item"])


def test_it_calls_a_client_tool_and_hears_its_answer(chat: Chat) -> None:
    thread_id, call = last_item(chat, "Use a client tool")
    assert (call["type"], call["name"]) == ("client_tool_call", "get_browser_time")
    with chat.stream(
        "threads.add_client_tool_output", thread_id=thread_id, result={"local_time": "12:34"}
    ) as events:
        assert "12:34" in text_of(list(events)[-1]["item"])


def test_it_asks_with_a_form_once(chat: Chat) -> None:
    """Slug: answered-form-reopens."""
    thread_id, form = last_item(chat, "Show me a form")
    assert form["type"] == "structured_input"
    answers = {"idea": {"values": ["A chat"]}}
    with chat.stream(
        "threads.add_structured_input",
        thread_id=thread_id,
        item_id=form["id"],
        input={"answers": answers},
    ) as events:
        assert "A chat" in text_of(list(events)[-1]["item"])
    stored = next(item for item in chat.items(thread_id) if item["id"] == form["id"])
    assert stored["status"] == "answered"
    again = chat.post(
        "threads.add_structured_input", thread_id=thread_id, item_id=form["id"], input={}
    )
    assert again.status_code == 400


def test_it_shows_progress(chat: Chat) -> None:
    events = chat.say("Show progress")
    assert "progress_update" in [event["type"] for event in events]
    items = chat.items(events[0]["thread"]["id"])
    assert [item["type"] for item in items] == ["user_message", "workflow", "assistant_message"]
    assert len(items[1]["workflow"]["tasks"]) == 3


def test_it_shows_an_error_in_words(chat: Chat) -> None:
    """Slug: error-without-words."""
    event = chat.say("Show an error")[-1]
    assert event["type"] == "error"
    assert "sentence" in event["message"]


@pytest.mark.parametrize("kind", SHOWN_BY)
def test_all_that_it_shows_is_stored(chat: Chat, kind: str) -> None:
    """Slugs: assistant-message-not-saved, content-type-not-recognised."""
    events = chat.say(SHOWN_BY[kind])
    sent = [event["item"] for event in events if event["type"] == "thread.item.done"]
    assert kind in [item["type"] for item in sent]
    assert chat.items(events[0]["thread"]["id"]) == sent


def test_it_shows_all_that_chatkit_has(chat: Chat) -> None:
    shows_everything(chat)


@pytest.mark.parametrize("word", ["lock", "close"])
def test_it_ends_a_conversation(chat: Chat, word: str) -> None:
    thread_id = chat.say(f"Please {word} it")[0]["thread"]["id"]
    refused = chat.post("threads.add_user_message", thread_id=thread_id, input=message("More"))
    assert f"The demo {word}" in refused.json()["message"]
