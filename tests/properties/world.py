"""A model of what one person has and must see, whatever everybody else does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from contract.chat import Json

HIDDEN: Json = {"id": None, "type": "hidden"}
"""Stands for an item that is stored and never shown."""

DEFAULT_LIMIT = 20
MAX_LIMIT = 9999
CLEANED_UP = 20
"""How many of the newest items ChatKit rids of pending tool calls when one is answered."""

Page = tuple[list[Json], bool]
"""What a page shows, and whether there are more."""

View = dict[str, Any]
"""Everything that a person can see."""


@dataclass
class Thread:
    """A conversation."""

    id: str
    title: str
    status: str = "active"
    items: list[Json] = field(default_factory=list)

    @property
    def shown(self) -> Json:
        """What the history shows of it."""
        return {"id": self.id, "title": self.title, "status": self.status}


@dataclass(frozen=True)
class File:
    """A file: its content is None until it is uploaded."""

    name: str
    content: bytes | None = None
    thread_id: str | None = None
    """The conversation that it was sent in, for good."""


@dataclass
class World:
    """All that is a person's."""

    threads: dict[str, Thread] = field(default_factory=dict)
    """In the order in which they began."""
    files: dict[str, File] = field(default_factory=dict)
    feedback: dict[tuple[str, str], str] = field(default_factory=dict)
    """By conversation and item, those that are gone too."""

    def copy(self) -> "World":
        """Return a world that changes without this one."""
        threads = {key: replace(one, items=list(one.items)) for key, one in self.threads.items()}
        return World(threads, dict(self.files), dict(self.feedback))

    # What is seen

    def view(self, limit: int, order: str) -> View:
        """Return what is seen in pages of a size."""

        def pages(entries: list[Json]) -> list[Page]:
            starts = range(0, len(entries), limit) or [0]
            return [_page(entries, start, limit, order) for start in starts]

        return {
            "threads": pages([one.shown for one in self.threads.values()]),
            "items": {key: pages(one.items) for key, one in self.threads.items() if one.items},
            "files": {key: one.content for key, one in self.files.items() if one.content},
        }

    def page_of_threads(self, after: str | None, limit: int | None, order: str) -> Page | int:
        """Return a page of the history, or the status of its refusal."""
        threads = [thread.shown for thread in self.threads.values()]
        return _page_after(threads, after, limit, order)

    def page_of_items(
        self, thread_id: str, after: str | None, limit: int | None, order: str
    ) -> Page | int:
        """Return a page of a conversation; of one that is not there, an empty one."""
        is_there = thread_id in self.threads
        return _page_after(self.items(thread_id), after if is_there else None, limit, order)

    def items(self, thread_id: str) -> list[Json]:
        return self.threads[thread_id].items if thread_id in self.threads else []

    def item(self, thread_id: str, item_id: str) -> Json | None:
        return next((item for item in self.items(thread_id) if item["id"] == item_id), None)

    def thread(self, thread_id: str) -> Thread:
        assert thread_id in self.threads, f"{thread_id} is gone"
        return self.threads[thread_id]

    # What may be done: each returns the status with which it must be answered

    def writing(self, thread_id: str | None, file_ids: Sequence[str] = ()) -> int:
        """For a message with files, in a new conversation without an id."""
        if thread_id and thread_id not in self.threads:
            return 404
        if thread_id and self.threads[thread_id].status != "active":
            return 403
        if len(set(file_ids)) < len(file_ids):
            return 400
        for file in map(self.files.get, file_ids):
            if file is None:
                return 404
            if file.content is None or file.thread_id not in (None, thread_id):
                return 400
        return 200

    def using(self, thread_id: str, item_id: str, **properties: object) -> int:
        """For what needs an item that is like this."""
        if (status := self.writing(thread_id)) != 200:
            return status
        item = self.item(thread_id, item_id)
        return 404 if item is None else 200 if properties.items() <= item.items() else 400

    def waits_for_output(self, thread_id: str) -> bool:
        """Whether the last thing that happened is the call of a client tool."""
        return any(map(_is_pending, self.items(thread_id)[-1:]))

    def uploading(self, file_id: str | None, taken: int) -> int:
        """For the content of a file, announced if it has an id; `taken` says how it is taken."""
        if file_id is None:
            return taken
        if file_id not in self.files:
            return 404
        return taken if self.files[file_id].content is None else 400

    def removing(self, file_id: str) -> int:
        """For a file that is in no conversation, or not there."""
        messages = (item for thread in self.threads.values() for item in thread.items)
        return 409 if any(file_id in _files_of(item) for item in messages) else 200

    # What happens

    def begin(self, thread_id: str, title: str) -> None:
        assert thread_id not in self.threads, f"{thread_id} began twice"
        self.threads[thread_id] = Thread(thread_id, title)

    def put(self, thread_id: str, item: Json) -> None:
        """An item comes, or takes the place of the one with its id."""
        items = self.thread(thread_id).items
        same = (n for n, one in enumerate(items) if one["id"] == item["id"] and item is not HIDDEN)
        place = next(same, len(items))
        items[place : place + 1] = [item]
        for file_id in _files_of(item) & self.files.keys():
            self.files[file_id] = replace(self.files[file_id], thread_id=thread_id)

    def take(self, thread_id: str, item_id: str) -> None:
        items = self.thread(thread_id).items
        items[:] = [item for item in items if item["id"] != item_id]

    def cut(self, thread_id: str, item_id: str) -> None:
        """Everything after an item goes."""
        items = self.thread(thread_id).items
        assert self.item(thread_id, item_id), f"{item_id} is gone"
        del items[[item["id"] for item in items].index(item_id) + 1 :]

    def bring_output(self, thread_id: str, output: object) -> None:
        """The client tool that was asked for last is done; others that wait are gone."""
        items = self.thread(thread_id).items
        pending = [place for place, item in enumerate(items) if _is_pending(item)]
        assert pending, "two outputs of one call were taken"
        brought = {} if output is None else {"output": output}
        items[pending[-1]] = items[pending[-1]] | {"status": "completed"} | brought
        for item in filter(_is_pending, items[-CLEANED_UP:]):
            self.take(thread_id, item["id"])

    def lock(self, thread_id: str) -> None:
        self.thread(thread_id).status = "locked"

    def delete(self, thread_id: str) -> None:
        """A conversation goes with all that is in it, if there is one."""
        for file_id in set[str]().union(*map(_files_of, self.items(thread_id))):
            self.files.pop(file_id, None)
        self.threads.pop(thread_id, None)

    def lack(self, thread_id: str, complaint: str) -> None:
        """Nothing happens: a turn fails, which it may only if its conversation is gone."""
        assert thread_id not in self.threads, f"a turn failed: {complaint}"

    # What is done at once: each returns the status

    def rename(self, thread_id: str, title: str) -> int:
        if thread_id not in self.threads:
            return 404
        self.threads[thread_id].title = title
        return 200

    def rate(self, thread_id: str, item_ids: Sequence[str], kind: str) -> int:
        if not all(self.item(thread_id, item_id) for item_id in item_ids):
            return 404
        self.feedback |= {(thread_id, item_id): kind for item_id in item_ids}
        return 200


Effect = Callable[[World], object]
"""Changes a world, and fails if it cannot happen in it."""


def _is_pending(item: Json) -> bool:
    return (item["type"], item.get("status")) == ("client_tool_call", "pending")


def _files_of(item: Json) -> set[str]:
    return {file["id"] for file in item.get("attachments", [])}


def _page_after(
    entries: list[Json], after: str | None, limit: int | None, order: str
) -> Page | int:
    ids = [entry["id"] for entry in entries][:: 1 if order == "asc" else -1]
    if after is not None and after not in ids:
        return 404
    return _page(entries, ids.index(after) + 1 if after else 0, limit, order)


def _page(entries: list[Json], start: int, limit: int | None, order: str) -> Page:
    rest = entries[:: 1 if order == "asc" else -1][start:]
    size = max(1, min(limit or DEFAULT_LIMIT, MAX_LIMIT))
    return [entry for entry in rest[:size] if entry is not HIDDEN], len(rest) > size
