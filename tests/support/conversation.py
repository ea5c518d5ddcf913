"""Conversations: one in which everything is looked at on its way, and one that is written down."""

import json
import re

from contract.chat import Chat, Json, is_delta, text_of, wait_until

QUESTIONS = (
    "A hidden note",
    "A widget",
    "A growing widget",
    "A form",
    "A client tool",
    "Some progress",
    "A task",
    "An image",
    "Sources",
    "A notice",
    "An effect",
    "A correction",
    "An error",
)
"""What the demo assistant answers in different ways, in development and in production alike."""

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?")
REQUEST = re.compile(r"\(request [0-9a-f-]+\)")
ID = re.compile(r"\b[a-z]+_[0-9a-f]{32}\b")


def converse(chat: Chat) -> str:
    """Hold a conversation, stop one of its answers, and return the id of its thread."""
    with chat.say_slowly("Tell me about proxies") as events:
        thread_id: str = next(events)["thread"]["id"]
        first = next(filter(is_delta, events))
        assert [item["type"] for item in chat.items(thread_id)] == ["user_message"], (
            "the first delta came when the answer was over"
        )
        rest = list(events)
    answer = text_of(rest[-1]["item"])
    assert answer.startswith(first["update"]["delta"])
    assert "Tell me about proxies" in answer

    listed = chat.ask("threads.list", limit=9999)["data"]
    assert [(thread["id"], thread["title"]) for thread in listed] == [
        (thread_id, "Tell me about proxies")
    ]
    loaded = chat.ask("threads.get_by_id", thread_id=thread_id)["items"]["data"]
    assert [text_of(item) for item in loaded] == ["Tell me about proxies", answer]
    stop(chat, thread_id)
    chat.say("And about databases", thread_id)
    return thread_id


def stop(chat: Chat, thread_id: str) -> None:
    """Ask for a long answer, press Stop at its first words, and find what was written so far."""
    before = len(chat.items(thread_id))
    with chat.say_slowly("A long answer", thread_id) as events:
        heard: str = next(filter(is_delta, events))["update"]["delta"]
    wait_until(lambda: len(chat.items(thread_id)) == before + 2)
    answer = text_of(chat.items(thread_id)[-1])
    assert answer.startswith(heard)
    assert not answer.endswith("300"), "the answer went on after Stop"


def transcript(chat: Chat) -> list[Json]:
    """Hold a conversation, and return its events: ids are numbered, times are all the same."""
    heard: list[Json] = []
    thread_id = ""
    for question in QUESTIONS:
        events = chat.say(question, thread_id)
        thread_id = thread_id or events[0]["thread"]["id"]
        heard += events
    heard += chat.items(thread_id)
    text = REQUEST.sub("(request)", TIME.sub("a time", json.dumps(heard)))
    for number, name in enumerate(dict.fromkeys(ID.findall(text))):
        text = text.replace(name, f"id {number}")
    told: list[Json] = json.loads(text)
    return told
