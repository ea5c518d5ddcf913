"""The running project: where both sides are, how to ask them, and a conversation with it."""

import json
import os
import secrets
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpx2
import jwt

from kit.env_files import SECRET
from kit.people.identity import ALGORITHM, AUDIENCE, ISSUER
from kit.settings import read_port
from tools.ports import BACKEND_PORT, FRONTEND_PORT, answers
from tools.settings import backend_url, base_path, place_of, value_of

SECONDS = 5
"""How long an answer may take."""

MAKING_SECONDS = 30
"""How long the page may take: in development it is made when it is first asked for."""

START = "uv run dev"

LIST = {"type": "threads.list", "params": {"limit": 1}}

Json = dict[str, Any]

PATIENCE = 90
"""Seconds for an answer of the model."""


def backend_port() -> int:
    """Return the port on which `uv run dev` starts the backend."""
    return read_port("BACKEND_PORT", BACKEND_PORT)


def page_port() -> int:
    """Return the port on which `uv run dev` starts the page."""
    return read_port("FRONTEND_PORT", FRONTEND_PORT)


def source_of_port(variable: str) -> str:
    """Return who says which port it is."""
    return place_of("backend", variable)


@cache
def backend_address() -> str:
    """Return where the backend is: as `uv run dev` starts it, or else where the page looks."""
    usual = f"http://127.0.0.1:{backend_port()}"
    other = backend_url().text
    if not is_told_by_dev() and not answers("127.0.0.1", backend_port()) and listens(other):
        return other
    return usual


def is_told_by_dev() -> bool:
    """Whether dev tells the page where the backend is, whatever the front end's files say."""
    return "BACKEND_PORT" in os.environ and "BACKEND_URL" not in os.environ


def page_origin() -> str:
    """Return the origin of the page, which its browser sends along."""
    return f"http://127.0.0.1:{page_port()}"


def page_address() -> str:
    """Return where the page is."""
    return f"{page_origin()}{base_path()}"


def listens(url: str) -> bool:
    """Whether somebody takes connections at an address."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:  # not an address
        return False
    return bool(parts.hostname) and answers(str(parts.hostname), port)


@cache
def is_stopped() -> bool:
    """Whether neither side runs."""
    return not listens(backend_address()) and not listens(page_address())


@cache
def document() -> httpx2.Response:
    """Return the document of the page, as a browser gets it that was never here.

    Raises:
        httpx2.TransportError: there is none.
    """
    return get(page_address(), MAKING_SECONDS)


def get(
    url: str, seconds: float = SECONDS, headers: Mapping[str, str] | None = None
) -> httpx2.Response:
    """Fetch something of the running project.

    Raises:
        httpx2.TransportError: there was no answer.
    """
    return httpx2.get(url, headers=headers, timeout=seconds, trust_env=False, verify=tls())


def post(
    url: str,
    body: object,
    headers: Mapping[str, str] | None = None,
    seconds: float = SECONDS,
) -> httpx2.Response:
    """Send JSON to the running project.

    Raises:
        httpx2.TransportError: there was no answer.
    """
    return httpx2.post(
        url, json=body, headers=headers, timeout=seconds, trust_env=False, verify=tls()
    )


@cache
def tls() -> ssl.SSLContext:
    """Return what all requests share: loading the certificates takes longer than most answers."""
    return ssl.create_default_context()


def stranger() -> str:
    """Return the name of a person whom nobody has met."""
    return f"doctor_{secrets.token_hex(16)}"


def signed(owner: str) -> dict[str, str]:
    """Return the headers of a person, for a minute, as the page's server signs them."""
    now = int(time.time())
    claims = {"sub": owner, "iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 60}
    token = jwt.encode(claims, value_of("frontend", SECRET).text, algorithm=ALGORITHM)
    return {"Authorization": f"Bearer {token}"}


def guest(page: httpx2.Response) -> dict[str, str]:
    """Return the headers of the guest that a document of the page has made."""
    cookies = "; ".join(f"{name}={value}" for name, value in page.cookies.items())
    return {"Cookie": cookies, "Origin": page_origin()}


def words_of(answer: httpx2.Response) -> str:
    """Return what an answer says to a person: its message, or how it begins."""
    body = json_of(answer)
    if isinstance(body, dict) and isinstance(body.get("message"), str):
        return str(body["message"])
    text = " ".join(answer.text.split())
    return text if len(text) <= 200 else f"{text[:200]} ..."


def json_of(answer: httpx2.Response) -> object:
    """Return the JSON of an answer, or None if it is none."""
    try:
        return answer.json()
    except ValueError:
        return None


@dataclass
class Person:
    """Somebody at the page, or at the backend where there is no page."""

    url: str
    owner: str = ""
    cookie: dict[str, str] = field(default_factory=dict)

    def ask(self, kind: str, **params: Any) -> httpx2.Response:
        """Send a request that is answered at once."""
        return post(self.url, {"type": kind, "params": params}, self._headers())

    def upload(self, name: str, content: bytes, mime_type: str) -> httpx2.Response:
        """Send a file."""
        return httpx2.post(
            f"{self.url.removesuffix('chatkit')}attachments",
            files={"file": (name, content, mime_type)},
            headers=self._headers(),
            timeout=MAKING_SECONDS,
            trust_env=False,
            verify=tls(),
        )

    @contextmanager
    def say(self, text: str, thread_id: str | None = None) -> Iterator[Iterator[Json]]:
        """Write a message and return the events of the turn; leaving the block is Stop."""
        kind = "threads.add_user_message" if thread_id else "threads.create"
        params: Json = {"input": _message(text)}
        if thread_id:
            params["thread_id"] = thread_id
        with (
            httpx2.Client(timeout=PATIENCE, trust_env=False, verify=tls()) as client,
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


def two_people() -> tuple[Person, Person]:
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


def data_of(answer: httpx2.Response) -> list[Json]:
    """Return what a page of a list has in it, none if it is no such page."""
    body = json_of(answer)
    data = body.get("data") if isinstance(body, dict) else None
    return data if isinstance(data, list) else []


def text_of(item: Json) -> str:
    """Return what an item says."""
    return "".join(str(part.get("text", "")) for part in item.get("content", []))


def _message(text: str) -> Json:
    content = [{"type": "input_text", "text": text}]
    return {"content": content, "attachments": [], "inference_options": {}}


HELLO = "Say hello to the doctor in one short sentence. \N{WAVING HAND SIGN}"
TITLE = "For the doctor \N{WAVING HAND SIGN}\0"
"""With what databases have refused. No model sees it."""

COUNT = "Give me a long answer: count from one to three hundred, in words."
PIECES = 3
"""After how many of them the answer to the second question is stopped."""

STORING = 3
"""Seconds in which half an answer has to be stored after Stop."""

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8ffff"
    "3f0005fe02fe0def46b80000000049454e44ae426082"
)
"""The smallest image in PNG: one white pixel."""


@dataclass
class Turn:
    """What was heard of an answer."""

    began: float = 0
    """When the message was sent, in seconds like `moments`."""
    pieces: list[str] = field(default_factory=list)
    moments: list[float] = field(default_factory=list)
    """When the pieces came, in seconds, and last, when the turn was over."""
    error: Json | None = None
    is_over: bool = False
    """Whether all of the answer came, whatever happened then."""
    was_stopped: bool = False
    is_stored_early: bool = False
    """Whether the question was in the database when the answer began."""

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
    walk: list[str] = field(default_factory=list)
    """The ids of its items, newest first, as somebody finds them who loads one at a time."""
    opened: str = ""
    """What is wrong with it when it is opened from the history; empty if nothing is."""
    title: str | None = None
    """That of the conversation in the history, after it was named; None if it is not there."""
    others_see: list[Json] = field(default_factory=list)
    """What a stranger gets of it."""
    preview: str | None = None
    """The address at which the preview of an image is to be had; None if no file is taken."""
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
    me, other = two_people()
    held = Conversation(way=me.url)
    try:
        _listen(me, HELLO, held, held.hello)
        if held.thread_id and not held.hello.error:
            _listen(me, COUNT, held, held.count, stop_after=PIECES)
            held.items = _read_back(me, held)
            held.walk = _walk(me, held)
            held.opened = _open(me, held)
            me.ask("threads.update", thread_id=held.thread_id, title=TITLE)
            titles = {one.get("id"): one.get("title") for one in data_of(me.ask("threads.list"))}
            held.title = titles.get(held.thread_id)
            held.others_see = data_of(other.ask("items.list", thread_id=held.thread_id))
            held.preview = _preview(me)
    finally:
        with suppress(httpx2.TransportError):
            held.is_gone = _forget(me, held.thread_id)
    return held


def _forget(me: Person, thread_id: str) -> bool:
    """Delete all conversations of a person, and return whether this one is gone."""
    # Its id is not known if what was heard of it made no sense.
    for thread in [{"id": thread_id}, *data_of(me.ask("threads.list"))]:
        me.ask("threads.delete", thread_id=thread["id"])
    return me.ask("threads.get_by_id", thread_id=thread_id).status_code == 404


def _listen(
    me: Person, text: str, held: Conversation, turn: Turn, stop_after: int | None = None
) -> None:
    turn.began = time.monotonic()
    asking = 0.0  # which is no part of the answer
    with me.say(text, held.thread_id or None) as events:
        for event in events:
            match event:
                case {"type": "thread.created", "thread": {"id": str(thread_id)}}:
                    held.thread_id = thread_id
                case {"type": "thread.item.done", "item": {"type": "assistant_message"}}:
                    turn.is_over = True
                case {"type": "error"}:
                    turn.error = event
                case {"update": {"type": "assistant_message.content_part.text_delta"}}:
                    turn.pieces.append(event["update"]["delta"])
                    turn.moments.append(time.monotonic() - asking)
                    if len(turn.pieces) == 1:
                        turn.is_stored_early = _is_stored(me, held.thread_id, text)
                        asking = time.monotonic() - turn.moments[0]
            if len(turn.pieces) == stop_after:
                turn.was_stopped = True
                return
    turn.moments.append(time.monotonic() - asking)


def _read_back(me: Person, held: Conversation) -> list[Json]:
    """Return the items once half the second answer is there, or it is late."""
    deadline = time.monotonic() + STORING
    while True:
        page = me.ask("items.list", thread_id=held.thread_id, order="asc", limit=100)
        items = data_of(page)
        answers = [item for item in items if item.get("type") == "assistant_message"]
        if len(answers) > 1 or not held.count.was_stopped or time.monotonic() > deadline:
            return items
        time.sleep(0.1)


def _is_stored(me: Person, thread_id: str, question: str) -> bool:
    newest = me.ask("items.list", thread_id=thread_id, order="desc", limit=5)
    # Whether it was stored as it was sent, another check tells.
    return any(text_of(item)[:20] == question[:20] for item in data_of(newest))


def _walk(me: Person, held: Conversation) -> list[str]:
    """Return the ids of the items, newest first, loaded one at a time.

    It ends when there are more than there can be.
    """
    ids: list[str] = []
    after = None
    while len(ids) <= len(held.items):
        params = {"thread_id": held.thread_id, "order": "desc", "limit": 1, "after": after}
        answer = me.ask("items.list", **params)
        ids += [str(item.get("id")) for item in data_of(answer)]
        page = json_of(answer)
        after = page.get("after") if isinstance(page, dict) and page.get("has_more") else None
        if after is None:
            break
    return ids


def _open(me: Person, held: Conversation) -> str:
    """Return what is wrong with the conversation when it is picked from the history."""
    answer = me.ask("threads.get_by_id", thread_id=held.thread_id)
    if answer.status_code != 200:
        return f"is answered with {answer.status_code}"
    body = json_of(answer)
    page = body.get("items") if isinstance(body, dict) else None
    is_full = isinstance(page, dict) and len(page.get("data") or []) == len(held.items)
    return "" if is_full else "shows other items than it has"


def _preview(me: Person) -> str | None:
    """Send an image that nobody keeps, and return the address of its preview."""
    record = json_of(me.upload("doctor.png", PIXEL, "image/png"))
    if not isinstance(record, dict) or "id" not in record:
        return None
    me.ask("attachments.delete", attachment_id=record["id"])
    return str(record.get("preview_url"))
