"""A server of its own for the tests, on a database of its own; yours are not touched."""

import asyncio
import atexit
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import httpx2
import pytest
from chat import TLS, Chat, Json, visit
from fake_model import KEY, FakeModel, run_fake_model
from obstore.store import LocalStore
from serving import start_serving
from sqlalchemy import text
from sqlalchemy.engine import URL
from tokens import SignedHeaders
from unlimited import UNLIMITED
from wait import wait_until

from app import assistant
from app.thread_titles import title_of
from kit.attachments import file_store as files
from kit.attachments.attachment_store import AttachmentStore
from kit.chat.chatkit_server import ChatKitServer
from kit.database import engine as database_module
from kit.database.chatkit_store import ChatKitStore
from kit.database.engine import create_engine, database_url
from kit.event_loop import loop_factory
from kit.http.request_log import RequestIdFilter
from kit.llm.client import transcribe
from kit.people.identity import Headers
from kit.settings import BACKEND

SECRET = secrets.token_urlsafe(32)
DEMO = {"OPENAI_API_KEY": "", "OPENAI_BASE_URL": "", "OPENAI_MODEL": "", "OPENAI_API": ""}


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
    run_sql(url, f"CREATE DATABASE {name}")
    try:
        yield url.set(database=name)
    finally:
        force = " WITH (FORCE)" if url.get_backend_name() == "postgresql" else ""
        run_sql(url, f"DROP DATABASE {name}{force}")


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
        **DEMO,
        **UNLIMITED,
        **others,
    }


def alembic(
    *arguments: str, env: dict[str, str], cwd: Path = BACKEND
) -> subprocess.CompletedProcess[str]:
    """Run Alembic's command line."""
    command = [sys.executable, "-m", "alembic", *arguments]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@contextmanager
def run_server(database: URL, log: Path | None = None, **settings: str) -> Iterator[Server]:
    """Run a server until the end of the block; its log goes where that of the tests goes."""
    port = free_port()
    env = environment(database, BACKEND_PORT=str(port), **settings)
    address = f"http://{settings.get('BACKEND_HOST', '127.0.0.1')}:{port}"
    process = start_serving(env, log)
    try:
        up = f"{address}/health"
        wait_until(lambda: answers(process.is_alive(), up), 120, "the server does not answer")
        yield Server(process, address, database)
    finally:
        process.terminate()
        process.join(timeout=30)
        assert not process.is_alive(), "the server does not end"


@contextmanager
def run_page(server: Server) -> Iterator[str]:
    """Run the page's server, as it was built, in front of a server, and return its address."""
    port = free_port()
    env = {"BACKEND_URL": server.address, "CHATKIT_SECRET": SECRET, "PORT": str(port)}
    process = subprocess.Popen(
        ["node", "scripts/start.mjs"], cwd=BACKEND.parent / "frontend", env=os.environ | env
    )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: answers(process.poll() is None, address))
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)


def answers(is_alive: bool, address: str) -> bool:
    assert is_alive, "the server ended"
    try:
        httpx2.get(address, verify=TLS)
    except httpx2.TransportError:
        return False
    return True


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[URL]:
    """A migrated database."""
    with empty_database(tmp_path_factory.mktemp("database")) as url:
        result = alembic("upgrade", "head", env=environment(url))
        assert result.returncode == 0, result.stderr
        yield url


Run = Callable[[Awaitable[None]], None]


def new_server(kind: type[ChatKitServer] = ChatKitServer) -> ChatKitServer:
    """Make ChatKit's server, as the app has one, to be asked in this process."""
    return kind(assistant, AttachmentStore(ChatKitStore()), transcribe, title_of)


@pytest.fixture
def run(database: URL, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run a coroutine in this process, on the test's database and with the test's files."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        engine = create_engine(database)
        monkeypatch.setattr(database_module, "get_engine", lambda: engine)
        monkeypatch.setattr(files, "get_file_store", lambda: LocalStore(attachments_folder()))

        async def awaited(work: Awaitable[None]) -> None:
            await work

        yield lambda work: runner.run(awaited(work))
        runner.run(engine.dispose())


@pytest.fixture(scope="session")
def server(database: URL) -> Iterator[Server]:
    """A server with the demo assistant, shared by all tests.

    With THROUGH_THE_PAGE=1 in the environment the tests go through the page's server, which must be
    built: what is said over HTTP is the same there.
    """
    with run_server(database) as running, ExitStack() as stack:
        if os.environ.get("THROUGH_THE_PAGE"):
            running.page = stack.enter_context(run_page(running))
        yield running


NamedFailure = Callable[[str, Json, Headers], None]


@pytest.fixture
def expect_named_failure(caplog: pytest.LogCaptureFixture) -> NamedFailure:
    """Return what makes sure that an answer names its request, and the log has the cause by it."""
    caplog.handler.addFilter(RequestIdFilter())

    def expect(request_id: str, said: Json, headers: Headers) -> None:
        assert said["message"].startswith("Something went wrong.")
        assert said["message"].endswith(f"(request {request_id})")
        assert headers.get("x-request-id") == request_id
        failures = [record for record in caplog.records if record.exc_info]
        assert request_id in [getattr(record, "request_id", None) for record in failures]

    return expect


@pytest.fixture
def chat(server: Server) -> Chat:
    """A person at the shared server."""
    return server.chat()


@pytest.fixture(scope="module")
def model() -> Iterator[FakeModel]:
    """The model's server."""
    with run_fake_model() as running:
        yield running


@pytest.fixture(scope="module", params=["chat_completions", "responses"])
def api(request: pytest.FixtureRequest) -> str:
    """The API that is spoken."""
    return str(request.param)


@pytest.fixture(scope="module")
def asking(
    api: str, model: FakeModel, database: URL, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server that asks the model."""
    log = tmp_path_factory.mktemp("log") / "log"
    with run_server(database, log, **model.settings, OPENAI_API=api) as running:
        yield running
    assert KEY not in log.read_text()
