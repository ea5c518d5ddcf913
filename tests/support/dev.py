"""A project that runs by `uv run dev`, and what it leaves behind."""

import re
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
from contract.chat import PATIENCE, wait_until

from support.ports import free_port, listens
from support.processes import OF_A_TERMINAL, kill_tree, press_ctrl_c, processes_below
from support.projects import Project, clean_environment, found

READY = re.compile(r"Your chat is ready: (http://127\.0\.0\.1:\d+(?:/\S+)?)")


class Dev:
    """`uv run dev`, started by somebody in a terminal."""

    def __init__(
        self,
        folder: Path,
        env: Mapping[str, str] | None = None,
        command: Sequence[str] = ("uv", "run", "dev"),
    ) -> None:
        self.backend_port, self.frontend_port = free_port(), free_port()
        self.lines: list[str] = []
        ports = {"BACKEND_PORT": str(self.backend_port), "FRONTEND_PORT": str(self.frontend_port)}
        environment = clean_environment() | ports | dict(env or {})
        self.process = subprocess.Popen(
            found(command, environment),
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            **OF_A_TERMINAL,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        self.lines.extend(self.process.stdout)

    @property
    def output(self) -> str:
        """All that it printed so far."""
        return "".join(self.lines)

    def wait_for_address(self, seconds: float = 300) -> str:
        """Return the address that it prints in the end."""
        wait_until(lambda: READY.search(self.output) or self.has_ended(), seconds)
        found = READY.search(self.output)
        assert found, self.output
        return found[1]

    def has_ended(self) -> bool:
        """Whether the command is over."""
        return self.process.poll() is not None

    def family(self) -> list[psutil.Process]:
        """Return the processes of both sides and of those that look after them."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def interrupt(self) -> None:
        """Press Ctrl-C, which reaches the whole group in the foreground."""
        press_ctrl_c(self.process.pid)

    def stop(self) -> None:
        """End it, whatever state it is in."""
        if not self.has_ended():
            self.interrupt()
        try:
            self.wait()
        except subprocess.TimeoutExpired:
            kill_tree(self.process.pid)
            raise

    def wait(self) -> None:
        """Wait until it is over, and all that it printed is heard."""
        self.process.wait(PATIENCE)
        self._reader.join(10)  # not for ever: a process that stays may hold its output


@contextmanager
def dev(project: Project, env: Mapping[str, str] | None = None) -> Iterator[Dev]:
    """Run a project until the end of the block."""
    running = Dev(project.path, env)
    try:
        yield running
    finally:
        running.stop()


def nothing_stays(running: Dev, project: Project) -> None:
    """Fail unless every process is gone, the database's server too."""
    running.wait()
    wait_until(lambda: not processes_below(project.path))
    assert not listens(running.backend_port)
    assert not listens(running.frontend_port)
