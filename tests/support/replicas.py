"""A project as a team deploys it: replicas of the backend behind nginx, with PgBouncer."""

import getpass
import json
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import psutil
from contract.chat import (
    HTTP,
    Chat,
    Json,
    SignedHeaders,
    is_delta,
    message,
    text_of,
)

from support.backend import Start, run_backend
from support.ports import free_port
from support.programs import require
from support.projects import Project
from support.proxies import nginx, running

SECRET = secrets.token_urlsafe(32)

UNBUFFERED = """
proxy_buffering off;
proxy_read_timeout 300;
proxy_set_header Host $http_host;
"""

PGBOUNCER = """
[databases]
* = host={host} port={port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = transaction
max_client_conn = 500
default_pool_size = 20
server_login_retry = 1
query_wait_timeout = 3
"""


@dataclass(frozen=True)
class Replica:
    """A backend that shares its database with others."""

    address: str
    process: psutil.Process
    log: Path

    def chat(self, owner: str) -> Chat:
        """Return a person at this replica."""
        return person(self.address, owner)


def person(address: str, owner: str, **claims: str) -> Chat:
    """Return somebody whom the page's server has signed in, at an address."""
    return Chat(f"{address}/chatkit", SignedHeaders(SECRET, sub=owner, **claims))


@contextmanager
def replica(
    project: Project,
    database: str,
    log: Path,
    settings: Mapping[str, str] | None = None,
    start: Start | None = None,
) -> Iterator[Replica]:
    """Run a backend as in production until the end of the block, if it is not ended before."""
    environment = {
        "APP_ENV": "production",
        "CHATKIT_SECRET": SECRET,
        "DATABASE_URL": database,
        "ASSISTANT": "own",
        **(settings or {}),
    }
    with run_backend(project, log, start, **environment) as backend:
        yield Replica(backend.chat.url.removesuffix("/chatkit"), backend.process, log)


def front(addresses: Sequence[str], folder: Path) -> AbstractContextManager[str]:
    """Run nginx in front of servers, as the README of a project says, and return its address."""
    return nginx(addresses, folder, UNBUFFERED)


@contextmanager
def pgbouncer(database: str, folder: Path) -> Iterator[str]:
    """Run PgBouncer in transaction mode in front of a database, and return the address there."""
    folder.mkdir(exist_ok=True)
    url = urlsplit(database)
    query = dict(pair.split("=") for pair in url.query.split("&") if pair)
    port = free_port()
    config = folder / "pgbouncer.ini"
    host = query.get("host") or url.hostname
    text = PGBOUNCER.format(host=host, port=url.port or 5432, listen=port)
    config.write_text(text, encoding="utf-8")
    command = [require("pgbouncer"), str(config)]
    if sys.platform != "win32" and getpass.getuser() == "root":  # as whom it refuses to run
        # The folder of the socket may be closed to all but the server's own user.
        command += ["-u", Path(host or "", f".s.PGSQL.{url.port or 5432}").owner()]
    with running(command, port):
        yield f"postgresql://{url.username or 'postgres'}@127.0.0.1:{port}{url.path}"


@dataclass(frozen=True)
class Fleet:
    """Replicas, and the proxy in front of them."""

    address: str
    replicas: Sequence[Replica]

    def chat(self, owner: str) -> Chat:
        """Return a person behind the proxy."""
        return person(self.address, owner)


@contextmanager
def fleet(
    project: Project,
    database: str,
    folder: Path,
    count: int = 2,
    start: Start | None = None,
    **settings: str,
) -> Iterator[Fleet]:
    """Run replicas behind nginx until the end of the block."""
    with ExitStack() as stack:
        replicas = [
            stack.enter_context(
                replica(project, database, folder / f"{number}.log", settings, start)
            )
            for number in range(count)
        ]
        addresses = [one.address for one in replicas]
        address = stack.enter_context(front(addresses, folder / f"nginx-{secrets.token_hex(4)}"))
        yield Fleet(address, replicas)


@dataclass
class Seen:
    """What a person sees of an answer, while it comes."""

    chat: Chat
    thread_id: str = ""
    words: str = ""
    events: list[Json] = field(default_factory=list)
    status: int | None = None
    """The status of the reply; None while there is none."""
    is_broken: bool = False
    leaves: bool = False
    """Set to close the connection."""

    @property
    def errors(self) -> list[str]:
        return [event["message"] for event in self.events if event["type"] == "error"]

    @property
    def is_whole(self) -> bool:
        """Whether the answer has come to its end."""
        done = [event for event in self.events if event["type"] == "thread.item.done"]
        answers = [one["item"] for one in done if one["item"]["type"] == "assistant_message"]
        return not self.errors and bool(answers) and text_of(answers[-1]) == self.words

    def stored(self, chat: Chat) -> list[str]:
        """Return the texts of the conversation as they are stored."""
        return [text_of(item) for item in chat.items(self.thread_id)]

    def ask(self, kind: str, **params: Any) -> None:
        """Send a request, and note what comes of it."""
        body = {"type": kind, "params": params}
        try:
            with httpx2.stream(
                "POST", self.chat.url, json=body, headers=self.chat.headers, **HTTP
            ) as response:
                self.status = response.status_code
                for line in response.iter_lines():
                    if self.leaves:
                        return
                    if line.startswith("data: "):
                        self._note(json.loads(line.removeprefix("data: ")))
        except httpx2.TransportError:
            self.is_broken = True

    def begin(self, text: str) -> None:
        """Ask in a new conversation."""
        self.ask("threads.create", input=message(text))

    def _note(self, event: Json) -> None:
        if event["type"] == "thread.created":
            self.thread_id = event["thread"]["id"]
        if is_delta(event):
            self.words += event["update"]["delta"]
        self.events.append(event)
