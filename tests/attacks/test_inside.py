"""What is inside stays inside: a visitor of a page in production is told nothing of it.

Slug: visitors-see-the-inside.
"""

import json
import re
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
from contract.chat import HTTP, Chat, message, text_of, visit
from support.deployed import Deployed, commands, migrate, serving
from support.ports import free_port
from support.variants import DEFAULT

from attacks.conftest import DeployedOf

INSIDE = re.compile(
    r"127\.0\.0\.1:|localhost|ECONN|CHATKIT_SECRET|BACKEND_URL|\.env|uv run|alembic|/health"
    r"|svc|s3cret|k3y|\.py|\.tsx?\b|/root|/tmp|nginx|Traceback|Error:"
)
NOT_NOW = r"The chat is not available at the moment\. Try again in a minute\. \(request [\w-]{36}\)"


class Stranger(BaseHTTPRequestHandler):
    """Somebody else's server in the place of the backend."""

    def do_GET(self) -> None:
        body = b"<h1>nginx on svc.internal</h1>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()


@contextmanager
def stranger() -> Iterator[str]:
    """Run one until the end of the block, and return its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def other_page(site: Deployed, folder: Path, env: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    """Run one more page's server with a setting that is wrong; return its address and its log."""
    _, command = commands(site.project)
    port, log = free_port(), folder / "page.log"
    usual = {"CHATKIT_SECRET": site.secret, "BACKEND_URL": site.backend, "PORT": str(port)}
    address = f"http://127.0.0.1:{port}"
    with serving(site.project, command, "frontend", {**usual, **env}, address, log):
        yield address, log


def said_by(page: str, asks: Chat) -> list[str]:
    """Return what is said to a visitor: to the panel, as JSON, for a file, in a stream."""
    document = httpx2.get(page, **HTTP)
    assert document.status_code == 200
    status = httpx2.get(f"{page}/api/status", headers=asks.headers, **HTTP)
    stream = asks.post("threads.create", input=message("Hello"))
    answers = [status, asks.post("threads.list"), asks.download("atc_1"), stream]
    for answer in answers:
        assert not INSIDE.search(str(answer.headers)), answer.headers
    texts = [answer.text for answer in answers]
    assert not any(INSIDE.search(text) for text in texts), texts
    shown = re.sub(r'(src|href)="[^"]*"', "", document.text)
    assert not re.search(r"uv run|CHATKIT_SECRET|BACKEND_URL|\.env|/pitfalls", shown)
    return [words_of(text) for text in texts]


def words_of(text: str) -> str:
    """Return the message in an answer or in an error event."""
    answer: dict[str, Any] = json.loads(text.removeprefix("data: "))
    return str(answer["message"])


@pytest.mark.parametrize("broken", ["down", "userinfo", "secret", "another service"])
def test_a_visitor_is_told_a_sentence_and_the_log_the_cause(
    deployed_of: DeployedOf, tmp_path: Path, broken: str
) -> None:
    site = deployed_of(DEFAULT)
    nobody = f"127.0.0.1:{free_port()}"
    refused = f"http://{nobody}/chatkit (ECONNREFUSED)"
    with stranger() as other:
        env, cause = {
            "down": ({"BACKEND_URL": f"http://{nobody}"}, refused),
            "userinfo": ({"BACKEND_URL": f"http://svc:s3cret@{nobody}/?key=k3y"}, refused),
            "secret": ({"CHATKIT_SECRET": "another, of 32 characters or more"}, "env-file-lost"),
            "another service": ({"BACKEND_URL": other}, f"{other}/chatkit answered 200 with text"),
        }[broken]
        with other_page(site, tmp_path, env) as (page, log):
            said = said_by(page, visit(page))
            status = said[0]
    assert re.fullmatch(NOT_NOW, status)
    # The backend's own words for a token that it refuses are for visitors too.
    assert broken == "secret" or all(re.fullmatch(NOT_NOW, one) for one in said)
    written = log.read_text(encoding="utf-8")
    request_id = re.findall(r"request ([\w-]{36})", status)[0]
    assert request_id in written
    assert cause in written
    assert not re.search("svc|s3cret|k3y", written)


def test_tables_that_are_missing_are_named_in_the_log_only(
    deployed_of: DeployedOf, tmp_path: Path
) -> None:
    site = deployed_of(DEFAULT)
    command, _ = commands(site.project)
    port = free_port()
    backend = f"http://127.0.0.1:{port}"
    database = tmp_path / "chat.db"
    env = {
        "CHATKIT_SECRET": site.secret,
        "APP_ENV": "production",
        "BACKEND_PORT": str(port),
        "DATABASE_URL": f"sqlite:///{database}",
        "ASSISTANT": "demo",
    }
    migrate(site.project, env)
    with (
        serving(site.project, command, "backend", env, f"{backend}/health"),
        other_page(site, tmp_path, {"BACKEND_URL": backend}) as (page, log),
        closing(sqlite3.connect(database)) as connection,
    ):
        for table in ("alembic_version", "messages", "attachments", "conversations"):
            connection.execute(f"DROP TABLE {table}")
        connection.commit()
        said = said_by(page, visit(page))
    assert re.fullmatch(NOT_NOW, said[0])
    assert "Pitfall: migrations-not-run" in log.read_text(encoding="utf-8")


def test_pitfalls_are_not_for_visitors(deployed_of: DeployedOf) -> None:
    answer = httpx2.get(f"{deployed_of(DEFAULT).page}/pitfalls", **HTTP)
    assert answer.status_code == 404
    assert "uv run" not in answer.text


def test_the_demo_assistant_tells_visitors_nothing_to_set(deployed_of: DeployedOf) -> None:
    answer = text_of(deployed_of(DEFAULT).visit().say("Who are you?")[-1]["item"])
    assert "demo assistant" in answer
    for words in ("OPENAI", ".env", "uv run", "backend/"):
        assert words not in answer
