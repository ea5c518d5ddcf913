"""A route of your own: who may ask it, and what is said to whom it refuses, or fails.

Tests of routes that you add can begin like these.
"""

import re
from pathlib import Path

import httpx2
import pytest
from contract.chat import HTTP, Chat, Json
from contract.serving import Server, empty_database, run_server
from sqlalchemy.engine import URL


def get_count(person: Chat, thread_id: str) -> httpx2.Response:
    """Ask as this person, through the page's server where that is what they talk to."""
    own = person.url.replace("/api/chatkit", "/api/backend").removesuffix("/chatkit")
    url = f"{own}/conversations/{thread_id}/count"
    return httpx2.get(url, headers=person.headers, **HTTP)


def told(response: httpx2.Response) -> str:
    """Return the words of a refusal, and make sure that it names its request."""
    assert response.headers["content-type"] == "application/json"
    assert re.fullmatch(r"[\w-]+", response.headers["x-request-id"])
    said: Json = response.json()
    return str(said["message"])


def test_an_owner_is_answered(server: Server) -> None:
    ada = server.someone()
    thread_id = ada.say("Hello")[0]["thread"]["id"]
    response = get_count(ada, thread_id)
    assert (response.status_code, response.json()) == (200, {"count": len(ada.items(thread_id))})


@pytest.mark.parametrize("thread_id", ["thr_1", "a%20b", "%20", "x" * 500])
def test_what_is_not_there_is_not_found(server: Server, thread_id: str) -> None:
    response = get_count(server.someone(), thread_id)
    assert response.status_code == 404
    assert told(response)


def test_to_others_it_looks_like_what_is_not_there(server: Server) -> None:
    thread_id = server.someone().say("Hello")[0]["thread"]["id"]
    response, missing = (get_count(server.someone(), one) for one in (thread_id, "thr_1"))
    assert response.status_code == missing.status_code == 404
    assert told(response) == told(missing) == "There is no such conversation."


def test_nobody_is_refused_in_words(database: URL) -> None:
    with run_server(database, APP_ENV="production") as production:
        response = get_count(production.chat(), "thr_1")
        forged = get_count(production.chat("forged"), "thr_1")
    assert response.status_code == forged.status_code == 401
    assert told(response) == "Not signed in: the request carries no token."
    assert told(forged).startswith("Not signed in: the token is refused.")


def test_a_failure_is_said_in_words_and_logged(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with empty_database(tmp_path) as url, run_server(url, log) as server:
        response = get_count(server.chat(), "thr_1")
    assert response.status_code == 503
    request_id = response.headers["x-request-id"]
    assert told(response).startswith("The database is not migrated.")
    assert told(response).endswith(f"(request {request_id})")
    assert request_id in log.read_text(encoding="utf-8")
