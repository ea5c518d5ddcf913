"""Servers of the backend as in production, each in a process of its own, on databases of their own.

They are forked from a process that has imported the kit already, which takes longer than all else.
(Not the app: some of it reads the settings as it is imported.) Windows cannot fork.

The page's tests start one by `python -m contract.serving`.
"""

import asyncio
import atexit
import importlib
import json
import multiprocessing
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import TextIOWrapper
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx2
import pytest
from alembic.config import main as command_line
from chatkit.types import UserMessageItem
from sqlalchemy import text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from contract.chat import PATIENCE, TLS, UNLIMITED, Chat, SignedHeaders, visit, wait_until
from contract.chat import free_port as free_port
from kit.database.engine import create_engine, database_url, loop_factory
from kit.settings import BACKEND

SECRET = secrets.token_urlsafe(32)
ASSISTANT = "TEST_ASSISTANT"
"""The variable that names a module of the tests which answers in place of app.assistant."""

MODEL = ("ASSISTANT", "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL", "OPENAI_API")
DEMO = dict.fromkeys((*MODEL, ASSISTANT), "")
"""The settings of a server that has no key: in development the demo answers."""

SCRIPTED = DEMO | {"ASSISTANT": "own", ASSISTANT: "contract.assistant"}
"""Those of a server at which the tests' own assistant answers."""


@dataclass
class Server:
    """A backend that runs as it does in production, in a process of its own."""

    process: BaseProcess
    address: str
    database: URL
    page: str | None = None
    """The address of the page's server in front of it, if there is one."""

    @property
    def port(self) -> str:
        """The port, for the environment."""
        return self.address.rpartition(":")[2]

    def chat(self, token: str | None = None) -> Chat:
        """Return a person with this token, or the one whom development believes without any."""
        if self.page and not token:
            return visit(self.page)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return Chat(f"{self.address}/chatkit", headers)

    def someone(self, owner: str | None = None, **claims: Any) -> Chat:
        """Return a person whom the page's server has signed in: a new one, or the one named."""
        if self.page and not (owner or claims):
            return visit(self.page)
        headers = SignedHeaders(SECRET, sub=owner or secrets.token_hex(8), **claims)
        return Chat(f"{self.address}/chatkit", headers)

    def sql(self, statement: str) -> list[tuple[object, ...]]:
        """Return the rows of a statement."""
        return run_sql(self.database, statement)


def run_sql(url: URL, statement: str) -> list[tuple[object, ...]]:
    async def run() -> list[tuple[object, ...]]:
        engine = create_engine(url)
        async with engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            result = await connection.execute(text(statement))
            rows = [tuple(row) for row in result] if result.returns_rows else []
            await connection.commit()  # on SQLite the engine begins a transaction all the same
        await engine.dispose()
        return rows

    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(run())


@contextmanager
def empty_database(folder: Path) -> Iterator[URL]:
    """Make a database of the project's kind, without tables, and drop it in the end."""
    url = database_url()
    if url.get_backend_name() == "sqlite":
        yield url.set(database=str(folder / "test.db"))
        return
    name = f"test_{secrets.token_hex(8)}"
    try:
        run_sql(url, f"CREATE DATABASE {name}")
    except DBAPIError as error:
        problem = f"The user in DATABASE_URL cannot create a database for the tests: {error.orig}"
        pytest.fail(problem, pytrace=False)
    try:
        yield url.set(database=name)
    finally:
        force = " WITH (FORCE)" if url.get_backend_name() == "postgresql" else ""
        run_sql(url, f"DROP DATABASE {name}{force}")


@contextmanager
def migrated_database(folder: Path) -> Iterator[URL]:
    """Make a database of the project's kind, as `alembic upgrade head` does, and drop it again."""
    with empty_database(folder) as url:
        process = PROCESSES.Process(target=_migrate, args=(environment(url),))
        process.start()
        process.join()
        assert process.exitcode == 0, "the database cannot be migrated, for the reason above"
        yield url


def _migrate(environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(BACKEND)
    command_line(["upgrade", "head"])


@cache
def attachments_folder() -> Path:
    """Return where the files of the tests are kept; yours are not touched."""
    folder = Path(tempfile.mkdtemp(prefix="attachments-"))
    atexit.register(shutil.rmtree, folder)
    return folder


def environment(database: URL, **others: str) -> dict[str, str]:
    """Return the environment of a server for tests."""
    return os.environ | {
        "APP_ENV": "development",
        "DATABASE_URL": database.render_as_string(hide_password=False),
        "CHATKIT_SECRET": SECRET,
        "ATTACHMENTS_URL": str(attachments_folder()),
        **SCRIPTED,
        **UNLIMITED,
        **others,
    }


def alembic(
    *arguments: str, env: dict[str, str], cwd: Path = BACKEND
) -> subprocess.CompletedProcess[str]:
    """Run Alembic's command line."""
    command = [sys.executable, "-m", "alembic", *arguments]
    env = env | {"PYTHONIOENCODING": "utf-8"}
    return subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, encoding="utf-8", check=False
    )


@contextmanager
def run_server(database: URL, log: Path | None = None, **settings: str) -> Iterator[Server]:
    """Run a server until the end of the block; its log goes where that of the tests goes."""
    port = free_port()
    env = environment(database, BACKEND_PORT=str(port), **settings)
    address = f"http://{settings.get('BACKEND_HOST', '127.0.0.1')}:{port}"
    process = start_serving(env, log)
    try:
        up = f"{address}/health"
        wait_until(lambda: answers(process.is_alive(), up), problem="the server does not answer")
        yield Server(process, address, database)
    finally:
        process.terminate()
        process.join(PATIENCE)
        has_ended = not process.is_alive()
        process.kill()  # or pytest would wait for it in the end
        assert has_ended, "the server does not end"


@contextmanager
def run_page(server: Server) -> Iterator[str]:
    """Run the page's server, as it was built, in front of a server, and return its address."""
    port = free_port()
    env = {"BACKEND_URL": server.address, "CHATKIT_SECRET": SECRET, "PORT": str(port)}
    frontend = BACKEND.parent / "frontend"
    manifest = (frontend / ".next/routes-manifest.json").read_text(encoding="utf-8")
    address = f"http://127.0.0.1:{port}{json.loads(manifest)['basePath']}"
    with run_program(["node", "scripts/start.mjs"], cwd=frontend, env=os.environ | env) as process:
        wait_until(lambda: answers(process.poll() is None, address))
        yield address
        process.terminate()
        process.wait(PATIENCE)


@contextmanager
def run_program(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program, which does not outlive the block, whatever happens in it."""
    process = subprocess.Popen(command, **options)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def answers(is_alive: bool, address: str) -> bool:
    assert is_alive, "the server ended"
    try:
        httpx2.get(address, verify=TLS, timeout=5)
    except httpx2.TransportError:
        return False
    return True


if sys.platform == "win32":
    PROCESSES = multiprocessing.get_context("spawn")
else:
    PROCESSES = multiprocessing.get_context("forkserver")
    # kit.routes brings the framework.
    PROCESSES.set_forkserver_preload(["kit.serve", "kit.backend", "kit.routes"])


def start_serving(environment: Mapping[str, str], log: Path | None) -> BaseProcess:
    """Start a server with this environment; what it logs goes to a file if one is given."""
    process = PROCESSES.Process(target=_serve, args=(dict(environment), log), daemon=True)
    process.start()
    return process


def _serve(environment: dict[str, str], log: Path | None) -> None:
    os.environ.clear()
    os.environ.update(environment)
    if log:
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), sys.stderr.fileno())
        assert isinstance(sys.stderr, TextIOWrapper)
        sys.stderr.reconfigure(encoding="utf-8")
    serve()


def serve() -> None:
    """Serve as `uv run serve` does, with the assistant that the environment names."""
    sys.argv = ["serve"]
    if assistant := os.environ.get(ASSISTANT):
        sys.modules["app.assistant"] = importlib.import_module(assistant)
        # Titles of yours may ask a model, whose script has the answers only.
        titles = ModuleType("app.thread_titles")
        vars(titles)["title_of"] = first_words
        sys.modules[titles.__name__] = titles

    from kit.serve import main

    main()


def first_words(message: UserMessageItem) -> str:
    """Return the title of a conversation."""
    text = "".join(part.text for part in message.content)
    return " ".join(text.split())[:60] or "New conversation"


def main() -> None:
    """Serve the page's tests, which are in frontend/tests/page, until the input ends.

    It prints, as a line of JSON, where it answers and the secret that it shares with the page.
    Its arguments are settings, such as `TURNS_PER_MINUTE=3`.
    """
    settings = {name: value for name, _, value in (one.partition("=") for one in sys.argv[1:])}
    with (
        tempfile.TemporaryDirectory() as folder,
        migrated_database(Path(folder)) as url,
        run_server(url, None, **settings) as server,
    ):
        print(json.dumps({"address": server.address, "secret": SECRET}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
