"""The entry, with Quart's own test client: tests of routes that you add can begin like this."""

import asyncio
from typing import Any

import pytest
from conftest import NamedFailure
from quart import Quart, Response, abort
from werkzeug.exceptions import HTTPException

from app import main
from kit.backend import Health


def test_what_fails_is_said_in_words(
    monkeypatch: pytest.MonkeyPatch, expect_named_failure: NamedFailure
) -> None:
    async def check_health(_about: str) -> Health:
        raise RuntimeError("rhubarb")

    async def work() -> None:
        response = await main.app.test_client().get("/health", headers={"X-Request-Id": "r1"})
        assert response.status_code == 500
        expect_named_failure("r1", await response.get_json(), response.headers)

    monkeypatch.setattr(main, "check_health", check_health)
    asyncio.run(work())


@pytest.mark.parametrize(
    ("refused", "status", "words"),
    [
        ((404, "No such report"), 404, "No such report"),
        ((503, "Back at noon"), 503, "Back at noon"),
        ((404,), 404, "There is nothing at this address."),
        ((Response('{"message": "Gone"}', 410, mimetype="application/json"),), 410, "Gone"),
    ],
)
def test_a_route_of_yours_refuses_in_its_own_words(
    refused: tuple[Any, ...], status: int, words: str
) -> None:
    async def report() -> Response:
        abort(*refused)

    async def work() -> None:
        app = Quart(__name__)
        app.add_url_rule("/report", view_func=report)
        app.register_error_handler(HTTPException, main.refuse)
        response = await app.test_client().get("/report")
        assert response.content_type == "application/json"
        assert (response.status_code, await response.get_json()) == (status, {"message": words})

    asyncio.run(work())
