"""The entry, with Django's own test client: tests of views that you add can begin like this."""

import asyncio

import pytest
from django.test import AsyncClient, override_settings

from app import main
from app.health import Health
from app.request_log import RequestIdFilter
from app.site import views


def test_what_fails_is_said_in_words(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def check_health() -> Health:
        raise RuntimeError("rhubarb")

    assert callable(main.app), "it prepares Django"
    monkeypatch.setattr(views, "check_health", check_health)
    caplog.handler.addFilter(RequestIdFilter())
    client = AsyncClient(raise_request_exception=False)
    with override_settings(ALLOWED_HOSTS=["testserver"]):  # what Django's client calls it
        response = asyncio.run(client.get("/health", headers={"X-Request-Id": "r1"}))
    assert response.status_code == 500
    said = response.json()
    assert said["message"].startswith("Something went wrong.")
    assert said["message"].endswith("(request r1)")
    assert response.headers["X-Request-Id"] == "r1"
    ids = [getattr(record, "request_id", None) for record in caplog.records if record.exc_info]
    assert "r1" in ids
