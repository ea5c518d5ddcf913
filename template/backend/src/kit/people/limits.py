"""How much may be asked for: a stranger could spend the owner's key, and stop everybody else.

All is counted in this process: in each worker and on each machine anew.
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from limits import RateLimitItemPerMinute, WindowStats
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from kit.errors import RefusedError
from kit.people.identity import RequestContext
from kit.settings import get_settings

GUEST = "guest_"
"""What the names of owners begin with whom nobody knows: a new cookie is a new guest."""

A_WHILE = 5
"""After how many seconds to try again, where nobody knows when something ends."""

IN_HAND = 2
"""How many requests of a sender are worked on at a time."""

REST = 4
"""How many times as long as a request has kept everybody waiting its place stays empty.

So one sender has two fifths of the event loop at most.
"""

REST_SECONDS = 0.03
"""How long it stays empty at least, where others of its sender wait: the page rests too."""

Result = TypeVar("Result")


def sender_of(context: RequestContext) -> str:
    """Return who sends a request, where a new cookie makes nobody new.

    The guests of one network are one, where it is known.
    """
    is_guest = context.owner.startswith(GUEST)
    return context.address if is_guest and context.address else context.owner


@dataclass(frozen=True)
class _Rate:
    """How often something may be done in a minute."""

    most: int
    whose: tuple[str, ...]
    words: str


async def count_turn(context: RequestContext) -> None:
    """Count a turn: of the person, and of a guest for their address and for all guests.

    Raises:
        RefusedError: there have been all of this minute (429); says when to go on. Nothing is
            counted then.
    """
    settings = get_settings()
    most, words = settings.turns_per_minute, "{} answers a minute are the most here."
    rates = [_Rate(most, ("turn", context.owner), words)]
    if context.owner.startswith(GUEST):
        most = settings.turns_per_minute_guests
        words = "{} answers a minute are the most for all guests together."
        rates.append(_Rate(most, ("turn of a guest",), words))
        if context.address is not None:
            most = settings.turns_per_minute_address
            words = "{} answers a minute are the most for the guests of one network."
            rates.append(_Rate(most, ("turn from", context.address), words))
    await _count(rates)


async def count_upload(context: RequestContext) -> None:
    """Count a file that somebody uploads, or announces: of guests, for their address.

    Raises:
        RefusedError: they have had all of this minute (429); says when to go on.
    """
    most, words = get_settings().uploads_per_minute, "{} files a minute are the most here."
    await _count([_Rate(most, ("upload", sender_of(context)), words)])


async def limit_rate(name: str, owner: str, per_minute: int, guests_per_minute: int = 0) -> None:
    """Count what somebody asks of a route of yours.

    Args:
        name: what is counted.
        owner: who asks.
        per_minute: how often each may; 0 is without end.
        guests_per_minute: how often all guests together may: a new cookie is a new guest.

    Raises:
        RefusedError: there have been all of this minute (429); says when to go on. Nothing is
            counted then.
    """
    words = "{} a minute are the most here."
    rates = [_Rate(per_minute, ("route", name, owner), words)]
    if owner.startswith(GUEST):
        words = "{} a minute are the most for all guests together."
        rates.append(_Rate(guests_per_minute, ("route of guests", name), words))
    await _count(rates)


@contextmanager
def running_turn_of(context: RequestContext) -> Iterator[None]:
    """Count a turn as one that runs, until the end of the block.

    Raises:
        RefusedError: as many run as may (429).
    """
    settings = get_settings()
    of_all = "Too many answers are being written at the moment."
    of_person = f"{settings.turns_at_once} answers at once are the most here. Let one of them end."
    with (
        _at_once("turns", settings.turns_at_once_all, of_all),
        _at_once(f"turns of {context.owner}", settings.turns_at_once, of_person),
    ):
        yield


@contextmanager
def running_request_of(context: RequestContext) -> Iterator[None]:
    """Count a request as one that is being answered, until the end of the block.

    Raises:
        RefusedError: as many are as may be (429).
    """
    most = get_settings().requests_at_once
    with _at_once(
        f"requests of {context.owner}", most, f"{most} requests at once are the most here."
    ):
        yield


class Lines:
    """A line for each sender: what is too much at a time waits, and nobody else's behind it."""

    def __init__(self, places: int) -> None:
        """Let so many of a sender's be worked on at a time."""
        self._places = places
        self._of_sender = WeakValueDictionary[str, asyncio.Semaphore]()

    def of(self, sender: str) -> asyncio.Semaphore:
        """Return a sender's line. It is there as long as somebody holds it."""
        return self._of_sender.setdefault(sender, asyncio.Semaphore(self._places))


_lines = Lines(IN_HAND)


async def in_line(
    context: RequestContext, work: Callable[[], Coroutine[Any, Any, Result]]
) -> Result:
    """Do what is soon done, when the requests of its sender that came before leave a place.

    All share one event loop, and a flood of one sender's would put hundreds before a bystander's.
    """
    line = _lines.of(sender_of(context))
    await line.acquire()
    busy = _Timed(work())
    try:
        return await busy
    finally:
        rest = max(busy.seconds * REST, REST_SECONDS if line.locked() else 0)
        asyncio.get_running_loop().call_later(rest, line.release)


class _Timed(Generator[Any, None, Result]):
    """Something to wait for, which knows for how long it has kept the event loop itself."""

    def __init__(self, work: Coroutine[Any, Any, Result]) -> None:
        self._work = work
        self.seconds = 0.0

    def __await__(self) -> Generator[Any, None, Result]:
        return self

    def send(self, value: None) -> Any:
        return self._step(self._work.send, value)

    def throw(self, *error: Any) -> Any:
        return self._step(self._work.throw, *error)

    def _step(self, go_on: Callable[..., Any], *value: Any) -> Any:
        start = time.perf_counter()
        try:
            return go_on(*value)
        finally:
            self.seconds += time.perf_counter() - start


_running = Counter[str]()


@contextmanager
def _at_once(what: str, most: int, words: str) -> Iterator[None]:
    if most and _running[what] >= most:
        raise RefusedError(429, f"{words} Try again in {A_WHILE} s.", A_WHILE)
    _running[what] += 1
    try:
        yield
    finally:
        _running[what] -= 1
        if not _running[what]:
            del _running[what]


@cache
def _limiter() -> MovingWindowRateLimiter:
    return MovingWindowRateLimiter(MemoryStorage())


async def _count(rates: list[_Rate]) -> None:
    # What is refused for one reason is counted for no other.
    for attempt in (_limiter().test, _limiter().hit):
        for rate in rates:
            if rate.most == 0:
                continue
            limit = RateLimitItemPerMinute(rate.most)
            if not await attempt(limit, *rate.whose):
                seconds = seconds_left(await _limiter().get_window_stats(limit, *rate.whose))
                words = rate.words.format(rate.most)
                raise RefusedError(429, f"{words} Go on in {seconds} s.", seconds)


def seconds_left(window: WindowStats) -> int:
    """Return in how many seconds there is room again in what is counted for a time."""
    return max(1, math.ceil(window.reset_time - time.time()))
