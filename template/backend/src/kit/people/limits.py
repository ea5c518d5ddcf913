"""Rate limits, so that a stranger can neither spend the API key nor block other people.

Each process counts for itself: workers and machines share no counters. The limits of turns are in
`kit.database.turn_records`, which all processes share.
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Generator
from contextlib import AbstractContextManager
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
"""The prefix of owners who are not signed in. Each new cookie makes a new guest."""

A_WHILE = 5
"""The Retry-After in seconds when the end of the wait is unknown."""

IN_HAND = 2
"""How many requests of one sender are handled at a time."""

REST = 4
"""How long a place stays empty after a request, as a multiple of its time on the event loop.

With 2 places, one sender can use at most two fifths of the event loop.
"""

REST_SECONDS = 0.03
"""The minimum time that a place stays empty while requests of the sender wait.

The page's server has the same pause.
"""

Result = TypeVar("Result")


def sender_of(context: RequestContext) -> str:
    """Return the sender to count a request for, independent of a guest's cookies.

    Guests count together by their network address, if it is known. Everybody else counts as owner.
    """
    is_guest = context.owner.startswith(GUEST)
    return context.address if is_guest and context.address else context.owner


@dataclass(frozen=True)
class _Rate:
    """A limit per minute. `most` is the number, `whose` the key, `words` the message."""

    most: int
    whose: tuple[str, ...]
    words: str


async def count_upload(context: RequestContext) -> None:
    """Count an uploaded or announced file. The guests of one network address count together.

    Raises:
        RefusedError: the limit is reached (429); the message says when to continue.
    """
    most, words = get_settings().uploads_per_minute, "At most {} files a minute are allowed here."
    await _count([_Rate(most, ("upload", sender_of(context)), words)])


async def limit_rate(name: str, owner: str, per_minute: int, guests_per_minute: int = 0) -> None:
    """Limit how often a route of your own is called.

    Args:
        name: the name of the counter, such as the route's.
        owner: the owner who calls the route.
        per_minute: how many calls one owner may make in a minute; 0 for no limit.
        guests_per_minute: how many calls all guests together may make in a minute; 0 for no limit.
            Guests need this limit because each new cookie makes a new guest.

    Raises:
        RefusedError: a limit is reached (429); the message says when to continue. Nothing is
            counted then.
    """
    words = "At most {} requests a minute are allowed here."
    rates = [_Rate(per_minute, ("route", name, owner), words)]
    if owner.startswith(GUEST):
        words = "At most {} requests a minute are allowed for all guests together."
        rates.append(_Rate(guests_per_minute, ("route of guests", name), words))
    await _count(rates)


_running = Counter[str]()


class _Running(AbstractContextManager[None]):
    """Counts a request of an owner as running until the end of the block.

    A silent stream counts for minutes, and an object needs less memory than a generator.
    """

    def __init__(self, owner: str) -> None:
        self._owner = owner

    def __enter__(self) -> None:
        most = get_settings().requests_at_once
        if most and _running[self._owner] >= most:
            words = f"At most {most} requests at once are allowed here."
            raise RefusedError(429, f"{words} Try again in {A_WHILE} s.", A_WHILE)
        _running[self._owner] += 1

    def __exit__(self, *_error: object) -> None:
        _running[self._owner] -= 1
        if not _running[self._owner]:
            del _running[self._owner]


def running_request_of(context: RequestContext) -> AbstractContextManager[None]:
    """Count a request as running until the end of the block.

    Raises:
        RefusedError: REQUESTS_AT_ONCE is reached (429).
    """
    return _Running(context.owner)


class Lines:
    """A queue for each sender, so that nobody waits for the requests of another sender."""

    def __init__(self, places: int) -> None:
        """Create the queues. `places` is how many tasks of one sender run at a time."""
        self._places = places
        self._of_sender = WeakValueDictionary[str, asyncio.Semaphore]()

    def of(self, sender: str) -> asyncio.Semaphore:
        """Return the queue of a sender. It is dropped when nobody references it."""
        return self._of_sender.setdefault(sender, asyncio.Semaphore(self._places))


_lines = Lines(IN_HAND)


async def in_line(
    context: RequestContext, work: Callable[[], Coroutine[Any, Any, Result]]
) -> Result:
    """Do short work when the sender's queue has a place, and return its result.

    All requests share one event loop. Without a queue, a flood of requests from one sender would
    run before the requests of others.
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
    """An awaitable that measures how long its coroutine occupies the event loop."""

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


@cache
def _limiter() -> MovingWindowRateLimiter:
    return MovingWindowRateLimiter(MemoryStorage())


async def _count(rates: list[_Rate]) -> None:
    # All limits are tested first, so that a refused request is counted for none of them.
    for attempt in (_limiter().test, _limiter().hit):
        for rate in rates:
            if rate.most == 0:
                continue
            limit = RateLimitItemPerMinute(rate.most)
            if not await attempt(limit, *rate.whose):
                seconds = seconds_left(await _limiter().get_window_stats(limit, *rate.whose))
                words = rate.words.format(rate.most)
                raise RefusedError(429, f"{words} Try again in {seconds} s.", seconds)


def seconds_left(window: WindowStats) -> int:
    """Return after how many seconds, at least 1, the window allows something again."""
    return max(1, math.ceil(window.reset_time - time.time()))
