"""The entry, with Quart's own test client: tests of routes that you add can begin like this."""

import asyncio

import pytest

from app import main
from app.health import Health
from app.request_log import RequestIdFilter


def test_what_fails_is_said_in_words(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def check_health() -> Health:
        raise RuntimeError("rhubarb")

    async def work() -> None:
        response = await main.app.test_client().get("/health", headers={"X-Request-Id": "r1"})
        assert response.status_code == 500
        said = await response.get_json()
        assert said["message"].startswith("Something went wrong.")
        assert said["message"].endswith("(request r1)")
        assert response.headers["X-Request-Id"] == "r1"

    monkeypatch.setattr(main, "check_health", check_health)
    caplog.handler.addFilter(RequestIdFilter())
    asyncio.run(work())
    ids = [getattr(record, "request_id", None) for record in caplog.records if record.exc_info]
    assert "r1" in ids
