"""`uv run serve`, and with --reload."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psutil
import pytest
from contract.chat import HTTP, PATIENCE, wait_until
from contract.serving import answers, environment, free_port, run_program
from sqlalchemy.engine import URL

from kit.database.engine import loop_factory
from kit.serve import make_config

APP = """
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"BODY"})
"""
RELOADER = """
import sys, uvicorn
from tools.dev.reloader import Reloader

if __name__ == "__main__":
    config = uvicorn.Config(
        "tiny:app", port=int(sys.argv[1]), lifespan="off", reload=True, reload_dirs=["."]
    )
    sys.exit(Reloader(config).serve())
"""


def test_a_port_that_is_none_is_refused_in_words() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "kit.serve"],
        env=os.environ | {"BACKEND_PORT": "eight"},
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("BACKEND_PORT is 'eight'")
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_tls_inspected_a_file_without_certificates_is_named(
    database: URL, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "network.pem"
    if content:
        file.write_text(content, encoding="utf-8")
    settings = environment(database, OPENAI_API_KEY="sk-of-mine", SSL_CERT_FILE=str(file))
    ended = subprocess.run(
        [sys.executable, "-m", "kit.serve"],
        env=settings | {"BACKEND_PORT": str(free_port())},
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"SSL_CERT_FILE is {file}, which has no certificates: ")
    assert "Traceback" not in ended.stderr


def test_development_is_not_served_to_other_machines() -> None:
    settings = {"BACKEND_HOST": "0.0.0.0", "APP_ENV": "development"}
    settings["BACKEND_PORT"] = str(free_port())
    ended = subprocess.run(
        [sys.executable, "-m", "kit.serve"],
        env=os.environ | settings,
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode == 2
    assert "APP_ENV=production" in ended.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_as_many_files_are_open_as_the_system_lets(database: URL) -> None:
    """Each connection is one, and the usual limit is that of a person's commands."""
    command = ["sh", "-c", f"ulimit -Sn 256; exec {sys.executable} -m kit.serve"]
    port = free_port()
    env = environment(database, BACKEND_PORT=str(port))
    with run_program(command, env=env) as process:
        wait_until(lambda: answers(process.poll() is None, f"http://127.0.0.1:{port}"))
        address = ("127.0.0.1", port)
        connections = [socket.create_connection(address, timeout=60) for _ in range(300)]
        response = httpx2.get(f"http://127.0.0.1:{port}/health", **HTTP)
        assert response.status_code == 200
        for connection in connections:
            connection.close()


def test_windows_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is one that psycopg can use."""
    monkeypatch.setattr(sys, "platform", "win32")
    assert loop_factory() is asyncio.SelectorEventLoop
    assert make_config().get_loop_factory() is asyncio.SelectorEventLoop


@dataclass
class Reloading:
    """A tiny app under the reloader, in a folder of its own."""

    process: subprocess.Popen[bytes]
    folder: Path
    port: int

    def edit(self, source: str) -> None:
        (self.folder / "tiny.py").write_text(source, encoding="utf-8")

    def answer(self) -> str:
        try:
            return httpx2.get(f"http://127.0.0.1:{self.port}", timeout=1).text
        except httpx2.TransportError:
            return ""

    def said(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8")

    def server(self) -> psutil.Process:
        """Return the process that answers."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return next(child for child in children if "spawn_main" in " ".join(child.cmdline()))


@pytest.fixture
def reloading(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Reloading]:
    (tmp_path / "tiny.py").write_text(getattr(request, "param", APP), encoding="utf-8")
    (tmp_path / "run.py").write_text(RELOADER, encoding="utf-8")
    command = [sys.executable, "run.py", str(port := free_port())]
    with (
        (tmp_path / "log").open("wb") as log,
        run_program(command, cwd=tmp_path, stdout=log, stderr=log) as process,
    ):
        yield Reloading(process, tmp_path, port)
        process.terminate()
        process.wait(PATIENCE)


def test_an_edit_is_served(reloading: Reloading) -> None:
    wait_until(lambda: reloading.answer() == "BODY")
    reloading.edit(APP.replace("BODY", "NEW"))
    wait_until(lambda: reloading.answer() == "NEW")


def test_an_edit_that_does_not_start_waits_for_the_next(reloading: Reloading) -> None:
    wait_until(lambda: reloading.answer() == "BODY")
    reloading.edit("this is no Python")
    wait_until(lambda: "Waiting for an edit." in reloading.said())
    assert "SyntaxError" in reloading.said()
    reloading.edit(APP.replace("BODY", "MENDED"))
    wait_until(lambda: reloading.answer() == "MENDED")


@pytest.mark.parametrize("reloading", ["raise ValueError('no start')"], indirect=True)
def test_an_app_that_never_started_ends_it(reloading: Reloading) -> None:
    assert reloading.process.wait(PATIENCE) == 1
    assert "ValueError: no start" in reloading.said()
    assert "uvicorn" not in reloading.said(), "it has nothing to do with it"


def test_a_killed_server_ends_it(reloading: Reloading) -> None:
    wait_until(lambda: reloading.answer() == "BODY")
    reloading.server().kill()
    assert reloading.process.wait(PATIENCE) == 1
    assert "The server" in reloading.said()


def test_a_killed_reloader_leaves_no_server_on_the_port(reloading: Reloading) -> None:
    wait_until(lambda: reloading.answer() == "BODY")
    server = reloading.server()
    reloading.process.kill()
    reloading.process.wait()
    psutil.wait_procs([server], timeout=PATIENCE)
    assert not server.is_running()


@pytest.mark.skipif(os.name != "posix", reason="Windows closes its terminals in another way")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_stop_ends_the_server_too(reloading: Reloading, name: str) -> None:
    wait_until(lambda: reloading.answer() == "BODY")
    server = reloading.server()
    reloading.process.send_signal(signal.Signals[name])
    assert reloading.process.wait(PATIENCE) == 0
    assert not server.is_running()
