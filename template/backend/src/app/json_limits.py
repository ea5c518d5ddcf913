"""How much JSON may hold, which is found before it is parsed.

A list of a million lists takes seconds, and everybody waits.
"""

import re

from app.errors import RefusedError

MAX_TEXT_BYTES = 512 * 1024
"""What JSON may carry besides recorded speech."""

MAX_PARTS = 10_000
"""How many brackets, commas, colons and strings it may have.

A table of 2,500 cells has as many, with the names of its columns in each row.
"""

# One of them a round, and none is tried again (+), so that matching ends soon whatever comes. A
# string is taken whole: a bracket in it is none.
_PART = rb'[^"\[{,:]*+(?:[\[{,:]|"[^"\\]*+(?:\\.[^"\\]*+)*+"?+)'
_TOO_MANY_PARTS = re.compile(b"(?:%b){" % _PART + str(MAX_PARTS + 1).encode() + b"}", re.DOTALL)
_SPEECH = b'"audio_base64"'
_OPENING = re.compile(rb'\s*+:\s*+"')


def check_json(body: bytes) -> None:
    """Make sure that a body can be parsed while others wait.

    Raises:
        RefusedError: it is too large, or holds too much (413).
    """
    text = body if len(body) <= MAX_TEXT_BYTES else _without_speech(body)
    if len(text) > MAX_TEXT_BYTES:
        raise too_much_text()
    if _TOO_MANY_PARTS.match(text):
        message = f"That is JSON of more than {MAX_PARTS} brackets, commas and strings."
        raise RefusedError(413, message)


def too_much_text() -> RefusedError:
    """Return the refusal of a body that is too large for one without speech."""
    return RefusedError(413, f"That is larger than {MAX_TEXT_BYTES // 1024} KB of text.")


def _without_speech(body: bytes) -> bytes:
    """Return a body without the one string that may be long, if there is one."""
    name = body.find(_SPEECH)
    opening = _OPENING.match(body, name + len(_SPEECH)) if name >= 0 else None
    if opening is None:
        return body
    start = opening.end()
    end = body.find(b'"', start)
    # Base64 has no backslash. Behind one the quotation mark would not be the end of the string.
    if end < 0 or body.find(b"\\", start, end) >= 0:
        return body
    if start + len(body) - end > MAX_TEXT_BYTES:  # too large all the same, and long to copy
        return body
    return body[:start] + body[end:]
