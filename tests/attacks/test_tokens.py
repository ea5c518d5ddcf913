"""Whom the backend believes, asked straight as in production, and what a browser cannot slip in."""

import base64
import hmac
import json
import re
import secrets
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from contract.chat import HTTP, Chat, sign
from support.deployed import Deployed
from support.variants import DEFAULT

from attacks.conftest import DeployedOf

NOW = int(time.time())
Forge = Callable[[str], str]
"""Makes a token; it is given the secret, which few of the forgers need."""


@pytest.fixture
def site(deployed_of: DeployedOf) -> Deployed:
    return deployed_of(DEFAULT)


def part(said: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(said).encode()).rstrip(b"=").decode()


def by_hand(header: dict[str, Any], secret: str, digest: str | None = "sha256") -> str:
    """Return a token that no library would sign."""
    claims = {"sub": "ada", "iss": "chatkit-frontend", "aud": "chatkit-backend"}
    said = f"{part(header)}.{part(claims | {'iat': NOW, 'exp': NOW + 60})}"
    if digest is None:
        return f"{said}."
    signature = hmac.digest(secret.encode(), said.encode(), digest)
    return f"{said}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def with_other_claims(secret: str) -> str:
    header, _, signature = sign(secret).split(".")
    _, claims, _ = sign(secrets.token_urlsafe(32), sub="bob").split(".")
    return f"{header}.{claims}.{signature}"


FORGERS: dict[str, Forge] = {
    "of another secret": lambda _: sign(secrets.token_urlsafe(32)),
    "of an empty secret": lambda _: by_hand({"alg": "HS256"}, ""),
    "of no algorithm": lambda _: by_hand({"alg": "none"}, "", None),
    "of no algorithm, written otherwise": lambda _: by_hand({"alg": "nOnE"}, "", None),
    "of an algorithm that is a list": lambda secret: by_hand({"alg": ["HS256"]}, secret),
    "without an algorithm": lambda secret: by_hand({"typ": "JWT"}, secret),
    "of another algorithm": lambda secret: by_hand({"alg": "HS512"}, secret, "sha512"),
    "that says RS256 and means a secret": lambda secret: by_hand({"alg": "RS256"}, secret),
    "of a key of its own": lambda _: by_hand({"alg": "HS256", "jwk": {"kty": "oct", "k": ""}}, ""),
    "with another's claims": with_other_claims,
    "cut off": lambda secret: sign(secret)[:-4],
    "that was heard a minute ago": lambda secret: sign(secret, iat=NOW - 120, exp=NOW - 60),
    "for an hour": lambda secret: sign(secret, exp=NOW + 3600),
    "for an hour, since now": lambda secret: sign(secret, iat=NOW + 3540, exp=NOW + 3600),
    "since never": lambda secret: sign(secret, iat=None),
    "for ever": lambda secret: sign(secret, exp=None),
    "of another issuer": lambda secret: sign(secret, iss="guest"),
    "for another audience": lambda secret: sign(secret, aud="guest"),
    "about nobody": lambda secret: sign(secret, sub=None),
}


@pytest.mark.parametrize("forger", FORGERS)
def test_forged_and_replayed_tokens(site: Deployed, forger: str) -> None:
    """Slug: page-tokens-live-shortly. Nobody is told more than that they are not signed in."""
    token = FORGERS[forger](site.secret)
    person = Chat(f"{site.backend}/chatkit", {"Authorization": f"Bearer {token}"})
    for answer in (
        person.post("threads.list"),
        person.upload("a.txt", b"Hello", "text/plain"),
        person.download("atc_none"),
    ):
        assert answer.status_code == 401
        message = answer.json()["message"]
        assert message.startswith("Not signed in: the token is refused. (request ")
        assert "CHATKIT_SECRET" not in message
    assert token not in site.backend_log.read_text(encoding="utf-8")


def test_a_token_of_the_page_is_believed(site: Deployed) -> None:
    person = Chat(f"{site.backend}/chatkit", {"Authorization": f"Bearer {sign(site.secret)}"})
    assert person.post("threads.list").status_code == 200


def test_production_answers_nobody_without_a_token(site: Deployed) -> None:
    for headers in ({}, {"Authorization": ""}, {"Authorization": "Basic YTpi"}):
        person = Chat(f"{site.backend}/chatkit", headers)
        assert person.post("threads.list").status_code == 401


def test_a_cookie_is_no_token_and_a_token_no_cookie(site: Deployed) -> None:
    """The same secret signs both, each for another audience."""
    guest = site.visit()
    name, _, cookie = guest.headers["Cookie"].partition("=")
    straight = Chat(f"{site.backend}/chatkit", {"Authorization": f"Bearer {cookie}"})
    assert straight.post("threads.list").status_code == 401
    for token in (sign(site.secret), sign(site.secret, aud=None)):
        at_the_page = Chat(guest.url, {"Cookie": f"{name}={token}"})
        assert at_the_page.post("threads.list").status_code == 401


def test_a_browser_cannot_say_itself_who_it_is(site: Deployed) -> None:
    """What the backend believes does not pass the page's server, in whatever header."""
    ada = Chat(f"{site.backend}/chatkit", {"Authorization": f"Bearer {sign(site.secret)}"})
    thread_id = ada.say("notice")[0]["thread"]["id"]
    guest = site.visit()
    token = f"Bearer {sign(site.secret)}"
    for header in ("Authorization", "Proxy-Authorization", "X-Forwarded-Authorization"):
        person = Chat(guest.url, {**guest.headers, header: token})
        assert person.post("threads.get_by_id", thread_id=thread_id).status_code == 404


@pytest.mark.parametrize(
    "given",
    ["a\r\nX-Injected: 1", "%0d%0aX-Injected:%201", "a\nb", "x" * 5000, "é", '"}{'],
    ids=str,
)
def test_a_request_id_carries_nothing_else(site: Deployed, given: str) -> None:
    """It is in an answer's header and in the log: header injection, and lines that nobody wrote."""
    guest = site.visit()
    request = b'{"type": "threads.list", "params": {}}'
    for chat in (guest, Chat(f"{site.backend}/chatkit", {})):
        url = urlsplit(chat.url)
        headers = {**chat.headers, "Content-Type": "application/json", "X-Request-Id": given}
        lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
        start = f"POST {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nConnection: close\r\n"
        head = "".join([start, *lines, f"Content-Length: {len(request)}\r\n\r\n"])
        # By hand: a client that is polite would not send it.
        with socket.create_connection((str(url.hostname), url.port), 30) as connection:
            connection.sendall(head.encode("latin-1") + request)
            answer = b"".join(iter(partial(connection.recv, 65536), b""))
        assert answer.startswith(b"HTTP/1.1 ")
        assert b"x-injected" not in answer.partition(b"\r\n\r\n")[0].lower()
        for found in re.findall(rb"(?im)^x-request-id: (.*)\r$", answer):
            assert re.fullmatch(rb"[A-Za-z0-9_-]{1,64}", found)
    assert given not in site.backend_log.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "value",
    ["middleware", "src/middleware", "proxy", "src/proxy", "middleware:" * 5 + "middleware"],
)
def test_no_header_skips_the_guest(site: Deployed, value: str) -> None:
    """Next.js once let `x-middleware-subrequest` skip what runs before a page."""
    headers = {"x-middleware-subrequest": value}
    document = httpx2.get(site.page, headers=headers, **HTTP)
    assert any("guest" in name for name in document.cookies)
    api = Chat(f"{site.page}/api/chatkit", headers)
    assert api.post("threads.list").status_code == 401
