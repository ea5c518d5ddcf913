"""What every framework has to do alike: these tests are the same on all of them."""

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from contract.chat import HTTP, TLS, is_delta, wait_until
from contract.serving import Server, run_server
from sqlalchemy.engine import URL

JSON = "application/json"
FORM = "multipart/form-data; boundary=x"
LIST = b'{"type": "threads.list", "params": {}}'
FILE = (
    b"--x\r\n"
    b'Content-Disposition: form-data; name="file"; filename="a.txt"\r\n'
    b"Content-Type: text/plain\r\n\r\n"
)
MEGABYTE = 1024 * 1024


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log") / "backend.log"


@pytest.fixture(scope="module")
def backend(database: URL, log: Path) -> Iterator[Server]:
    """The backend itself, whose log nothing here may fill with tracebacks."""
    with run_server(database, log) as running:
        yield running
    assert "Traceback" not in log.read_text(encoding="utf-8")


@pytest.fixture
def connection(backend: Server) -> Iterator[http.client.HTTPConnection]:
    """A connection that sends what a proper client would not."""
    connection = http.client.HTTPConnection(urlsplit(backend.address).netloc, timeout=30)
    yield connection
    connection.close()


@pytest.mark.parametrize("path", ["/", "/chatkit/threads", "/attachments/a/b", "/static/a"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_address_is_said(backend: Server, method: str, path: str) -> None:
    response = httpx2.request(method, f"{backend.address}{path}", **HTTP)
    assert response.status_code == 404
    assert response.json() == {"message": "There is nothing at this address."}


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/chatkit"), ("GET", "/attachments"), ("PUT", "/attachments/a"), ("PUT", "/health")],
)
def test_a_wrong_method_is_said(backend: Server, method: str, path: str) -> None:
    response = httpx2.request(method, f"{backend.address}{path}", **HTTP)
    assert response.status_code == 405
    assert response.json() == {"message": "This address does not take this method."}
    assert response.headers["allow"]


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
@pytest.mark.parametrize("path", ["/chatkit", "/attachments", "/attachments/a", "/health", "/none"])
def test_a_method_that_is_seldom_used_does_no_harm(backend: Server, method: str, path: str) -> None:
    assert httpx2.request(method, f"{backend.address}{path}", **HTTP).status_code < 500


@pytest.mark.parametrize("name", ["a%2Fb", "%00", "%ff", "%", "a%20b", "x" * 5000])
def test_a_name_that_no_file_has_is_not_found(
    connection: http.client.HTTPConnection, name: str
) -> None:
    connection.request("GET", f"/attachments/{name}")
    response = connection.getresponse()
    assert response.status == 404
    assert json.loads(response.read())["message"]


@pytest.mark.parametrize(
    ("name", "values", "status"),
    [
        ("Content-Type", [JSON, "text/plain"], 200),
        ("Content-Type", ["text/plain", JSON], 415),
        ("Content-Type", [b"\xff;=;"], 415),
        ("CONTENT-TYPE", [JSON.upper()], 200),
        ("Authorization", ["Bearer a", "Bearer b"], 401),
        ("Authorization", [b"Bearer \xff"], 401),
        ("X-Request-Id", ["a", "b"], 200),
        ("X-Request-Id", [b"\xff"], 200),
        ("Cookie", [b"a=\xff; ;;="], 200),
        ("Accept", ["text/html"], 200),
        ("X-HTTP-Method-Override", ["DELETE"], 200),
        ("Content-Encoding", ["gzip"], 200),
    ],
)
def test_strange_headers(
    connection: http.client.HTTPConnection, name: str, values: list[str | bytes], status: int
) -> None:
    """The first of several counts, and none makes anything fail."""
    connection.putrequest("POST", "/chatkit")
    connection.putheader("Content-Length", str(len(LIST)))
    if name.lower() != "content-type":
        connection.putheader("Content-Type", JSON)
    for value in values:
        connection.putheader(name, value)
    connection.endheaders(LIST)
    response = connection.getresponse()
    assert (response.status, response.headers["content-type"]) == (status, JSON), response.read()


@pytest.mark.parametrize(
    ("path", "content_type", "start", "limit"),
    [("/chatkit", JSON, b'"', 10 * MEGABYTE), ("/attachments", FORM, FILE, 21 * MEGABYTE)],
)
def test_a_body_without_end_is_refused_before_its_end(
    connection: http.client.HTTPConnection, path: str, content_type: str, start: bytes, limit: int
) -> None:
    connection.putrequest("POST", path)
    connection.putheader("Content-Type", content_type)
    connection.putheader("Content-Length", str(1000 * limit))
    connection.endheaders(start)
    for _ in range(limit // MEGABYTE):
        connection.send(b"x" * MEGABYTE)
    connection.send(b"x")
    response = connection.getresponse()
    assert response.status == 413
    assert "MB" in json.loads(response.read())["message"]


def test_a_large_file_in_small_pieces_is_taken(backend: Server) -> None:
    """A framework has limits of its own, and may want to know the length before."""
    piece = b"x" * (MEGABYTE // 16)

    def form() -> Iterator[bytes]:
        yield FILE
        yield from [piece] * 16 * 19
        yield b"\r\n--x--\r\n"

    headers = {"Content-Type": FORM}
    response = httpx2.post(
        f"{backend.address}/attachments", content=form(), headers=headers, timeout=60, verify=TLS
    )
    assert response.status_code == 200, response.text
    uploaded = response.json()["id"]
    assert len(backend.chat().download(uploaded).content) == 19 * MEGABYTE
    backend.chat().ask("attachments.delete", attachment_id=uploaded)


@pytest.mark.parametrize(
    ("path", "content_type", "start", "kind"),
    [
        ("/chatkit", JSON, b'{"type"', "chatkit"),
        ("/attachments", FORM, FILE, "attachments.upload"),
    ],
)
def test_a_connection_that_breaks_off_leaves_a_line_in_the_log(
    backend: Server, log: Path, path: str, content_type: str, start: bytes, kind: str
) -> None:
    before = log.read_text(encoding="utf-8").count("\n")
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\n"
    address = urlsplit(backend.address)
    with socket.create_connection((address.hostname, address.port)) as broken:
        broken.sendall(f"{head}Content-Length: 1000000\r\n\r\n".encode() + start)

    def lines() -> list[str]:
        return log.read_text(encoding="utf-8").splitlines()[before:]

    wait_until(lambda: any(f": {kind} 4" in line for line in lines()))
    assert httpx2.get(f"{backend.address}/health", **HTTP).json() == {"status": "ok"}


def test_an_answer_comes_word_by_word(backend: Server) -> None:
    """And not at its end, when it is stored."""
    chat = backend.chat()
    with chat.say_slowly("a long answer") as events:
        thread_id = next(events)["thread"]["id"]
        next(filter(is_delta, events))
        assert len(chat.items(thread_id)) == 1
        assert any(map(is_delta, events))
    wait_until(lambda: len(chat.items(thread_id)) > 1)
