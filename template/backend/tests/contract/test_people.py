"""Who is believed, what belongs to whom, and how much one person may ask for."""

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest
from sqlalchemy.engine import URL

from contract.chat import HTTP, Chat, message, sign
from contract.serving import SECRET, Server, run_server

ANOTHER_SECRET = "another secret of 32 characters, or more"


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 1},
        {"iss": "somebody"},
        {"aud": "somebody"},
        {"sub": None},
        {"exp": None},
        {"iat": None},
        {"iat": 1},
        {"exp": 2**33},
        {"iat": 2**33, "exp": 2**33 + 60},
        {"secret": ANOTHER_SECRET},
    ],
    ids=str,
)
def test_a_wrong_token_is_refused(server: Server, changes: dict[str, Any]) -> None:
    """One whose life is longer than the longest is wrong too."""
    chat = server.chat(sign(**{"secret": SECRET} | changes))
    for response in (chat.post("threads.list"), chat.download("atc_none")):
        assert response.status_code == 401
        assert "CHATKIT_SECRET" in response.json()["message"]


def test_a_secret_is_changed_half_by_half(database: URL) -> None:
    """Slug: secret-rotation-loses-guests. What either secret has signed is believed meanwhile."""
    new = secrets.token_urlsafe(32)
    settings = {"CHATKIT_SECRET": new, "CHATKIT_SECRET_PREVIOUS": SECRET}
    with run_server(database, None, APP_ENV="production", **settings) as server:
        thread_id = server.chat(sign(SECRET)).say("notice")[0]["thread"]["id"]
        assert server.chat(sign(new)).items(thread_id)
        assert server.chat(sign(ANOTHER_SECRET)).post("threads.list").status_code == 401


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"host": "rebound.example"}, "127.0.0.1, localhost and [::1]"),
        ({"host": "rebound.example:8000"}, "was asked as rebound.example:8000"),
        ({"host": "127.0.0.1.rebound.example"}, "127.0.0.1, localhost and [::1]"),
        ({"host": "127.0.0.1:80@rebound.example"}, "127.0.0.1, localhost and [::1]"),
        ({"host": "["}, "127.0.0.1, localhost and [::1]"),
        ({"origin": "https://other.example"}, "no page of another site"),
        ({"origin": "null"}, "no page of another site"),
        ({"sec-fetch-site": "cross-site"}, "no page of another site"),
    ],
    ids=str,
)
def test_a_website_cannot_ask_in_development(
    server: Server, headers: dict[str, str], words: str
) -> None:
    """Slug: rebinding-reaches-development. By DNS rebinding, or by a form that uploads a file."""
    chat = Chat(f"{server.address}/chatkit", headers)
    for response in (
        chat.post("threads.list"),
        chat.upload("a.txt", b"Hello", "text/plain"),
        chat.download("atc_none"),
    ):
        assert response.status_code in (400, 403)
        if response.status_code == 403:
            assert words in response.json()["message"]


def test_an_unsigned_token_is_refused(server: Server) -> None:
    claims = jwt.decode(sign(SECRET), options={"verify_signature": False})
    unsigned = jwt.encode(claims, "", algorithm="none")
    assert server.chat(unsigned).post("threads.list").status_code == 401


def test_production_believes_nobody_without_a_token(database: URL, tmp_path: Path) -> None:
    with run_server(database, tmp_path / "log", APP_ENV="production") as server:
        chat = server.chat()
        for response in (
            chat.post("threads.list"),
            chat.upload("a.txt", b"Hello", "text/plain"),
            chat.download("atc_none"),
        ):
            assert response.status_code == 401
            assert "Not signed in" in response.json()["message"]
        assert server.someone().ask("threads.list")["data"] == []


def test_foreign_thread(server: Server) -> None:
    ada, bob = server.someone(), server.someone()
    thread_id = ada.say("My secret")[0]["thread"]["id"]
    assert bob.ask("threads.list")["data"] == []
    assert bob.items(thread_id) == []
    assert bob.post("threads.get_by_id", thread_id=thread_id).status_code == 404
    refused = bob.post("threads.add_user_message", thread_id=thread_id, input=message("Hi"))
    assert refused.status_code == 404
    bob.ask("threads.delete", thread_id=thread_id)
    assert len(ada.items(thread_id)) == 2


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log") / "backend.log"


@pytest.fixture(scope="module")
def strict(database: URL, log: Path) -> Iterator[Server]:
    """A server in production, which allows three turns a minute."""
    settings = {"TURNS_PER_MINUTE": "3", "APP_ENV": "production"}
    with run_server(database, log, **settings) as running:
        yield running


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


GUESTS = {
    "TURNS_PER_MINUTE": "2",
    "TURNS_PER_MINUTE_ADDRESS": "3",
    "TURNS_PER_MINUTE_GUESTS": "5",
}


def guest(server: Server, address: str | None = None) -> Chat:
    """Return a new guest whose browser is at an address."""
    claims = {"address": address} if address else {}
    return server.someone(f"guest_{secrets.token_hex(8)}", **claims)


def assert_refused(response: httpx2.Response, words: str) -> None:
    assert response.status_code == 429, response.text
    assert words in response.json()["message"]
    assert 0 < int(response.headers["retry-after"]) <= 60


def test_free_cookies_spend_the_key(uncounted: URL) -> None:
    """A new guest is a new cookie: they are counted for their address, and all together."""
    greeting = {"input": message("notice")}
    with run_server(uncounted, None, **GUESTS) as server:
        here, there = "192.0.2.1", "2001:db8:1:2::/64"
        for _ in range(3):
            guest(server, here).say("notice")
        for _ in range(5):
            late = guest(server, here)
            assert_refused(late.post("threads.create", **greeting), "3 answers a minute")
            assert late.ask("threads.list")["data"] == [], "a refused turn left a thread"
        # What was refused is counted for nobody else, nor for all.
        guest(server, there).say("notice")
        guest(server).say("notice")
        for late in (guest(server), guest(server, there), guest(server, here)):
            assert_refused(late.post("threads.create", **greeting), "5 answers a minute")
        known = server.someone(address=here)
        known.say("notice")
        known.say("notice")
        assert_refused(known.post("threads.create", **greeting), "2 answers a minute")


MB = 1024 * 1024


def announce(person: Chat, size: int) -> httpx2.Response:
    """Announce a file of a size, and return the response."""
    return person.post("attachments.create", name="a.txt", size=size, mime_type="text/plain")


def test_a_guest_fills_the_disk(database: URL) -> None:
    """Slug: guest-fills-the-disk. What is announced counts, and deleting makes room again."""
    words = "Delete conversations with files"
    with run_server(database, ATTACHMENTS_MAX_MB_PERSON="3") as server:
        ada, bob = server.someone(), server.someone()
        sent = ada.upload("a.txt", b"x" * MB, "text/plain").json()["id"]
        with ada.stream("threads.create", input=message("notice", attachments=[sent])) as events:
            thread_id = next(events)["thread"]["id"]
            list(events)
        announced = announce(ada, MB).json()["id"]
        assert_refused(announce(ada, MB + 1), words)
        assert_refused(ada.upload("a.txt", b"x" * (MB + 1), "text/plain"), words)
        assert announce(ada, -MB).status_code == 400
        # More comes than was announced.
        assert_refused(ada.upload("a.txt", b"x" * (2 * MB + 1), "text/plain", announced), words)
        assert ada.download(announced).status_code == 404
        with ThreadPoolExecutor(6) as threads:
            several = threads.map(lambda _: announce(ada, MB).status_code, range(6))
            assert sum(status == 200 for status in several) <= 2
        assert bob.upload("b.txt", b"x" * MB, "text/plain").status_code == 200
        ada.ask("threads.delete", thread_id=thread_id)
        assert announce(ada, MB // 2).status_code == 200


def test_the_log_has_nothing_that_people_write(strict: Server, log: Path) -> None:
    person = strict.someone()
    thread_id = person.say("The word is rhubarb")[0]["thread"]["id"]
    person.ask("threads.update", thread_id=thread_id, title="rhubarb pie")
    person.post("threads.create", input={"content": "rhubarb"})
    person.upload("rhubarb.txt", b"rhubarb", "text/plain")
    person.upload("rhubarb.png", b"rhubarb", "image/png")
    httpx2.post(
        person.url, content=b"rhubarb", headers={"content-type": "application/json"}, **HTTP
    )
    text = log.read_text(encoding="utf-8")
    assert "rhubarb" not in text
    assert person.headers["Authorization"].split()[1] not in text
