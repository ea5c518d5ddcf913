"""The processes that a project has started, and whether they live and answer."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import psutil
from contract.chat import PATIENCE, TLS


def heed_signals() -> None:
    """Let what is started from now on heed the signals that a shell has set to be ignored.

    As nohup does, and `&` in a script. A handler of Python's own is not inherited.
    """
    if sys.platform != "win32":
        for signum in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(signum) is signal.SIG_IGN:
                signal.signal(signum, lambda *_: None)


OF_A_TERMINAL: dict[str, Any]
"""The options of a process that runs alone in a terminal, in which somebody may press keys."""
if sys.platform == "win32":
    OF_A_TERMINAL = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
else:
    OF_A_TERMINAL = {"start_new_session": True}


def press_ctrl_c(pid: int) -> None:
    """Interrupt all that runs in a terminal, in which this process was started first.

    On Windows it is Ctrl-Break: such a process is not told of Ctrl-C.
    """
    if sys.platform == "win32":
        try:
            os.kill(pid, signal.CTRL_BREAK_EVENT)
        except OSError:  # there is no console
            kill_tree(pid)
    else:
        os.killpg(pid, signal.SIGINT)


def interrupt(process: psutil.Process) -> None:
    """Interrupt a process alone, where the system can: on Windows with those in its terminal.

    A process that has ended stays as it is.
    """
    if not process.is_running():
        return
    if sys.platform == "win32":
        press_ctrl_c(process.pid)
    else:
        with suppress(psutil.NoSuchProcess):  # one that was killed may end just now
            process.send_signal(signal.SIGINT)


def kill_tree(pid: int) -> None:
    """Kill a process and those that it has started: the Python of Windows starts the real one."""
    with suppress(psutil.NoSuchProcess):
        top = psutil.Process(pid)
        family = [top, *top.children(recursive=True)]
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(family, timeout=PATIENCE)


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
