"""Every process that dev starts, found again even when its parent has died."""

import uuid
from collections.abc import Iterator
from contextlib import suppress

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
