"""The entry, with Litestar's own test client: tests of routes that you add can begin like this."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import httpx2
import pytest
from conftest import NamedFailure
from contract.chat import HTTP
from contract.serving import Server, empty_database, run_server
from litestar import Litestar, get, post
from litestar.di import NamedDependency, Provide
from litestar.exceptions import HTTPException, NotFoundException
from litestar.testing import TestClient
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from app import main
from app.identity import identify
from kit import Conversation
from kit.backend import Health
from kit.database import engine as database_module
from kit.database.engine import create_engine
from kit.routes import dependencies


def test_what_fails_is_said_in_words(
    monkeypatch: pytest.MonkeyPatch, expect_named_failure: NamedFailure
) -> None:
    async def check_health(_about: str) -> Health:
        raise RuntimeError("rhubarb")

    monkeypatch.setattr(main, "check_health", check_health)
    client = TestClient(main.app, raise_server_exceptions=False)
    response = client.get("/health", headers={"X-Request-Id": "r1"})
    assert response.status_code == 500
    expect_named_failure("r1", response.json(), response.headers)


def test_the_page_of_the_api_is_for_development(server: Server, database: URL) -> None:
    assert httpx2.get(f"{server.address}/schema", **HTTP).status_code == 200
    with run_server(database, APP_ENV="production") as production:
        assert httpx2.get(f"{production.address}/schema", **HTTP).status_code == 404


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (HTTPException("No such report", status_code=404), 404, "No such report"),
        (NotFoundException("No such report"), 404, "No such report"),
        (HTTPException("Back at noon", status_code=503), 503, "Back at noon"),
        (HTTPException("Not today", status_code=500), 500, "Not today"),
        (NotFoundException(), 404, "There is nothing at this address."),
    ],
)
def test_a_route_of_yours_refuses_in_its_own_words(
    error: HTTPException, status: int, words: str
) -> None:
    @get("/report")
    async def report() -> None:
        raise error

    with TestClient(Litestar([report], exception_handlers=main.app.exception_handlers)) as client:
        response = client.get("/report")
    assert (response.status_code, response.json()) == (status, {"message": words})


def test_what_litestar_says_of_the_inside_is_for_the_log(
    expect_named_failure: NamedFailure,
) -> None:
    async def five() -> int:
        return 5

    @get("/report")
    async def report(number: NamedDependency[str]) -> str:
        return number

    app = Litestar(
        [report],
        dependencies={"number": Provide(five)},
        exception_handlers=main.app.exception_handlers,
        logging_config=None,
    )
    with TestClient(app) as client:
        response = client.get("/report", headers={"X-Request-Id": "r1"})
    assert response.status_code == 500
    expect_named_failure("r1", response.json(), response.headers)


@pytest.fixture
def no_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AsyncEngine]:
    """A database that takes nothing, for this process; to be disposed of by who connects."""
    with empty_database(tmp_path) as url:
        engine = create_engine(url)
        monkeypatch.setattr(database_module, "get_engine", lambda: engine)
        yield engine


def test_what_is_not_committed_is_not_answered_with_200(no_tables: AsyncEngine) -> None:
    @post("/conversations")
    async def add(write_session: NamedDependency[AsyncSession]) -> None:
        conversation = Conversation(id="thr_1", owner="ada", created_at=datetime.now(), document="")
        write_session.add(conversation)

    app = Litestar(
        [add],
        dependencies=dependencies(identify),
        exception_handlers={Exception: main.fail},
        on_shutdown=[no_tables.dispose],
    )
    with TestClient(app, raise_server_exceptions=False) as client:
        response = client.post("/conversations")
    assert response.status_code == 503
    assert response.json()["message"].startswith("The database is not migrated.")
