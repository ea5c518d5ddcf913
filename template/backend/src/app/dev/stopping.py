"""Ctrl-C, a closed terminal, a process manager: all end dev in the same way."""

import signal
from types import FrameType

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
