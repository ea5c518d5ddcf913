"""How many answers a person may ask for in a minute: guests spend the owner's key."""

import math
import time
from functools import cache

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from app.errors import RefusedError
from app.settings import get_settings


@cache
def _limiter() -> MovingWindowRateLimiter:
    return MovingWindowRateLimiter(MemoryStorage())


async def count_turn(owner: str) -> None:
    """Count a turn of somebody's.

    Raises:
        RefusedError: they have had all of this minute; says when they may go on.
    """
    most = get_settings().turns_per_minute
    limit = RateLimitItemPerMinute(most)
    if most == 0 or await _limiter().hit(limit, owner):
        return
    window = await _limiter().get_window_stats(limit, owner)
    seconds = max(1, math.ceil(window.reset_time - time.time()))
    raise RefusedError(
        429, f"{most} answers a minute are the most here. Go on in {seconds} s.", seconds
    )
