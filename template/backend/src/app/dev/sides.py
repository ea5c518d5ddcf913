"""Both sides, running under `concurrently`, which puts their names before their output."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from app.dev.node import Node

START_SECONDS = 60
"""When a side that was never seen counts as stopped; a slow disk needs most of it."""


class Sides:
    """The backend and the front end. When one stops, the other has to be stopped."""

    def __init__(
        self, frontend: Path, node: Node, frontend_port: int, environment: Mapping[str, str]
    ) -> None:
        """Start both."""
        # concurrently hands each command to a shell. The programs are found on the PATH, so that no
        # path has to be quoted for it, whatever is in its name; and exec leaves no shell behind.
        python = Path(sys.executable)
        run = "exec " if os.name == "posix" else ""
        self._commands = {
            "backend": f"{run}{python.name} -m app.serve --reload",
            "frontend": f"{run}{Path(node.node).name} node_modules/next/dist/bin/next dev"
            f" -H 127.0.0.1 -p {frontend_port}",
        }
        path = [str(python.parent), str(Path(node.node).parent), os.environ.get("PATH", "")]
        # Not with --kill-others: that waits until nobody holds the output of a side, and a side
        # that is killed leaves children behind who do. `stopped` looks at the processes.
        self._process = subprocess.Popen(
            [
                node.node,
                "node_modules/concurrently/dist/bin/concurrently.js",
                f"--names={','.join(self._commands)}",
                "--prefix-colors=cyan,magenta",
                "--pad-prefix",
                *self._commands.values(),
            ],
            cwd=frontend,
            env={
                **environment,
                "PATH": os.pathsep.join(path),
                "NEXT_TELEMETRY_DISABLED": "1",
                "PYTHONUNBUFFERED": "1",  # what your code prints appears at once
                "PYTHONIOENCODING": "utf-8",
            },
            stdin=subprocess.DEVNULL,
            # Ctrl-C reaches dev alone, which ends both sides in order. (Has no effect on Windows.)
            start_new_session=True,
        )
        self._started = time.monotonic()
        self._members: dict[str, psutil.Process] = {}

    def stopped(self) -> str | None:
        """Return the name of the side that has stopped, or `concurrently`; None while all run."""
        if self._process.poll() is not None:
            return "concurrently"
        self._find_members()
        is_late = time.monotonic() - self._started > START_SECONDS
        for name in self._commands:
            member = self._members.get(name)
            if is_late if member is None else not _runs(member):
                return name
        return None

    def stop(self, patience: float) -> None:
        """Ask both to end, and wait for it; without concurrently nobody would pass it on."""
        if self._process.poll() is not None:
            return
        if os.name == "posix":
            self._process.terminate()
        else:  # Windows can only kill; but if it was Ctrl-C, that has reached all of them
            patience = min(patience, 2)
        psutil.wait_procs(list(self._members.values()), timeout=patience)
        try:
            self._process.wait(1)
        except subprocess.TimeoutExpired:  # an orphan of theirs holds its pipe
            self._process.kill()
            self._process.wait()

    def _find_members(self) -> None:
        if len(self._members) == len(self._commands):
            return
        try:
            for child in psutil.Process(self._process.pid).children():
                command = " ".join(child.cmdline())
                if "app.serve" in command:
                    self._members["backend"] = child
                elif "next dev" in command:
                    self._members["frontend"] = child
        except psutil.Error:
            return


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
