"""Both sides, running under `concurrently`."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from app.dev.node import Node

KILL_TIMEOUT_MS = 6000
"""How long a side may take to end, once the other has; more than the backend asks for."""


class Sides:
    """The backend and the front end; when one stops, both do."""

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
            "frontend": f"{run}node node_modules/next/dist/bin/next dev"
            f" -H 127.0.0.1 -p {frontend_port}",
        }
        path = [str(python.parent), str(Path(node.node).parent), os.environ.get("PATH", "")]
        self.stopped_first: str | None = None
        self._process = subprocess.Popen(
            [
                node.node,
                "node_modules/concurrently/dist/bin/concurrently.js",
                f"--names={','.join(self._commands)}",
                "--prefix-colors=cyan,magenta",
                "--pad-prefix",
                "--kill-others",
                f"--kill-timeout={KILL_TIMEOUT_MS}",
                *self._commands.values(),
            ],
            cwd=frontend,
            env={
                **environment,
                "PATH": os.pathsep.join(path),
                "NEXT_TELEMETRY_DISABLED": "1",
                "PYTHONUNBUFFERED": "1",  # what your code prints appears at once
                "PYTHONIOENCODING": "utf-8",
                **_colors(environment),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            # Ctrl-C reaches dev alone, which ends both sides in order. (Windows does not know this.)
            start_new_session=True,
        )
        self._printer = threading.Thread(target=self._print, daemon=True)
        self._printer.start()

    def are_running(self) -> bool:
        """Whether both run."""
        return self._process.poll() is None

    def wait(self) -> None:
        """Wait until one side stops, and with it the other."""
        while self.are_running():
            self._printer.join(timeout=0.5)  # short: Windows handles Ctrl-C only in between

    def stop(self, patience: float) -> None:
        """Ask both to end, and wait for it."""
        if os.name == "posix":  # on Windows Ctrl-C has reached all of them
            self._process.terminate()
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._printer.join(timeout=1)

    def _print(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                self._note_end(line.decode(errors="replace"))
                try:
                    sys.stdout.buffer.write(line)
                    sys.stdout.buffer.flush()
                except OSError:  # the terminal is gone; so is concurrently, once it cannot write
                    return

    def _note_end(self, line: str) -> None:
        for name, command in self._commands.items():
            if self.stopped_first is None and f"{command} exited with code" in line:
                self.stopped_first = name


def _colors(environment: Mapping[str, str]) -> dict[str, str]:
    """Both sides write into a pipe, and would leave their colours away."""
    wanted = sys.stdout.isatty() and not {"NO_COLOR", "FORCE_COLOR"} & set(environment)
    # An old console of Windows shows the codes instead.
    return {"FORCE_COLOR": "1"} if wanted and (os.name == "posix" or "WT_SESSION" in environment) else {}
