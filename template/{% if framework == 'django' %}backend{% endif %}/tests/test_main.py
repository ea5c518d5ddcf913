"""The entry, with Django's own test client: tests of views that you add can begin like this."""

import asyncio

import pytest
from conftest import NamedFailure
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.test import AsyncClient, override_settings
from django.urls import path
from django.utils.translation import gettext_lazy

from app import main
from app.site import views
from kit.backend import Health


def test_what_fails_is_said_in_words(
    monkeypatch: pytest.MonkeyPatch, expect_named_failure: NamedFailure
) -> None:
    async def check_health(_about: str) -> Health:
        raise RuntimeError("rhubarb")

    assert callable(main.app), "it prepares Django"
    monkeypatch.setattr(views, "check_health", check_health)
    client = AsyncClient(raise_request_exception=False)
    with override_settings(ALLOWED_HOSTS=["testserver"]):  # what Django's client calls it
        response = asyncio.run(client.get("/health", headers={"X-Request-Id": "r1"}))
    assert response.status_code == 500
    expect_named_failure("r1", response.json(), response.headers)


ERRORS = {
    "missing": Http404("No such report"),
    "translated": Http404(gettext_lazy("No such report")),
    "secret": PermissionDenied("Not for you"),
    "wrong": BadRequest("Which report?"),
    "wordless": Http404(),
    "inside": Http404({"tried": "rhubarb"}),
}


async def report(_request: HttpRequest, name: str) -> HttpResponse:
    raise ERRORS[name]


urlpatterns = [path("report/<str:name>", report)]


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [
        ("missing", 404, "No such report"),
        ("translated", 404, "No such report"),
        ("secret", 403, "Not for you"),
        ("wrong", 400, "Which report?"),
        ("wordless", 404, "There is nothing at this address."),
        ("inside", 404, "There is nothing at this address."),
    ],
)
def test_a_view_of_yours_refuses_in_its_own_words(name: str, status: int, words: str) -> None:
    assert callable(main.app), "it prepares Django"
    with override_settings(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["testserver"]):
        response = asyncio.run(AsyncClient().get(f"/report/{name}"))
        page = asyncio.run(AsyncClient().get(f"/report/{name}", headers={"Accept": "text/html"}))
    assert (response.status_code, response.json()) == (status, {"message": words})
    assert (page.status_code, page["Content-Type"]) == (status, "text/html; charset=utf-8")
