"""Somebody whom nobody knows, who talks to the running project and is forgotten."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
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
    tls,
)

Json = dict[str, Any]

PATIENCE = 90
"""Seconds for an answer of the model."""


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
