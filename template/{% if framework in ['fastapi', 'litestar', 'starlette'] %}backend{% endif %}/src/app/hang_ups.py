"""Ends an upload that nobody waits for any more: the framework would go on until it is answered."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress

from app.replies import Reply
from app.request_handling import CLOSED

Receive = Callable[[], Awaitable[Mapping[str, object]]]
Answer = Callable[[AsyncIterator[bytes]], Awaitable[Reply]]


async def unless_gone(receive: Receive, body: AsyncIterator[bytes], answer: Answer) -> Reply:
    """Answer a request, but for one whose sender hangs up meanwhile.

    Args:
        receive: the ASGI function that `body` is read by, which later tells of the end.
        body: of the request.
        answer: is cancelled when the sender has gone.
    """
    is_read = asyncio.Event()

    async def whole_body() -> AsyncIterator[bytes]:
        async for chunk in body:
            yield chunk
        is_read.set()

    answering = asyncio.ensure_future(answer(whole_body()))
    gone = asyncio.create_task(_gone(receive, is_read))
    try:
        await asyncio.wait((answering, gone), return_when=asyncio.FIRST_COMPLETED)
        if answering.done():
            return answering.result()
        answering.cancel()
        with suppress(asyncio.CancelledError):
            return await answering
        return Reply(CLOSED, "application/json", b"{}")
    finally:
        answering.cancel()
        gone.cancel()


async def _gone(receive: Receive, is_read: asyncio.Event) -> None:
    await is_read.wait()
    while (await receive())["type"] != "http.disconnect":
        pass
