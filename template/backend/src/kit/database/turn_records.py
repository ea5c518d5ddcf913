"""The records of turns: who may begin one, which ones run, and what they have used.

All processes share them. So a limit is the same with any number of processes, a conversation is
answered once at a time, and each process can stop a turn of another one.
"""

import hashlib
import hmac
import math
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Literal, cast

from sqlalchemy import (
    ColumnElement,
    Select,
    Table,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from kit.database import tables
from kit.database.engine import read, write
from kit.errors import RefusedError
from kit.people.identity import RequestContext
from kit.people.limits import A_WHILE, GUEST
from kit.settings import get_settings

Outcome = Literal["running", "answered", "stopped", "failed", "interrupted"]

LEASE_SECONDS = 4.0
"""How long a beat may stand still before others take the turn for dead. It beats every second."""

COUNTED_FOR = timedelta(seconds=30)
"""How long a turn without a beat still counts as running. The clocks of machines may differ."""

DEAD_AFTER = timedelta(minutes=2)
"""After how long without a beat the sweep ends the record of a turn."""

MINUTE = timedelta(minutes=1)

MODEL_CHARACTERS = 255
NETWORK_CHARACTERS = 32

_TURNS = cast(Table, tables.TurnRecord.__table__)
_LOCKS = cast(Table, tables.Lock.__table__)
_LOCK = "turns"

_RUNS = _TURNS.c.ended_at.is_(None)
_RUNNING_IN = select(_TURNS.c.id, _TURNS.c.beat_at).where(
    _TURNS.c.conversation_id == bindparam("thread_id"), _RUNS
)
_TAKE_LOCK = select(_LOCKS.c.name).where(_LOCKS.c.name == _LOCK).with_for_update()
_ADD = insert(_TURNS)
_OF_THESE = _TURNS.c.id.in_(bindparam("ids", expanding=True))
_RENEW = update(_TURNS).where(_OF_THESE, _RUNS)
_CHANGED = select(_TURNS.c.id, _TURNS.c.outcome).where(
    _OF_THESE, ~_RUNS | (_TURNS.c.outcome != "running")
)


@dataclass(frozen=True)
class NewTurn:
    """A turn that is about to begin."""

    context: RequestContext
    thread_id: str | None
    """The conversation in which no other turn may run; None if others may."""
    id: str = field(default_factory=lambda: f"trn_{secrets.token_hex(16)}")


class AnsweringError(Exception):
    """Another turn of the conversation runs, as its record says. Its process may have died."""

    def __init__(self, turn_id: str, beat_at: datetime) -> None:
        """Create the error.

        Args:
            turn_id: the other turn.
            beat_at: its beat.
        """
        super().__init__(turn_id)
        self.turn_id = turn_id
        self.beat_at = beat_at


@dataclass(frozen=True)
class Usage:
    """What a turn has asked of a model."""

    model: str | None = None
    tokens_in: int = 0
    tokens_out: int = 0


@dataclass(frozen=True)
class Run:
    """How a running turn is."""

    beat_at: datetime
    is_told_to_stop: bool


@dataclass(frozen=True)
class LatestTurn:
    """The newest turn of a conversation."""

    id: str
    outcome: Outcome
    """`running` also of a turn whose process has died, and of one that is told to stop."""
    beat_at: datetime


async def begin(session: AsyncSession, turn: NewTurn, is_first: bool = False) -> None:
    """Record a turn that begins, if nothing speaks against it.

    Args:
        session: of a transaction that has locked the turn's conversation, or has made it. It should
            end soon: meanwhile no other turn begins.
        turn: the turn.
        is_first: whether the transaction has made the conversation.

    Raises:
        AnsweringError: another turn of the conversation runs.
        RefusedError: a limit is reached (429); the message says when to continue.
    """
    now = datetime.now(UTC)
    if turn.thread_id is not None and not is_first:
        running = (await session.execute(_RUNNING_IN, {"thread_id": turn.thread_id})).first()
        if running is not None:
            raise AnsweringError(running.id, aware(running.beat_at))
    network = network_of(turn.context)
    await _check_limits(session, turn.context.owner, network, now)
    await session.execute(
        _ADD,
        {
            "id": turn.id,
            "conversation_id": turn.thread_id,
            "owner": turn.context.owner,
            "network": network,
            "request_id": turn.context.request_id,
            "started_at": now,
            "beat_at": now,
            "outcome": "running",
        },
    )


def network_of(context: RequestContext) -> str | None:
    """Return a digest of a guest's network address; None for others, or if it is unknown."""
    if context.address is None or not context.owner.startswith(GUEST):
        return None
    secret = get_settings().chatkit_secret.get_secret_value().encode()
    digest = hmac.new(secret, context.address.encode(), hashlib.sha256)
    return digest.hexdigest()[:NETWORK_CHARACTERS]


@dataclass(frozen=True, eq=False)
class _Limit:
    """A limit. `counted` are the rows that count, `amount` is what is summed up of them."""

    most: int
    words: str
    counted: ColumnElement[bool]
    amount: ColumnElement[int]
    kind: Literal["minute", "at once", "day"]


async def _check_limits(
    session: AsyncSession, owner: str, network: str | None, now: datetime
) -> None:
    limits = _limits(owner.startswith(GUEST), network is not None)
    if not limits:
        return
    await _lock(session)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    values = {
        "owner": owner,
        "network": network,
        "minute": now - MINUTE,
        "alive": now - COUNTED_FOR,
        "day": midnight,
    }
    counts = (await session.execute(_counting(limits), values)).one()
    for limit, count in zip(limits, counts, strict=True):
        if count < limit.most:
            continue
        seconds = A_WHILE
        if limit.kind == "minute":
            oldest = await session.scalar(
                select(func.min(_TURNS.c.started_at)).where(limit.counted), values
            )
            seconds = _seconds(aware(oldest) + MINUTE - now)
        elif limit.kind == "day":
            seconds = _seconds(midnight + timedelta(days=1) - now)
        words = limit.words.format(limit.most)
        raise RefusedError(429, f"{words} Try again in {seconds} s.", seconds)


async def _lock(session: AsyncSession) -> None:
    """Be the only transaction that counts turns, until it ends."""
    if session.get_bind().dialect.name == "sqlite":  # where it is the only one that writes
        return
    while await session.scalar(_TAKE_LOCK) is None:
        try:
            async with write() as other:
                await other.execute(insert(_LOCKS), {"name": _LOCK})
        except IntegrityError:  # another process has just made it
            pass


@cache
def _limits(is_guest: bool, has_network: bool) -> tuple[_Limit, ...]:
    """Return the limits that the settings set for somebody."""
    settings, column = get_settings(), _TURNS.c
    one: ColumnElement[int] = func.count()
    tokens: ColumnElement[int] = func.coalesce(func.sum(column.tokens_in + column.tokens_out), 0)
    by_person = column.owner == bindparam("owner")
    by_guests = column.owner.startswith(GUEST, autoescape=True)
    in_minute = column.started_at > bindparam("minute", type_=column.started_at.type)
    today = column.started_at >= bindparam("day", type_=column.started_at.type)
    at_once = _RUNS & (column.beat_at > bindparam("alive", type_=column.beat_at.type))
    a_minute = "At most {} answers a minute are allowed"
    a_day = "The {} tokens that may be used in a day"
    limits = [
        _Limit(
            settings.turns_at_once_all,
            "Too many answers are being written at the moment.",
            at_once,
            one,
            "at once",
        ),
        _Limit(
            settings.turns_at_once,
            "Only {} answers at once are allowed. Wait until one ends.",
            at_once & by_person,
            one,
            "at once",
        ),
        _Limit(
            settings.turns_per_minute, f"{a_minute} here.", in_minute & by_person, one, "minute"
        ),
        _Limit(
            settings.turns_per_minute_all,
            f"{a_minute} for all together.",
            in_minute,
            one,
            "minute",
        ),
        _Limit(
            settings.tokens_per_day, f"{a_day} here are used up.", today & by_person, tokens, "day"
        ),
        _Limit(settings.tokens_per_day_all, f"{a_day} by all are used up.", today, tokens, "day"),
    ]
    if is_guest:
        limits += [
            _Limit(
                settings.turns_at_once_guests,
                "Too many answers to guests are being written at the moment.",
                at_once & by_guests,
                one,
                "at once",
            ),
            _Limit(
                settings.turns_per_minute_guests,
                f"{a_minute} for all guests together.",
                in_minute & by_guests,
                one,
                "minute",
            ),
            _Limit(
                settings.tokens_per_day_guests,
                f"{a_day} by all guests are used up.",
                today & by_guests,
                tokens,
                "day",
            ),
        ]
    if has_network:
        of_network = in_minute & by_guests & (column.network == bindparam("network"))
        limits.append(
            _Limit(
                settings.turns_per_minute_address,
                f"{a_minute} for the guests of one network.",
                of_network,
                one,
                "minute",
            )
        )
    return tuple(limit for limit in limits if limit.most)


@cache
def _counting(limits: tuple[_Limit, ...]) -> Select[Any]:
    """Return one statement with the amounts of all limits."""
    return select(
        *(select(limit.amount).where(limit.counted).scalar_subquery() for limit in limits)
    )


def _seconds(time: timedelta) -> int:
    return max(1, math.ceil(time.total_seconds()))


def aware(moment: datetime) -> datetime:
    """Return a time as a database returns it. SQLite and MySQL do not say that it is in UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


async def renew(turn_ids: Collection[str]) -> None:
    """Say that turns still run."""
    async with write() as session:
        await session.execute(_RENEW.values(beat_at=datetime.now(UTC)), {"ids": list(turn_ids)})


async def changed(turn_ids: Collection[str]) -> Sequence[tuple[str, Outcome]]:
    """Return which of the running turns others have told to stop or have ended, and how."""
    async with read() as session:
        rows = await session.execute(_CHANGED, {"ids": list(turn_ids)})
        return [(turn_id, outcome) for turn_id, outcome in rows]


async def end(turn_id: str, outcome: Outcome, usage: Usage) -> None:
    """Record how a turn ended."""
    async with write() as session:
        await session.execute(
            update(_TURNS)
            .where(_TURNS.c.id == turn_id)
            .values(
                ended_at=datetime.now(UTC),
                outcome=outcome,
                model=usage.model and usage.model[:MODEL_CHARACTERS],
                tokens_in=usage.tokens_in,
                tokens_out=usage.tokens_out,
            )
        )


async def run_of(turn_id: str) -> Run | None:
    """Return how a turn runs; None if it has ended."""
    query = select(_TURNS.c.beat_at, _TURNS.c.outcome).where(_TURNS.c.id == turn_id, _RUNS)
    async with read() as session:
        row = (await session.execute(query)).first()
    return row and Run(aware(row.beat_at), is_told_to_stop=row.outcome != "running")


async def end_dead(turn_id: str, beat_at: datetime) -> None:
    """Record the end of a turn whose process has died, unless it has beaten since."""
    async with write() as session:
        await session.execute(
            update(_TURNS)
            .where(_TURNS.c.id == turn_id, _TURNS.c.beat_at == beat_at, _RUNS)
            .values(ended_at=datetime.now(UTC), outcome="interrupted")
        )


async def tell_to_stop(thread_id: str, owner: str) -> bool:
    """Tell the running turn of a conversation to stop, and return whether there is one."""
    async with write() as session:
        connection = await session.connection()
        told = await connection.execute(
            update(_TURNS)
            .where(_TURNS.c.conversation_id == thread_id, _TURNS.c.owner == owner, _RUNS)
            .values(outcome="stopped")
        )
        return told.rowcount > 0


async def latest(thread_id: str, owner: str) -> LatestTurn | None:
    """Return the newest turn of a conversation; None if it has none."""
    query = (
        select(_TURNS.c.id, _TURNS.c.outcome, _TURNS.c.ended_at, _TURNS.c.beat_at)
        .where(_TURNS.c.conversation_id == thread_id, _TURNS.c.owner == owner)
        # One that runs first: the clocks of two machines may differ.
        .order_by(_TURNS.c.ended_at.is_not(None), _TURNS.c.started_at.desc())
        .limit(1)
    )
    async with read() as session:
        row = (await session.execute(query)).first()
    if row is None:
        return None
    outcome: Outcome = "running" if row.ended_at is None else row.outcome
    return LatestTurn(row.id, outcome, aware(row.beat_at))


async def sweep(since: datetime) -> None:
    """End the records of dead turns, and forget those that began before `since`."""
    now = datetime.now(UTC)
    async with write() as session:
        await session.execute(
            update(_TURNS)
            .where(_RUNS, _TURNS.c.beat_at < now - DEAD_AFTER)
            .values(ended_at=now, outcome="interrupted")
        )
        await session.execute(delete(_TURNS).where(_TURNS.c.started_at < since))
