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
    start = time.monotonic()
    while not condition():
        waited = time.monotonic() - start
        assert waited < seconds, f"{problem} after {seconds} s"
        time.sleep(min(0.02 + waited / 20, 0.3))
