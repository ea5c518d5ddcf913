"""The turns that this process runs. It renews their leases, saves what they say, and ends them."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from contextvars import Context
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, Literal, TypeVar

from chatkit.store import NotFoundError
from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError, SQLAlchemyError

from kit.database import turn_records
from kit.database.engine import answered_within
from kit.database.turn_records import (
    LEASE_SECONDS,
    AnsweringError,
    LatestTurn,
    NewTurn,
    Outcome,
    Usage,
)
from kit.disclosure import NO_TABLE, explain_database_error
from kit.errors import RefusedError
from kit.http.request_log import note_usage
from kit.http.streaming import cancel_once
from kit.people.identity import RequestContext

logger = logging.getLogger("app.chat")

TICK_SECONDS = 0.5
"""How often a process looks whether its turns are told to stop."""

SAVE_SECONDS = 2.0
"""How often a growing answer is saved."""

PATIENCE_SECONDS = 60.0
"""How long a finished answer is saved again when the database does not take it."""

ATTEMPT_SECONDS = 15.0
"""How long one attempt to save something may take. A database may hang instead of failing."""

LONGEST_PAUSE_SECONDS = 2.0

GRACE_SECONDS = 1.0
"""How long a turn waits for the one before it, which the person may have just stopped."""

FAREWELL_SECONDS = 5.0
"""How long turns that are ended may take to store their answers."""

ANSWERING = "This conversation is being answered, perhaps in another tab. Wait, or press Stop."
RESTARTING = "The server is being restarted. Send it again in a moment."
INTERRUPTED = "The server was restarted while it answered. Ask it to go on."
TOO_LONG = "The answer took too long, and nobody was there to read it. Ask it to go on."

NOT_TEMPORARY = (IntegrityError, DataError, ProgrammingError)
"""The errors of a database that does answer."""

Result = TypeVar("Result")
Begin = Callable[[], Awaitable[None]]
Early = Literal["stopped", "interrupted"]


@dataclass(eq=False)
class RunningTurn:
    """A turn that this process runs."""

    new: NewTurn
    task: asyncio.Task[Any] | None = None
    """The task that runs the turn, which is cancelled to end it early."""
    early: Early | None = None
    """How the turn is ended before its end, if it is."""
    why: str = INTERRUPTED
    """What the person reads if it is interrupted."""
    has_failed: bool = False
    is_unsaved: bool = False
    """Whether something that the person has read could not be saved."""
    usages: list[Usage] = field(default_factory=list[Usage])
    """What the turn asks of models, which grows."""
    save: Callable[[], Awaitable[None]] | None = None
    """Saves what the turn has said since it was last saved, if it has said something."""
    saved_at: float = field(default_factory=monotonic)
    is_saving: bool = False
    is_behind: bool = False
    """Whether the last attempt to save a growing answer has failed."""
    saving: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while something of the turn is saved, so that no older text overwrites a newer one."""
    is_over: bool = False
    """Whether the turn is at its end, which is being recorded."""

    _limit: asyncio.TimerHandle | None = None

    @property
    def usage(self) -> Usage:
        """What the turn has asked of models so far."""
        model = self.usages[-1].model if self.usages else None
        tokens_in = sum(one.tokens_in for one in self.usages)
        return Usage(model, tokens_in, sum(one.tokens_out for one in self.usages))

    def limit(self, seconds: float) -> None:
        """End the turn after some time, unless it is over by then."""
        loop = asyncio.get_running_loop()
        self._limit = loop.call_later(seconds, self.end, "interrupted", TOO_LONG)

    def close(self) -> None:
        """Forget what the turn needed while it ran. It can no longer be ended early."""
        self.is_over = True
        self.save = None
        if self._limit:
            self._limit.cancel()

    def end(self, how: Early, why: str = INTERRUPTED) -> None:
        """End the turn early, unless it is over. What it has said is stored."""
        if self.is_over:
            return
        if self.early is None:
            self.early, self.why = how, why
        if self.task is not None:
            cancel_once(self.task)

    def caught(self) -> Early | None:
        """Return how the turn is ended early, where its cancellation arrives, which then is over.

        Returns:
            None if something else cancels the task. That goes on.
        """
        if self.early is not None and self.task is not None:
            self.task.uncancel()
        return self.early


class RunningTurns:
    """The turns that a process runs. Each process has one instance, `here`."""

    def __init__(self) -> None:
        """Start without any turns."""
        self.is_draining = False
        self._turns: dict[str, RunningTurn] = {}
        self._beginning = set[RunningTurn]()
        self._waiting = set[asyncio.Future[Any]]()
        self._watcher: asyncio.Task[None] | None = None
        self._background = set[asyncio.Task[Any]]()

    def __len__(self) -> int:
        """Return how many turns begin, run, or have a reader who waits for more."""
        return len(self._turns) + len(self._beginning) + len(self._waiting)

    def of(self, context: RequestContext) -> RunningTurn | None:
        """Return the turn that answers a request."""
        # Not by equality: two requests of a person may have the same id.
        turns = (*self._turns.values(), *self._beginning)
        return next((turn for turn in turns if turn.new.context is context), None)

    @asynccontextmanager
    async def run(self, turn: RunningTurn, begin: Begin) -> AsyncIterator[None]:
        """Run a turn for the duration of the block.

        Args:
            turn: the turn.
            begin: records it. See `kit.database.turn_records.begin`.

        Raises:
            RefusedError: the conversation is being answered (409), a limit is reached (429), or the
                server is about to stop (503).
        """
        if self.is_draining:
            raise RefusedError(503, RESTARTING, retry_after=1)
        turn.task = asyncio.current_task()
        await self._begin(turn, begin)
        self._turns[turn.new.id] = turn
        if self._watcher is None or self._watcher.done():
            # Without the context of this request, whose id the log would show.
            self._watcher = asyncio.create_task(self._watch(), context=Context())
        outcome: Outcome = "failed"
        try:
            yield
            outcome = "failed" if turn.has_failed else "answered"
        except asyncio.CancelledError:
            outcome = "stopped"
            raise
        finally:
            outcome = turn.early or outcome
            turn.close()
            if turn.usages:
                usage = turn.usage
                note_usage(
                    model=usage.model, tokens_in=usage.tokens_in, tokens_out=usage.tokens_out
                )
            try:
                await to_its_end(self._record_end(turn, outcome))
            finally:
                del self._turns[turn.new.id]

    async def _begin(self, turn: RunningTurn, begin: Begin) -> None:
        self._beginning.add(turn)
        try:
            while True:
                try:
                    return await begin()
                except AnsweringError as other:
                    await self._wait_for(other)
        except asyncio.CancelledError:  # perhaps after it was recorded
            self._in_background(turn_records.end(turn.new.id, turn.early or "stopped", Usage()))
            if turn.early != "interrupted":
                raise
            turn.caught()
            raise RefusedError(503, RESTARTING, retry_after=1) from None
        finally:
            self._beginning.discard(turn)

    async def _wait_for(self, other: AnsweringError) -> None:
        """Wait for another turn that may be about to end, or be dead. If it is dead, end it.

        The clocks of two machines may differ. So what counts is whether the beat moves.

        Raises:
            RefusedError: the other turn runs (409).
        """
        begun = monotonic()
        while (run := await turn_records.run_of(other.turn_id)) is not None:
            own = self._turns.get(other.turn_id)
            is_ending = run.is_told_to_stop or (own is not None and own.early is not None)
            patience = LEASE_SECONDS if is_ending else GRACE_SECONDS
            lives = own is not None or run.beat_at != other.beat_at
            waited = monotonic() - begun
            if lives and waited > patience:
                raise RefusedError(409, ANSWERING)
            if not lives and waited > LEASE_SECONDS:
                await turn_records.end_dead(other.turn_id, other.beat_at)
            await asyncio.sleep(GRACE_SECONDS / 4)

    async def _record_end(self, turn: RunningTurn, outcome: Outcome) -> None:
        patience = 0.0 if turn.is_unsaved else PATIENCE_SECONDS
        try:
            await until_taken(
                lambda: turn_records.end(turn.new.id, outcome, turn.usage), patience=patience
            )
        except SQLAlchemyError as error:  # others will see that its beat stands still
            logger.error("The end of a turn is not recorded. %s", explain_database_error(error))

    async def _watch(self) -> None:
        ticks, fails = 0, False
        while self._turns:
            await asyncio.sleep(TICK_SECONDS)
            ticks += 1
            self._save_growing()
            ids = list(self._turns)
            if not ids:
                return
            try:
                if ticks % 2 == 0:
                    await answered_within(LEASE_SECONDS, turn_records.renew(ids))
                found = await answered_within(LEASE_SECONDS, turn_records.changed(ids))
            except Exception as error:  # no error may end this loop
                if not fails:
                    logger.error("The turns are not renewed. %s", explain_database_error(error))
                fails = True
                continue
            fails = False
            for turn_id, outcome in found:
                if turn := self._turns.get(turn_id):
                    turn.end("stopped" if outcome == "stopped" else "interrupted")

    def _save_growing(self) -> None:
        for turn in self._turns.values():
            if turn.save and not turn.is_saving and monotonic() - turn.saved_at >= SAVE_SECONDS:
                turn.is_saving = True
                self._in_background(self._save(turn, turn.save))

    async def _save(self, turn: RunningTurn, save: Callable[[], Awaitable[None]]) -> None:
        try:
            async with turn.saving:
                await answered_within(ATTEMPT_SECONDS, save())
            turn.is_behind = False
        except NotFoundError:  # the conversation was deleted
            turn.save = None
        except Exception as error:  # the next time may succeed
            if not turn.is_behind:
                logger.warning("A growing answer is not saved yet: %s", type(error).__name__)
            turn.is_behind = True
        finally:
            turn.saved_at = monotonic()
            turn.is_saving = False

    def _in_background(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work, context=Context())
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def wait_after_turn(self, work: asyncio.Future[bool]) -> bool:
        """Wait for some work after a turn, and return its result; False if the server stops first.

        The work itself goes on if the waiting ends.
        """
        waiting = asyncio.shield(work)
        self._waiting.add(waiting)
        try:
            await asyncio.wait([waiting])
        finally:
            self._waiting.discard(waiting)
        return not waiting.cancelled() and waiting.result()

    async def stop(self, thread_id: str, owner: str) -> bool:
        """Stop the turn of a conversation, and return whether there is one to stop.

        A turn of another process stops within a second.
        """
        is_running = await turn_records.tell_to_stop(thread_id, owner)
        for turn in self._turns.values():
            if turn.new.thread_id == thread_id and turn.new.context.owner == owner:
                turn.end("stopped")
        return is_running

    async def latest(self, thread_id: str, owner: str) -> LatestTurn | None:
        """Return the newest turn of a conversation; None if it has none.

        If its process has died, it is `interrupted`, though its record does not say so yet.
        """
        turn = await turn_records.latest(thread_id, owner)
        if turn is None or turn.outcome != "running" or turn.id in self._turns:
            return turn
        if datetime.now(UTC) - turn.beat_at < timedelta(seconds=LEASE_SECONDS):
            return turn
        # It has died, or the clock of its machine is slow. Then its beat moves.
        await asyncio.sleep(LEASE_SECONDS / 2)
        run = await turn_records.run_of(turn.id)
        if run is None:
            return await turn_records.latest(thread_id, owner)
        return turn if run.beat_at != turn.beat_at else replace(turn, outcome="interrupted")

    async def interrupt_all(self) -> None:
        """End all turns, and wait until they have stored their answers, or time is up."""
        turns = [*self._turns.values(), *self._beginning]
        tasks = [turn.task for turn in turns if turn.task]
        for turn in turns:
            turn.end("interrupted")
        for one in self._waiting:
            one.cancel()
        waiting = {*tasks, *self._background} - {asyncio.current_task()}
        if waiting:
            await asyncio.wait(waiting, timeout=FAREWELL_SECONDS)


here = RunningTurns()
"""The turns of this process."""


async def to_its_end(work: Coroutine[Any, Any, Result]) -> Result:
    """Do some work, and finish it also if the task is cancelled meanwhile."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # the caller ends anyway
        raise


async def until_taken(
    save: Callable[[], Awaitable[Result]],
    tell: Callable[[], None] = lambda: None,
    patience: float = PATIENCE_SECONDS,
) -> Result:
    """Save something, again and again if the database is away.

    Args:
        save: saves it. It may run several times.
        tell: called once when the first attempt has failed.
        patience: for how many seconds.

    Raises:
        SQLAlchemyError: the database has not taken it.
    """
    over = monotonic() + patience
    pause = 0.1
    while True:
        try:
            return await answered_within(ATTEMPT_SECONDS, save())
        except (SQLAlchemyError, OSError) as error:
            is_final = isinstance(error, NOT_TEMPORARY) or NO_TABLE.search(str(error))
            if is_final or monotonic() + pause > over:
                raise
            tell()
            tell = lambda: None  # noqa: E731
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
