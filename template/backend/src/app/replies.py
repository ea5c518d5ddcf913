"""What a framework sends: all at once, or piece by piece."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus

from chatkit.types import ErrorEvent

from app.disclosure import went_wrong

HTTP_ERRORS = {
    404: "There is nothing at this address.",
    405: "This address does not take this method.",
}

STREAM_HEADERS = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}


@dataclass(frozen=True)
class Reply:
    """An answer over HTTP, whatever the framework."""

    status: int
    media_type: str
    body: bytes | AsyncIterator[bytes]
    headers: dict[str, str] = field(default_factory=dict)


def json_reply(body: bytes) -> Reply:
    """Return an answer that is JSON already."""
    return Reply(200, "application/json", body)


def refusal(status: int, message: str, retry_after: int | None = None) -> Reply:
    """Return an error in ChatKit's form: JSON with a `message`, which its page shows."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return Reply(status, "application/json", json.dumps({"message": message}).encode(), headers)


def http_error(status: int, headers: Mapping[str, str] | None = None) -> Reply:
    """Return an error that the framework itself found, in the same words on each of them."""
    usual = went_wrong() if status == 500 else f"{HTTPStatus(status).phrase}."
    reply = refusal(status, HTTP_ERRORS.get(status, usual))
    return replace(reply, headers=dict(headers or {}))


def stream_reply(chunks: AsyncIterator[bytes]) -> Reply:
    """Return a stream of events that nobody on the way may collect."""
    return Reply(200, "text/event-stream", chunks, dict(STREAM_HEADERS))


def failed_stream(message: str) -> Reply:
    """Return a stream that only says what failed.

    ChatKit's page posts a message again after a 5xx, up to five times, a thread each.
    """

    async def events() -> AsyncIterator[bytes]:
        event = ErrorEvent(message=message, allow_retry=True)
        yield f"data: {event.model_dump_json()}\n\n".encode()

    return stream_reply(events())
