"""What tests of modules need: their database in this process, and a server with the demo."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest
from contract import assistant
from contract.serving import DEMO, Server, attachments_folder, run_server
from contract.test_database import empty as empty
from contract.test_model import in_production as in_production
from contract.test_model import production_log as production_log
from contract.test_people import log as log
from contract.test_people import strict as strict
from contract.test_requests import careless as careless
from contract.test_requests import careless_log as careless_log
from contract.test_requests import own_server as own_server
from obstore.store import LocalStore
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine

from app.thread_titles import title_of
from kit.attachments import file_store as files
from kit.attachments.attachment_store import AttachmentStore
from kit.chat.chatkit_server import ChatKitServer
from kit.chat.turns import Assistant
from kit.database import engine as database_module
from kit.database.chatkit_store import ChatKitStore
from kit.database.engine import create_engine, loop_factory
from kit.llm.model_client import transcribe
from kit.settings import get_settings

Run = Callable[[Awaitable[None]], None]


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
        runner.run(close(engine))


async def close(engine: AsyncEngine) -> None:
    """Close all connections, also those of tasks that go on, such as the one that renews turns."""
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        one = others.pop()
        if not one.cancelling():  # a second time would keep it from closing its connection
            one.cancel()
        await asyncio.wait([one])
    await engine.dispose()


@pytest.fixture(autouse=True)
def new_settings() -> Iterator[None]:
    """Let no test find the settings that another one has made up."""
    yield
    get_settings.cache_clear()


def new_server(
    kind: type[ChatKitServer] = ChatKitServer, answering: Assistant = assistant
) -> ChatKitServer:
    """Make ChatKit's server, as the app has one, to be asked in this process."""
    return kind(answering, AttachmentStore(ChatKitStore()), transcribe, title_of)


@pytest.fixture(scope="session")
def demo(database: URL) -> Iterator[Server]:
    """A server with the demo assistant."""
    with run_server(database, None, **DEMO) as running:
        yield running
