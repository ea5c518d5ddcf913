"""The bodies of requests. Django receives the whole body before it calls a view."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from django.core.handlers.asgi import ASGIRequest

from kit.attachments.attachment_store import max_bytes
from kit.attachments.endpoint import FORM_BYTES
from kit.backend import MAX_BODY_BYTES

Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

BROKE_OFF = "app.broke_off"
CHUNK_BYTES = 64 * 1024


def limit_of(path: str) -> int | None:
    """Return the limit in bytes for a body at a path; None if Django's own limit applies."""
    if path == "/chatkit":
        return MAX_BODY_BYTES
    if path.startswith("/attachments"):
        return max_bytes() + FORM_BYTES
    return None


def shortened(scope: dict[str, Any], receive: Receive) -> Receive:
    """Return a `receive` that ends bodies early for Django.

    A body that is too large ends just above the limit, and the view refuses it. If the connection
    breaks, the body ends normally, so that the view runs and logs the request. Django alone would
    drop such a request without a line in the log.
    """
    limit = limit_of(scope["path"])
    if limit is None:
        return receive
    size = 0
    is_over = False

    async def receive_less() -> Event:
        nonlocal size, is_over
        event = await receive()
        while is_over and event["type"] == "http.request":
            event = await receive()  # skip the rest of a body that is too large
        if is_over:
            if scope.get(BROKE_OFF):
                await asyncio.Event().wait()  # waits until the view ends and Django cancels this
            return event
        if event["type"] == "http.disconnect":
            scope[BROKE_OFF] = True
            event = {"type": "http.request", "body": b""}
        size += len(event["body"])
        is_over = size > limit or not event.get("more_body")
        return {**event, "more_body": not is_over}

    return receive_less


async def body_of(request: ASGIRequest) -> AsyncIterator[bytes]:
    """Return the chunks of a body. Django keeps a large body in a temporary file.

    Raises:
        ConnectionError: the connection broke before the end of the body.
    """
    while chunk := request.read(CHUNK_BYTES):
        yield chunk
    if request.scope.get(BROKE_OFF):
        raise ConnectionError("The connection broke off.")
