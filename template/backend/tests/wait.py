"""Waiting for a condition, not for a time."""

import time
from collections.abc import Callable


def wait_until(
    condition: Callable[[], object], seconds: float = 30, problem: str = "not yet"
) -> None:
    """Return once the condition holds.

    Raises:
        AssertionError: it does not hold in time; names the problem.
    """
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{problem} after {seconds} s"
        time.sleep(0.02)
