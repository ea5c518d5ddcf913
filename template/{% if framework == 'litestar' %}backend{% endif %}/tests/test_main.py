"""The entry, with Litestar's own test client: tests of routes that you add can begin like this."""

import httpx2
import pytest
from conftest import NamedFailure
from contract.serving import Server, run_server
from litestar.testing import TestClient
from sqlalchemy.engine import URL

from app import main
from kit.http.health import Health


def test_what_fails_is_said_in_words(
    monkeypatch: pytest.MonkeyPatch, expect_named_failure: NamedFailure
) -> None:
    async def check_health() -> Health:
        raise RuntimeError("rhubarb")

    monkeypatch.setattr(main, "check_health", check_health)
    client = TestClient(main.app, raise_server_exceptions=False)
    response = client.get("/health", headers={"X-Request-Id": "r1"})
    assert response.status_code == 500
    expect_named_failure("r1", response.json(), response.headers)


def test_the_page_of_the_api_is_for_development(server: Server, database: URL) -> None:
    assert httpx2.get(f"{server.address}/schema").status_code == 200
    with run_server(database, APP_ENV="production") as production:
        assert httpx2.get(f"{production.address}/schema").status_code == 404
