"""The event stream of a turn. It notices when its reader leaves, and stays alive during silence."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from typing import Any, ClassVar

HEARTBEAT = b": ping\n"
"""A comment, which ChatKit's page ignores. A blank line after it would be an empty event."""

HEARTBEAT_SECONDS = 15.0
"""The interval of heartbeats. Hosts close a connection that is silent for 30 to 60 seconds."""

CHUNKS_AT_ONCE = 16
"""How many chunks are sent together at most. Sending many chunks one by one would be slow."""


class _Chunks:
    """The chunks between a turn and its reader. Without a reader they are dropped."""

    def __init__(self) -> None:
        # The queue has no limit, so that the task never waits for the reader. So a cancellation
        # always reaches the turn itself.
        self.queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.is_read = True

    def put(self, chunk: bytes | None) -> None:
        if self.is_read:
            self.queue.put_nowait(chunk)

    def drop(self) -> None:
        self.is_read = False
        while not self.queue.empty():
            self.queue.get_nowait()


_current: ContextVar[_Chunks | None] = ContextVar("chunks", default=None)


def tell(chunk: bytes) -> None:
    """Send a chunk to the reader of the current turn, besides those that the turn returns."""
    if chunks := _current.get():
        chunks.put(chunk)


class TurnStream:
    """Runs a turn in a separate task. Iterating over the stream returns the chunks of the turn.

    When the reader stops, for any reason, the turn is told exactly once. By default its task is
    cancelled then. In the task of the request, a framework might also cancel each further `await`,
    and the unfinished answer could not be stored.
    """

    _running: ClassVar[set[asyncio.Task[None]]] = set()

    def __init__(
        self,
        source: AsyncIterator[bytes],
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        left: Callable[[], bool] = lambda: False,
    ) -> None:
        """Create the stream. `start` begins to run `source`.

        Args:
            source: the turn.
            heartbeat_seconds: how long the stream may be silent.
            left: called when the reader has left. If it returns True, the turn goes on, or is ended
                in another way. It must not refer to the stream.
        """
        self._source = source
        self._heartbeat_seconds = heartbeat_seconds
        self._left = left
        self._chunks = _Chunks()
        self._first: bytes | None = None

    async def start(self) -> "TurnStream":
        """Run the turn until it has its first chunk or ends without one.

        Raises:
            Exception: what the turn raises before its first chunk. Until then, the reply can still
                have an error status.
        """
        self._task = asyncio.create_task(_produce(self._source, self._chunks))
        self._running.add(self._task)
        self._task.add_done_callback(self._running.discard)
        try:
            self._first = await self._chunks.queue.get()
        except asyncio.CancelledError:
            self._leave()
            raise
        if self._first is None:
            await self._task
            self._chunks.put(None)
        return self

    def when_over(self, tell: Callable[[str], None]) -> None:
        """Call `tell` with `answered`, `stopped` or `failed` when the turn ends."""

        def over(task: asyncio.Task[None]) -> None:
            if task.cancelled():
                tell("stopped")
            else:
                tell("failed" if task.exception() else "answered")

        self._task.add_done_callback(over)

    @classmethod
    async def end_all(cls, seconds: float) -> None:
        """Cancel all turns, and wait at most `seconds` until they have stored their answers.

        At shutdown all readers are gone, but not every framework cancels their streams.
        """
        for task in cls._running:
            cancel_once(task)
        if cls._running:
            await asyncio.wait(cls._running, timeout=seconds)

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Return the iterator of chunks, with a heartbeat whenever the turn is silent."""
        return self

    async def __anext__(self) -> bytes:
        """Return the next chunk."""
        if self._first is not None:
            chunk, self._first = self._first, None
            return chunk
        try:
            next_chunk = await self._next()
        except asyncio.CancelledError:
            self._leave()
            raise
        if next_chunk is None:
            await self._task
            raise StopAsyncIteration
        return next_chunk

    async def _next(self) -> bytes | None:
        try:
            async with asyncio.timeout(self._heartbeat_seconds):
                chunk = await self._chunks.queue.get()
        except TimeoutError:
            return HEARTBEAT
        return chunk and chunk + b"".join([more async for more in self._following()])

    async def _following(self) -> AsyncIterator[bytes]:
        """Return up to CHUNKS_AT_ONCE - 1 chunks that follow immediately."""
        for _ in range(CHUNKS_AT_ONCE - 1):
            await asyncio.sleep(0)
            if self._chunks.queue.empty():
                return
            chunk = self._chunks.queue.get_nowait()
            if chunk is None:
                self._chunks.put(None)
                return
            yield chunk

    async def aclose(self) -> None:
        """Leave the turn. Frameworks call this when the reader leaves."""
        self._leave()

    def __del__(self) -> None:
        """Leave the turn of a stream that was dropped without being closed."""
        task = getattr(self, "_task", None)
        if task is not None and not task.done() and not task.get_loop().is_closed():
            # Garbage collection may run in any thread.
            task.get_loop().call_soon_threadsafe(_leave, task, self._chunks, self._left)

    def _leave(self) -> None:
        _leave(self._task, self._chunks, self._left)


def _leave(task: asyncio.Task[None], chunks: _Chunks, left: Callable[[], bool]) -> None:
    if task.done() or not chunks.is_read:
        return
    chunks.drop()
    if not left():
        cancel_once(task)


def cancel_once(task: asyncio.Task[Any]) -> None:
    """Cancel the task of a turn, unless it is cancelled already.

    A second cancellation would interrupt the turn while it stores its answer after the first.
    """
    if not task.cancelling():
        task.cancel()


# Not a method: if the task referenced the stream, a dropped stream would never be collected.
async def _produce(source: AsyncIterator[bytes], chunks: _Chunks) -> None:
    _current.set(chunks)
    try:
        async for chunk in source:
            chunks.put(chunk)
    finally:
        chunks.put(None)
