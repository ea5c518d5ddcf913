"""The entry, with FastAPI's own test client: tests of routes that you add can begin like this."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import httpx2
import pytest
from conftest import NamedFailure
from contract.chat import HTTP, Json
from contract.serving import Server, empty_database, run_server
from fastapi import FastAPI, HTTPException
from fastapi.testclient import TestClient
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.exceptions import HTTPException as StarletteHTTPException

from app import main
from kit import Conversation
from kit.backend import Health
from kit.database import engine as database_module
from kit.database.engine import create_engine
from kit.routes import WriteSession


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
    assert httpx2.get(f"{server.address}/docs", **HTTP).status_code == 200
    with run_server(database, APP_ENV="production") as production:
        assert httpx2.get(f"{production.address}/docs", **HTTP).status_code == 404


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (HTTPException(404, "No such report"), 404, {"message": "No such report"}),
        (HTTPException(499, "Nobody waits"), 499, {"message": "Nobody waits"}),
        (HTTPException(503, "Back at noon"), 503, {"message": "Back at noon"}),
        (HTTPException(404), 404, {"message": "There is nothing at this address."}),
        (HTTPException(418, {"cups": 2}), 418, {"message": "I'm a Teapot.", "detail": {"cups": 2}}),
    ],
)
def test_a_route_of_yours_refuses_in_its_own_words(
    error: HTTPException, status: int, said: Json
) -> None:
    app = FastAPI()
    app.exception_handler(StarletteHTTPException)(main.refuse)

    @app.get("/report")
    async def report() -> None:
        raise error

    response = TestClient(app).get("/report")
    assert (response.status_code, response.json()) == (status, said)


@pytest.fixture
def no_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AsyncEngine]:
    """A database that takes nothing, for this process; to be disposed of by who connects."""
    with empty_database(tmp_path) as url:
        engine = create_engine(url)
        monkeypatch.setattr(database_module, "get_engine", lambda: engine)
        yield engine


def test_what_is_not_committed_is_not_answered_with_200(no_tables: AsyncEngine) -> None:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await no_tables.dispose()

    app = FastAPI(lifespan=lifespan, exception_handlers={Exception: main.fail})

    @app.post("/conversations")
    async def add(session: WriteSession) -> None:
        session.add(Conversation(id="thr_1", owner="ada", created_at=datetime.now(), document=""))

    with TestClient(app, raise_server_exceptions=False) as client:
        response = client.post("/conversations")
    assert response.status_code == 503
    assert response.json()["message"].startswith("The database is not migrated.")
