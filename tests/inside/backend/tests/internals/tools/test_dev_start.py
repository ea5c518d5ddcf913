"""What `uv run dev` refuses, and how it says so: in words, before it changes anything."""

import base64
import errno
import hashlib
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath

import psutil
import pytest
from contract.chat import PATIENCE, wait_until
from contract.serving import free_port, run_program

from internals.inspected import WITHOUT, inspected
from internals.tools.patient import Patient, linux
from internals.tools.systems import port_of_root, unavailable
from kit.errors import StartupError
from tools import ROOT, node, wsl
from tools.node import find_node, install_packages
from tools.ports import require_free_ports
from tools.wsl import POLLING, polling

DEV = [sys.executable, "-c", "from tools.dev import main; main()"]
PORTS = ("BACKEND_PORT", "FRONTEND_PORT")
posix = pytest.mark.skipif(os.name != "posix", reason="the stand-ins are shell scripts")


def fake_programs(folder: Path, **scripts: str) -> dict[str, str]:
    """Return an environment in which only these programs are found."""
    for name, script in scripts.items():
        program = folder / name
        program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        program.chmod(0o755)
    ports = {"BACKEND_PORT": str(free_port()), "FRONTEND_PORT": str(free_port())}
    return os.environ | ports | {"PATH": str(folder)}


def dev(env: dict[str, str], behind: Sequence[str] = ()) -> tuple[int, str]:
    """Return the exit status of a start that fails, and all that it says."""
    ended = subprocess.run(
        [*behind, *DEV],
        env=env,
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    said = ended.stdout + ended.stderr
    assert "Traceback" not in said
    return ended.returncode, said


def listen(host: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    try:
        listener.bind((host, 0))
    except OSError:
        listener.close()
        unavailable(f"this machine has no {host}")
    listener.listen()
    return listener


def test_a_missing_node_is_named_with_its_cure(tmp_path: Path) -> None:
    status, said = dev(fake_programs(tmp_path))
    assert status == 1
    assert "Node.js is missing" in said
    assert "https://nodejs.org" in said


@posix
def test_an_old_node_is_named_with_version_and_path(tmp_path: Path) -> None:
    status, said = dev(fake_programs(tmp_path, node="echo v18.20.1", npm="true"))
    assert status == 1
    assert f"Node.js 18.20.1 at {tmp_path / 'node'} is too old. Get 20.9 or newer" in said


@posix
def test_a_node_that_does_not_run_says_why(tmp_path: Path) -> None:
    status, said = dev(fake_programs(tmp_path, node="echo no such version >&2; exit 1", npm="true"))
    assert status == 1
    assert "no such version" in said


@posix
def test_a_missing_npm_is_named(tmp_path: Path) -> None:
    status, said = dev(fake_programs(tmp_path, node="echo v22.1.0"))
    assert status == 1
    assert "npm is missing" in said


@posix
def test_wsl_two_worlds_the_node_of_windows_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", fake_programs(tmp_path, node="echo v22.1.0", npm="true")["PATH"])
    monkeypatch.setattr(node, "is_wsl", lambda: True)
    monkeypatch.setattr(node, "is_windows_drive", lambda path: str(path).startswith(str(tmp_path)))
    with pytest.raises(StartupError, match=r"is the Node\.js of Windows"):
        find_node()


@posix
@pytest.mark.parametrize("port", ["abc", "0", "65536", "-1", "80 80"])
def test_a_port_that_is_none_is_refused_in_words(tmp_path: Path, port: str) -> None:
    env = fake_programs(tmp_path, node="echo v22.1.0", npm="true")
    status, said = dev(env | {"FRONTEND_PORT": port})
    assert status == 1
    assert f"FRONTEND_PORT is '{port}'" in said


@posix
@pytest.mark.parametrize("variable", ["BACKEND_PORT", "FRONTEND_PORT"])
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1"])
def test_localhost_is_not_one_place_a_taken_port_is_named_wherever_it_is(
    tmp_path: Path, host: str, variable: str
) -> None:
    env = fake_programs(tmp_path, node="echo v22.1.0", npm="true")
    with listen("127.0.0.1") as other:
        free = other.getsockname()[1]
    with listen(host) as taken:
        port = taken.getsockname()[1]
        both = {"BACKEND_PORT": str(free), "FRONTEND_PORT": str(free), variable: str(port)}
        status, said = dev(env | both)
    assert status == 1
    assert f"Port {port} is taken by {psutil.Process().name()}, process {os.getpid()} " in said
    assert re.search(rf"{variable}=\d+ uv run dev", said)


@pytest.mark.parametrize(
    ("variable", "other"), [("BACKEND_PORT", "FRONTEND_PORT"), ("FRONTEND_PORT", "BACKEND_PORT")]
)
def test_a_port_that_is_offered_is_not_the_other_side_s(
    monkeypatch: pytest.MonkeyPatch, variable: str, other: str
) -> None:
    with listen("127.0.0.1") as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv(variable, str(port))
        monkeypatch.setenv(other, str(port + 1))
        with pytest.raises(StartupError) as refused:
            require_free_ports(**{variable: port})
    offered = re.search(rf"{variable}\D+(\d+)", str(refused.value))
    assert offered
    assert int(offered[1]) > port + 1


SWALLOWING = """
import os, signal
from tools.dev import Stopped, expect_no_signal, raise_when_stopped

class Swallowing:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        [None for _ in range(9)]

raise_when_stopped()
del_me = Swallowing()
del del_me
print("swallowed", flush=True)
try:
    expect_no_signal()
except Stopped as stopped:
    print(stopped.exit_status)
"""


@posix
def test_ctrl_c_ends_dev_though_python_swallows_it() -> None:
    """As it does in a destructor, of which imports run many."""
    command = [sys.executable, "-c", SWALLOWING]
    ended = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert ended.stdout == "swallowed\n130\n"


@posix
def test_two_ports_that_are_taken_are_named_at_once(tmp_path: Path) -> None:
    """The command that is offered starts: else one way out would lead into the other."""
    env = fake_programs(tmp_path, node="echo v22.1.0", npm="true")
    with listen("127.0.0.1") as one, listen("127.0.0.1") as two:
        ports = [taken.getsockname()[1] for taken in (one, two)]
        status, said = dev(env | dict(zip(PORTS, map(str, ports), strict=True)))
    assert status == 1
    assert [port for port in ports if f"Port {port} is taken by " in said] == ports
    offered = re.search(r"\n    BACKEND_PORT=(\d+) FRONTEND_PORT=(\d+) uv run dev\n", said)
    assert offered
    assert len({*ports, *map(int, offered.groups())}) == 4


@posix
@pytest.mark.parametrize(("variable", "other"), [PORTS, PORTS[::-1]])
def test_the_offered_command_keeps_the_port_of_the_other_side(
    tmp_path: Path, variable: str, other: str
) -> None:
    """It may have been set for one command only."""
    env = fake_programs(tmp_path, node="echo v22.1.0", npm="true")
    with listen("127.0.0.1") as taken:
        status, said = dev(env | {variable: str(taken.getsockname()[1])})
    assert status == 1
    assert re.search(rf"\n    {other}={env[other]} {variable}=\d+ uv run dev\n", said)


def test_reserved_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows refuses a range of ports: it is named, and the port that is offered can be had."""
    first = free_port()
    last = first + 99

    class OfWindows(socket.socket):
        def bind(self, address: tuple[str, int]) -> None:  # type: ignore[override]
            if first <= address[1] <= last:
                raise PermissionError(errno.EACCES, "forbidden by its access permissions")
            super().bind(address)

    monkeypatch.setattr(socket, "socket", OfWindows)
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(StartupError) as refused:
        require_free_ports(FRONTEND_PORT=first)
    said = str(refused.value)
    assert f"Windows has reserved port {first}" in said
    assert "`netsh interface ipv4 show excludedportrange protocol=tcp`" in said
    offered = re.search(r"FRONTEND_PORT\D+(\d+)", said)
    assert offered
    assert int(offered[1]) > last
    require_free_ports(FRONTEND_PORT=int(offered[1]))


@posix
@pytest.mark.parametrize("variable", ["BACKEND_PORT", "FRONTEND_PORT"])
def test_reserved_port_of_root(tmp_path: Path, variable: str) -> None:
    port, without_privilege = port_of_root()
    env = fake_programs(tmp_path, node="echo v22.1.0", npm="true")
    status, said = dev(
        env | {"PATH": f"{tmp_path}:/usr/bin", variable: str(port)}, without_privilege
    )
    assert status == 1
    assert f"Only root may use port {port} " in said
    offered = re.search(rf"{variable}=(\d+) uv run dev", said)
    assert offered
    assert int(offered[1]) > port


@posix
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_stop_ends_it_with_the_status_that_shells_expect(tmp_path: Path, name: str) -> None:
    signum = signal.Signals[name]
    env = fake_programs(tmp_path, node=f": > {tmp_path}/asked; exec /bin/sleep 20", npm="true")
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with run_program(DEV, env=env, **output) as process:
        wait_until((tmp_path / "asked").exists)
        process.send_signal(signum)
        said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + signum
    assert b"Traceback" not in said


STARTS = {
    "dev": ["-c", "from tools.dev import main; main()"],
    "the backend of dev": ["-m", "tools.dev.reloader"],
    "serve": ["-m", "kit.serve"],
    "alembic": ["-m", "alembic", "current"],
    "copy-database": ["-c", "from tools.copy_database import main; main()", "sqlite:///old.db"],
    "manage.py": ["manage.py", "check"],
}


@posix
@pytest.mark.parametrize("name", ["backend/.env.local", "frontend/.env.local", "frontend/.env"])
@pytest.mark.parametrize("start", STARTS)
def test_env_file_in_utf_16_is_refused_before_anything_is_written(
    patient: Patient, tmp_path: Path, start: str, name: str
) -> None:
    """Each command refuses what it reads, in words that have the command that converts it."""
    if name.startswith("frontend") and start != "dev":
        pytest.skip("it does not read this file")
    if start == "manage.py" and not patient.path("backend/manage.py").exists():
        pytest.skip("only Django has it")
    patient.path("backend/old.db").touch()
    with patient.path(name).open("ab") as file:
        file.write("OPENAI_API_KEY=sk-new\r\n".encode("utf-16-le"))
    before = patient.contents()
    sources = [str(patient.path(f"{side}/src")) for side in ("tools", "backend")]
    programs = fake_programs(tmp_path, node="echo v22.1.0", npm="true")
    ended = subprocess.run(
        [sys.executable, "-B", *STARTS[start]],
        cwd=patient.path("backend"),
        env=patient.env | programs | {"PYTHONPATH": os.pathsep.join(sources)},
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode in (1, 2)
    assert f"{patient.path(name)} has text in UTF-16" in ended.stderr
    assert "Convert it with: uv run doctor --fix" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert patient.contents() == before


@posix
@pytest.mark.parametrize("name", ["package.json", "package-lock.json"])
def test_conflicts_on_update_are_named_before_npm_stumbles_over_them(
    patient: Patient, tmp_path: Path, name: str
) -> None:
    """Slug: uv-add-conflicts."""
    marks = [mark * 7 for mark in "<=>"]
    text = f"{marks[0]} before updating\nmine\n{marks[1]}\ntheirs\n{marks[2]} after updating\n"
    patient.path(f"frontend/{name}").write_text(text, encoding="utf-8")
    sources = [str(patient.path(f"{side}/src")) for side in ("tools", "backend")]
    env = patient.env | {"PYTHONPATH": os.pathsep.join(sources)}
    status, said = dev(env)
    assert status == 1
    assert f"An update left conflicts: frontend/{name} line 1." in said
    assert f"{patient.path(f'frontend/{name}')} has conflicts of an update" in said
    assert ("npm install --package-lock-only" in said) == (name == "package-lock.json")


@contextmanager
def registry(folder: Path) -> Iterator[tuple[str, str]]:
    """Serve one package, as npm's registry does, and yield the address and what npm checks."""
    packed, package = io.BytesIO(), b'{"name": "a-package", "version": "1.0.0"}'
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("package/package.json")
        member.size = len(package)
        archive.addfile(member, io.BytesIO(package))
    tarball = folder / "a-package" / "-" / "a-package-1.0.0.tgz"
    tarball.parent.mkdir(parents=True)
    tarball.write_bytes(packed.getvalue())
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        integrity = base64.b64encode(hashlib.sha512(packed.getvalue()).digest()).decode()
        yield f"http://127.0.0.1:{server.server_port}", f"sha512-{integrity}"
        server.shutdown()


def depend(frontend: Path, address: str, integrity: str) -> dict[str, str]:
    """Make a front end with one package at an address, and return npm's environment."""
    frontend.mkdir()
    locked = {"version": "1.0.0", "integrity": integrity}
    locked["resolved"] = f"{address}/a-package/-/a-package-1.0.0.tgz"
    root = {"name": "frontend", "dependencies": {"a-package": "1.0.0"}}
    packages = {"": root, "node_modules/a-package": locked}
    lock = {"name": "frontend", "lockfileVersion": 3, "requires": True, "packages": packages}
    for name, content in (("package.json", root), ("package-lock.json", lock)):
        (frontend / name).write_text(json.dumps(content), encoding="utf-8")
    aside = frontend.parent
    env = {name: value for name, value in os.environ.items() if name not in WITHOUT}
    env |= {f"npm_config_{name}": str(aside / name) for name in ("cache", "userconfig")}
    env |= {"npm_config_globalconfig": str(aside / "none"), "npm_config_fetch_retries": "0"}
    return env | {"npm_config_registry": address, "NO_PROXY": "*", "no_proxy": "*"}


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of the system's for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def test_a_registry_that_refuses_is_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    env = depend(tmp_path / "frontend", f"http://127.0.0.1:{free_port()}", "sha512-none")
    with pytest.raises(StartupError) as refused:
        install_packages(tmp_path / "frontend", find_node(), env)
    said = str(refused.value)
    assert said.startswith("The server with npm's packages cannot be reached (ECONNREFUSED).")
    assert "npm error" not in capfd.readouterr().err


def test_a_registry_that_never_answers_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Soon: npm itself waits for five minutes, and says nothing."""
    monkeypatch.setattr(node, "SILENCE_SECONDS", 1)
    monkeypatch.setattr(node, "PING_SECONDS", 1)
    with listen("127.0.0.1") as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        env = depend(tmp_path / "frontend", address, "sha512-none")
        with pytest.raises(StartupError) as refused:
            install_packages(tmp_path / "frontend", find_node(), env)
    said = str(refused.value)
    assert "The server with npm's packages cannot be reached (network timeout)." in said


def test_tls_inspected_is_named_where_npm_fails(
    tmp_path: Path, temporary: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """What npm says stays on the screen, and with the certificate it goes on."""
    frontend = tmp_path / "frontend"
    with registry(tmp_path / "registry") as (plain, integrity), inspected(plain, tmp_path) as seen:
        env = depend(frontend, seen.address, integrity)
        with pytest.raises(StartupError) as refused:
            install_packages(frontend, find_node(), env)
        assert "not trusted here (SELF_SIGNED_CERT_IN_CHAIN)." in str(refused.value)
        assert "NODE_EXTRA_CA_CERTS" in str(refused.value)
        assert "code SELF_SIGNED_CERT_IN_CHAIN" in capfd.readouterr().err
        assert not list(temporary.iterdir())

        env["NODE_EXTRA_CA_CERTS"] = seen.certificate
        assert install_packages(frontend, find_node(), env)
    assert (frontend / "node_modules" / "a-package" / "package.json").exists()
    assert not list(temporary.iterdir())


@pytest.mark.parametrize(
    ("host", "days", "code"),
    [("127.0.0.1", -1, "CERT_HAS_EXPIRED"), ("localhost", 1, "ERR_TLS_CERT_ALTNAME_INVALID")],
)
def test_tls_inspected_is_not_the_advice_where_npm_gets_no_valid_certificate(
    tmp_path: Path, host: str, days: int, code: str
) -> None:
    with (
        registry(tmp_path / "registry") as (plain, integrity),
        inspected(plain, tmp_path, days) as seen,
    ):
        address = seen.address.replace("127.0.0.1", host)
        env = depend(tmp_path / "frontend", address, integrity)
        env["NODE_EXTRA_CA_CERTS"] = seen.certificate
        with pytest.raises(StartupError) as refused:
            install_packages(tmp_path / "frontend", find_node(), env)
    assert f"not valid here ({code})." in str(refused.value)
    assert "the clock of this machine" in str(refused.value)
    assert "NODE_EXTRA_CA_CERTS" not in str(refused.value)


WSL2 = "5.15.167.4-microsoft-standard-WSL2"
DRIVES = """rootfs / ext4 rw 0 0
C:\\134 /mnt/c 9p rw,aname=drvfs;path=C:\\;uid=1000,trans=fd 0 0
D:\\134 /mnt/my\\040files drvfs rw 0 0
/dev/sdd /mnt/data ext4 rw 0 0

none
none /mnt/data
"""
"""The last lines have fewer fields than there should be."""


@pytest.mark.parametrize(
    ("version", "place", "is_slow"),
    [
        (WSL2, "/mnt/c/Users/me/my-chat", True),
        (WSL2, "/home/me/my-chat", False),
        ("4.4.0-19041-Microsoft", "/mnt/my files/my-chat", True),
        ("6.8.0-45-generic", "/mnt/c/my-chat", False),
        (WSL2, "/mnt/data/my-chat", False),
    ],
)
def test_wsl_mnt_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, place: str, is_slow: bool
) -> None:
    """There both sides look for changes by themselves."""
    (tmp_path / "version").write_text(f"Linux version {version} (gcc) #1 SMP", encoding="utf-8")
    (tmp_path / "mounts").write_text(DRIVES, encoding="utf-8")
    monkeypatch.setattr(wsl, "PROC", tmp_path)
    assert polling(PurePosixPath(place)) == (POLLING if is_slow else {})


@posix
@pytest.mark.parametrize("root", ["ext4", "overlay"], ids=["wsl", "container"])
def test_wsl_mnt_c_is_told_before_all_else(tmp_path: Path, root: str) -> None:
    """In a container too, from which nothing is to be moved: it would be lost with it."""
    proc = linux(tmp_path / "proc", WSL2, f"C:\\134 {ROOT} 9p rw,aname=drvfs 0 0\n", root)
    env = fake_programs(tmp_path)
    status, said = dev(env | {"CHATKIT_PROC": str(proc)})
    assert status == 1
    assert f"The project lies on a drive of Windows ({ROOT})." in said
    assert "Node.js is missing" in said
    assert (f"mv {ROOT} ~/{ROOT.name}" in said) == (root == "ext4")


@pytest.mark.parametrize(
    ("version", "root", "expected"),
    [
        (WSL2, "ext4", True),
        ("4.4.0-19041-Microsoft", "wslfs", True),
        (WSL2, "overlay", False),
        (WSL2, "fuse.fuse-overlayfs", False),
        ("6.8.0-45-generic", "ext4", False),
    ],
)
def test_a_container_of_docker_desktop_is_not_wsl(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, root: str, expected: bool
) -> None:
    monkeypatch.setattr(wsl, "PROC", linux(tmp_path, version, root=root))
    assert wsl.is_wsl() == expected


@posix
@pytest.mark.parametrize("mode", ["mirrored", "nat"])
def test_wsl_two_worlds_a_port_that_windows_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """No process of WSL has it, and in mirrored mode the ports are those of Windows."""
    monkeypatch.setattr(wsl, "PROC", linux(tmp_path / "proc", WSL2))
    monkeypatch.setenv("PATH", fake_programs(tmp_path, wslinfo=f"echo {mode}")["PATH"])
    monkeypatch.setattr(psutil, "process_iter", lambda: iter(()))
    with listen("127.0.0.1") as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartupError) as refused:
            require_free_ports(FRONTEND_PORT=port)
    said = str(refused.value)
    assert f"Port {port} is taken by a program of another user" in said
    for look in (f"netstat.exe -ano | findstr.exe :{port}`", "netsh.exe interface ipv4 show"):
        assert (look in said) == (mode == "mirrored")
