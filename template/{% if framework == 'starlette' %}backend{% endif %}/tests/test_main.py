"""The entry, with Starlette's own test client: tests of routes that you add can begin like this."""

import pytest
from conftest import NamedFailure
from starlette.testclient import TestClient

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
