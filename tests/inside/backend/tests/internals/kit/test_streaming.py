"""Streams: their heartbeat, and what happens when nobody reads them any more."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from contract.chat import PATIENCE

from kit.http.streaming import HEARTBEAT, HEARTBEAT_SECONDS, TurnStream


class Source:
    """A turn that speaks, is silent until it is told to go on, and saves when it is cancelled."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.saved = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            yield b"first"
            await self.go_on.wait()
            yield b"last"
        except asyncio.CancelledError:
            await asyncio.sleep(0)  # as the store does: a second cancellation would end it here
            self.saved.set()
            raise


def test_silent_stream_dies() -> None:
    assert HEARTBEAT_SECONDS < 30, "hosts cut connections that are silent for that long"
    assert HEARTBEAT.startswith(b":"), "the page takes it for an event"
    assert b"\n\n" not in HEARTBEAT, "the page makes an empty message of it"

    async def work() -> None:
        source = Source()
        stream = await TurnStream(aiter(source), heartbeat_seconds=0.01).start()
        async with asyncio.timeout(PATIENCE):
            assert [await anext(stream) for _ in range(3)] == [b"first", HEARTBEAT, HEARTBEAT]
        source.go_on.set()
        assert [chunk async for chunk in stream if chunk != HEARTBEAT] == [b"last"]

    asyncio.run(work())


@pytest.mark.parametrize("leave", ["cancelled", "closed", "forgotten"])
def test_stop_loses_the_answer(leave: str) -> None:
    async def work() -> None:
        source = Source()
        stream = await TurnStream(aiter(source)).start()
        assert await anext(stream) == b"first"
        if leave == "cancelled":
            reader = asyncio.create_task(anext(stream))
            await asyncio.sleep(0)
            reader.cancel()
        elif leave == "closed":
            await stream.aclose()
        else:
            del stream
        await asyncio.wait_for(source.saved.wait(), PATIENCE)

    asyncio.run(work())


def test_a_server_that_ends_ends_its_turns() -> None:
    """Though their readers are still there: what they have is stored, and soon."""

    async def work() -> None:
        source = Source()
        stream = await TurnStream(aiter(source)).start()
        await TurnStream.end_all(5)
        assert source.saved.is_set()
        assert await anext(stream) == b"first"

    asyncio.run(work())


def test_what_fails_before_the_first_chunk_is_raised() -> None:
    async def fails() -> AsyncIterator[bytes]:
        raise LookupError("nobody there")
        yield b""

    async def work() -> None:
        with pytest.raises(LookupError):
            await TurnStream(fails()).start()

    asyncio.run(work())
