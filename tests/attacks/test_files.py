"""Files that attack whoever downloads them, and names and ids that lead elsewhere, still do not."""

import socket
from urllib.parse import urlsplit

import httpx2
import pytest
from contract.chat import HTTP, Chat
from support.deployed import Deployed
from support.variants import DEFAULT

from attacks.conftest import DeployedOf

SCRIPT = "<script>alert(document.domain)</script>"
SVG = f'<svg xmlns="http://www.w3.org/2000/svg">{SCRIPT}</svg>'.encode()
HTML = f"<!doctype html><html><body>{SCRIPT}</body></html>".encode()
GIF = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff"
GIF += b"!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x01D\x00;"

TAKEN = {
    "page.txt": (HTML, "text/plain"),
    "drawing.txt": (SVG, "text/plain"),
    "data.json": (b'{"a": "' + SCRIPT.encode() + b'"}', "application/json"),
    "notes.md": (b"[a](javascript:alert(1))" + HTML, "text/markdown"),
    "formula.csv": (b"=cmd|' /C calc'!A0,\n", "text/csv"),
    "image-and-page.gif": (GIF + HTML, "image/gif"),
    "paper-and-page.pdf": (b"%PDF-1.7\n" + HTML, "application/pdf"),
}
"""What may be sent: it is given back as a download in a sandbox, whatever a browser makes of it."""

REFUSED = [
    ("a.svg", SVG, "image/svg+xml"),
    ("a.html", HTML, "text/html"),
    ("a.xhtml", HTML, "application/xhtml+xml"),
    ("a.xml", SVG, "text/xml"),
    ("a.js", b"alert(1)", "text/javascript"),
    ("a.svg", SVG, "application/octet-stream"),
    ("a.html", HTML, ""),
    ("a.png", SVG, "image/png"),
    ("a.png", GIF + HTML, "image/png"),
    ("a.gif", b"GIF89a" + HTML, "image/gif"),
    ("a.pdf", b"\0" + b"%PDF-1.7", "application/pdf"),
    ("a.txt", GIF, "text/plain"),
    ("a.txt", b"MZ\x90\0", "text/plain"),
    ("a.txt", HTML.decode().encode("utf-16"), "text/plain"),
    ("a.png", HTML, "image/png, text/html"),
    ("a.png", GIF, "image/svg+xml; charset=image/png"),
]

NAMES = {
    '../../../etc/passwd"; filename="a.html': "passwd",
    "..\\..\\a.txt": "a.txt",
    "C:\\Windows\\System32\\a.txt": "a.txt",
    "a\r\nSet-Cookie: chatkit=1\r\n.txt": "Set-Cookie: chatkit=1",
    "a\0.txt": ".txt",
    "\u202etxt.exe": "\u202etxt.exe",
    "a%0d%0aX-Evil: 1.txt": "a%0d%0aX-Evil: 1.txt",
    "x" * 3000 + ".txt": "x" * 251 + ".txt",
}
"""What a file is called, and what is left of that; a client that is honest escapes some of it."""

IDS = (
    "../chatkit",
    "..%2Fchatkit",
    "%2e%2e%2fhealth",
    "..;/health",
    "atc_none/../../health/ready",
    "atc_none%00",
    "atc_none%0d%0aX-Evil:1",
    "'; DROP TABLE attachments; --",
    "%F0%9F%92%A9",
    "atc_*",
    ".",
    "~",
    "a" * 256,
    "a" * 4000,
    "atc_" + "0" * 32 + "#1",
    "chat.db",
    "__proto__",
)


@pytest.fixture
def site(deployed_of: DeployedOf) -> Deployed:
    """A project in production mode."""
    return deployed_of(DEFAULT)


def is_harmless(answer: httpx2.Response) -> bool:
    """Whether a browser neither draws nor runs what it has downloaded."""
    return (
        answer.headers["content-disposition"].startswith("attachment;")
        and answer.headers["x-content-type-options"] == "nosniff"
        and answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
        and answer.headers["cache-control"] == "private, no-store"
    )


def test_what_is_taken_is_never_a_page_of_ours(site: Deployed) -> None:
    person = site.visit("192.0.2.10")
    for name, (content, mime_type) in TAKEN.items():
        uploaded = person.upload(name, content, mime_type)
        assert uploaded.status_code == 200, (name, uploaded.text)
        answer = person.download(uploaded.json()["id"])
        assert answer.content == content
        assert answer.headers["content-type"].partition(";")[0] == mime_type
        assert is_harmless(answer), (name, answer.headers)
    # Nor is the image that is shown of one.
    assert "<script" not in uploaded.text


def test_what_is_something_else_is_refused(site: Deployed) -> None:
    """Whatever its sender calls it."""
    person = site.visit("192.0.2.11")
    for name, content, mime_type in REFUSED:
        answer = person.upload(name, content, mime_type)
        assert answer.status_code == 415, (name, mime_type, answer.text)
        assert answer.headers["content-type"] == "application/json"
        assert "<script" not in answer.text


def test_names_are_names_and_nothing_else(site: Deployed) -> None:
    """No path, no header, no other name."""
    person = site.visit("192.0.2.12")
    for name, known in NAMES.items():
        uploaded = person.upload(name, b"Hello", "text/plain")
        assert uploaded.status_code == 200, (name, uploaded.text)
        stored = uploaded.json()["name"]
        assert known in stored, (name, stored)
        assert not {"/", "\\", "\r", "\n", "\0"} & set(stored)
        assert len(stored) <= 255
        answer = person.download(uploaded.json()["id"])
        assert answer.content == b"Hello"
        assert is_harmless(answer), (name, answer.headers)
        assert not {"set-cookie", "x-evil"} & set(answer.headers)
        assert answer.headers["content-disposition"].count(";") == 1


def test_ids_lead_nowhere_else(site: Deployed) -> None:
    """Neither of this page's paths, nor of the backend's, nor of its files."""
    person = site.visit("192.0.2.13")
    mine = person.upload("a.txt", b"Hello", "text/plain").json()["id"]
    for attachment_id in IDS:
        for send in (as_it_is, as_it_is_to_upload):
            status, answer = send(site, person, attachment_id)
            assert 300 <= status < 500, (attachment_id, status, answer)
            for secret in (b'"ok"', b"SQLite", b"Hello", b"Traceback"):
                assert secret not in answer, (attachment_id, answer)
            assert b"x-evil" not in answer.lower().partition(b"\r\n\r\n")[0]
    assert person.download(mine).content == b"Hello"


def as_it_is(
    site: Deployed, person: Chat, attachment_id: str, start: str = "GET", body: bytes = b""
) -> tuple[int, bytes]:
    """Send a path that no client would send, and return the status and the whole answer."""
    page = urlsplit(site.page)
    path = f"/api/attachments/{attachment_id}".replace(" ", "%20")
    lines = [
        f"{start} {path} HTTP/1.1",
        f"Host: {page.netloc}",
        *(f"{name}: {value}" for name, value in person.headers.items()),
        "Content-Type: multipart/form-data; boundary=b",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    with socket.create_connection((page.hostname or "", page.port or 80), 30) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    return int(answer.split(b" ", 2)[1]), answer


def as_it_is_to_upload(site: Deployed, person: Chat, attachment_id: str) -> tuple[int, bytes]:
    """Send a file to such a path."""
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
    return as_it_is(site, person, attachment_id, "POST", head + b"Mine\r\n--b--\r\n")


def test_a_form_cannot_smuggle_headers(site: Deployed) -> None:
    """Its own header lines, written by hand as no client does."""
    person = site.visit("192.0.2.14")
    for disposition in (
        b'form-data; name="file"; filename="a.txt"; filename*=UTF-8\'\'..%2Fb.html',
        b'form-data; name="file"; filename="a.txt\\"; x=\\"b.txt"',
        b'form-data; name="file"; filename="a.txt"\r\nX-Evil: 1\r\nContent-Type: text/plain',
        b'form-data; name="file"; filename=a.txt',
    ):
        form = b"--b\r\nContent-Disposition: " + disposition + b"\r\n\r\nHello\r\n--b--\r\n"
        headers = {**person.headers, "Content-Type": "multipart/form-data; boundary=b"}
        answer = httpx2.post(person.file_url(), content=form, headers=headers, **HTTP)
        assert answer.status_code == 200, (disposition, answer.text)
        assert answer.json()["mime_type"] == "text/plain"
        downloaded = person.download(answer.json()["id"])
        assert is_harmless(downloaded)
        assert "x-evil" not in downloaded.headers
