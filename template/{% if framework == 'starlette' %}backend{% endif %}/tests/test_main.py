"""The entry, with Starlette's own test client: tests of routes that you add can begin like this."""

import pytest
from starlette.testclient import TestClient

from app import main
from app.health import Health


def test_what_fails_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check_health() -> Health:
        raise RuntimeError("rhubarb")

    monkeypatch.setattr(main, "check_health", check_health)
    client = TestClient(main.app, raise_server_exceptions=False)
    response = client.get("/health")
    assert response.status_code == 500
    assert response.json()["message"].startswith("Something went wrong.")
