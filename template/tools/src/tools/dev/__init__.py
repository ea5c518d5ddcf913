"""`uv run dev`: installs, migrates, starts both sides, prints one address."""

import argparse
import signal
import sys
from contextlib import suppress
from types import FrameType

from tools import print_any_sign

_SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # Windows lacks some, Unix the last
    if hasattr(signal, name)
]


class Stopped(BaseException):
    """Somebody wants dev to stop. Not an `Exception`, so that nobody swallows it."""

    def __init__(self, signum: int) -> None:
        """Keep which signal it was."""
        super().__init__(signum)
        self.exit_status = 128 + signum
        """What shells expect of a program that a signal has ended: 130 after Ctrl-C."""


_received: list[Stopped] = []


def raise_when_stopped() -> None:
    """Make a signal raise `Stopped` in the main thread.

    Python swallows what a signal raises in a destructor or in a callback of the garbage collector.
    `expect_no_signal` raises it once more.
    """

    def stop(signum: int, _frame: FrameType | None) -> None:
        _received.append(Stopped(signum))
        raise _received[0]

    for one in _SIGNALS:
        if signal.getsignal(one) != signal.SIG_IGN:  # as under nohup
            signal.signal(one, stop)


def expect_no_signal() -> None:
    """Raise the `Stopped` of a signal that has come, if nobody has caught it."""
    if _received:
        raise _received[0]


def ignore_signals() -> None:
    """Let nothing interrupt the tidying up, which takes seconds at most."""
    for one in _SIGNALS:
        signal.signal(one, lambda _signum, _frame: None)


def main() -> None:
    """Run both sides until one stops or somebody stops them, and leave no process behind.

    Exits with 128 and the signal's number when it was stopped (130 after Ctrl-C), as shells expect,
    and with 1 when something failed.
    """
    raise_when_stopped()
    status = 1
    last_words = ""
    try:
        print_any_sign()
        argparse.ArgumentParser(
            prog="dev",
            description="Install, migrate and start both sides, and print the address of the page. "
            "BACKEND_PORT and FRONTEND_PORT choose other ports.",
        ).parse_args()
        last_words = _run()
    except Stopped as stopped:
        status = stopped.exit_status
        last_words = "Stopped."
    except BrokenPipeError:  # whoever read the output is gone: nobody reads why, either
        pass
    finally:
        ignore_signals()
    if last_words:
        with suppress(OSError):  # the terminal may be closed
            print(f"\n{last_words}", file=sys.stderr)
    sys.exit(status)


def _run() -> str:
    # Slow to import, and Ctrl-C may come at once.
    from kit.errors import StartupError
    from tools.dev.sides import Family, run

    family = Family()
    try:
        return run(family)
    except StartupError as error:
        return str(error)
    finally:
        ignore_signals()
        family.end(patience=3)
