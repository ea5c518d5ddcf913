"""What the doctor finds in a conversation with a project that runs, where something is wrong."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from contract.chat import Json, text_of
from contract.serving import Server

from internals.tools.between import Between
from internals.tools.patient import Patient


def of_items(change: Callable[[list[Json]], list[Json]]) -> Callable[[Json, Any], Any]:
    """Return what changes the items that are read back, in whatever way."""

    def changed(request: Json, answer: Any) -> Any:
        if request["type"] == "items.list" and "data" in answer:
            return answer | {"data": change(answer["data"])}
        if request["type"] == "threads.get_by_id" and "items" in answer:
            page = answer["items"]
            return answer | {"items": page | {"data": change(page["data"])}}
        return answer

    return changed


def answers_of(items: list[Json]) -> list[Json]:
    return [item for item in items if item["type"] == "assistant_message"]


def lost(items: list[Json]) -> list[Json]:
    return [item for item in items if item["type"] != "assistant_message"]


def twice(items: list[Json]) -> list[Json]:
    return [*items[:2], *items[1:]]


def empty(items: list[Json]) -> list[Json]:
    return [item | {"content": []} if item in answers_of(items) else item for item in items]


def naive(items: list[Json]) -> list[Json]:
    return [item | {"created_at": item["created_at"][:19]} for item in items]


def half_lost(items: list[Json]) -> list[Json]:
    return [item for item in items if item not in answers_of(items) or "hello" in text_of(item)]


def overwritten(items: list[Json]) -> list[Json]:
    answers = answers_of(items)
    return [
        item | {"content": answers[-1]["content"]} if item in answers[:-1] else item
        for item in items
    ]


def without_emoji(items: list[Json]) -> list[Json]:
    text = json.dumps(items, ensure_ascii=False).encode("latin1", "replace")
    changed: list[Json] = json.loads(text.decode("latin1"))
    return changed


def change_items(change: Callable[[list[Json]], list[Json]]) -> Callable[[Between], None]:
    def break_it(page: Between) -> None:
        page.change_answer = of_items(change)

    return break_it


def of_pages(change: Callable[[Json], Json]) -> Callable[[Between], None]:
    """Return what changes the pages of one item each."""

    def changed(request: Json, answer: Any) -> Any:
        is_one = request["type"] == "items.list" and request["params"].get("limit") == 1
        return change(answer) if is_one else answer

    def break_it(page: Between) -> None:
        page.change_answer = changed

    return break_it


def without_cursor(page: Json) -> Json:
    return page | {"after": None}


def store_late(page: Between) -> None:
    """Answer as if messages were stored when their answers are over."""
    page.change_answer = lambda request, answer: (
        answer | {"data": []}
        if request["type"] == "items.list" and request["params"].get("limit") == 5
        else answer
    )


def refuse_to_open(page: Between) -> None:
    page.change_status = lambda request, status: (
        500 if request["type"] == "threads.get_by_id" and status == 200 else status
    )


def shorten_ids(items: list[Json]) -> list[Json]:
    return [item | {"id": item["id"][:12]} for item in items]


def end_with(**error: str) -> Callable[[Between], None]:
    def break_it(page: Between) -> None:
        page.change_event = lambda event: {"type": "error", **error}

    return break_it


def preview_by_http(page: Between) -> None:
    page.change_file = lambda record: record | {"preview_url": "http://127.0.0.1/preview"}


def hide_history(page: Between) -> None:
    page.change_answer = lambda request, answer: (
        answer | {"data": []} if request["type"] == "threads.list" else answer
    )


def cut_titles(page: Between) -> None:
    def changed(request: Json, answer: Any) -> Any:
        if request["type"] != "threads.list":
            return answer
        threads = [one | {"title": str(one["title"]).rstrip("\0")} for one in answer["data"]]
        return answer | {"data": threads}

    page.change_answer = changed


def collect(page: Between) -> None:
    page.collects = True


def one_guest(page: Between) -> None:
    page.knows_one_guest = True


def fail_without_words(page: Between) -> None:
    page.change_event = lambda event: {"type": "error", "code": "stream.error"}


@pytest.mark.parametrize(
    ("check", "slug", "break_it"),
    [
        ("answer", "error-without-words", fail_without_words),
        ("answer", "no-key-no-answer", end_with(message="The key is missing.")),
        ("answer", "message-saved-twice", end_with(message="It does not fit what it holds.")),
        ("answer", "database-down", end_with(message="The database does not answer.")),
        ("pieces", "proxy-buffers", collect),
        ("kept", "crash-mid-stream", store_late),
        ("open", "thread-for-metadata", refuse_to_open),
        ("pages", "page-of-hidden-items", of_pages(without_cursor)),
        ("pages", "pages-skip-items", of_pages(lambda page: page | {"data": page["data"] * 2})),
        ("ids", "ids-collide", change_items(shorten_ids)),
        ("stored", "assistant-message-not-saved", change_items(lost)),
        ("stored", "message-saved-twice", change_items(twice)),
        ("stored", "content-type-not-recognised", change_items(empty)),
        ("stored", "fake-id", change_items(overwritten)),
        ("stored", "emoji-and-nul", change_items(without_emoji)),
        ("history", "thread-for-metadata", hide_history),
        ("history", "emoji-and-nul", cut_titles),
        ("times", "created-at-shifts", change_items(naive)),
        ("stop", "stop-loses-the-answer", change_items(half_lost)),
        ("preview", "image-preview-http", preview_by_http),
        ("strangers", "foreign-thread", one_guest),
    ],
)
def test_what_a_round_trip_finds_is_named(
    healthy: Patient,
    backend: Server,
    between: Between,
    check: str,
    slug: str,
    break_it: Callable[[Between], None],
) -> None:
    break_it(between)
    before = backend.sql("SELECT count(*) FROM conversations")
    examination = healthy.converse(BACKEND_PORT=backend.port, FRONTEND_PORT=between.port)
    assert backend.sql("SELECT count(*) FROM conversations") == before
    found = examination[f"round-trip.{check}"]
    assert (found["outcome"], found["slug"]) == ("FAIL", slug)
    others = examination.slugs("FAIL").keys() - {f"round-trip.{check}"}
    assert not others
