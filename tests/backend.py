"""The backend of a project, run as in production, with the settings of a test."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chat import Chat
from ports import free_port
from projects import Project, clean_environment
from running import is_up
from wait import wait_until


@dataclass(frozen=True)
class Backend:
    """A running backend."""

    chat: Chat
    log_file: Path
    process: subprocess.Popen[bytes]

    @property
    def log(self) -> str:
        """All that it printed so far."""
        return self.log_file.read_text(errors="replace")


def migrate(project: Project, database: Path) -> str:
    """Make a SQLite database with the project's tables and return its DATABASE_URL."""
    url = f"sqlite:///{database}"
    alembic = ("uv", "run", "--no-sync", "alembic", "upgrade", "head")
    project.run(*alembic, cwd="backend", env={"DATABASE_URL": url})
    return url


@contextmanager
def run_backend(project: Project, log_file: Path, **settings: str) -> Iterator[Backend]:
    """Run a backend with these settings until the end of the block."""
    port = free_port()
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            # Not by `uv run`: without a terminal it passes a signal on that has been there already.
            [project.path / ".venv" / "bin" / "python", "-m", "app.serve"],
            cwd=project.path / "backend",
            env=clean_environment()
            | {"APP_ENV": "development", "BACKEND_PORT": str(port), "TURNS_PER_MINUTE": "0"}
            | settings,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    address = f"http://127.0.0.1:{port}"
    backend = Backend(Chat(f"{address}/chatkit"), log_file, process)
    try:
        wait_until(lambda: _is_up(process, backend, address), seconds=120)
        yield backend
    finally:
        process.send_signal(signal.SIGINT)  # an orderly end, in which Python sends what it has
        process.wait(30)


def _is_up(process: subprocess.Popen[bytes], backend: Backend, address: str) -> bool:
    assert process.poll() is None, backend.log
    return is_up(process, f"{address}/health")
