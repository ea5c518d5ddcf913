"""`uv run dev` from start to end: what it names, and that no process stays."""

import os
import re
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from conftest import Installed
from contract.chat import HTTP, PATIENCE, visit, wait_until
from support.dev import Dev, dev, nothing_stays
from support.ports import free_port, kill_server, listens
from support.processes import processes_below
from support.projects import PACKAGES, clean_environment, render, share
from support.variants import BY_DATABASE, DEFAULT, Variant

POSTGRESQL = next(variant for variant in BY_DATABASE if variant.database == "postgresql")
WITH_DATA = [one for one in BY_DATABASE if one.database != "mysql"]
"""Those whose data lies in the project, as PostgreSQL's server does."""


@pytest.mark.parametrize("variant", WITH_DATA, ids=str)
def test_ctrl_c_ends_everything(installed: Installed, variant: Variant) -> None:
    project = installed(variant)
    with dev(project) as running:
        address = running.wait_for_address()
        running.interrupt()
        nothing_stays(running, project)
    assert running.process.returncode == 130
    assert "Traceback" not in running.output
    assert re.findall(r"http://\S+", running.output) == [address], "one address, the page's"
    assert "exited with code" not in running.output
    assert running.output.endswith("\n\nStopped.\n")


@pytest.mark.parametrize("file", ["pyproject.toml", "backend/pyproject.toml"])
def test_conflicts_on_update_are_named_though_uv_cannot_read_its_file(
    tmp_path: Path, file: str
) -> None:
    """By the command of docs/updates.md: uv itself stops before a command of ours begins."""
    project = render(tmp_path / "my-chat", DEFAULT)
    project.run("uv", "sync", "--quiet")
    project.run("git", "init", "--quiet")
    project.commit("Start")
    place = project.path / file
    place.write_text(f"{'<' * 7} mine\n{place.read_text(encoding='utf-8')}", encoding="utf-8")
    updates = (project.path / "docs" / "updates.md").read_text(encoding="utf-8")
    command = ["uv", "run", "--no-project", "doctor"]
    assert f"`{' '.join(command)}`" in updates
    found = project.run(*command, "--only", "repository", check=False)
    assert f"FAIL     repository.conflicts: an update left conflicts: {file} line 1" in found.stdout


def test_a_closed_terminal_ends_everything(installed: Installed) -> None:
    if sys.platform == "win32":
        pytest.skip("Windows has other terminals")
    project = installed(POSTGRESQL)
    terminal, side = os.openpty()
    ports = free_port(), free_port()
    process = subprocess.Popen(
        ["uv", "run", "dev"],
        cwd=project.path,
        env=clean_environment() | {"BACKEND_PORT": str(ports[0]), "FRONTEND_PORT": str(ports[1])},
        stdin=side,
        stdout=side,
        stderr=side,
        preexec_fn=_take_terminal,
    )
    os.close(side)
    printed = bytearray()

    def is_ready() -> bool:
        if select.select([terminal], [], [], 0)[0]:
            printed.extend(os.read(terminal, 4096))
        return b"Your chat is ready" in printed

    wait_until(is_ready)
    os.close(terminal)
    process.wait(PATIENCE)
    wait_until(lambda: not processes_below(project.path))
    assert not [port for port in ports if listens(port)]


def _take_terminal() -> None:
    if sys.platform != "win32":
        import fcntl
        import termios

        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_a_process_manager_ends_everything(installed: Installed) -> None:
    project = installed(DEFAULT)
    with dev(project) as running:
        running.wait_for_address()
        running.process.send_signal(signal.SIGTERM)
        nothing_stays(running, project)


def test_a_crash_of_the_page_ends_everything(installed: Installed) -> None:
    """The crash of the backend: test_boot.py, on every variant."""
    project = installed(POSTGRESQL)
    with dev(project) as running:
        running.wait_for_address()
        kill_server(running.frontend_port)
        nothing_stays(running, project)
    assert running.process.returncode not in (0, 130)
    assert "The front end stopped" in running.output


def test_the_second_start_installs_nothing(installed: Installed) -> None:
    project = installed(DEFAULT)
    folder = project.path / "frontend" / "src"  # from every folder of the project
    for _ in range(2):
        running = Dev(folder)
        try:
            running.wait_for_address()
        finally:
            running.stop()
    assert not re.search(r"npm ci|Installed|Building", running.output)
    assert len(re.findall(r"ready: (\S+)", running.output)) == 1


def test_sub_path_dev_and_the_doctor_find_the_page(installed: Installed) -> None:
    project = installed(DEFAULT)
    path = {"FRONTEND_BASE_PATH": "/chat"}
    with dev(project, path) as running:
        page = running.wait_for_address()
        assert page == f"http://127.0.0.1:{running.frontend_port}/chat"
        elsewhere = f"http://localhost:{running.frontend_port}"
        assert httpx2.get(elsewhere, **HTTP).headers["location"] == "/chat"
        assert httpx2.get(f"{elsewhere}/chat", **HTTP).headers["location"] == page
        visit(page).say("Hello")
        ports = {"BACKEND_PORT": running.backend_port, "FRONTEND_PORT": running.frontend_port}
        env = path | {name: str(port) for name, port in ports.items()}
        examined = project.run("uv", "run", "doctor", "--round-trip", env=env, check=False)
    assert " 0 failed" in examined.stdout, examined.stdout


def test_alembic_and_dev_share_the_server(installed: Installed) -> None:
    project = installed(POSTGRESQL)
    with dev(project) as running:
        chat = visit(running.wait_for_address())
        current = project.run("uv", "run", "alembic", "current", cwd="backend")
        assert "(head)" in current.stdout
        chat.say("Is the server still there?")


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder


@pytest.mark.parametrize("name", ["BACKEND_PORT", "FRONTEND_PORT"])
def test_a_taken_port_is_named_with_its_holder(
    installed: Installed, taken: socket.socket, name: str
) -> None:
    port = taken.getsockname()[1]
    result = installed(DEFAULT).run("uv", "run", "dev", env={name: str(port)}, check=False)
    assert result.returncode == 1
    assert f"{name}=" in result.stderr
    assert str(port) in result.stderr
    assert str(os.getpid()) in result.stderr


def test_database_down_dev_says_how_to_start_a_server(installed: Installed) -> None:
    project = installed(next(one for one in BY_DATABASE if one.database == "mysql"))
    ports = {name: str(free_port()) for name in ("BACKEND_PORT", "FRONTEND_PORT")}
    nobody = ports | {"DATABASE_URL": f"mysql://root@127.0.0.1:{free_port()}/chatkit"}
    ended = project.run("uv", "run", "dev", env=nobody, check=False)
    assert ended.returncode == 1
    assert "cannot be used" in ended.stderr
    assert "Its address is DATABASE_URL, from the environment or" in ended.stderr
    assert ended.stderr.endswith("\n\n    docker compose up --wait\n")
    assert "Traceback" not in ended.stderr


def with_node(folder: Path, node: str | None) -> str:
    """Return a PATH with what a project needs, and this node script in place of the real one."""
    tools = folder / "bin"
    tools.mkdir()
    for directory in os.environ["PATH"].split(os.pathsep):
        for program in Path(directory).glob("*"):
            link = tools / program.name
            if program.name not in ("node", "nodejs", "npm", "npx") and not link.exists():
                link.symlink_to(program)
    if node is not None:
        for name in ("node", "npm"):
            (tools / name).write_text(node, encoding="utf-8")
            (tools / name).chmod(0o755)
    return str(tools)


@pytest.mark.parametrize(
    ("node", "words"), [(None, "Node"), ("#!/bin/sh\necho v18.20.0\n", "18.20.0")]
)
def test_a_missing_or_old_node_is_named_before_anything_fails(
    tmp_path: Path, node: str | None, words: str
) -> None:
    project = render(tmp_path / "project", DEFAULT)
    path = with_node(tmp_path, node)
    result = project.run("uv", "run", "dev", env={"PATH": path}, check=False)
    assert result.returncode == 1
    assert words in result.stderr
    assert "20.9" in result.stderr
    assert "https://nodejs.org" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_failed_installation_is_told_at_once(tmp_path: Path) -> None:
    """However long it takes to import the backend, which is done meanwhile."""
    project = render(tmp_path / "project", DEFAULT)
    began, imported = tmp_path / "began", tmp_path / "imported"
    (project.path / "backend" / "src" / "app" / "main.py").write_text(
        "import pathlib, time\n"
        f"pathlib.Path({str(began)!r}).touch()\n"
        "time.sleep(30)\n"
        f"pathlib.Path({str(imported)!r}).touch()\n",
        encoding="utf-8",
    )
    wait = f"while [ ! -e '{began}' ]; do sleep 0.1; done"
    path = with_node(
        tmp_path, f'#!/bin/sh\n[ "$1" = ci ] || {{ echo v20.9.0; exit; }}\n{wait}\nexit 7\n'
    )
    ports = {name: str(free_port()) for name in ("BACKEND_PORT", "FRONTEND_PORT")}
    result = project.run("uv", "run", "dev", env={"PATH": path, **ports}, check=False)
    assert result.returncode == 1
    assert "npm ci failed" in result.stderr
    assert "Traceback" not in result.stderr
    assert not imported.exists()


@pytest.mark.parametrize("variant", WITH_DATA, ids=str)
def test_embedded_server_path(installed: Installed, tmp_path: Path, variant: Variant) -> None:
    """A space in the project's path."""
    project = render(tmp_path / "my projects" / "my chat", variant)
    share(installed(DEFAULT), project, PACKAGES)
    home = tmp_path / "home"
    home.mkdir()
    with dev(project, {"HOME": str(home), "UV_CACHE_DIR": uv_cache()}) as running:
        visit(running.wait_for_address()).say("Hello")
        running.interrupt()
        nothing_stays(running, project)
    assert not processes_below(home)


def uv_cache() -> str:
    found = subprocess.run(
        ["uv", "cache", "dir"], capture_output=True, encoding="utf-8", check=True
    )
    return found.stdout.strip()
