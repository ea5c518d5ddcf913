"""Talks to the server as ChatKit's page does, signed in by the page's server."""

import json
import os
import secrets
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx2
import jwt

Json = dict[str, Any]

TLS = ssl.create_default_context()
"""Made once, though nothing is encrypted here: httpx2 loads all certificates for each request,
which takes longer than most answers."""

PATIENCE = float(os.environ.get("PATIENCE") or 120)
"""Seconds that a test waits for what takes a moment: a slow machine may be busy with much else."""

HTTP: dict[str, Any] = {"verify": TLS, "timeout": PATIENCE}
"""The options of a request. By itself httpx2 gives up after 5 seconds."""

LIFE_SECONDS = 300
"""The longest that is believed."""

UNLIMITED = dict.fromkeys(
    (
        "TURNS_PER_MINUTE",
        "TURNS_PER_MINUTE_ADDRESS",
        "TURNS_PER_MINUTE_GUESTS",
        "TURNS_AT_ONCE",
        "TURNS_AT_ONCE_ALL",
        "REQUESTS_AT_ONCE",
        "MESSAGE_MAX_CHARACTERS",
        "UPLOADS_PER_MINUTE",
        "ATTACHMENTS_MAX_MB_PERSON",
        "ATTACHMENTS_MAX_MB_ADDRESS",
        "ATTACHMENTS_MAX_MB_ALL",
    ),
    "0",
)
"""The settings of a server that has no limits: a test may do more than a person may."""


def message(text: str, **others: Any) -> Json:
    """Return the input of a person who writes a text."""
    content = [{"type": "input_text", "text": text}]
    return {"content": content, "attachments": [], "inference_options": {}} | others


def is_delta(event: Json) -> bool:
    """Whether an event brings some more words of an answer."""
    update: Json = event.get("update", {})
    return update.get("type") == "assistant_message.content_part.text_delta"


def text_of(item: Json) -> str:
    """Return the text of a message."""
    return "".join(part["text"] for part in item["content"])


@dataclass(frozen=True)
class Chat:
    """One person at one server: the backend itself, or the page's server in front of it."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def post(self, kind: str, /, **params: Any) -> httpx2.Response:
        """Send a request and return the whole response."""
        return httpx2.post(
            self.url, json={"type": kind, "params": params}, headers=self.headers, **HTTP
        )

    def upload(
        self, name: str, content: bytes, mime_type: str, attachment_id: str | None = None
    ) -> httpx2.Response:
        """Send a file, in the second phase of an upload with an id, and return the response."""
        return httpx2.post(
            self.file_url(attachment_id),
            files={"file": (name, content, mime_type)},
            headers=self.headers,
            **HTTP,
        )

    def download(self, attachment_id: str) -> httpx2.Response:
        """Return the response with a file."""
        url = self.file_url(attachment_id)
        return httpx2.get(url, headers=self.headers, **HTTP)

    def file_url(self, attachment_id: str | None = None) -> str:
        """Return where files are, beside the conversations."""
        url = f"{self.url.removesuffix('chatkit')}attachments"
        return url if attachment_id is None else f"{url}/{attachment_id}"

    def ask(self, kind: str, /, **params: Any) -> Json:
        """Return the answer to a request that is answered with JSON."""
        response = self.post(kind, **params)
        assert response.status_code == 200, response.text
        assert response.headers["content-type"] == "application/json"
        answer: Json = response.json()
        return answer

    @contextmanager
    def stream(self, kind: str, /, **params: Any) -> Iterator[Iterator[Json]]:
        """Open a stream; leaving it early is what Stop does."""
        with httpx2.stream(
            "POST", self.url, json={"type": kind, "params": params}, headers=self.headers, **HTTP
        ) as response:
            assert response.status_code == 200, response.read()
            assert response.headers["content-type"].startswith("text/event-stream")
            yield _events(response.iter_lines())

    def say(self, text: str, thread_id: str | None = None) -> list[Json]:
        """Write a message, into a new thread without an id, and return all events of the turn."""
        with self.say_slowly(text, thread_id) as events:
            return list(events)

    @contextmanager
    def say_slowly(self, text: str, thread_id: str | None = None) -> Iterator[Iterator[Json]]:
        """Write a message and return the events as they come."""
        kind = "threads.add_user_message" if thread_id else "threads.create"
        params = {"thread_id": thread_id} if thread_id else {}
        with self.stream(kind, input=message(text), **params) as events:
            yield events

    def items(self, thread_id: str) -> list[Json]:
        """Return all items of a thread that the page is shown, oldest first."""
        page = self.ask("items.list", thread_id=thread_id, order="asc", limit=9999)
        items: list[Json] = page["data"]
        return items


def _events(lines: Iterable[str]) -> Iterator[Json]:
    """Read a stream as strictly as ChatKit's element, for which every blank line ends an event."""
    data = ""
    for line in lines:
        if line.startswith("data:"):
            data += line.removeprefix("data:")
        elif line == "":
            assert data, "an event without data breaks the stream in ChatKit's element"
            yield json.loads(data)
            data = ""


def visit(page: str) -> Chat:
    """Open the page as a new browser does, and return the person that it is."""
    answer = httpx2.get(page, **HTTP)
    assert answer.status_code == 200, answer.text
    cookies = "; ".join(f"{name}={value}" for name, value in answer.cookies.items())
    return Chat(f"{page}/api/chatkit", {"Cookie": cookies})


def sign(secret: str, **claims: Any) -> str:
    """Return a token, with other claims than usual where some are given; of None there is none."""
    now = int(time.time())
    usual = {
        "sub": "ada",
        "iss": "chatkit-frontend",
        "aud": "chatkit-backend",
        "iat": now,
        "exp": now + LIFE_SECONDS,
    }
    said = {name: value for name, value in (usual | claims).items() if value is not None}
    return jwt.encode(said, secret, algorithm="HS256")


class SignedHeaders(Mapping[str, str]):
    """The headers of a person, signed anew for each request."""

    def __init__(self, secret: str, **claims: Any) -> None:
        self._secret, self._claims = secret, claims

    def __getitem__(self, name: str) -> str:
        if name != "Authorization":
            raise KeyError(name)
        return f"Bearer {sign(self._secret, **self._claims)}"

    def __iter__(self) -> Iterator[str]:
        yield "Authorization"

    def __len__(self) -> int:
        return 1


_ports = iter(secrets.SystemRandom().sample(range(20_000, 32_000), 12_000))


def free_port() -> int:
    """Return a port that nobody listens on, and that this process has not returned before.

    The system gives such a one to nobody by itself, even seconds later.
    """
    for port in _ports:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is left between 20000 and 32000")


def wait_until(
    condition: Callable[[], object], seconds: float = PATIENCE, problem: str = "not yet"
) -> None:
    """Return once the condition holds.

    Raises:
        AssertionError: it does not hold in time; names the problem.
    """
    start = time.monotonic()
    while not condition():
        waited = time.monotonic() - start
        assert waited < seconds, f"{problem} after {seconds} s"
        time.sleep(min(0.02 + waited / 20, 0.3))
