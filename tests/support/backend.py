"""The backend of a project, run as in production, with the settings of a test."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
from contract.chat import PATIENCE, UNLIMITED, Chat, wait_until

from support.forked import PROJECT_PYTHON
from support.ports import free_port
from support.processes import OF_A_TERMINAL, interrupt, is_alive, is_up
from support.projects import Project, clean_environment

Start = Callable[[dict[str, str], Path], psutil.Process]
"""Starts a backend with an environment and a file for its log."""


@dataclass(frozen=True)
class Backend:
    """A running backend."""

    chat: Chat
    log_file: Path
    process: psutil.Process

    @property
    def log(self) -> str:
        """All that it printed so far."""
        return self.log_file.read_text(errors="replace", encoding="utf-8")


def migrate(project: Project, database: Path) -> str:
    """Make a SQLite database with the project's tables and return its DATABASE_URL."""
    url = f"sqlite:///{database.as_posix()}"
    alembic = ("uv", "run", "--no-sync", "alembic", "upgrade", "head")
    project.run(*alembic, cwd="backend", env={"DATABASE_URL": url})
    return url


@contextmanager
def run_backend(
    project: Project, log_file: Path, start: Start | None = None, /, **settings: str
) -> Iterator[Backend]:
    """Run a backend with these settings until the end of the block."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    environment = clean_environment() | {
        "APP_ENV": "development",
        "BACKEND_PORT": str(port),
        **UNLIMITED,
    }
    process = (start or partial(_start, project))(environment | settings, log_file)
    backend = Backend(Chat(f"{address}/chatkit"), log_file, process)
    try:
        wait_until(lambda: _is_up(backend, f"{address}/health"))
        yield backend
    finally:
        interrupt(process)  # an orderly end, in which Python sends what it has
        process.wait(PATIENCE)


def _start(project: Project, environment: dict[str, str], log_file: Path) -> psutil.Process:
    # Projects of 0.1.0 and before have it elsewhere.
    room = "kit" if (project.path / "backend" / "src" / "kit" / "serve.py").exists() else "app"
    with log_file.open("wb") as log:
        return psutil.Popen(
            # Not by `uv run`: without a terminal it passes a signal on that has been there already.
            [project.python, "-m", f"{room}.serve"],
            cwd=project.path / "backend",
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            **OF_A_TERMINAL,
        )


def _is_up(backend: Backend, address: str) -> bool:
    assert is_alive(backend.process.pid), backend.log
    return is_up(backend.process.pid, address)


@dataclass(frozen=True)
class ForkedBackends:
    """Backends of a project that are forked from one process, which has its packages already."""

    process: psutil.Popen

    def start(self, environment: dict[str, str], log_file: Path) -> psutil.Process:
        """Start a backend, as `run_backend` asks for it."""
        job = {"environment": environment, "log": str(log_file)}
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return psutil.Process(int(self.process.stdout.readline()))


@contextmanager
def forked_backends(project: Project) -> Iterator[ForkedBackends]:
    """Start the process of a project that backends are forked from, and end it with the block."""
    with psutil.Popen(
        [project.python, PROJECT_PYTHON / "backends.py"],
        cwd=project.path / "backend",
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        yield ForkedBackends(process)
        process.stdin.close()
