"""A conversation with the running project, as somebody whom nobody knows and who is forgotten."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx2

from app.doctor.backend import LIST
from app.doctor.running import (
    MAKING_SECONDS,
    backend_address,
    document,
    get,
    guest,
    json_of,
    page_address,
    post,
    signed,
    stranger,
)

Json = dict[str, Any]

HELLO = "Say hello to the doctor in one short sentence. \N{WAVING HAND SIGN}"
TITLE = "For the doctor \N{WAVING HAND SIGN}\0"
"""With what databases have refused. No model sees it."""

COUNT = "Give me a long answer: count from one to three hundred, in words."
PIECES = 3
"""After how many of them the answer to the second question is stopped."""

PATIENCE = 90
"""Seconds for an answer of the model."""

STORING = 3
"""Seconds in which half an answer has to be stored after Stop."""


@dataclass
class Person:
    """Somebody at the page, or at the backend where there is no page."""

    url: str
    owner: str = ""
    cookie: dict[str, str] = field(default_factory=dict)

    def ask(self, kind: str, **params: Any) -> httpx2.Response:
        """Send a request that is answered at once."""
        return post(self.url, {"type": kind, "params": params}, self._headers())

    @contextmanager
    def say(self, text: str, thread_id: str | None = None) -> Iterator[Iterator[Json]]:
        """Write a message and return the events of the turn; leaving the block is Stop."""
        kind = "threads.add_user_message" if thread_id else "threads.create"
        params: Json = {"input": _message(text)}
        if thread_id:
            params["thread_id"] = thread_id
        with (
            httpx2.Client(timeout=PATIENCE, trust_env=False) as client,
            client.stream(
                "POST",
                self.url,
                json={"type": kind, "params": params},
                headers=self._headers(),
            ) as answer,
        ):
            if answer.status_code != 200:
                answer.read()
                yield iter([{"type": "error", "message": answer.text}])
                return
            lines = (line for line in answer.iter_lines() if line.startswith("data: "))
            yield (json.loads(line.removeprefix("data: ")) for line in lines)

    def _headers(self) -> dict[str, str]:
        return self.cookie or signed(self.owner)


@dataclass
class Turn:
    """What was heard of an answer."""

    began: float = 0
    """When the message was sent, in seconds like `moments`."""
    pieces: list[str] = field(default_factory=list)
    moments: list[float] = field(default_factory=list)
    """When the pieces came, in seconds, and last, when the turn was over."""
    error: Json | None = None
    was_stopped: bool = False

    @property
    def text(self) -> str:
        """All pieces together."""
        return "".join(self.pieces)


@dataclass
class Conversation:
    """What was heard, and what was read back."""

    way: str
    thread_id: str = ""
    hello: Turn = field(default_factory=Turn)
    count: Turn = field(default_factory=Turn)
    items: list[Json] = field(default_factory=list)
    """Those of the conversation, oldest first, as they were read back."""
    title: str | None = None
    """That of the conversation in the history, after it was named; None if it is not there."""
    others_see: list[Json] = field(default_factory=list)
    """What a stranger gets of it."""
    is_gone: bool = False
    """Whether it is not there any more once it is deleted."""

    def answers_to(self, question: str) -> list[str]:
        """Return the texts of the answers that were read back between this question and the next.

        Of a question that is not there, or not as it was sent, there are none.
        """
        texts: list[str] = []
        is_asked = False
        for item in self.items:
            if item.get("type") == "user_message":
                is_asked = text_of(item) == question
            elif is_asked and item.get("type") == "assistant_message":
                texts.append(text_of(item))
        return texts


@cache
def hold_conversation() -> Conversation:
    """Ask twice, stop the second answer, read all back, and delete it whatever happens.

    Raises:
        httpx2.TransportError: the project does not answer.
    """
    me, other = _people()
    held = Conversation(way=me.url)
    try:
        _listen(me, HELLO, held, held.hello)
        if held.thread_id and not held.hello.error:
            _listen(me, COUNT, held, held.count, stop_after=PIECES)
            held.items = _read_back(me, held)
            me.ask("threads.update", thread_id=held.thread_id, title=TITLE)
            titles = {one.get("id"): one.get("title") for one in _data(me.ask("threads.list"))}
            held.title = titles.get(held.thread_id)
            held.others_see = _data(other.ask("items.list", thread_id=held.thread_id))
    finally:
        with suppress(httpx2.TransportError):
            held.is_gone = _forget(me, held.thread_id)
    return held


def _forget(me: Person, thread_id: str) -> bool:
    """Delete all conversations of a person, and return whether this one is gone."""
    # Its id is not known if what was heard of it made no sense.
    for thread in [{"id": thread_id}, *_data(me.ask("threads.list"))]:
        me.ask("threads.delete", thread_id=thread["id"])
    return me.ask("threads.get_by_id", thread_id=thread_id).status_code == 404


def _people() -> tuple[Person, Person]:
    """Return somebody and somebody else, at the page if requests pass through it."""
    url = f"{page_address()}/api/chatkit"
    with suppress(httpx2.TransportError):
        if post(url, LIST, guest(document()), MAKING_SECONDS).status_code == 200:
            me, other = (
                Person(url, cookie=guest(get(page_address(), MAKING_SECONDS))) for _ in range(2)
            )
            return me, other
    url = f"{backend_address()}/chatkit"
    return Person(url, owner=stranger()), Person(url, owner=stranger())


def _listen(
    me: Person, text: str, held: Conversation, turn: Turn, stop_after: int | None = None
) -> None:
    turn.began = time.monotonic()
    with me.say(text, held.thread_id or None) as events:
        for event in events:
            match event:
                case {"type": "thread.created", "thread": {"id": str(thread_id)}}:
                    held.thread_id = thread_id
                case {"type": "error"}:
                    turn.error = event
                case {"update": {"type": "assistant_message.content_part.text_delta"}}:
                    turn.pieces.append(event["update"]["delta"])
                    turn.moments.append(time.monotonic())
            if len(turn.pieces) == stop_after:
                turn.was_stopped = True
                return
    turn.moments.append(time.monotonic())


def _read_back(me: Person, held: Conversation) -> list[Json]:
    """Return the items once half the second answer is there, or it is late."""
    deadline = time.monotonic() + STORING
    while True:
        page = me.ask("items.list", thread_id=held.thread_id, order="asc", limit=100)
        items = _data(page)
        answers = [item for item in items if item.get("type") == "assistant_message"]
        if len(answers) > 1 or not held.count.was_stopped or time.monotonic() > deadline:
            return items
        time.sleep(0.1)


def _data(answer: httpx2.Response) -> list[Json]:
    body = json_of(answer)
    data = body.get("data") if isinstance(body, dict) else None
    return data if isinstance(data, list) else []


def text_of(item: Json) -> str:
    """Return what an item says."""
    return "".join(str(part.get("text", "")) for part in item.get("content", []))


def _message(text: str) -> Json:
    content = [{"type": "input_text", "text": text}]
    return {"content": content, "attachments": [], "inference_options": {}}
