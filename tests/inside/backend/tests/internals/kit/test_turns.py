"""A turn is a row: what two processes on one database know of each other's turns."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count, repeat
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from agents import Agent, OpenAIProvider, RunConfig, function_tool
from chatkit.actions import Action
from chatkit.server import StreamingResult
from chatkit.types import (
    AssistantMessageContent,
    AssistantMessageContentPartTextDelta,
    AssistantMessageItem,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemRemovedEvent,
    ThreadItemUpdatedEvent,
    ThreadStreamEvent,
    WidgetItem,
)
from contract.chat import HTTP, PATIENCE, Chat, Json, is_delta, message, text_of, wait_until
from contract.fake_model import KEY, FakeModel
from contract.model_script import ToolCall, Words
from contract.serving import Server, migrated_database, run_server, run_sql
from contract.test_people import assert_refused
from openai import AsyncOpenAI
from sqlalchemy import insert, update
from sqlalchemy.engine import URL

from internals.conftest import Run, new_server
from kit.chat.chatkit_server import ServedStore
from kit.chat.running_turns import RunningTurn
from kit.chat.turns import Assistant, Turn
from kit.database import engine, tables, turn_records
from kit.database.chatkit_store import ChatKitStore
from kit.llm.agent_run import ChatContext, run_agent
from kit.people.identity import RequestContext

ANSWERING = "is being answered"
OUTLIVING = {"X-Says-Stop": "1"}
ENDLESS, LONG, SHORT = "an endless answer", "a long answer", "hello"
LAST = "300"


class Pair:
    """Two servers on one database."""

    def __init__(self, one: Server, other: Server) -> None:
        self.one, self.other = one, other

    def person(self) -> tuple[Chat, Chat]:
        """Return a new person at both servers."""
        here = self.one.someone()
        return here, Chat(f"{self.other.address}/chatkit", here.headers)


@pytest.fixture(scope="module")
def pair(database: URL) -> Iterator[Pair]:
    with run_server(database) as one, run_server(database) as other:
        yield Pair(one, other)


def begin(events: Iterator[Json], words: int = 5) -> str:
    """Read the first words of a new conversation, and return its id."""
    thread_id: str = next(events)["thread"]["id"]
    for _ in range(words):
        next(filter(is_delta, events))
    return thread_id


def outcomes(database: URL, thread_id: str) -> list[object]:
    """Return how the turns of a conversation ended, the first one first."""
    statement = (
        f"SELECT outcome FROM turns WHERE conversation_id = '{thread_id}' ORDER BY started_at"
    )
    return [outcome for (outcome,) in run_sql(database, statement)]


def is_told_of_stop(database: URL, thread_id: str) -> bool:
    """Whether the model is told that the person has cancelled."""
    statement = (
        f"SELECT 1 FROM messages WHERE conversation_id = '{thread_id}' "
        "AND type = 'sdk_hidden_context'"
    )
    return bool(run_sql(database, statement))


def test_retry_on_another_replica(pair: Pair) -> None:
    """Slug: retry-on-another-replica. Nor does a second message get in between."""
    here, there = pair.person()
    with here.say_slowly(ENDLESS) as events:
        thread_id = begin(events)
        question = here.items(thread_id)[0]["id"]
        here_and_there = [chat for chat in (here, there) for _ in range(2)]
        kinds = ["threads.add_user_message", "threads.retry_after_item"] * 2
        for chat, kind in zip(here_and_there, kinds, strict=True):
            refused = chat.post(kind, thread_id=thread_id, item_id=question, input=message(SHORT))
            assert refused.status_code == 409, refused.text
            assert ANSWERING in refused.json()["message"]
        before = len(there.items(thread_id))
        assert there.ask("kit.stop", thread_id=thread_id) == {"stopped": True}
        list(events)
    assert before == 2
    asked, answer = there.items(thread_id)
    assert asked["id"] == question
    assert answer["type"] == "assistant_message"
    assert there.say(SHORT, thread_id)[-1]["type"] == "thread.item.done"


def test_of_many_at_the_same_moment_one_is_answered(pair: Pair) -> None:
    here, there = pair.person()
    thread_id = here.say(SHORT)[0]["thread"]["id"]

    def ask(chat: Chat) -> int:
        params = {"thread_id": thread_id, "input": message(ENDLESS)}
        return chat.post("threads.add_user_message", **params).status_code

    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(ask, chat) for chat in [here, there] * 4]
        wait_until(lambda: sum(one.done() for one in asked) == 7)
        assert here.ask("kit.stop", thread_id=thread_id) == {"stopped": True}
    assert sorted(one.result() for one in asked) == [200] + [409] * 7
    assert [item["type"] for item in here.items(thread_id)].count("user_message") == 2


def test_stop_is_said_to_another_replica(pair: Pair, database: URL) -> None:
    here, there = pair.person()
    with here.say_slowly(LONG) as events:
        thread_id = begin(events)
        assert there.ask("kit.turn", thread_id=thread_id)["outcome"] == "running"
        assert there.ask("kit.stop", thread_id=thread_id) == {"stopped": True}
        seen = [event["update"]["delta"] for event in events if is_delta(event)]
    *_, answer = there.items(thread_id)
    assert text_of(answer).endswith("".join(seen[-5:]))
    assert not text_of(answer).endswith(LAST)
    assert there.ask("kit.turn", thread_id=thread_id)["outcome"] == "stopped"
    assert outcomes(database, thread_id) == ["stopped"]
    assert is_told_of_stop(database, thread_id)
    assert there.ask("kit.stop", thread_id=thread_id) == {"stopped": False}


def test_strangers_neither_stop_nor_see_a_turn(pair: Pair) -> None:
    here, stranger = pair.one.someone(), pair.other.someone()
    with here.say_slowly(LONG) as events:
        thread_id = begin(events)
        assert stranger.ask("kit.stop", thread_id=thread_id) == {"stopped": False}
        nothing = {"id": None, "outcome": None, "message": None}
        assert stranger.ask("kit.turn", thread_id=thread_id) == nothing
        *_, last = events
    assert text_of(last["item"]).endswith(LAST)


def test_a_conversation_that_is_deleted_elsewhere_is_answered_no_longer(
    pair: Pair, database: URL
) -> None:
    here, there = pair.person()
    with here.say_slowly(LONG) as events:
        thread_id = begin(events)
        there.ask("threads.delete", thread_id=thread_id)
        words = sum(map(is_delta, events))
    assert words < 290
    assert outcomes(database, thread_id) == ["stopped"]
    assert run_sql(database, f"SELECT 1 FROM messages WHERE conversation_id = '{thread_id}'") == []


def test_reload_ends_the_turn(pair: Pair) -> None:
    """Slug: reload-ends-the-turn. Where the page says Stop, a closed connection is none."""
    here, there = pair.person()
    outliving = Chat(here.url, {**here.headers, **OUTLIVING})
    with outliving.say_slowly(LONG) as events:
        thread_id = begin(events)
    assert there.ask("kit.turn", thread_id=thread_id)["outcome"] == "running"
    wait_until(lambda: there.ask("kit.turn", thread_id=thread_id)["outcome"] == "answered")
    assert text_of(there.items(thread_id)[-1]).endswith(LAST)
    with outliving.say_slowly(LONG, thread_id) as events:
        next(filter(is_delta, events))
    assert there.ask("kit.stop", thread_id=thread_id) == {"stopped": True}
    wait_until(lambda: there.ask("kit.turn", thread_id=thread_id)["outcome"] == "stopped")
    assert not text_of(there.items(thread_id)[-1]).endswith(LAST)


def test_stop_without_a_word_is_a_closed_connection(pair: Pair, database: URL) -> None:
    here, there = pair.person()
    with here.say_slowly(LONG) as events:
        thread_id = begin(events)
    wait_until(lambda: outcomes(database, thread_id) == ["stopped"])
    assert is_told_of_stop(database, thread_id)
    assert there.say(SHORT, thread_id)[-1]["type"] == "thread.item.done"


def test_half_answer_lost_in_a_crash(pair: Pair, database: URL) -> None:
    """Slug: half-answer-lost-in-a-crash. The conversation goes on elsewhere."""
    with ExitStack() as stack:
        victim = stack.enter_context(run_server(database))
        here = victim.someone()
        there = Chat(f"{pair.other.address}/chatkit", here.headers)
        events = stack.enter_context(here.say_slowly(ENDLESS))
        thread_id = begin(events)
        wait_until(lambda: len(there.items(thread_id)) == 2)
        victim.process.kill()
        with suppress(httpx2.RemoteProtocolError, httpx2.ReadError):
            list(events)
    saved = text_of(there.items(thread_id)[1])
    assert saved.split()[-1].isdigit()
    events_after = there.say(SHORT, thread_id)
    assert events_after[-1]["type"] == "thread.item.done"
    assert outcomes(database, thread_id) == ["interrupted", "answered"]
    assert text_of(there.items(thread_id)[1]) == saved


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
def test_deploy_cuts_turns(database: URL, tmp_path: Path) -> None:
    """Slug: deploy-cuts-turns. What is short ends, the rest is interrupted and called so."""
    log = tmp_path / "log"
    settings = {"DRAIN_SECONDS": "600", "APP_ENV": "production"}
    with run_server(database, log, **settings) as server:
        ada, bob = server.someone(), server.someone()
        ready = f"{server.address}/health/ready"
        assert httpx2.get(ready, **HTTP).status_code == 200
        with ada.say_slowly(LONG) as short, bob.say_slowly(ENDLESS) as long:
            of_ada, of_bob = begin(short), begin(long)
            os.kill(server.process.pid or 0, signal.SIGTERM)
            wait_until(lambda: httpx2.get(ready, **HTTP).status_code == 503)
            assert httpx2.get(ready, **HTTP).json()["status"] == "draining"
            live = httpx2.get(f"{server.address}/health/live", **HTTP)
            assert live.status_code == 200
            assert live.headers["connection"] == "close"
            late = ada.post("threads.create", input=message(SHORT))
            assert late.status_code == 503
            assert "being restarted" in late.json()["message"]
            assert int(late.headers["retry-after"]) == 1
            *_, last = short
            # The second signal ends what the time to drain would end.
            os.kill(server.process.pid or 0, signal.SIGTERM)
            seen = list(long)
    assert text_of(last["item"]).endswith(LAST)
    assert seen[-1]["type"] == "error"
    assert "restarted while it answered" in seen[-1]["message"]
    words = [event["update"]["delta"] for event in seen if is_delta(event)]
    with run_server(database) as after:
        again = Chat(f"{after.address}/chatkit", bob.headers)
        assert text_of(again.items(of_bob)[-1]).endswith("".join(words[-5:]))
        assert again.ask("kit.turn", thread_id=of_bob)["outcome"] == "interrupted"
        assert "restarted" in again.ask("kit.turn", thread_id=of_bob)["message"]
        assert again.say(SHORT, of_bob)[-1]["type"] == "thread.item.done"
    assert outcomes(database, of_ada) == ["answered"]
    assert outcomes(database, of_bob) == ["interrupted", "answered"]
    assert not is_told_of_stop(database, of_bob)
    assert '"outcome": "interrupted"' in log.read_text(encoding="utf-8")


GUEST = "guest_of_two_servers"


def ask_at_both(servers: Sequence[Server], count: int, **claims: str) -> list[int]:
    """Ask for so many answers at the same time, and return the sorted statuses."""

    def ask(number: int) -> int:
        person = servers[number % len(servers)].someone(**claims)
        return person.post("threads.create", input=message("notice")).status_code

    with ThreadPoolExecutor(15) as threads:
        return sorted(threads.map(ask, range(count)))


def test_limits_are_the_same_with_two_servers(uncounted: URL) -> None:
    settings = {"TURNS_PER_MINUTE": "30", "TURNS_PER_MINUTE_GUESTS": "40"}
    with (
        run_server(uncounted, None, **settings) as one,
        run_server(uncounted, None, **settings) as other,
    ):
        assert ask_at_both([one, other], 75, owner=GUEST) == [200] * 30 + [429] * 45
        late = one.someone(GUEST).post("threads.create", input=message("notice"))
        assert_refused(late, "30 answers a minute")
        more = ask_at_both([one, other], 20, owner=f"{GUEST}_2")
        assert more == [200] * 10 + [429] * 10


def test_turns_at_once_are_counted_on_two_servers(database: URL) -> None:
    settings = {"TURNS_AT_ONCE": "2"}
    with (
        run_server(database, None, **settings) as one,
        run_server(database, None, **settings) as other,
    ):
        here, there = Pair(one, other).person()
        with here.say_slowly(ENDLESS) as first, there.say_slowly(ENDLESS) as second:
            begin(first), begin(second)
            for chat in (here, there):
                refused = chat.post("threads.create", input=message(SHORT))
                assert_refused(refused, "Only 2 answers at once")
        wait_until(lambda: there.post("threads.create", input=message(SHORT)).status_code == 200)


def test_the_guests_of_a_network_are_counted_on_two_servers(uncounted: URL) -> None:
    settings = {"TURNS_PER_MINUTE_ADDRESS": "5"}
    with (
        run_server(uncounted, None, **settings) as one,
        run_server(uncounted, None, **settings) as other,
    ):

        def ask(number: int) -> int:
            guest = (one, other)[number % 2].someone(f"{GUEST}_{number}", address="192.0.2.77")
            return guest.post("threads.create", input=message("notice")).status_code

        with ThreadPoolExecutor(15) as threads:
            assert sorted(threads.map(ask, range(15))) == [200] * 5 + [429] * 10
        elsewhere = one.someone(f"{GUEST}_0", address="192.0.2.78")
        assert elsewhere.post("threads.create", input=message("notice")).status_code == 200
    networks = run_sql(uncounted, "SELECT DISTINCT network FROM turns WHERE network IS NOT NULL")
    assert all("192.0.2" not in str(network) for (network,) in networks)


def midnight() -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def a_turn(owner: str, moment: datetime, tokens: int) -> dict[str, object]:
    """Return the record of a turn of that moment, which has used so many tokens."""
    return {
        "id": f"trn_{owner}_{moment:%d}",
        "owner": owner,
        "request_id": "r",
        "started_at": moment,
        "beat_at": moment,
        "ended_at": moment,
        "outcome": "answered",
        "tokens_in": tokens - 1,
        "tokens_out": 1,
    }


async def add_turns(url: URL, turns: Sequence[dict[str, object]]) -> None:
    new = engine.create_engine(url)
    async with new.begin() as connection:
        await connection.execute(insert(tables.TurnRecord), turns)
    await new.dispose()


def assert_refused_until_midnight(chat: Chat, words: str) -> None:
    refused = chat.post("threads.create", input=message("notice"))
    assert refused.status_code == 429, refused.text
    assert words in refused.json()["message"]
    left = midnight() + timedelta(days=1) - datetime.now(UTC)
    assert abs(int(refused.headers["retry-after"]) - left.total_seconds()) < 60


def test_tokens_of_a_day_are_limited(tmp_path: Path, run: Run) -> None:
    here, there = "guest_of_here", "guest_of_there"
    today, yesterday = midnight(), midnight() - timedelta(seconds=1)
    turns = [
        a_turn("ada", yesterday, 1000),
        a_turn("ada", today, 99),
        a_turn("bob", today, 100),
        a_turn(here, today, 60),
        a_turn(there, today, 40),
    ]
    with migrated_database(tmp_path) as url:
        run(add_turns(url, turns))
        with run_server(url, TOKENS_PER_DAY="100", TOKENS_PER_DAY_GUESTS="101") as server:
            assert server.someone("ada").say("notice")
            assert_refused_until_midnight(server.someone("bob"), "100 tokens that may be used")
            assert server.someone(here).say("notice")
        with run_server(url, TOKENS_PER_DAY_GUESTS="100") as server:
            for guest in (here, there, "guest_of_nowhere"):
                assert_refused_until_midnight(server.someone(guest), "by all guests are used up")
            assert server.someone("bob").say("notice")
        with run_server(url, TOKENS_PER_DAY_ALL="299") as server:
            assert_refused_until_midnight(server.someone("ada"), "by all are used up")
        with run_server(url, TOKENS_PER_DAY_ALL="300") as server:
            assert server.someone("ada").say("notice")


def test_the_sweep_ends_dead_turns_and_forgets_old_ones(database: URL, run: Run) -> None:
    with run_server(database) as server:
        ada = server.someone()
        old, dead, new = (ada.say(SHORT)[0]["thread"]["id"] for _ in range(3))
    long_ago = datetime.now(UTC) - timedelta(days=100)

    async def work() -> None:
        async with engine.write() as session:
            record = tables.TurnRecord
            await session.execute(
                update(record).where(record.conversation_id == old).values(started_at=long_ago)
            )
            await session.execute(
                update(record)
                .where(record.conversation_id == dead)
                .values(beat_at=long_ago, ended_at=None, outcome="running")
            )
        await turn_records.sweep(datetime.now(UTC) - timedelta(days=90))

    run(work())
    assert [outcomes(database, one) for one in (old, dead, new)] == [
        [],
        ["interrupted"],
        ["answered"],
    ]


def test_a_turn_runs_whose_machine_has_a_slow_clock(pair: Pair, database: URL) -> None:
    here, there = pair.person()
    thread_id = here.say(SHORT)[0]["thread"]["id"]
    seconds = count()

    def beat() -> None:
        moment = time.gmtime(time.time() - 3600 + next(seconds))
        run_sql(
            database,
            "UPDATE turns SET ended_at = NULL, outcome = 'running', "
            f"beat_at = '{time.strftime('%Y-%m-%d %H:%M:%S', moment)}' "
            f"WHERE conversation_id = '{thread_id}'",
        )

    beat()
    with ThreadPoolExecutor(1) as threads:
        seen = threads.submit(there.ask, "kit.turn", thread_id=thread_id)
        while not seen.done():
            beat()
    assert seen.result()["outcome"] == "running"
    assert there.ask("kit.turn", thread_id=thread_id)["outcome"] == "interrupted"


def test_a_turn_ends_when_its_lease_is_lost(pair: Pair, database: URL) -> None:
    """As when its machine slept, and others took it for dead."""
    here, _ = pair.person()
    with here.say_slowly(ENDLESS) as events:
        thread_id = begin(events)
        now = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        run_sql(
            database,
            f"UPDATE turns SET ended_at = '{now}', outcome = 'interrupted' "
            f"WHERE conversation_id = '{thread_id}'",
        )
        *_, last = events
    assert last["type"] == "error"
    assert "Ask it to go on" in last["message"]
    assert outcomes(database, thread_id) == ["interrupted"]


def are_over(database: URL, thread_ids: Sequence[str]) -> bool:
    """Whether the ends of all turns of these conversations are recorded."""
    named = ", ".join(f"'{one}'" for one in thread_ids)
    running = f"SELECT 1 FROM turns WHERE conversation_id IN ({named}) AND ended_at IS NULL"
    return not run_sql(database, running)


@pytest.mark.parametrize("says_stop", [True, False])
def test_a_stop_at_the_last_moment_leaves_no_turn_running(
    pair: Pair, database: URL, says_stop: bool
) -> None:
    """The answer is stored, and the end of the turn is being recorded."""

    def stop_late(_number: int) -> str:
        chat = pair.one.someone()
        with chat.say_slowly(SHORT) as events:
            thread_id: str = next(events)["thread"]["id"]
            next(one for one in events if is_answer(one))
            if says_stop:
                chat.ask("kit.stop", thread_id=thread_id)
        return thread_id

    with ThreadPoolExecutor(10) as threads:
        thread_ids = list(threads.map(stop_late, range(40)))
    wait_until(lambda: are_over(database, thread_ids), seconds=10)


def is_answer(event: Json) -> bool:
    """Whether an event ends the answer."""
    kind: str = event["type"]
    return kind == "thread.item.done" and "user_message" not in event["item"].values()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
@pytest.mark.parametrize("drains", [True, False])
def test_a_turn_that_waits_to_begin_is_not_forgotten_at_a_restart(
    database: URL, drains: bool
) -> None:
    """It waits to see that the turn before it is dead."""
    with run_server(database, DRAIN_SECONDS="600" if drains else "0") as server:
        chat = server.someone()
        thread_id = chat.say(SHORT)[0]["thread"]["id"]
        run_sql(
            database,
            "UPDATE turns SET ended_at = NULL, outcome = 'running' "
            f"WHERE conversation_id = '{thread_id}'",
        )
        with ThreadPoolExecutor(1) as threads:
            params = {"thread_id": thread_id, "input": message(LONG)}
            asked = threads.submit(chat.post, "threads.add_user_message", **params)
            time.sleep(1)  # it waits for four seconds
            os.kill(server.process.pid or 0, signal.SIGTERM)
            answer = asked.result()
    if drains:
        assert answer.status_code == 200
        assert LAST in answer.text[-500:]
        assert '"type":"error"' not in answer.text
        assert outcomes(database, thread_id) == ["interrupted", "answered"]
    else:
        assert answer.status_code == 503, answer.text
        assert "Send it again" in answer.json()["message"]
        assert outcomes(database, thread_id) == ["running"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
def test_an_interrupted_action_is_called_so(database: URL) -> None:
    with run_server(database, DRAIN_SECONDS="0") as server:
        chat = server.someone()
        thread_id = chat.say(SHORT)[0]["thread"]["id"]
        with ThreadPoolExecutor(1) as threads:
            params = {"thread_id": thread_id, "action": {"type": "w " * 3000}}
            asked = threads.submit(chat.post, "threads.sync_custom_action", **params)
            wait_until(lambda: len(run_sql(database, RUNNING)) == 1)
            os.kill(server.process.pid or 0, signal.SIGTERM)
            answer = asked.result()
    assert answer.status_code == 502, answer.text
    assert "restarted while it answered" in answer.json()["message"]


RUNNING = "SELECT 1 FROM turns WHERE conversation_id IS NULL AND ended_at IS NULL"


LAST_WORD = AssistantMessageContentPartTextDelta(content_index=0, delta="answer")


async def save_half(turn: RunningTurn) -> None:
    """Save what a turn has said, as happens every few seconds."""
    async with turn.saving:
        assert turn.save
        await turn.save()


class Talkative:
    """An assistant that ends the answers that it begins as a test says."""

    def __init__(self, *end: ThreadStreamEvent) -> None:
        self._end = end

    async def respond(self, turn: Turn) -> AsyncIterator[ThreadStreamEvent]:
        item = AssistantMessageItem(
            id="msg_1", thread_id=turn.thread.id, created_at=datetime.now(), content=[]
        )
        yield ThreadItemAddedEvent(item=item)
        for word in ("half ", "an "):
            delta = AssistantMessageContentPartTextDelta(content_index=0, delta=word)
            yield ThreadItemUpdatedEvent(item_id=item.id, update=delta)
        assert turn.running
        self._saving = asyncio.create_task(save_half(turn.running))
        await asyncio.sleep(0)  # it has begun
        for event in self._end:
            yield event
        await self._saving
        if not self._end:
            yield ThreadItemUpdatedEvent(item_id=item.id, update=LAST_WORD)

    def act(
        self, turn: Turn, action: Action[str, object], widget: WidgetItem | None
    ) -> AsyncIterator[ThreadStreamEvent]:
        raise NotImplementedError


def answer_of(run: Run, assistant: Talkative, retries: int = 0) -> list[str]:
    """Return the texts of the answers that an assistant has left in a conversation."""
    owner, texts = RequestContext(f"somebody-{uuid4()}"), list[str]()

    async def ask(kind: str, **params: object) -> list[Json]:
        server = new_server(answering=assistant)
        result = await server.process(json.dumps({"type": kind, "params": params}), replace(owner))
        assert isinstance(result, StreamingResult)
        chunks = [chunk async for chunk in result]
        events = [json.loads(one) for one in b"".join(chunks).split(b"data: ")[1:]]
        assert "error" not in {event["type"] for event in events}
        return events

    async def work() -> None:
        begun, question, *_ = await ask("threads.create", input=message("hello"))
        thread_id: str = begun["thread"]["id"]
        for _ in range(retries):
            asked = {"thread_id": thread_id, "item_id": question["item"]["id"]}
            await ask("threads.retry_after_item", **asked)
        page = await ChatKitStore().load_thread_items(thread_id, None, 9, "asc", owner)
        texts.extend(text_of(item.model_dump()) for item in page.data[1:])

    run(work())
    return texts


def test_an_answer_that_is_never_ended_is_kept_to_its_last_word(run: Run) -> None:
    assert answer_of(run, Talkative()) == ["half an answer"]


def test_a_removed_answer_is_gone_though_half_of_it_was_saved(run: Run) -> None:
    assert answer_of(run, Talkative(ThreadItemRemovedEvent(item_id="msg_1"))) == []


AGAIN = ThreadItemDoneEvent(
    item=AssistantMessageItem(
        id="msg_1",
        thread_id="",
        created_at=datetime.now(),
        content=[AssistantMessageContent(text="again")],
    )
)


def test_an_assistant_may_remove_an_answer_that_is_being_saved_and_begin_it_again(
    run: Run,
) -> None:
    """As a library does whose answers have ids of its own."""
    removed = ThreadItemRemovedEvent(item_id="msg_1")
    assert answer_of(run, Talkative(removed, AGAIN)) == ["again"]


def test_a_retry_may_store_an_answer_with_the_id_that_it_had(run: Run) -> None:
    assert answer_of(run, Talkative(AGAIN), retries=1) == ["again"]


class SavingStore:
    """Makes the store wait when it saves the first item that an assistant has made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._saving = asyncio.Event()
        self._saved = asyncio.Event()
        add = ServedStore.add_thread_item

        async def add_later(*item: Any, **context: Any) -> None:
            if not self._saving.is_set():
                self._saving.set()
                await self._saved.wait()
            await add(*item, **context)

        monkeypatch.setattr(ServedStore, "add_thread_item", add_later)

    async def stopped(self, assistant: Assistant) -> asyncio.Task[list[bytes]]:
        """Stop a turn of the assistant while it saves. Return its task, which has ended."""
        server = new_server(answering=assistant)
        asked = {"type": "threads.create", "params": {"input": message("hello")}}
        result = await server.process(json.dumps(asked), RequestContext(f"somebody-{uuid4()}"))
        assert isinstance(result, StreamingResult)

        async def read() -> list[bytes]:
            return [chunk async for chunk in result]

        turn = asyncio.create_task(read())
        await self._saving.wait()
        turn.cancel()
        await asyncio.wait([turn])
        self._saved.set()
        assert turn.cancelled()
        return turn


class Clinging(Talkative):
    """An assistant that does not end when it is told to."""

    async def respond(self, turn: Turn) -> AsyncIterator[ThreadStreamEvent]:
        try:
            yield AGAIN
        finally:
            yield AGAIN


def test_an_assistant_that_fails_at_its_end_is_stopped(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> None:
        await SavingStore(monkeypatch).stopped(Clinging())

    run(work())
    assert "The end of an answer has failed" in caplog.text


@function_tool
def get_weather() -> str:
    """Return the weather."""
    return "It rains."


def test_the_model_stops_though_the_output_of_a_tool_is_being_saved(
    run: Run, monkeypatch: pytest.MonkeyPatch, api: str, model: FakeModel
) -> None:
    """Slug: stop-does-not-stop-the-bill."""
    agent = Agent[ChatContext](name="Weather", tools=[get_weather], model="some-model")

    class Asking(Talkative):
        def __init__(self, client: AsyncOpenAI) -> None:
            provider = OpenAIProvider(openai_client=client, use_responses=api == "responses")
            self._config = RunConfig(model_provider=provider, tracing_disabled=True)

        def respond(self, turn: Turn) -> AsyncIterator[ThreadStreamEvent]:
            return run_agent(agent, turn, run_config=self._config)

    async def work() -> None:
        async with AsyncOpenAI(base_url=f"{model.address}/v1", api_key=KEY) as client:
            # As long as the ended task is there, its traceback refers to the answer's generators.
            ended = await SavingStore(monkeypatch).stopped(Asking(client))
            assert await asyncio.to_thread(model.hung_up.wait, PATIENCE)
            assert ended.done()

    with model.playing(ToolCall("get_weather"), Words(repeat("on and on "))):
        run(work())
