"""The entry, with FastAPI's own test client: tests of routes that you add can begin like this."""

import httpx2
import pytest
from conftest import Server, run_server
from fastapi.testclient import TestClient
from sqlalchemy.engine import URL

from app import main
from app.health import Health
from app.request_log import RequestIdFilter


def test_what_fails_is_said_in_words(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def check_health() -> Health:
        raise RuntimeError("rhubarb")

    monkeypatch.setattr(main, "check_health", check_health)
    caplog.handler.addFilter(RequestIdFilter())
    client = TestClient(main.app, raise_server_exceptions=False)
    response = client.get("/health", headers={"X-Request-Id": "r1"})
    assert response.status_code == 500
    said = response.json()
    assert said["message"].startswith("Something went wrong.")
    assert said["message"].endswith("(request r1)")
    assert response.headers["X-Request-Id"] == "r1"
    ids = [getattr(record, "request_id", None) for record in caplog.records if record.exc_info]
    assert "r1" in ids


def test_the_page_of_the_api_is_for_development(server: Server, database: URL) -> None:
    assert httpx2.get(f"{server.address}/docs").status_code == 200
    with run_server(database, APP_ENV="production") as production:
        assert httpx2.get(f"{production.address}/docs").status_code == 404
