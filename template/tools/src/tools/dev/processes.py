"""Every process that dev starts, found again even when its parent has died."""

import signal
import uuid
from collections.abc import Iterator
from contextlib import suppress
from types import FrameType

import psutil

_VARIABLE = "CHATKIT_DEV_RUN"


class Family:
    """All processes that were started with this family's mark in their environment."""

    def __init__(self) -> None:
        """Invent the mark."""
        self.mark = {_VARIABLE: uuid.uuid4().hex}

    def end(self, patience: float) -> None:
        """End all of them: asked first, killed after `patience` seconds."""
        members = list(self._members())
        for process in members:
            with suppress(psutil.Error):
                process.terminate()
        psutil.wait_procs(members, timeout=patience)
        members = list(self._members())  # some may have been born meanwhile
        for process in members:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(members, timeout=patience)

    def _members(self) -> Iterator[psutil.Process]:
        for process in psutil.process_iter():
            try:
                if process.environ().get(_VARIABLE) == self.mark[_VARIABLE]:
                    yield process
            except (psutil.Error, OSError):
                continue


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
