"""The entry, with Django's own test client: tests of views that you add can begin like this."""

import asyncio

import pytest
from conftest import NamedFailure
from django.test import AsyncClient, override_settings

from app import main
from app.site import views
from kit.http.health import Health


def test_what_fails_is_said_in_words(
    monkeypatch: pytest.MonkeyPatch, expect_named_failure: NamedFailure
) -> None:
    async def check_health() -> Health:
        raise RuntimeError("rhubarb")

    assert callable(main.app), "it prepares Django"
    monkeypatch.setattr(views, "check_health", check_health)
    client = AsyncClient(raise_request_exception=False)
    with override_settings(ALLOWED_HOSTS=["testserver"]):  # what Django's client calls it
        response = asyncio.run(client.get("/health", headers={"X-Request-Id": "r1"}))
    assert response.status_code == 500
    expect_named_failure("r1", response.json(), response.headers)
