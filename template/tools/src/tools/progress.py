"""What `uv run dev` shows while it works: a step and its time, and what both sides say."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import Popen

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from tools import terminal


@contextmanager
def step(doing: str, done: str = "") -> Iterator[None]:
    """Show that something is going on. On a terminal a clock runs beside it.

    Args:
        doing: what is going on.
        done: what is said with the time if it succeeds; without it nothing is said.
    """
    console = terminal()
    started = time.monotonic()
    if console.is_terminal:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            progress.add_task(f"{doing} ...", total=None)
            yield
    else:
        console.print(f"{doing} ...")
        yield
    if done:
        console.print(f"{done} in {time.monotonic() - started:.0f} s.")


BANNER = re.compile(
    r"""
    ▲\ Next\.js
    | -\ (Local|Network|Environments|Experiments)\b
    | ✓\ (Ready|Starting|Running\ next\.config)
    | \ \ [✓⨯·]\ \w+$  # an experiment
    | .*\ exited\ with\ code\ (0|SIG\w+)$
    | \s*$
    """,
    re.VERBOSE,
)
"""What Next.js and concurrently say of themselves. The address is not ready when it is named."""

ASKED = re.compile(r"\s*(GET|POST) \S+ 200 in |INFO: \S+ 200 |[○✓] Compil(ing|ed)\b")
"""The lines of requests that were answered."""


class Screen:
    """Shows what both sides say, without their banners."""

    def __init__(self, process: Popen[str]) -> None:
        """Begin to show the lines of a process; end the process if nobody reads them."""
        self.is_ready = False
        """Whether the person may have made a request. Before, each request is one of dev's."""
        self._process = process
        self._console = terminal()
        self._reader = threading.Thread(target=self._show, daemon=True)
        self._reader.start()

    def end(self, patience: float) -> None:
        """Show what is left, for so many seconds: an orphan may hold the output for ever."""
        self._reader.join(patience)

    def _show(self) -> None:
        assert self._process.stdout
        with self._process.stdout as lines:
            for line in lines:
                text = Text.from_ansi(line.rstrip())
                said = text.plain.partition("] ")[2]
                if BANNER.match(said) or (not self.is_ready and ASKED.match(said)):
                    continue
                try:
                    self._console.print(text)
                except OSError:
                    self._process.terminate()
                    return
