"""What a person is told when something of ours fails, and what the log is not told."""

import asyncio
from datetime import datetime
from pathlib import Path

import pytest
from chatkit.types import ThreadMetadata
from contract.serving import Server
from sqlalchemy import update
from sqlalchemy.engine import URL

from internals.conftest import Run
from kit.database import engine as database_module
from kit.database import sqlite
from kit.database.chatkit_store import ChatKitStore, generate_id
from kit.database.engine import create_engine, write
from kit.database.tables import Conversation
from kit.disclosure import explain_database_error
from kit.people.identity import RequestContext


def test_a_database_that_refuses_is_not_called_silent(own_server: Server, tmp_path: Path) -> None:
    """What it refuses to store is not in the log."""
    own_server.sql("CREATE UNIQUE INDEX of_one_type ON messages (type)")
    chat = own_server.chat()
    chat.say("notice")
    last = chat.say("A notice that no log may have: rhubarb")[-1]
    assert last["type"] == "error"
    assert "The database refuses this, since it does not fit" in last["message"]
    assert "answer" not in last["message"]
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert "IntegrityError" in log
    assert "rhubarb" not in log


def test_changes_at_once_are_not_blamed_on_the_network(
    run: Run, database: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two people change what the other one changes too, until the database ends one of them."""
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_SECONDS", 0)
    engine = create_engine(database)
    monkeypatch.setattr(database_module, "get_engine", lambda: engine)

    async def rename(*ids: str, begun: asyncio.Event, both_begun: asyncio.Event) -> None:
        try:
            async with write() as session:
                for thread_id in ids:
                    named = update(Conversation).where(Conversation.id == thread_id)
                    await session.execute(named.values(title="New"))
                    begun.set()
                    await both_begun.wait()
        finally:
            begun.set()

    async def work() -> None:
        one, other = generate_id("thread"), generate_id("thread")
        for thread_id in (one, other):
            thread = ThreadMetadata(id=thread_id, created_at=datetime.now())
            await ChatKitStore().save_thread(thread, RequestContext("somebody-hasty"))
        first, second = asyncio.Event(), asyncio.Event()
        outcomes = await asyncio.gather(
            rename(one, other, begun=first, both_begun=second),
            rename(other, one, begun=second, both_begun=first),
            return_exceptions=True,
        )
        [error] = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        assert explain_database_error(error).startswith("Something else was changed at the same")
        await engine.dispose()

    run(work())


def test_what_chatkit_says_of_a_request_is_shown(careless: Server) -> None:
    person = careless.someone()
    thread_id = person.say("Hello")[0]["thread"]["id"]
    answer = person.post("threads.add_client_tool_output", thread_id=thread_id, result={})
    assert answer.status_code == 400
    assert thread_id in answer.json()["message"]
