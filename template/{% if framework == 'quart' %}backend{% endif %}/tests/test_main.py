"""The entry, with Quart's own test client: tests of routes that you add can begin like this."""

import asyncio

import pytest
from conftest import NamedFailure

from app import main
from kit.http.health import Health


def test_what_fails_is_said_in_words(
    monkeypatch: pytest.MonkeyPatch, expect_named_failure: NamedFailure
) -> None:
    async def check_health() -> Health:
        raise RuntimeError("rhubarb")

    async def work() -> None:
        response = await main.app.test_client().get("/health", headers={"X-Request-Id": "r1"})
        assert response.status_code == 500
        expect_named_failure("r1", await response.get_json(), response.headers)

    monkeypatch.setattr(main, "check_health", check_health)
    asyncio.run(work())
