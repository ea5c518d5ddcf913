"""`uv run dev`: installs, migrates, starts both sides, prints one address."""

import signal
import sys
from types import FrameType

from kit.errors import StartupError
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


def raise_when_stopped() -> None:
    """Make the first signal raise `Stopped` in the main thread; later ones do nothing."""

    def stop(signum: int, _frame: FrameType | None) -> None:
        ignore_signals()
        raise Stopped(signum)

    for one in _SIGNALS:
        if signal.getsignal(one) != signal.SIG_IGN:  # as under nohup
            signal.signal(one, stop)


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
    print_any_sign()
    status = 1
    failure = ""
    try:
        failure = _run()
    except StartupError as error:
        failure = str(error)
    except Stopped as stopped:
        status = stopped.exit_status
    except BrokenPipeError:  # whoever read the output is gone: nobody reads why, either
        pass
    finally:
        ignore_signals()
    if failure:
        print(f"\n{failure}", file=sys.stderr)
    sys.exit(status)


def _run() -> str:
    # Slow to import, and Ctrl-C may come at once.
    from tools.dev.sides import Family, run

    family = Family()
    try:
        return run(family)
    finally:
        ignore_signals()
        family.end(patience=3)
