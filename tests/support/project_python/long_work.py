"""Reports of docs/recipes/long-work.md, whose replicas die. test_long_work.py runs it in projects.

The model is the test's own, so that a replica dies when it is in the middle of a step.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
from contract.chat import PATIENCE, Chat, Json, text_of, wait_until
from contract.fake_model import Answer, FakeModel, Request, Step
from contract.model_script import Words
from contract.serving import ASSISTANT, DEMO, Server, run_server
from dbos import DBOSClient
from sqlalchemy.engine import URL

CHAPTERS = ("Rivers", "Seas", "Lakes")
REPORT = "\n\n".join(f"## {one}\n\nAll about {one}." for one in CHAPTERS)


@dataclass
class Author:
    """Writes what the model says, and pauses in the second chapter until it may go on."""

    asked: Counter[str] = field(default_factory=Counter[str])
    begun: threading.Event = field(default_factory=threading.Event)
    may_go_on: threading.Event = field(default_factory=threading.Event)

    def write(self, request: Request) -> Step:
        """Return the answer to a request."""
        _, _, chapter = request.said[-1][1].partition("Write this chapter: ")
        self.asked[chapter] += 1
        return Words(self.words(chapter)) if chapter else "\n".join(CHAPTERS)

    def words(self, chapter: str) -> Iterator[str]:
        """Return the words of a chapter."""
        if chapter == CHAPTERS[1] and not self.may_go_on.is_set():
            self.begun.set()
            assert self.may_go_on.wait(PATIENCE)
        yield f"All about {chapter}."


@pytest.fixture
def author(model: FakeModel) -> Iterator[Author]:
    """Who writes in this test."""
    author = Author()
    with model.playing(besides=author.write):
        yield author
    author.may_go_on.set()


def replica(database: URL, model: FakeModel, log: Path) -> AbstractContextManager[Server]:
    """Run a backend on the database that all share."""
    settings = DEMO | model.settings | {"ASSISTANT": "own", ASSISTANT: "", "DRAIN_SECONDS": "0"}
    return run_server(database, log, **settings)


def leaving(chat: Chat) -> Chat:
    """Return a person whose page says Stop. If it leaves without a word, the turn goes on."""
    return Chat(chat.url, {**chat.headers, "X-Says-Stop": "1"})


def begin(chat: Chat, author: Author, end: Callable[[], None] | None = None) -> str:
    """Ask for a report, and in its second chapter leave, or end the server."""
    thread_id = ""
    with suppress(httpx2.TransportError), chat.say_slowly("Water") as events:
        thread_id = next(events)["thread"]["id"]
        for number, chapter in enumerate(CHAPTERS[:2], 1):
            assert progress(events) == f"Chapter {number} of 3: {chapter}"
        assert author.begun.wait(PATIENCE)
        if end:
            end()
            list(events)
    return thread_id


def progress(events: Iterator[Json]) -> str:
    """Return how the work goes, as soon as that is said."""
    return next(str(event["text"]) for event in events if event["type"] == "progress_update")


def texts(chat: Chat, thread_id: str) -> list[str]:
    """Return what stands in a conversation."""
    return [text_of(item) for item in chat.items(thread_id)]


def unfinished(database: URL) -> list[str]:
    """Return the work that DBOS has not finished."""
    url = database
    if url.get_backend_name() == "sqlite":
        url = URL.create("sqlite", database=f"{url.database}.work")
    client = DBOSClient(system_database_url=url.render_as_string(hide_password=False))
    try:
        found = client.list_workflows(status=["PENDING", "ENQUEUED"])
        return [one.workflow_id for one in found]
    finally:
        client.destroy()


@pytest.mark.parametrize("how", ["kill", "terminate"])
def test_another_replica_finishes_it(
    how: str, database: URL, model: FakeModel, author: Author, tmp_path: Path
) -> None:
    """With SQLite the other one is the same, started again."""
    is_alone = database.get_backend_name() == "sqlite"
    with ExitStack() as stack:
        victim = stack.enter_context(replica(database, model, tmp_path / "1.log"))
        if not is_alone:
            other = stack.enter_context(replica(database, model, tmp_path / "2.log"))
        thread_id = begin(victim.someone("ada"), author, getattr(victim.process, how))
        victim.process.join(PATIENCE)
        author.may_go_on.set()
        if is_alone:
            other = stack.enter_context(replica(database, model, tmp_path / "2.log"))
        ada = other.someone("ada")
        wait_until(lambda: len(ada.items(thread_id)) > 1)
        assert texts(ada, thread_id) == ["Water", REPORT]
        assert author.asked == {"": 1, "Rivers": 1, "Seas": 2, "Lakes": 1}

        # A retry does nothing again.
        [question, answer] = ada.items(thread_id)
        retry = {"thread_id": thread_id, "item_id": question["id"]}
        with ada.stream("threads.retry_after_item", **retry) as events:
            assert text_of(list(events)[-1]["item"]) == REPORT
        assert [item["id"] for item in ada.items(thread_id)] == [question["id"], answer["id"]]
        assert author.asked.total() == 5
    assert "Traceback" not in (tmp_path / "2.log").read_text(encoding="utf-8")


def test_who_asks_how_it_goes_sees_the_rest(
    database: URL, model: FakeModel, author: Author, tmp_path: Path
) -> None:
    """What is deleted meanwhile stays so."""
    with replica(database, model, tmp_path / "1.log") as victim:
        deleted = begin(leaving(victim.someone("bob")), author)
        author.begun.clear()
        thread_id = begin(victim.someone("bob"), author, victim.process.kill)
    with replica(database, model, tmp_path / "2.log") as other:
        bob = other.someone("bob")
        bob.ask("threads.delete", thread_id=deleted)
        with bob.say_slowly("Go on", thread_id) as events:
            assert progress(events) == "Chapter 1 of 3: Rivers"
            author.may_go_on.set()
            assert text_of(list(events)[-1]["item"]) == REPORT
        assert texts(bob, thread_id) == ["Water", "Go on", REPORT]
        wait_until(lambda: not unfinished(database))
        found = bob.ask("threads.list", limit=9, order="asc")["data"]
        assert [thread["id"] for thread in found] == [thread_id]
    assert "Traceback" not in (tmp_path / "2.log").read_text(encoding="utf-8")


def test_stop_stops_it(database: URL, model: FakeModel, author: Author, tmp_path: Path) -> None:
    """A retry goes on where it was."""
    with replica(database, model, tmp_path / "log") as server:
        cleo = server.someone("cleo")
        thread_id = begin(cleo, author)
        wait_until(lambda: not unfinished(database))
        author.may_go_on.set()
        assert text_of(cleo.say("Earth")[-1]["item"]) == REPORT
        assert texts(cleo, thread_id) == ["Water"]
        assert author.asked == {"": 2, "Rivers": 2, "Seas": 2, "Lakes": 1}
        [question] = cleo.items(thread_id)
        retry = {"thread_id": thread_id, "item_id": question["id"]}
        with cleo.stream("threads.retry_after_item", **retry) as events:
            assert text_of(list(events)[-1]["item"]) == REPORT
        assert texts(cleo, thread_id) == ["Water", REPORT]
        assert author.asked == {"": 2, "Rivers": 2, "Seas": 3, "Lakes": 2}


def test_what_fails_says_so(database: URL, model: FakeModel, tmp_path: Path) -> None:
    """A retry begins anew."""
    with replica(database, model, tmp_path / "log") as server:
        dora = server.someone("dora")
        with model.answering(Answer(status=400)):
            events = dora.say("Water")
        thread_id = events[0]["thread"]["id"]
        assert events[-1]["type"] == "error"
        assert "could not be done" in events[-1]["message"]
        [question, answer] = dora.items(thread_id)
        assert "could not be done" in text_of(answer)
        author = Author()
        author.may_go_on.set()
        retry = {"thread_id": thread_id, "item_id": question["id"]}
        with (
            model.playing(besides=author.write),
            dora.stream("threads.retry_after_item", **retry) as again,
        ):
            assert text_of(list(again)[-1]["item"]) == REPORT
        assert texts(dora, thread_id) == ["Water", REPORT]
