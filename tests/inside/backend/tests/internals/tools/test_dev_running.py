"""What `uv run dev` does once it has begun: install, wait for the chat, leave nothing behind."""

import json
import math
import os
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import PIPE, Popen

import psutil
import pytest
from contract.chat import wait_until

from kit.errors import StartupError
from tools.dev import sides as readiness
from tools.dev.sides import Family, Sides
from tools.node import Node, install_packages, installing_packages

posix = pytest.mark.skipif(os.name != "posix", reason="the stand-in is a shell script")


@pytest.fixture
def frontend(tmp_path: Path) -> Path:
    (tmp_path / "package.json").write_text("{}", encoding="utf-8")
    (tmp_path / "package-lock.json").write_text("{}", encoding="utf-8")
    return tmp_path


def fake_npm(folder: Path, script: str) -> Node:
    """Return an npm that counts its calls in `calls`, does as npm does, and then the script."""
    npm = folder / "npm"
    npm.write_text(
        f"#!/bin/sh\necho $@ >> calls\nrm -rf node_modules\nmkdir node_modules\n{script}\n",
        encoding="utf-8",
    )
    npm.chmod(0o755)
    return Node("node", str(npm))


def calls(folder: Path) -> int:
    return len((folder / "calls").read_text(encoding="utf-8").splitlines())


@posix
def test_a_second_start_installs_nothing(frontend: Path) -> None:
    npm = fake_npm(frontend, "true")
    assert install_packages(frontend, npm, os.environ)
    assert not install_packages(frontend, npm, os.environ)
    assert calls(frontend) == 1


@posix
def test_a_changed_lock_file_is_installed(frontend: Path) -> None:
    npm = fake_npm(frontend, "true")
    install_packages(frontend, npm, os.environ)
    (frontend / "package-lock.json").write_text('{"changed": true}', encoding="utf-8")
    assert install_packages(frontend, npm, os.environ)
    assert calls(frontend) == 2


@posix
def test_a_failed_installation_shows_why_and_is_repeated(
    frontend: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    npm = fake_npm(frontend, "echo npm error code ENETUNREACH >&2; exit 7")
    for _ in range(2):
        with pytest.raises(StartupError, match=r"npm ci failed .* status 7"):
            install_packages(frontend, npm, os.environ)
    assert calls(frontend) == 2
    assert "ENETUNREACH" in capfd.readouterr().err


@posix
def test_the_database_is_prepared_while_npm_installs(frontend: Path) -> None:
    npm = fake_npm(frontend, "while [ ! -e prepared ]; do sleep 0.05; done")
    with installing_packages(frontend, npm, os.environ):
        (frontend / "prepared").touch()
    assert not install_packages(frontend, npm, os.environ)


@posix
def test_a_database_that_fails_does_not_wait_for_npm(frontend: Path) -> None:
    npm = fake_npm(frontend, "exec sleep 600")
    with (
        pytest.raises(StartupError, match="no such database"),
        installing_packages(frontend, npm, os.environ),
    ):
        raise StartupError("no such database")
    assert install_packages(frontend, fake_npm(frontend, "true"), os.environ)


def test_no_process_stays_not_even_an_orphan_that_refuses() -> None:
    grandchild = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print('ready', flush=True); time.sleep(60)"
    )
    child = (
        f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {grandchild!r}],"
        "stdout=subprocess.PIPE); p.stdout.readline(); print(p.pid)"
    )
    family = Family()
    with Popen([sys.executable, "-c", child], env=os.environ | family.mark, stdout=PIPE) as process:
        assert process.stdout is not None
        orphan = psutil.Process(int(process.stdout.readline()))
    assert orphan.is_running()
    bystander = Popen([sys.executable, "-c", "import time; time.sleep(60)"])

    family.end(patience=0.2)

    wait_until(lambda: not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE)
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


SIDES = """
import subprocess, sys
sides = {"backend": "tools.dev.reloader", "frontend": "next dev"}
started = [
    subprocess.Popen([sys.executable, "-c", sys.argv[1], argument, name])
    for name, argument in sides.items()
]
for side in started:
    side.wait()
"""
"""What stands in for concurrently, which waits for both."""

SIDE = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
with open(sys.argv[2], "w") as file:
    print(child.pid, file=file)
time.sleep(600)
"""


@posix
@pytest.mark.parametrize("hidden", [psutil.AccessDenied(), None], ids=["refused", "empty"])
def test_an_orphan_of_a_side_that_was_killed_is_ended_where_environments_are_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hidden: Exception | None
) -> None:
    """As macOS hides those of some programs."""

    def environ(_process: psutil.Process) -> dict[str, str]:
        if hidden:
            raise hidden
        return {}

    monkeypatch.setattr(psutil.Process, "environ", environ)
    monkeypatch.setattr(readiness, "SHARE_OF_TIME", math.inf)
    node = tmp_path / "node"
    node.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{SIDES}' '{SIDE}'\n", encoding="utf-8")
    node.chmod(0o755)
    family = Family()
    sides = Sides(tmp_path, Node(str(node), "npm"), 1, os.environ | family.mark, family)
    pids = tmp_path / "backend"
    wait_until(
        lambda: (
            not sides.stopped()
            and pids.exists()
            and pids.read_text(encoding="utf-8").endswith("\n")
        )
    )
    orphan = psutil.Process(int(pids.read_text(encoding="utf-8")))
    assert not sides.stopped()
    backend = orphan.parent()
    assert backend
    bystander = Popen([sys.executable, "-c", "import time; time.sleep(600)"])

    backend.kill()
    wait_until(lambda: sides.stopped() == "backend")
    sides.stop(patience=1)
    family.end(patience=1)

    wait_until(lambda: not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE)
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


class Site(ThreadingHTTPServer):
    """A page and a backend in one, which answer as they are told."""

    health = 200
    page = "<html>"

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        if self.path == "/health":
            self.answer(self.server.health, {"message": "The database is not migrated."})
        else:
            self.answer(200, {}, ("Set-Cookie", "chatkit_guest=me; Path=/; HttpOnly"))

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = self.headers["Cookie"] == "chatkit_guest=me" and request["type"] == "threads.list"
        self.answer(200 if known else 401, {"data": []} if known else {"message": "Who are you?"})

    def answer(self, status: int, body: object, *headers: tuple[str, str]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        for header in (("Content-Length", str(len(content))), *headers):
            self.send_header(*header)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Be silent."""


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    for patience in ("ERROR_PATIENCE", "SILENCE_PATIENCE", "PAUSE_AFTER_COMPLAINT"):
        monkeypatch.setattr(readiness, patience, 0)


@pytest.fixture
def site() -> Iterator[Site]:
    with Site(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_ready_means_that_a_chat_request_has_passed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # a company's, say
    complaints: list[str] = []
    assert readiness.wait_until_ready(site.address, site.address, lambda: True, complaints.append)
    assert complaints == []


def test_an_error_is_told_once_and_the_wait_goes_on(site: Site) -> None:
    site.health = 503
    complaints: list[str] = []

    def complain(why: str) -> None:
        complaints.append(why)
        site.health = 200

    assert readiness.wait_until_ready(site.address, site.address, lambda: True, complain)
    assert complaints == [f"GET {site.address}/health answered 503: The database is not migrated."]


def test_silence_is_told() -> None:
    complaints: list[str] = []
    assert not readiness.wait_until_ready(
        "http://127.0.0.1:9", "http://127.0.0.1:9", lambda: not complaints, complaints.append
    )
    assert complaints[0].startswith("GET http://127.0.0.1:9 failed: ")
