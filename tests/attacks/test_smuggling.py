"""Requests in the bodies of requests, lengths that lie: nobody else's requests are touched.

The attackers write to sockets of their own, as no browser does, and a bystander goes on meanwhile.
"""

import random
import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit

import httpx2
import pytest
from contract.chat import TLS, Chat
from support.proxies import nginx
from support.variants import BY_FRAMEWORK, DEFAULT, Variant

from attacks.conftest import DeployedOf

REQUESTS = 1000
"""What the bystander asks in all."""

CONNECTIONS = 4
ATTACKERS = 4
BROKEN_OFF = 0.3
"""How many of the attacks end somewhere in the middle."""

SECRET = "The bystander's secret"
LENGTH = "Content-Length"
CHUNKED = "Transfer-Encoding: chunked"
FORM = "Content-Type: multipart/form-data; boundary=b"
JSON = "Content-Type: application/json"
FILE = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'

KEPT = """
proxy_request_buffering off;
proxy_set_header Connection "";
proxy_set_header Host $host;
"""
"""Connections to the page's server are used again."""


@pytest.mark.parametrize("variant", BY_FRAMEWORK, ids=str)
def test_no_byte_of_a_request_is_taken_for_anothers(
    deployed_of: DeployedOf, variant: Variant
) -> None:
    """Slug: request-smuggled."""
    site = deployed_of(variant)
    nobody_else_notices(site.page, site.visit(), site.visit())


def test_no_byte_is_behind_nginx(deployed_of: DeployedOf, tmp_path: Path) -> None:
    """Slug: request-smuggled. Its own connections to the page's server are used again, too."""
    site = deployed_of(DEFAULT)
    with nginx([site.page], tmp_path, KEPT, "keepalive 16;") as front:
        nobody_else_notices(front, site.visit(), site.visit())


def nobody_else_notices(page: str, bystander: Chat, attacker: Chat) -> None:
    """Attack a page for as long as a bystander asks, and look at all that either is told."""
    thread_id = bystander.say(SECRET)[0]["thread"]["id"]
    over = Event()
    with ThreadPoolExecutor(CONNECTIONS + ATTACKERS) as pool:
        attacks = [
            pool.submit(attack, page, dict(attacker.headers), seed, over)
            for seed in range(ATTACKERS)
        ]
        asking = [
            pool.submit(wrong_answers, page, dict(bystander.headers), thread_id)
            for _ in range(CONNECTIONS)
        ]
        try:
            wrong = [answer for one in asking for answer in one.result()]
        finally:
            over.set()
        said = [one.result() for one in attacks]
    assert not wrong, f"{len(wrong)} of {REQUESTS}, such as {wrong[:3]}"
    assert all(number > 20 for number, _ in said), "too few attacks to tell"
    for _, answers in said:
        assert SECRET.encode() not in answers
        assert thread_id.encode() not in answers
    # Nothing of thousands of requests that broke off counts as going on.
    assert attacker.ask("threads.list")["data"] == []


def wrong_answers(page: str, headers: dict[str, str], thread_id: str) -> list[str]:
    """Ask again and again on one connection, and return what is not the answer."""
    question = {"type": "threads.list", "params": {}}
    wrong: list[str] = []
    with httpx2.Client(base_url=page, headers=headers, timeout=20, verify=TLS) as client:
        for number in range(REQUESTS // CONNECTIONS):
            named = {"X-Request-Id": f"bystander-{number}"}
            try:
                if number % 8:
                    answer = client.post("/api/chatkit", json=question, headers=named)
                    right = is_list(answer, thread_id)
                else:
                    answer = client.get("/api/status", headers=named)
                    right = answer.status_code == 200 and answer.json() == {"status": "ok"}
            except httpx2.TransportError as error:
                return [*wrong, repr(error)]
            if not right or answer.headers["x-request-id"] != named["X-Request-Id"]:
                wrong.append(f"{answer.status_code} {answer.text[:200]}")
    return wrong


def is_list(answer: httpx2.Response, thread_id: str) -> bool:
    """Whether an answer is the list of the bystander's threads."""
    if answer.status_code != 200:
        return False
    return [thread["id"] for thread in answer.json().get("data", [])] == [thread_id]


def attack(page: str, headers: dict[str, str], seed: int, over: Event) -> tuple[int, bytes]:
    """Attack in every way in turn, and return how often and all that was answered."""
    choose = random.Random(seed)
    address = urlsplit(page)
    assert address.hostname
    assert address.port
    ways = attacks(address.netloc, headers["Cookie"])
    choose.shuffle(ways)
    answers = bytearray()
    for number, sent in enumerate(cycle(ways)):
        if over.is_set():
            return number, bytes(answers)
        with (
            suppress(OSError),  # it is the server's right to refuse more
            socket.create_connection((address.hostname, address.port), timeout=1) as connection,
        ):
            if choose.random() < BROKEN_OFF:
                # Breaks off in the middle, with a reset and not with an end.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.sendall(sent[: choose.randrange(len(sent))])
            else:
                connection.sendall(sent)
                answers += connection.recv(65536)
    raise AssertionError


def attacks(host: str, cookie: str) -> list[bytes]:
    """Return what attackers send."""
    smuggled = [
        b"GET /health HTTP/1.1\r\nHost: backend\r\n\r\n" * 22,
        # The next request, whosever it is, would be its body.
        b"POST /chatkit HTTP/1.1\r\nHost: backend\r\nContent-Length: 900\r\n\r\n",
        f"GET /api/status HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n\r\n".encode(),
    ]

    def request(line: str, *headers: str, body: bytes = b"", known: bool = True) -> bytes:
        lines = [f"{line} HTTP/1.1", f"Host: {host}", *headers]
        if known:
            lines.append(f"Cookie: {cookie}")
        return "\r\n".join([*lines, "", ""]).encode() + body

    def chunks(body: bytes) -> bytes:
        return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)

    found: list[bytes] = []
    for inner in smuggled:
        for path in ("/api/attachments/atc_x", "/api/status", "/api/chatkit", "/"):
            for method in ("GET", "HEAD", "DELETE", "OPTIONS"):
                line = f"{method} {path}"
                whole = f"{LENGTH}: {len(inner)}"
                found += [
                    request(line, whole, body=inner),
                    request(line, f"{LENGTH}: {len(inner) + 900}", body=inner),
                    request(line, f"{LENGTH}: 5", body=inner),
                    request(line, CHUNKED, body=chunks(inner)),
                    request(line, CHUNKED, body=inner),
                    request(line, CHUNKED, whole, body=chunks(inner)),
                    request(line, whole, CHUNKED, body=inner),
                    request(line, whole, "Expect: 100-continue", body=inner),
                ]
        for path in ("/api/attachments", "/api/attachments/atc_x", "/api/chatkit"):
            line = f"POST {path}"
            for kind, start in ((FORM, FILE), (JSON, b'{"type":"x"}'), ("Content-Type: a/b", b"")):
                body = start + inner
                whole = f"{LENGTH}: {len(body)}"
                found += [
                    request(line, kind, whole, body=body),
                    request(line, kind, whole, body=body, known=False),
                    request(line, kind, f"{LENGTH}: 9000", body=body),
                    request(line, kind, f"{LENGTH}: 5", body=body),
                    request(line, kind, CHUNKED, body=chunks(body)),
                    request(line, kind, CHUNKED, body=b"fff\r\n" + body),
                    request(line, kind, CHUNKED, whole, body=chunks(body)),
                    request(line, kind, whole, "Expect: 100-continue", body=body),
                ]
    # Several on one connection, without waiting for an answer.
    return found + [first + second for first, second in zip(found[::5], found[2::5], strict=False)]
