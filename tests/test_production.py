"""The production commands of the project's README, both sides conversing."""

import secrets
import threading
from contextlib import ExitStack
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest
from conftest import Installed
from contract.chat import HTTP, PATIENCE, Json, visit
from support.conversation import converse, transcript
from support.deployed import commands, migrate, production_database, serving
from support.ports import free_port, kill_server
from support.variants import DEFAULT, RUN, Variant


@pytest.mark.parametrize("variant", RUN, ids=str)
def test_it_converses_and_forgets_nothing(
    built: Installed, usual_transcript: list[Json], variant: Variant
) -> None:
    project = built(variant)
    command_of_backend, command_of_page = commands(project)
    backend_port, page_port = free_port(), free_port()
    backend, page = (f"http://127.0.0.1:{port}" for port in (backend_port, page_port))
    secret = {"CHATKIT_SECRET": secrets.token_urlsafe(32), "APP_ENV": "production"}
    of_page = {**secret, "BACKEND_URL": backend, "PORT": str(page_port), "HOSTNAME": "a-container"}
    of_backend = {**secret, "BACKEND_PORT": str(backend_port), "ASSISTANT": "demo"}
    start = partial(
        serving, project, command_of_backend, "backend", of_backend, f"{backend}/health"
    )
    with ExitStack() as stack:
        of_backend["DATABASE_URL"] = stack.enter_context(production_database(project))
        migrate(project, of_backend)
        stack.enter_context(serving(project, command_of_page, "frontend", of_page, page))
        chat = visit(page)
        with start() as process:
            assert transcript(visit(page)) == usual_transcript
            thread_id = converse(chat)
            items = chat.items(thread_id)
            kill_server(backend_port)
            assert process.wait(PATIENCE)
        with start():
            assert chat.items(thread_id) == items
            chat.say("Still there?", thread_id)
            assert visit(page).ask("threads.list")["data"] == []
            request = {"type": "threads.list", "params": {}}
            anonymous = httpx2.post(f"{backend}/chatkit", json=request, **HTTP)
        assert anonymous.status_code == 401
        assert "token" in anonymous.json()["message"]


def test_the_page_knows_what_is_set_when_it_starts(built: Installed) -> None:
    """Slugs: key-baked-in, backend-url-baked-in. The build had other values of both."""
    project = built(DEFAULT)
    assert "domain_pk_localhost_dev" in (project.path / "frontend" / ".env.local").read_text(
        encoding="utf-8"
    )
    _, command_of_page = commands(project)
    port = free_port()
    asked: list[str] = []

    class Backend(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

    with ThreadingHTTPServer(("127.0.0.1", 0), Backend) as backend:
        threading.Thread(target=backend.serve_forever).start()
        env = {
            "CHATKIT_SECRET": secrets.token_urlsafe(32),
            "NEXT_PUBLIC_CHATKIT_DOMAIN_KEY": "domain_pk_of_the_server",
            "BACKEND_URL": "",
            "NEXT_PUBLIC_BACKEND_URL": f"http://127.0.0.1:{backend.server_port}",
            "PORT": str(port),
        }
        address = f"http://127.0.0.1:{port}"
        with serving(project, command_of_page, "frontend", env, address):
            document = httpx2.get(address, **HTTP).text
            httpx2.get(f"{address}/api/status", headers=visit(address).headers, **HTTP)
        backend.shutdown()
    assert "domain_pk_of_the_server" in document
    assert "domain_pk_localhost_dev" not in document
    assert asked == ["/health"]


@pytest.mark.parametrize("side", ["backend", "frontend"])
def test_without_a_secret_no_side_starts(built: Installed, side: str) -> None:
    project = built(DEFAULT)
    command = dict(zip(["backend", "frontend"], commands(project), strict=True))[side]
    env = {"APP_ENV": "", "CHATKIT_SECRET": "", "DATABASE_URL": "sqlite:///chat.db"}
    result = project.run(*command.split(), cwd=side, env=env | {"PORT": "0"}, check=False)
    assert result.returncode != 0
    assert "CHATKIT_SECRET" in result.stderr
    assert "Traceback" not in result.stderr
    assert "    at " not in result.stderr


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("APP_ENV", "prod", "development"),
        ("DATABASE_URL", "mongodb://host/name", "mongodb"),
        ("DATABASE_URL", "not a url", "address of a database"),
        ("OPENAI_BASE_URL", "localhost:11434", "http://"),
        ("BACKEND_PORT", "eighty", "eighty"),
    ],
)
def test_a_wrong_setting_is_named(installed: Installed, name: str, value: str, words: str) -> None:
    project = installed(DEFAULT)
    result = project.run("uv", "run", "serve", env={name: value}, check=False)
    assert result.returncode != 0
    assert name in result.stderr
    assert words in result.stderr
    assert "Traceback" not in result.stderr
