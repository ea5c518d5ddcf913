"""Somebody at the page: what they can name, ask for and see."""

import json
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice
from typing import Any
from urllib.parse import quote

import httpx2
from contract.chat import Json, wait_until
from support.backend import Backend

from properties.world import HIDDEN, Page, View, World

Odd = Enum("Odd", "STRANGERS STRANGERS_ITEM OTHER_THREADS_ITEM OTHER_KIND")
"""What is all a stranger's, only the item in a conversation of their own, an item of another
conversation, or an item of another kind."""

ANSWERING = "This conversation is being answered"

Target = int | str | Odd
"""The first, second, … of what fits, counted from 0; something odd; or an id that is nowhere."""

Show = Callable[[Json], Json]


@dataclass
class Person:
    """Somebody at the page, in one tab or in two."""

    backend: Backend
    client: httpx2.Client
    headers: Mapping[str, str]
    stranger: World = field(default_factory=World)
    """What is somebody else's."""
    world: World = field(default_factory=World)
    seen_threads: set[str] = field(default_factory=set)
    """The ids of all conversations that this person ever had."""
    seen_files: set[str] = field(default_factory=set)

    def thread(self, target: Target) -> str:
        """Return the id of a conversation."""
        return _pick(target, self.world.threads, self.stranger.threads)

    def file(self, target: Target) -> str:
        """Return the id of a file."""
        return _pick(target, self.world.files, self.stranger.files)

    def item(self, target: Target, kind: str | None = None) -> tuple[str, str]:
        """Return the ids of a conversation and of an item, of a kind if one is given."""
        world = self.stranger if target in (Odd.STRANGERS, Odd.STRANGERS_ITEM) else self.world
        places = {
            item["id"]: thread.id
            for thread in world.threads.values()
            for item in thread.items
            if item is not HIDDEN
            and (kind is None or (item["type"] == kind) != (target is Odd.OTHER_KIND))
        }
        item_id = _pick(target, places, places)
        thread_id = places.get(item_id)
        if target is Odd.OTHER_THREADS_ITEM:
            return _pick(0, [one for one in world.threads if one != thread_id]), item_id
        return self.thread(0) if target is Odd.STRANGERS_ITEM else thread_id or self.thread(
            0
        ), item_id

    def post(self, kind: str, /, **params: Any) -> httpx2.Response:
        """Send a request and return the whole answer.

        While the other tab's turn of the conversation runs, another one is refused: ask again.
        """
        body = {"type": kind, "params": params}
        answers: list[httpx2.Response] = []

        def is_taken() -> bool:
            answers.append(self._send("POST", self.backend.chat.url, json=body))
            return ANSWERING not in answers[-1].text

        wait_until(is_taken)
        return answers[-1]

    def upload(
        self, name: str, content: bytes, mime_type: str, file_id: str | None = None
    ) -> httpx2.Response:
        """Upload a file, in the second phase of an upload with an id."""
        url = self.backend.chat.file_url(file_id and quote(file_id))
        return self._send("POST", url, files={"file": (name, content, mime_type)})

    def download(self, file_id: str) -> bytes | None:
        """Return what is in a file, if there is one."""
        response = self._send("GET", self.backend.chat.file_url(quote(file_id)))
        return response.content if response.is_success else None

    def _send(self, method: str, url: str, **body: Any) -> httpx2.Response:
        return _checked(self.client.request(method, url, headers=self.headers, **body))

    def stop(self, after: int, kind: str, /, **params: Any) -> tuple[httpx2.Response, list[Json]]:
        """Ask for a stream, press Stop after some events and wait until the turn is over.

        Returns:
            The response, and the events that came.
        """
        request_id = uuid.uuid4().hex
        headers = {**self.headers, "X-Request-Id": request_id}
        body = {"type": kind, "params": params}
        url = self.backend.chat.url
        with self.client.stream("POST", url, json=body, headers=headers) as response:
            if not response.is_success:
                response.read()
                return _checked(response), []
            heard = list(islice(_events(response.iter_lines()), after))
        is_over = re.compile(rf" in \S+ s \(request {request_id}\)")
        wait_until(lambda: is_over.search(self.backend.log))
        return response, heard

    def look(self, limit: int, order: str) -> View:
        """Look at everything, in pages of a size."""
        asked: Json = {"limit": limit, "order": order}
        threads = self._pages(show_thread, "threads.list", **asked)
        items = {
            one: self._pages(dict, "items.list", thread_id=one, **asked)
            for one in self.seen_threads
        }
        files = {one: self.download(one) for one in self.seen_files}
        return {
            "threads": threads,
            "items": {one: pages for one, pages in items.items() if pages != [([], False)]},
            "files": {one: content for one, content in files.items() if content is not None},
        }

    def stored(self, thread_id: str) -> list[Json]:
        """Return all items of a conversation: in pages of one, the hidden ones show too."""
        pages = self._pages(dict, "items.list", thread_id=thread_id, limit=1, order="asc")
        return [shown[0] if shown else HIDDEN for shown, _ in pages]

    def _pages(self, show: Show, kind: str, **params: Any) -> list[Page]:
        pages: list[Page] = []
        after = None
        while not pages or after:
            page = self.post(kind, after=after, **params).json()
            pages.append(page_of(page, show))
            assert page.get("after") != after or not after, "a page leads to itself"
            after = page.get("after")
        return pages


def show_thread(thread: Json) -> Json:
    """Return what the history shows of a conversation, as it is sent."""
    return {"id": thread["id"], "title": thread["title"], "status": thread["status"]["type"]}


def page_of(page: Json, show: Show = dict) -> Page:
    """Return what a page shows, as it is sent."""
    return [show(entry) for entry in page["data"]], page["has_more"]


def events_of(response: httpx2.Response) -> Iterator[Json]:
    """Return the events of a whole stream; none of what is no stream."""
    return _events(iter(response.text.split("\n")))


def _events(lines: Iterator[str]) -> Iterator[Json]:
    return (json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: "))


def _pick(target: Target, own: Iterable[str], strangers: Iterable[str] = ()) -> str:
    if isinstance(target, str):
        return target
    ids = list(strangers if isinstance(target, Odd) else own)
    return ids[target % len(ids) if isinstance(target, int) else 0] if ids else "none"


def _checked(response: httpx2.Response) -> httpx2.Response:
    assert response.status_code < 500, response.text
    assert response.is_success or response.json()["message"]
    return response
