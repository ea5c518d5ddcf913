"""Titles that take their time, as a model's do."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import pytest
from chatkit.server import StreamingResult
from chatkit.types import UserMessageItem
from contract import assistant
from contract.chat import PATIENCE, message

from internals.conftest import Run
from kit.attachments.attachment_store import AttachmentStore
from kit.chat.chatkit_server import ChatKitServer
from kit.chat.request_checks import parse_request
from kit.chat.running_turns import here
from kit.database.chatkit_store import ChatKitStore
from kit.llm.model_client import transcribe
from kit.people.identity import RequestContext


class Model:
    """Makes a title, once it may."""

    def __init__(self) -> None:
        self.may = asyncio.Event()

    async def title_of(self, said: UserMessageItem) -> str:
        await self.may.wait()
        return f"On a {said.content[0].text}"


async def fail(_said: UserMessageItem) -> str:
    raise RuntimeError("Nothing comes to mind.")


class Talk:
    """A conversation that somebody begins."""

    def __init__(self, owner: str, title_of: Callable[[UserMessageItem], Awaitable[str]]) -> None:
        files = AttachmentStore(ChatKitStore())
        self.server = ChatKitServer(assistant, files, transcribe, title_of)
        self.owner = RequestContext(owner)

    async def ask(self, kind: str, **params: Any) -> Any:
        request = parse_request(json.dumps({"type": kind, "params": params}))
        return await self.server.handle(request, RequestContext(self.owner.owner, kind))

    async def begin(self, words: str = "notice") -> StreamingResult:
        result = await self.ask("threads.create", input=message(words))
        assert isinstance(result, StreamingResult)
        return result

    async def title(self) -> str | None:
        [thread] = (await ChatKitStore().load_threads(9, None, "desc", self.owner)).data
        return thread.title


def events_in(chunk: bytes) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in chunk.splitlines() if line.startswith(b"data: ")]


def test_a_title_comes_while_the_answer_is_written(run: Run) -> None:
    """Nobody waits for it, and the page is told it."""

    async def work() -> None:
        model = Model()
        talk, events = Talk("somebody-named", model.title_of), []
        async for chunk in await talk.begin():
            events += events_in(chunk)
            if any(event["type"] == "notice" for event in events):  # the answer
                model.may.set()
        assert events[0]["thread"].get("title") is None
        assert events[-1]["type"] == "thread.updated"
        assert events[-1]["thread"]["title"] == "On a notice"
        assert await talk.title() == "On a notice"

    run(work())


def test_a_title_comes_after_a_stop(run: Run) -> None:
    async def work() -> None:
        model = Model()
        talk = Talk("somebody-who-stops", model.title_of)
        chunks = aiter(await talk.begin())
        await anext(chunks)
        assert isinstance(chunks, AsyncGenerator)
        await chunks.aclose()
        assert await talk.title() is None
        model.may.set()
        async with asyncio.timeout(PATIENCE):
            while await talk.title() is None:  # noqa: ASYNC110, only the database tells
                await asyncio.sleep(0.01)
        assert await talk.title() == "On a notice"

    run(work())


def test_a_stream_that_waits_for_a_title_ends_in_order_when_the_server_stops(run: Run) -> None:
    """ChatKit's page would send the message again if it broke."""

    async def work() -> None:
        talk, events = Talk("somebody-at-a-restart", Model().title_of), list[dict[str, Any]]()

        async def read() -> None:
            async for chunk in await talk.begin():
                events.extend(events_in(chunk))

        async def is_answered() -> bool:
            if not events:
                return False
            turn = await here.latest(events[0]["thread"]["id"], talk.owner.owner)
            return turn is not None and turn.outcome == "answered"

        reading = asyncio.create_task(read())
        async with asyncio.timeout(PATIENCE):
            while not await is_answered():  # noqa: ASYNC110, only the database tells
                await asyncio.sleep(0.01)
            assert len(here) == 1
            await here.interrupt_all()
            await reading
        assert "error" not in {event["type"] for event in events}
        assert len(here) == 0

    run(work())


def test_a_persons_title_stays(run: Run) -> None:
    async def work() -> None:
        model = Model()
        talk = Talk("somebody-who-names", model.title_of)
        chunks = aiter(await talk.begin())
        thread_id = events_in(await anext(chunks))[0]["thread"]["id"]
        await talk.ask("threads.update", thread_id=thread_id, title="Mine")
        model.may.set()
        events = [event async for chunk in chunks for event in events_in(chunk)]
        assert events[-1]["thread"]["title"] == await talk.title() == "Mine"

    run(work())


def test_what_the_assistant_changes_meanwhile_is_kept(run: Run) -> None:
    """It locks the conversation, which has its title already."""

    async def work() -> None:
        model = Model()
        model.may.set()
        talk = Talk("somebody-locked-out", model.title_of)
        chunks = b"".join([chunk async for chunk in await talk.begin("lock")])
        shown = events_in(chunks)[-1]["thread"]
        [stored] = (await ChatKitStore().load_threads(9, None, "desc", talk.owner)).data
        assert (shown["title"], shown["status"]["type"]) == ("On a lock", "locked")
        assert (stored.title, stored.status.type) == ("On a lock", "locked")

    run(work())


def test_without_a_title_there_is_an_answer(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        talk = Talk("somebody-untitled", fail)
        chunks = b"".join([chunk async for chunk in await talk.begin()])
        kinds = [event["type"] for event in events_in(chunks)]
        assert "notice" in kinds
        assert "error" not in kinds
        assert await talk.title() is None
        assert "Nothing comes to mind." in caplog.text

    run(work())
