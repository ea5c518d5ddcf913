"""The backend is killed in the middle of answers, again and again: what people saw is stored.

Slug: crash-mid-stream.
"""

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import psutil
import pytest
from contract.chat import PATIENCE, Chat, text_of, wait_until
from support.backend import forked_backends, run_backend
from support.processes import processes_below
from support.projects import Project, render
from support.variants import BY_DATABASE, Variant

Json = dict[str, Any]
History = dict[str, list[Json]]
"""The items of each thread."""
Seen = dict[str, dict[str, Json | None]]
"""The items of each thread by their ids; None for one that was taken back."""

KILLS = 20
PEOPLE = 5
MOST_EVENTS = 250
"""How many events people see before a kill, at most: some of their answers are over then."""

TOPICS = (
    "Hello",
    "A long answer",
    "A widget",
    "A growing widget",
    "A form",
    "A client tool",
    "Some progress",
    "A task",
    "An image",
    "Sources",
    "A hidden note",
)
"""What the demo assistant answers in different ways.

Not with a correction: of that the database may know before the person does.
"""


@dataclass
class Crash:
    """Kills after a number of events, and knows what people have seen."""

    after: int
    kill: Callable[[], None]
    events: int = 0
    seen: Seen = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, thread_id: str, event: Json) -> None:
        """Remember what somebody sees, and kill if it is time."""
        with self.lock:
            items = self.seen.setdefault(thread_id, {})
            match event["type"]:
                case "thread.item.done" | "thread.item.replaced":
                    items[event["item"]["id"]] = event["item"]
                case "thread.item.removed":
                    items[event["item_id"]] = None
            self.events += 1
            if self.events == self.after:
                self.kill()


def converse(chat: Chat, crash: Crash, threads: list[str], chance: random.Random) -> None:
    """Ask in new threads and in those that one has, until the backend is gone."""
    while True:
        thread_id = chance.choice([*threads, ""])
        question = f"{chance.choice(TOPICS)}, {chance.getrandbits(64)}"
        try:
            with chat.say_slowly(question, thread_id) as events:
                for event in events:
                    if event["type"] == "thread.created":
                        thread_id = event["thread"]["id"]
                        threads.append(thread_id)
                    crash.note(thread_id, event)
        except httpx2.TransportError:
            return


def history_of(chat: Chat) -> History:
    """Return all that is stored."""
    page = chat.ask("threads.list", limit=9999, order="asc")
    threads = [thread["id"] for thread in page["data"]]
    assert len(threads) == len(set(threads)), "a thread is there twice"
    return {thread_id: chat.items(thread_id) for thread_id in threads}


def check(before: History, seen: Seen, now: History) -> None:
    """Compare what is stored with what was stored before, and with what people saw since."""
    for thread_id, items in before.items():
        assert now[thread_id][: len(items)] == items, "what was stored has changed"
    for thread_id, shown in seen.items():
        stored = {item["id"]: item for item in now[thread_id]}
        for item_id, item in shown.items():
            assert stored.get(item_id) == item, "what somebody saw is not stored"
    everything = [item for items in now.values() for item in items]
    questions = [text_of(item) for item in everything if item["type"] == "user_message"]
    for names in (questions, [item["id"] for item in everything]):
        assert len(names) == len(set(names)), "something is there twice"


def go_on(chat: Chat, thread_id: str) -> None:
    """Ask something more in a thread, and be answered."""
    question = f"Sources, {uuid4()}"
    events = chat.say(question, thread_id)
    assert "error" not in [event["type"] for event in events]
    *_, asked, answered = chat.items(thread_id)
    assert text_of(asked) == question
    assert answered["type"] == "assistant_message"
    assert answered in [event.get("item") for event in events]


@pytest.mark.parametrize("variant", BY_DATABASE, ids=str)
def test_what_people_saw_is_stored(variant: Variant, tmp_path: Path) -> None:
    """With the project's own database, whose server is killed too every other time."""
    project = render(tmp_path / "my-chat", variant)
    project.run("uv", "sync", "--quiet")
    project.run("uv", "run", "alembic", "upgrade", "head", cwd="backend")
    chance = random.Random(20)
    threads: list[list[str]] = [[] for _ in range(PEOPLE)]
    before: History = {}
    seen: Seen = {}
    with ThreadPoolExecutor(PEOPLE) as people, forked_backends(project) as backends:
        for number in range(KILLS + 1):
            log = tmp_path / f"{number}.log"
            with run_backend(project, log, backends.start) as backend:
                now = history_of(backend.chat)
                check(before, seen, now)
                list(people.map(partial(go_on, backend.chat), seen))
                before = now | dict(zip(seen, people.map(backend.chat.items, seen), strict=True))
                if number == KILLS:
                    break
                kill = partial(kill_all, project, backends.process.pid)
                crash = Crash(
                    chance.randint(1, MOST_EVENTS), kill if number % 2 else backend.process.kill
                )
                storm = partial(converse, backend.chat, crash)
                chances = [random.Random(chance.random()) for _ in threads]
                list(people.map(storm, threads, chances))
                seen = crash.seen
    wait_until(lambda: not processes_below(project.path))


def kill_all(project: Project, spared: int) -> None:
    """Kill whatever runs, as when a container ends: the backend, and a server of PostgreSQL."""
    killed = [process for process in processes_below(project.path) if process.pid != spared]
    for process in killed:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(killed, timeout=PATIENCE)
