"""Bodies that are sent slowly, by one guest or by nobody, hold up none of the others."""

import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import pytest
from conftest import Installed
from contract.chat import Chat
from support.deployed import Deployed, deployed
from support.ports import server_of
from support.variants import DEFAULT

if sys.platform != "linux":
    pytest.skip("only Linux limits a process that runs", allow_module_level=True)

import resource

SENDERS = 1100
FILES = 1024
"""What a process may usually open, sockets among it."""

FORM = (
    "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000000\r\n\r\n"
    '--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
)


@pytest.fixture(scope="module")
def site(built: Installed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """A project of its own, whose page's server may open as many files as usual."""
    with deployed(built(DEFAULT), tmp_path_factory.mktemp("slow")) as site:
        server = server_of(urlsplit(site.page).port or 80)
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (FILES, FILES))
        yield site


@contextmanager
def many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2 * SENDERS), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    ("line", "is_known", "most"),
    [
        ("POST /api/attachments", True, 10),
        ("POST /api/chatkit", True, 100),
        ("GET /api/status", False, 10),
        ("POST /", False, 10),
    ],
)
def test_bodies_that_come_slowly_hold_up_nobody(
    site: Deployed, line: str, is_known: bool, most: int
) -> None:
    """Slug: one-request-blocks-all."""
    attacker, bystander = site.visit(), site.visit()
    address = urlsplit(site.page)
    cookie = f"Cookie: {attacker.headers['Cookie']}\r\n" if is_known else ""
    start = f"{line} HTTP/1.1\r\nHost: {address.netloc}\r\n{cookie}{FORM}".encode()
    with many_files(), ExitStack() as stack:
        senders: list[socket.socket] = []
        for _ in range(SENDERS):
            sender = socket.create_connection((address.hostname or "", address.port or 80), 10)
            senders.append(stack.enter_context(sender))
            sender.sendall(start)
        everything_goes_on(site, bystander)
        waiting = [sender for sender in senders if not is_answered_or_closed(sender)]
        assert len(waiting) <= most


def everything_goes_on(site: Deployed, bystander: Chat) -> None:
    for person in (bystander, site.visit()):
        assert person.say("Hello")[-1]["type"] == "thread.item.done"
        assert person.upload("a.txt", b"Mine", "text/plain").status_code == 200


def is_answered_or_closed(sender: socket.socket) -> bool:
    sender.setblocking(False)
    try:
        sender.recv(1)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
