"""A generated project in production, and the servers that it is measured against."""

import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psutil
from contract.chat import PATIENCE, UNLIMITED, SignedHeaders, wait_until
from support.backend import migrate
from support.ports import free_port
from support.projects import BUILD, WITHOUT_KEY, Project, clean_environment, render
from support.variants import DEFAULT, Variant

IN_PROJECT = Path(__file__).resolve().parent / "in_project"
SECRET = secrets.token_urlsafe(32)


@dataclass(frozen=True)
class Server:
    """A running server."""

    address: str
    process: psutil.Process

    @property
    def memory(self) -> float:
        """What the server holds in memory, in KiB."""
        family = [self.process, *self.process.children(recursive=True)]
        return sum(process.memory_info().rss for process in family) / 1024


def install(folder: Path, variant: Variant = DEFAULT, *, page: bool = False) -> Project:
    """Make a project that is ready for production, with the assistant of the measurements.

    Its page, if that is needed, gets the bare route of `page` beside its own.
    """
    project = render(folder / "my-chat", variant)
    project.run("uv", "sync", "--quiet")
    shutil.copy(IN_PROJECT / "assistant.py", project.path / "backend" / "src" / "app")
    if page:
        bare = project.path / "frontend" / "src" / "app" / "api" / "bare"
        bare.mkdir()
        shutil.copy(IN_PROJECT / "bare-route.ts", bare / "route.ts")
        project.run("npm", "ci", "--no-audit", "--no-fund", "--loglevel=error", cwd="frontend")
        project.run(*BUILD, cwd="frontend", env=WITHOUT_KEY)
    return project


def python(project: Project) -> str:
    """Return the interpreter of a project."""
    return str(project.python)


def signed(owner: str) -> SignedHeaders:
    """Return the headers of somebody whom the page's server has signed in."""
    return SignedHeaders(SECRET, sub=owner)


@contextmanager
def backend(project: Project, database_url: str | None = None) -> Iterator[Server]:
    """Serve a project's backend, on a new SQLite database if none is given."""
    settings = {
        "APP_ENV": "production",
        "CHATKIT_SECRET": SECRET,
        "DATABASE_URL": database_url or migrate(project, project.path / "measured.db"),
        "ASSISTANT": "own",
        "PYTHONPATH": str(IN_PROJECT),
        **UNLIMITED,
    }
    command = [python(project), "-m", "kit.serve"]
    with serve(command, project.path / "backend", settings, "BACKEND_PORT") as server:
        yield server


@contextmanager
def bare_sdk(project: Project) -> Iterator[Server]:
    """Serve the bare SDK on the project's own uvicorn, which logs no requests there either."""
    command = [python(project), "-m", "uvicorn", "--no-access-log", "bare_sdk:app"]
    with serve(command, IN_PROJECT, {}, "UVICORN_PORT") as server:
        yield server


@contextmanager
def page(project: Project, backend: Server) -> Iterator[Server]:
    """Serve a project's page in front of a backend.

    `/api/bare` is the shortest route that hands a stream on, without cookies and checks.
    """
    settings = {
        "CHATKIT_SECRET": SECRET,
        "BACKEND_URL": backend.address,
        "TRUSTED_PROXIES": "127.0.0.1",  # a measurement may come from many networks
    }
    command = ["node", "scripts/start.mjs"]
    with serve(command, project.path / "frontend", settings, "PORT") as server:
        yield server


@contextmanager
def serve(
    command: Sequence[str], cwd: Path, settings: Mapping[str, str], port_variable: str
) -> Iterator[Server]:
    """Run a server that reads its port from a variable, until the end of the block."""
    port = str(free_port())
    environment = clean_environment() | dict(settings) | {port_variable: port}
    with tempfile.TemporaryFile() as log:
        process = psutil.Popen(command, cwd=cwd, env=environment, stdout=log, stderr=log)
        address = f"http://127.0.0.1:{port}"
        try:
            wait_until(lambda: process.poll() is not None or answers(address))
            if not process.is_running():
                log.seek(0)
                raise AssertionError(log.read().decode(errors="replace"))
            yield Server(address, process)
        finally:
            process.terminate()
            process.wait(PATIENCE)


def answers(address: str) -> bool:
    """Whether a server does what it is asked, if only to say that there is nothing."""
    try:
        return httpx2.get(address, timeout=60).status_code < 500
    except httpx2.TransportError:
        return False
