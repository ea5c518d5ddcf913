"""A stream of events that outlives neither its reader nor its silence."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import ClassVar

HEARTBEAT = b": ping\n"
"""A comment, which ChatKit's page passes over. A blank line after it would be an empty event."""

HEARTBEAT_SECONDS = 15.0
"""Hosts cut a connection that is silent for 30 to 60 seconds."""

CHUNKS_AT_ONCE = 16
"""Sending costs more than a chunk: those of a fast turn go out together."""


class TurnStream:
    """Runs a turn in a task of its own and hands its chunks to whoever iterates.

    When the reader stops, for whatever reason, the task is cancelled once, as asyncio does it.
    Inside the request a framework may cancel every further `await` too, and the half answer would
    be lost.
    """

    _running: ClassVar[set[asyncio.Task[None]]] = set()

    def __init__(
        self, source: AsyncIterator[bytes], heartbeat_seconds: float = HEARTBEAT_SECONDS
    ) -> None:
        """Prepare to run `source`; `start` runs it."""
        self._source = source
        self._heartbeat_seconds = heartbeat_seconds
        # Without a limit, so that the task never waits for its reader: a cancellation then always
        # reaches the turn itself.
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._first: bytes | None = None

    async def start(self) -> "TurnStream":
        """Run the turn until its first chunk is there, or it ended without one.

        Raises:
            Exception: what the turn raised before its first chunk, when an answer with an error
                status is still possible.
        """
        self._task = asyncio.create_task(_produce(self._source, self._chunks))
        self._running.add(self._task)
        self._task.add_done_callback(self._running.discard)
        try:
            self._first = await self._chunks.get()
        except asyncio.CancelledError:
            self._cancel()
            raise
        if self._first is None:
            await self._task
            self._chunks.put_nowait(None)
        return self

    def when_over(self, tell: Callable[[str], None]) -> None:
        """Call `tell` with `answered`, `stopped` or `failed` when the turn is over."""

        def over(task: asyncio.Task[None]) -> None:
            if task.cancelled():
                tell("stopped")
            else:
                tell("failed" if task.exception() else "answered")

        self._task.add_done_callback(over)

    @classmethod
    async def end_all(cls, seconds: float) -> None:
        """End all turns, and wait until they have stored what they had to store.

        Their readers have gone, but not every framework has said so.
        """
        for task in cls._running:
            _cancel_once(task)
        if cls._running:
            await asyncio.wait(cls._running, timeout=seconds)

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Return the chunks, with a heartbeat wherever the turn is silent."""
        return self

    async def __anext__(self) -> bytes:
        """Return the next chunk."""
        if self._first is not None:
            chunk, self._first = self._first, None
            return chunk
        try:
            next_chunk = await self._next()
        except asyncio.CancelledError:
            self._cancel()
            raise
        if next_chunk is None:
            await self._task
            raise StopAsyncIteration
        return next_chunk

    async def _next(self) -> bytes | None:
        try:
            async with asyncio.timeout(self._heartbeat_seconds):
                chunk = await self._chunks.get()
        except TimeoutError:
            return HEARTBEAT
        return chunk and chunk + b"".join([more async for more in self._following()])

    async def _following(self) -> AsyncIterator[bytes]:
        """Return the chunks that follow without a pause, a few of them."""
        for _ in range(CHUNKS_AT_ONCE - 1):
            await asyncio.sleep(0)
            if self._chunks.empty():
                return
            chunk = self._chunks.get_nowait()
            if chunk is None:
                self._chunks.put_nowait(None)
                return
            yield chunk

    async def aclose(self) -> None:
        """End the turn, as a reader does that has gone away."""
        self._cancel()

    def __del__(self) -> None:
        """End the turn of a stream that nobody reads any more."""
        task = getattr(self, "_task", None)
        if task is not None and not task.done() and not task.get_loop().is_closed():
            # Garbage is collected in any thread.
            task.get_loop().call_soon_threadsafe(_cancel_once, task)

    def _cancel(self) -> None:
        _cancel_once(self._task)


def _cancel_once(task: asyncio.Task[None]) -> None:
    # A second cancellation would interrupt what the first one made the turn store.
    if not task.cancelling():
        task.cancel()


# Not a method: a task that knew its stream would keep it alive when its reader has forgotten it.
async def _produce(source: AsyncIterator[bytes], chunks: asyncio.Queue[bytes | None]) -> None:
    try:
        async for chunk in source:
            chunks.put_nowait(chunk)
    finally:
        chunks.put_nowait(None)
