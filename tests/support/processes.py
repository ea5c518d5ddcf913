"""The processes that a project has started, and whether they live and answer."""

import signal
from pathlib import Path

import httpx2
import psutil
from contract.chat import TLS


def heed_signals() -> None:
    """Let what is started from now on heed the signals that a shell has set to be ignored.

    As nohup does, and `&` in a script. A handler of Python's own is not inherited.
    """
    for signum in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(signum) is signal.SIG_IGN:
            signal.signal(signum, lambda *_: None)


def is_alive(pid: int) -> bool:
    """Whether a process has not ended."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def is_up(pid: int, address: str) -> bool:
    """Whether the server that a process runs answers.

    Raises:
        AssertionError: the process has ended.
    """
    assert is_alive(pid), "the server ended"
    try:
        return httpx2.get(address, verify=TLS, timeout=5).is_success
    except httpx2.TransportError:
        return False


def processes_below(folder: Path) -> list[psutil.Process]:
    """Return the processes that a project has started: those that work in it or run from it."""
    return [process for process in psutil.process_iter() if _belongs(process, str(folder))]


def _belongs(process: psutil.Process, folder: str) -> bool:
    try:
        return process.cwd().startswith(folder) or any(
            folder in argument for argument in process.cmdline()
        )
    except psutil.Error:
        return False
