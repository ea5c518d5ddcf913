"""What people do at several replicas that die and are deployed, and what must be true then.

A person has one conversation, and asks for answers that count: `40 0.05` are 40 words, 0.05 s
apart. What must come of a question depends on what has happened to it.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from typing import Any

from contract.chat import Chat, Json, message, text_of, wait_until
from hypothesis import strategies as st
from support.processes import is_alive
from support.replicas import Replica, Seen, person

LENGTHS = ("3 0", "40 0.05", "2000 0.05")
"""Over at once, over after two seconds, and not over in a story."""

Step = tuple[Any, ...]
"""The name of a method of `Fleet`, and what it is called with: a person, a replica."""

OUTLIVING = {"X-Says-Stop": "1"}


def steps(people: int, replicas: int) -> st.SearchStrategy[list[Step]]:
    """Return what makes up stories of so many people and replicas."""
    who, where = st.integers(0, people - 1), st.integers(0, replicas - 1)

    def step(name: str, *what: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
        return st.tuples(st.just(name), *what)

    ask = step("ask", who, where, st.sampled_from(LENGTHS))
    return st.lists(
        st.one_of(
            ask,
            ask,
            step("retry", who, where),
            step("hear", who, st.integers(1, 60)),
            step("stop", who, where),
            step("leave", who),
            step("delete", who, where),
            step("kill", where),
            step("deploy", where),
        ),
        min_size=4,
        max_size=14,
    )


@dataclass
class Round:
    """A question that was taken, and what has happened to its answer."""

    text: str
    replica: Replica
    seen: Seen
    follower: Future[None]
    has_died: bool = False
    """Whether its replica was killed, so that the last seconds may be missing."""
    is_ended: bool = False
    """Whether it was stopped, or its replica was deployed anew, so that it may end early."""

    @property
    def whole(self) -> str:
        return "".join(f"{number} " for number in range(1, int(self.text.split()[0]) + 1))

    @property
    def is_over(self) -> bool:
        """Whether it is known to be over. What nobody hears may still run."""
        return self.follower.done() and (self.has_died or not self.seen.leaves)

    def check(self, answer: str | None) -> None:
        """Check what is stored of the answer: None if nothing is."""
        stored, seen = answer or "", self.seen.words
        assert self.whole.startswith(stored)
        assert self.whole.startswith(seen)
        if self.has_died:
            # What the replica has sent and not yet stored is gone.
            assert stored == self.whole or not self.seen.is_whole
            return
        assert stored.startswith(seen), "words that were seen are gone"
        if not self.is_ended:
            assert stored == self.whole
            assert not self.seen.errors
        assert not self.seen.is_broken


@dataclass
class Somebody:
    """A person, and what has happened in their conversation."""

    name: str
    thread_id: str = ""
    rounds: list[Round] = field(default_factory=list)

    def at(self, replica: Replica, **headers: str) -> Chat:
        """Return the person at a replica."""
        chat = person(replica.address, self.name)
        return Chat(chat.url, {**chat.headers, **headers}) if headers else chat

    @property
    def running(self) -> Round | None:
        """The last round, if it may still run."""
        return next((one for one in self.rounds[-1:] if not one.is_over), None)


class Fleet:
    """Replicas on one database, and the people at them."""

    def __init__(
        self, run: Callable[[int], AbstractContextManager[Replica]], replicas: int
    ) -> None:
        """Start the replicas. `run` runs the one of a number."""
        self._run, self._stack = run, ExitStack()
        self._followers = ThreadPoolExecutor(32)
        self.replicas = [self._stack.enter_context(run(number)) for number in range(replicas)]
        self.people: list[Somebody] = []

    def _at(self, where: int) -> Replica:
        return self.replicas[where % len(self.replicas)]

    def close(self) -> None:
        """End the replicas."""
        self._stack.close()
        self._followers.shutdown()

    def play(self, story: Sequence[Step], names: Sequence[str]) -> None:
        """Let new people do what is in a story, and check what they have in the end."""
        self.people = [Somebody(name) for name in names]
        for name, *what in story:
            getattr(self, name)(*what)
        self.settle()

    # What people do

    def ask(self, who: int, where: int, text: str) -> None:
        somebody = self.people[who]
        if somebody.thread_id:
            params: Json = {"thread_id": somebody.thread_id, "input": message(text)}
            self._begin(somebody, where, "threads.add_user_message", params, text)
        else:
            self._begin(somebody, where, "threads.create", {"input": message(text)}, text)

    def retry(self, who: int, where: int) -> None:
        somebody = self.people[who]
        if not somebody.rounds:
            return
        last = somebody.rounds[-1]
        items = somebody.at(self._at(where)).items(somebody.thread_id)
        asked = [item["id"] for item in items if item["type"] == "user_message"]
        params: Json = {"thread_id": somebody.thread_id, "item_id": asked[-1]}
        self._begin(somebody, where, "threads.retry_after_item", params, last.text, last)

    def _begin(
        self,
        somebody: Somebody,
        where: int,
        kind: str,
        params: Json,
        text: str,
        again: Round | None = None,
    ) -> None:
        running = somebody.running
        replica = self._at(where)
        seen = Seen(somebody.at(replica, **OUTLIVING), somebody.thread_id)
        follower = self._followers.submit(seen.ask, kind, **params)
        wait_until(lambda: seen.events or follower.done())
        if seen.status == 409:
            assert running, "the conversation is stuck"
            assert not running.has_died, "the conversation is stuck"
            return
        assert seen.status == 200, seen
        if running and not running.has_died and not running.is_ended:
            heard_to_its_end = running.seen.leaves or running.seen.words == running.whole
            assert heard_to_its_end, "two turns of a conversation ran at once"
        if again:
            somebody.rounds.remove(again)
        somebody.thread_id = seen.thread_id
        somebody.rounds.append(Round(text, replica, seen, follower))

    def hear(self, who: int, words: int) -> None:
        """Read until there are so many words, or no more come."""
        if running := self.people[who].running:
            enough = min(words, len(running.whole.split()))
            wait_until(lambda: running.follower.done() or len(running.seen.words.split()) >= enough)

    def stop(self, who: int, where: int) -> None:
        """Press Stop, at any replica."""
        somebody = self.people[who]
        if not somebody.thread_id:
            return
        running = somebody.running
        chat = somebody.at(self._at(where))
        stopped = chat.ask("kit.stop", thread_id=somebody.thread_id)["stopped"]
        if running:
            running.is_ended = running.is_ended or stopped
        else:
            assert not stopped or somebody.rounds[-1].has_died

    def leave(self, who: int) -> None:
        """Reload the page, or lose the network."""
        if running := self.people[who].running:
            running.seen.leaves = True

    def delete(self, who: int, where: int) -> None:
        """Delete the conversation. The next question begins another one."""
        somebody = self.people[who]
        if somebody.thread_id:
            somebody.at(self._at(where)).ask("threads.delete", thread_id=somebody.thread_id)
        somebody.thread_id = ""
        somebody.rounds = []

    # What happens to replicas

    def kill(self, where: int) -> None:
        """A replica dies, and another one takes its place."""
        self._end(where, "has_died", lambda process: process.kill())

    def deploy(self, where: int) -> None:
        """A replica is told to end, and another one takes its place."""
        self._end(where, "is_ended", lambda process: process.terminate())

    def _end(self, where: int, what: str, end: Callable[[Any], None]) -> None:
        where %= len(self.replicas)
        replica = self.replicas[where]
        for somebody in self.people:
            for one in somebody.rounds:
                if one.replica is replica and not one.is_over:
                    setattr(one, what, True)
        end(replica.process)
        wait_until(lambda: not is_alive(replica.process.pid))
        self.replicas[where] = self._stack.enter_context(self._run(where))

    # What must be true

    def settle(self) -> None:
        """Wait until all answers are over, and check that everybody has what they must have."""
        for somebody in self.people:
            if somebody.thread_id:
                self._settle(somebody)

    def _settle(self, somebody: Somebody) -> None:
        chat = somebody.at(self.replicas[0])
        last = somebody.rounds[-1]
        if last.text == LENGTHS[-1]:
            self.stop(self.people.index(somebody), 0)
        wait_until(
            lambda: chat.ask("kit.turn", thread_id=somebody.thread_id)["outcome"] != "running"
        )
        answers = list(self._answers(chat.items(somebody.thread_id), somebody.rounds))
        for one, answer in zip(somebody.rounds, answers, strict=True):
            one.check(answer)
        [thread] = chat.ask("threads.list")["data"]
        assert thread["id"] == somebody.thread_id
        *_, end = chat.say("3 0", somebody.thread_id)
        assert end["type"] == "thread.item.done", "the conversation does not go on"

    def _answers(self, items: list[Json], rounds: Sequence[Round]) -> Iterator[str | None]:
        """Return the answer to each question, which must be those that were taken, once."""
        assert len({item["id"] for item in items}) == len(items)
        rest = list(items)
        for one in rounds:
            question = rest.pop(0)
            assert (question["type"], text_of(question)) == ("user_message", one.text)
            is_answered = bool(rest) and rest[0]["type"] == "assistant_message"
            yield text_of(rest.pop(0)) if is_answered else None
        assert not rest, "something is there that nobody asked for"
