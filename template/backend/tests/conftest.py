"""A server of its own for the tests, on a database of its own; yours are not touched."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from contract.chat import Chat, Json
from contract.conversation import Conversation
from contract.fake_model import KEY, FakeModel, run_fake_model
from contract.serving import (
    ASSISTANT,
    Server,
    migrated_database,
    run_page,
    run_server,
    run_sql,
)
from sqlalchemy.engine import URL

from kit.http.request_log import RequestIdFilter
from kit.people.identity import Headers

if sys.platform != "win32":
    for signum in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(signum) is signal.SIG_IGN:
            # As under nohup. What is started here would ignore it too, and is not to.
            signal.signal(signum, lambda *_: None)


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[URL]:
    """A migrated database."""
    with migrated_database(tmp_path_factory.mktemp("database")) as url:
        yield url


@pytest.fixture
def uncounted(database: URL) -> URL:
    """The database without the turns of other tests, which would count for limits of all."""
    run_sql(database, "DELETE FROM turns")
    return database


@contextmanager
def reached(server: Server) -> Iterator[Server]:
    """Say how the tests reach a server until the end of the block.

    With THROUGH_THE_PAGE=1 in the environment they go through the page's server, which must be
    built: what is said over HTTP is the same there.
    """
    is_behind = os.environ.get("THROUGH_THE_PAGE")
    with run_page(server) if is_behind else nullcontext() as server.page:
        yield server


@pytest.fixture(scope="session")
def server(database: URL) -> Iterator[Server]:
    """A server with the assistant of these tests, shared by all of them."""
    with run_server(database) as running, reached(running):
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
def asking_log(api: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log of the server that asks the model."""
    return tmp_path_factory.mktemp("log") / "log"


@pytest.fixture(scope="module")
def asking(api: str, model: FakeModel, database: URL, asking_log: Path) -> Iterator[Server]:
    """A server that asks the model."""
    with run_server(database, asking_log, **model.settings, OPENAI_API=api) as running:
        yield running
    assert KEY not in asking_log.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def assistant(api: str, model: FakeModel, database: URL) -> Iterator[Server]:
    """A server on which backend/src/app/assistant.py answers, and asks the model."""
    settings = {**model.settings, ASSISTANT: "", "OPENAI_API": api}
    with run_server(database, None, **settings) as running, reached(running):
        yield running


@pytest.fixture
def conversation(
    assistant: Server, model: FakeModel, request: pytest.FixtureRequest
) -> Conversation:
    """A conversation of a new person with your assistant."""
    recording = request.path.parent / "transcripts" / f"{request.function.__name__}.md"
    return Conversation(assistant.someone(), model, recording)
