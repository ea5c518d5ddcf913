"""How much one person may ask for, and how a request is found in the log."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from chat import Chat, message
from conftest import Server, run_server
from sqlalchemy.engine import URL
from wait import wait_until

SECRET = "j8Zr2LqWn5Xv9Tb3Yc6Hd1Kf4Mg7Ps0A"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log") / "backend.log"


@pytest.fixture(scope="module")
def strict(database: URL, log: Path) -> Iterator[Server]:
    """A server in production, which allows three turns a minute."""
    settings = {"TURNS_PER_MINUTE": "3", "APP_ENV": "production"}
    with run_server(database, log, **settings) as running:
        yield running


def lines(log: Path, request_id: str) -> list[dict[str, object]]:
    """Return the lines of the log that tell of a request."""
    everything = [json.loads(line) for line in log.read_text().splitlines()]
    return [line for line in everything if line.get("request_id") == request_id]


def test_a_person_may_ask_for_so_many_answers_a_minute(strict: Server) -> None:
    ada, bob = strict.someone(), strict.someone()
    thread_id = ada.say("notice")[0]["thread"]["id"]
    ada.say("notice", thread_id)
    ada.say("notice")
    refused = ada.post("threads.add_user_message", thread_id=thread_id, input=message("notice"))
    assert refused.status_code == 429
    assert "3 answers a minute" in refused.json()["message"]
    assert 0 < int(refused.headers["retry-after"]) <= 60
    assert len(ada.items(thread_id)) == 2, "the refused message was stored"
    assert ada.ask("threads.list")["data"], "reading is not limited"
    assert bob.say("notice")


def test_an_action_that_may_ask_the_model_is_counted(strict: Server) -> None:
    person = strict.someone()
    thread_id = person.say("notice")[0]["thread"]["id"]
    action = {"thread_id": thread_id, "action": {"type": "demo.click"}}
    attempts = [person.post("threads.sync_custom_action", **action) for _ in range(3)]
    assert [response.status_code for response in attempts] == [200, 200, 429]


@pytest.mark.parametrize("host", ["a b", "x:99999999", "evil.example/x?"])
def test_a_host_that_is_none_is_refused(server: Server, host: str) -> None:
    """Upload addresses are made of it, where there is no page in between."""
    headers = {**server.someone().headers, "host": host}
    response = Chat(f"{server.address}/chatkit", headers).post("threads.list")
    assert response.status_code == 400


@pytest.mark.parametrize("given", ["from-the-page_1", None, "x" * 65, "a b", "a\tb"])
def test_a_request_is_found_in_the_log(strict: Server, log: Path, given: str | None) -> None:
    person = strict.someone()
    headers = dict(person.headers) | ({"x-request-id": given} if given else {})
    response = Chat(person.url, headers).post("threads.get_by_id", thread_id="thr_none")
    request_id = response.headers["x-request-id"]
    assert (request_id == given) == (given == "from-the-page_1")
    [line] = lines(log, request_id)
    assert (line["kind"], line["status"]) == ("threads.get_by_id", 404)
    assert line["outcome"] == "refused"


def test_a_failed_turn_is_found_in_the_log(strict: Server, log: Path) -> None:
    """Its answer has begun with 200 all the same."""
    person = strict.someone()
    headers = {**person.headers, "x-request-id": "a-turn-that-fails"}
    failure = Chat(person.url, headers).say("Show an error")[-1]
    assert failure["type"] == "error"
    assert failure["message"].endswith(" (request a-turn-that-fails)")
    wait_until(lambda: lines(log, "a-turn-that-fails"))
    [line] = lines(log, "a-turn-that-fails")
    assert (line["status"], line["outcome"]) == (200, "failed")


def test_a_stopped_turn_is_found_in_the_log(strict: Server, log: Path) -> None:
    person = strict.someone()
    with person.say_slowly("a long answer") as events:
        thread_id = next(events)["thread"]["id"]
        next(events)

    def outcomes() -> list[object]:
        everything = [json.loads(line) for line in log.read_text().splitlines()]
        return [line.get("outcome") for line in everything]

    wait_until(lambda: "stopped" in outcomes())
    assert person.items(thread_id)


def test_the_log_has_nothing_that_people_write(strict: Server, log: Path) -> None:
    person = strict.someone()
    thread_id = person.say("The word is rhubarb")[0]["thread"]["id"]
    person.ask("threads.update", thread_id=thread_id, title="rhubarb pie")
    person.post("threads.create", input={"content": "rhubarb"})
    person.upload("rhubarb.txt", b"rhubarb", "text/plain")
    person.upload("rhubarb.png", b"rhubarb", "image/png")
    httpx2.post(person.url, content=b"rhubarb", headers={"content-type": "application/json"})
    text = log.read_text()
    assert "rhubarb" not in text
    assert person.headers["Authorization"].split()[1] not in text
