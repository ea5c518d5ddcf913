"""The entry, with Starlette's own test client: tests of routes that you add can begin like this."""

import pytest
from conftest import NamedFailure
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from app import main
from kit.backend import Health


def test_what_fails_is_said_in_words(
    monkeypatch: pytest.MonkeyPatch, expect_named_failure: NamedFailure
) -> None:
    async def check_health(_about: str) -> Health:
        raise RuntimeError("rhubarb")

    monkeypatch.setattr(main, "check_health", check_health)
    client = TestClient(main.app, raise_server_exceptions=False)
    response = client.get("/health", headers={"X-Request-Id": "r1"})
    assert response.status_code == 500
    expect_named_failure("r1", response.json(), response.headers)


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (HTTPException(404, "No such report"), 404, "No such report"),
        (HTTPException(499, "Nobody waits"), 499, "Nobody waits"),
        (HTTPException(503, "Back at noon"), 503, "Back at noon"),
        (HTTPException(404), 404, "There is nothing at this address."),
    ],
)
def test_a_route_of_yours_refuses_in_its_own_words(
    error: HTTPException, status: int, words: str
) -> None:
    async def report(_request: Request) -> Response:
        raise error

    handlers = main.app.exception_handlers
    app = Starlette(routes=[Route("/report", report)], exception_handlers=handlers)
    response = TestClient(app).get("/report")
    assert (response.status_code, response.json()) == (status, {"message": words})
