"""The layer of --round-trip, read back: the history, its pages, ids and times, and who sees it."""

import re
from datetime import UTC, datetime, timedelta

from tools.doctor.checks import Check, Finding, failed, passed
from tools.doctor.conversation import TITLE, hold_conversation

STORE = "git diff backend/src/app"

CLOCKS = timedelta(minutes=10)
"""By how much clocks may differ."""

ID_CHARACTERS = 20
"""Of an id that nobody guesses, and that no two conversations get. ChatKit's own have eight."""


def opened() -> Finding:
    """Open the conversation, as ChatKit does with one that is picked from the history."""
    problem = hold_conversation().opened
    if not problem:
        return passed("the conversation opens again, with all that is in it")
    return failed(
        f"the conversation was listed, and opening it {problem}",
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
                source="backend/src/kit/chat/items.py",
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
        f"the conversation {held.thread_id} is still there, though it was deleted",
        tried="threads.delete, then threads.get_by_id",
        command=STORE,
    )


def _is_off(moment: str) -> bool:
    return abs(datetime.fromisoformat(moment) - datetime.now(UTC)) > CLOCKS


NEEDS = ("round-trip.answer",)
CHECKS = (
    Check("round-trip.open", opened, needs=("round-trip.stored",)),
    Check("round-trip.history", listed, needs=NEEDS),
    Check("round-trip.pages", pages, needs=("round-trip.stored",)),
    Check("round-trip.ids", ids, needs=("round-trip.stored",)),
    Check("round-trip.times", times, needs=NEEDS),
    Check("round-trip.strangers", strangers, needs=NEEDS),
    Check("round-trip.forgotten", forgotten, needs=("backend.not-found", *NEEDS)),
)
