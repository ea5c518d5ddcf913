"""The titles of conversations in the history: this file is yours to change.

`title_of` may be an `async def`, for example to ask a model. The answer does not wait for it.
"""

from chatkit.types import UserMessageItem

MAX_CHARACTERS = 60


def title_of(message: UserMessageItem) -> str:
    """Return the title of a thread: the first words of its first message."""
    text = " ".join(" ".join(part.text for part in message.content).split())
    if not text:
        return message.attachments[0].name if message.attachments else "New conversation"
    if len(text) <= MAX_CHARACTERS:
        return text
    words = text[:MAX_CHARACTERS].rsplit(" ", 1)[0]
    return f"{words}…"
