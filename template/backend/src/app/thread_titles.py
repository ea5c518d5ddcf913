"""The titles that the history shows: this file is yours to change.

A title may take its time, as a model's does: make `title_of` an `async def`, nobody waits for it.
"""

from chatkit.types import UserMessageItem

MAX_CHARACTERS = 60


def title_of(message: UserMessageItem) -> str:
    """Return the first words of a message, as the title of its thread."""
    text = " ".join(" ".join(part.text for part in message.content).split())
    if not text:
        return message.attachments[0].name if message.attachments else "New conversation"
    if len(text) <= MAX_CHARACTERS:
        return text
    words = text[:MAX_CHARACTERS].rsplit(" ", 1)[0]
    return f"{words}…"
