"""What somebody hears in a conversation, without what is new each time."""

import json
import re

from chat import Chat, Json

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
