"""What somebody hears in a conversation, without what is new each time."""

import json
import re

from chat import Chat, Json

QUESTIONS = (
    "Hello",
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
"""What the demo assistant answers in different ways."""

NEW_EACH_TIME = re.compile(
    r"\b[a-z]+_[0-9a-f]{32}\b|\b[0-9a-f]{32}\b|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?"
)


def transcript(chat: Chat) -> list[Json]:
    """Hold a conversation, and return its events: ids are numbered, times are all the same."""
    names: dict[str, str] = {}

    def rename(match: re.Match[str]) -> str:
        if "T" in match[0]:
            return "a time"
        return names.setdefault(match[0], f"{match[0].partition('_')[0][:4]} {len(names)}")

    heard: list[Json] = []
    thread_id = ""
    for question in QUESTIONS:
        events = chat.say(question, thread_id)
        thread_id = thread_id or events[0]["thread"]["id"]
        heard += events
    heard += chat.items(thread_id)
    told: list[Json] = json.loads(NEW_EACH_TIME.sub(rename, json.dumps(heard)))
    return told
