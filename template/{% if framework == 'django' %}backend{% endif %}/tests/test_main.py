"""The entry, with Django's own test client: tests of views that you add can begin like this."""

import asyncio

import pytest
from django.test import AsyncClient, override_settings

from app import main
from app.health import Health
from app.site import views


def test_what_fails_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check_health() -> Health:
        raise RuntimeError("rhubarb")

    assert callable(main.app), "it prepares Django"
    monkeypatch.setattr(views, "check_health", check_health)
    client = AsyncClient(raise_request_exception=False)
    with override_settings(ALLOWED_HOSTS=["testserver"]):  # what Django's client calls it
        response = asyncio.run(client.get("/health"))
    assert response.status_code == 500
    assert response.json()["message"].startswith("Something went wrong.")
