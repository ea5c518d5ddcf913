"""The bodies of requests, which Django takes as a whole before a view sees any of them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from django.core.handlers.asgi import ASGIRequest

from kit.attachments.attachment_store import max_bytes
from kit.attachments.endpoint import FORM_BYTES
from kit.chat.endpoint import MAX_BODY_BYTES

Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

BROKE_OFF = "app.broke_off"
CHUNK_BYTES = 64 * 1024


def limit_of(path: str) -> int | None:
    """Return how many bytes of a body are taken at a path, or None where Django itself decides."""
    if path == "/chatkit":
        return MAX_BODY_BYTES
    if path.startswith("/attachments"):
        return max_bytes() + FORM_BYTES
    return None


def shortened(scope: dict[str, Any], receive: Receive) -> Receive:
    """Let bodies end for Django where nobody needs more of them.

    Of one that is too large the view sees just so much that it is. One that breaks off reaches the
    view too, so that the log has a line of it; Django would forget the request.
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
            event = await receive()  # the rest of what is too large
        if is_over:
            if scope.get(BROKE_OFF):
                await asyncio.Event().wait()  # until the view has said so
            return event
        if event["type"] == "http.disconnect":
            scope[BROKE_OFF] = True
            event = {"type": "http.request", "body": b""}
        size += len(event["body"])
        is_over = size > limit or not event.get("more_body")
        return {**event, "more_body": not is_over}

    return receive_less


async def body_of(request: ASGIRequest) -> AsyncIterator[bytes]:
    """Return a body piece by piece: a large one is in a file.

    Raises:
        ConnectionError: it breaks off.
    """
    while chunk := request.read(CHUNK_BYTES):
        yield chunk
    if request.scope.get(BROKE_OFF):
        raise ConnectionError("The connection broke off.")
