"""Which event loop runs the app."""

import asyncio
import sys
from collections.abc import Callable


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return what makes an event loop, for `asyncio.Runner(loop_factory=loop_factory())`.

    Python's usual loop on Windows cannot run psycopg; the selector loop can.
    """
    if sys.platform == "win32":
        return asyncio.SelectorEventLoop
    return asyncio.new_event_loop


def uvicorn_loop() -> str:
    """Return the same choice as uvicorn's `loop` option; elsewhere uvicorn takes the fastest."""
    return "asyncio:SelectorEventLoop" if sys.platform == "win32" else "auto"
