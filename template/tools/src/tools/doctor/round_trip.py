"""What `--round-trip` finds: what becomes of messages and answers, and who sees them."""

import re
from datetime import UTC, datetime, timedelta

import httpx2

from kit.settings import get_settings
from tools.doctor.checks import Check, Finding, failed, passed, unknown
from tools.doctor.running import (
    COUNT,
    HELLO,
    PATIENCE,
    START,
    TITLE,
    Conversation,
    hold_conversation,
    text_of,
)

STORE = "git diff backend/src/app"
BUFFERED = 0.1
"""An answer that takes this share of its time, or less, from its first piece to its end was
collected on the way."""

TWICE = "does not fit what it holds"
"""What the backend says when the database refuses what is there already."""

NO_DATABASE = "The database does not answer"

WENT_WRONG = "The backend's log says why"
"""What it says when it does not know why; of what the model's server refuses it does."""

TOO_FAST = 0.3
"""Seconds: of an answer that takes less nobody can tell whether it was collected."""

CLOCKS = timedelta(minutes=10)
"""By how much clocks may differ."""

ID_CHARACTERS = 20
"""Of an id that nobody guesses, and that no two conversations get. ChatKit's own have eight."""


def answer() -> Finding:
    """Ask, and hear an answer."""
    try:
        held = hold_conversation()
    except httpx2.TransportError as error:
        return failed(
            f"the conversation broke off: {type(error).__name__} {error}",
            tried=f"a message, with {PATIENCE} seconds for the answer",
            command=START,
            slug="silent-stream-dies",
        )
    if event := held.hello.error or held.count.error:
        words = str(event.get("message") or "")
        which = "second answer" if held.count.error else "answer"
        return failed(
            f"the {which} failed: {words or 'an error without words'}",
            tried=f"a message through {held.way}",
            source="what the running backend was started with",
            command=START,
            slug=_why(held, words),
        )
    if not held.hello.text:
        return failed(
            "no answer comes, though nothing fails",
            tried=f"a message through {held.way}",
            source="backend/src/app/assistant.py",
            command=STORE,
        )
    return passed(f"an answer came through {held.way}, in {len(held.hello.pieces)} pieces")


def _why(held: Conversation, words: str) -> str:
    """Return the pitfall behind an answer that failed with these words, if with any."""
    if not words:
        return "error-without-words"
    if TWICE in words or (held.hello.is_over and WENT_WRONG in words and not held.count.error):
        return "message-saved-twice"
    if NO_DATABASE in words:
        return "database-down"
    if get_settings().is_demo:  # which asks nobody else, and needs nothing to be set
        return "no-key-no-answer"
    if held.count.error and WENT_WRONG in words:
        return "second-turn-fails"
    return "error-without-words"


def pieces() -> Finding:
    """Find out whether the answer came piece by piece."""
    held = hold_conversation()
    moments = held.hello.moments
    spread = moments[-1] - moments[0]
    whole = moments[-1] - held.hello.began
    if len(held.hello.pieces) < 3 or whole < TOO_FAST:
        return unknown("the answer was too short to tell whether it came piece by piece")
    if spread > whole * BUFFERED:
        return passed("it came piece by piece, while it was made")
    return failed(
        f"all of the answer came at once, after {whole:.1f} seconds",
        tried=f"a message through {held.way}",
        source="frontend/src/kit/server/proxy.ts",
        command="git diff frontend",
        slug="proxy-buffers",
    )


def stored() -> Finding:
    """Compare what was said with what was stored."""
    held = hold_conversation()
    questions = [text_of(item) for item in held.items if item.get("type") == "user_message"]
    answers = held.answers_to(HELLO)
    problem, slug = "", ""
    if HELLO not in questions:
        problem, slug = "the message was not stored as it was sent", "emoji-and-nul"
    elif questions.count(HELLO) > 1 or len(answers) > 1:
        problem, slug = "the message or the answer was stored twice", "message-saved-twice"
    elif not answers:
        problem, slug = "the answer was not stored", "assistant-message-not-saved"
    elif not answers[0]:
        problem, slug = "the answer was stored without its text", "content-type-not-recognised"
    elif answers[0] != held.hello.text:
        problem, slug = "another answer was stored than was heard", "fake-id"
    if problem:
        tried = "items.list after the first answer"
        return failed(problem, tried=tried, command=STORE, slug=slug)
    return passed("message and answer were stored once each, as they were said")


def kept() -> Finding:
    """Find out whether a question outlives a crash of the backend in the middle of its answer."""
    held = hold_conversation()
    if held.hello.is_stored_early and (held.count.is_stored_early or not held.count.pieces):
        return passed("each question is stored before its answer begins")
    return failed(
        "an answer begins before its question is stored: a crash would lose the question",
        tried="items.list after the first piece of an answer",
        command=STORE,
        slug="crash-mid-stream",
    )


def stopped() -> Finding:
    """Look for the half answer that was stopped."""
    held = hold_conversation()
    heard = held.count
    if not heard.was_stopped:
        return unknown("the answer was over before it could be stopped")
    if any(text.startswith(heard.text) for text in held.answers_to(COUNT)):
        return passed("what was heard of an answer before Stop is stored")
    return failed(
        f"a stopped answer had {len(heard.text)} characters, and they are not stored",
        tried=f"Stop after {len(heard.pieces)} pieces, then items.list",
        source="backend/src/kit/http/streaming.py",
        command=STORE,
        slug="stop-loses-the-answer",
    )


def preview() -> Finding | None:
    """Look at the preview of an image that was sent as a file."""
    address = hold_conversation().preview
    if address is None:
        return None
    if re.match("data:|https:|blob:", address):
        return passed("an image gets a preview that ChatKit's frame shows")
    return failed(
        f"the preview of an image is at {address[:60]}, and ChatKit's frame loads no http:",
        tried="the upload of an image",
        source="backend/src/kit/attachments/content.py",
        command=STORE,
        slug="image-preview-http",
    )


def opened() -> Finding:
    """Open the conversation, as ChatKit does with one that is picked from the history."""
    problem = hold_conversation().opened
    if not problem:
        return passed("the conversation opens again, with all that is in it")
    return failed(
        f"the history lists the conversation, and opening it {problem}",
        tried="threads.get_by_id",
        source="backend/src/kit/database/chatkit_store.py",
        command=STORE,
        slug="thread-for-metadata",
    )


def listed() -> Finding:
    """Look for the conversation in the history, under the name that it was given."""
    title = hold_conversation().title
    if title == TITLE:
        return passed("the conversation is in the history, under its name")
    return failed(
        f"the conversation was named {TITLE!r}, and in the history it is {title!r}",
        tried="threads.update, then threads.list",
        command=STORE,
        slug="thread-for-metadata" if title is None else "emoji-and-nul",
    )


def pages() -> Finding:
    """Compare the items one by one with all of them at once."""
    held = hold_conversation()
    ids = [str(item.get("id")) for item in reversed(held.items)]
    if held.walk == ids:
        return passed(f"its {len(ids)} items are the same, loaded at once and one by one")
    is_stuck = held.walk == ids[: len(held.walk)]
    return failed(
        f"of {len(ids)} items {len(set(held.walk))} were found by loading one at a time"
        + ("" if is_stuck else ", and not in this order"),
        tried="items.list with a limit of 1, following `after`",
        source="backend/src/kit/database/chatkit_store.py",
        command=STORE,
        slug="page-of-hidden-items" if is_stuck else "pages-skip-items",
    )


def ids() -> Finding:
    """Look whether the ids are too long for two to be the same."""
    held = hold_conversation()
    for name in (held.thread_id, *(str(item.get("id")) for item in held.items)):
        if len(name.rpartition("_")[2]) < ID_CHARACTERS:
            return failed(
                f"the id {name} is so short that another conversation will get the same",
                tried=f"a look for {ID_CHARACTERS} characters",
                source="backend/src/kit/database/chatkit_store.py",
                command=STORE,
                slug="ids-collide",
            )
    return passed("no two conversations or messages will get the same id")


def times() -> Finding:
    """Look at the times of what was stored."""
    for item in hold_conversation().items:
        moment = str(item.get("created_at"))
        if not re.search(r"(Z|[+-]\d\d:\d\d)$", moment) or _is_off(moment):
            return failed(
                f"the time of a message is sent as {moment}, and it is "
                f"{datetime.now(UTC).isoformat(timespec='seconds')}",
                tried="created_at in items.list",
                source="backend/src/kit/chat/chatkit_server.py",
                command=STORE,
                slug="created-at-shifts",
            )
    return passed("the times are right, and say how far they are from UTC")


def strangers() -> Finding:
    """Find out whether somebody else can read the conversation."""
    if not hold_conversation().others_see:
        return passed("a stranger who knows the id of the conversation sees nothing of it")
    return failed(
        "a stranger who knows the id of the conversation can read it",
        tried="items.list as somebody else",
        source="backend/src/kit/database/chatkit_store.py",
        command=STORE,
        slug="foreign-thread",
    )


def forgotten() -> Finding:
    """Find out whether the conversation is deleted again."""
    held = hold_conversation()
    if held.is_gone:
        return passed("the conversation is deleted again")
    return failed(
        f"the backend deleted the conversation {held.thread_id}, and it is still there",
        tried="threads.delete, then threads.get_by_id",
        command=STORE,
    )


def _is_off(moment: str) -> bool:
    return abs(datetime.fromisoformat(moment) - datetime.now(UTC)) > CLOCKS


NEEDS = ("round-trip.answer",)
CHECKS = (
    Check("round-trip.answer", answer, needs=("backend.threads",)),
    Check("round-trip.pieces", pieces, needs=NEEDS),
    Check("round-trip.kept", kept, needs=NEEDS),
    Check("round-trip.stored", stored, needs=NEEDS),
    Check("round-trip.stop", stopped, needs=("round-trip.stored",)),
    Check("round-trip.preview", preview, needs=NEEDS),
    Check("round-trip.open", opened, needs=("round-trip.stored",)),
    Check("round-trip.history", listed, needs=NEEDS),
    Check("round-trip.pages", pages, needs=("round-trip.stored",)),
    Check("round-trip.ids", ids, needs=("round-trip.stored",)),
    Check("round-trip.times", times, needs=NEEDS),
    Check("round-trip.strangers", strangers, needs=NEEDS),
    Check("round-trip.forgotten", forgotten, needs=("backend.not-found", *NEEDS)),
)
