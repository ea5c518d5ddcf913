"""The first layers: programs and packages, then addresses and ports, WSL and Windows."""

import json
import platform
import re
import shutil
import site
import socket
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kit.settings import BACKEND
from tools import FRONTEND, ROOT
from tools.doctor.checks import MEND, Check, Finding, failed, passed, unknown, warned
from tools.doctor.running import backend_port, page_port, source_of_port
from tools.node import (
    STAMP,
    are_packages_installed,
    ask_version,
    dotted,
    find_node,
    node_version,
)
from tools.ports import (
    answers,
    by_whom,
    is_port_forbidden,
    is_port_free,
    why_forbidden,
    with_other_ports,
)
from tools.settings import Value, backend_url, recorded_answers, value_of
from tools.shell import get_uv, unset, without_uv
from tools.wsl import (
    PROC,
    forwards_localhost,
    is_wsl,
    on_windows,
    polling,
    to_linux,
    windows_address,
    wsl_networking,
)

LOCK_FILE = FRONTEND / "package-lock.json"

ADDRESSES = {
    "backend": ("DATABASE_URL", "OPENAI_BASE_URL"),
    "frontend": ("BACKEND_URL", "NEXT_PUBLIC_BACKEND_URL"),
}
"""The settings of each side that name a place to connect to."""

LOCALHOST = re.compile(r"(?<=[/@])localhost(?=[:/?]|$)", re.IGNORECASE)


def python() -> Finding:
    """Tell which Python runs the backend."""
    return passed(f"{platform.python_version()} at {sys.executable}")


def uv() -> Finding:
    """Find uv, which runs every command of the project."""
    program = shutil.which("uv")
    if program is None:
        return warned(
            without_uv(),
            tried="a search for uv on the PATH",
            command=get_uv(),
        )
    return passed(f"{ask_version(program)} at {program}")


def node() -> Finding:
    """Find a Node.js that is new enough."""
    found = find_node()
    return passed(f"Node.js {dotted(node_version(found.node))} at {found.node}")


def backend_packages() -> Finding:
    """Compare the installed Python packages with the versions that were tested together."""
    file = ROOT / "pyproject.toml"
    lines: list[str] = _toml(file)["tool"]["uv"]["constraint-dependencies"]
    if loose := [line for line in lines if "==" not in line]:
        return warned(
            f"{', '.join(loose)} allows versions that nobody has tested",
            tried="a look at constraint-dependencies",
            source=_line_of(file, loose[0]),
            command="git diff pyproject.toml",
            slug="dependency-drift",
        )
    pins = dict(line.split("==") for line in lines)
    others = [
        f"{name} {version} and not {pins[name]}"
        for name, version in sorted(_installed())
        if pins.get(name, version) != version
    ]
    if others:
        return failed(
            f"the installed versions are not those that were tested together: {_some(others)}",
            tried="a comparison of what is installed with constraint-dependencies",
            source="pyproject.toml",
            command="uv sync",
            slug="dependency-drift",
        )
    return passed(f"as pinned, {len(pins)} versions (pyproject.toml)")


def greenlet() -> Finding:
    """Find greenlet, which SQLAlchemy needs and does not bring by itself."""
    file = BACKEND / "pyproject.toml"
    try:
        wanted: list[str] = _toml(file)["project"]["dependencies"]
    except tomllib.TOMLDecodeError as error:
        return failed(f"{file} is not TOML: {error}", tried="a look at it", source=str(file))
    if find_spec("greenlet") is None:
        problem = failed
    elif not any(re.match(r"greenlet\b|sqlalchemy\[[^]]*asyncio", line, re.I) for line in wanted):
        problem = warned
    else:
        return passed("installed, as sqlalchemy[asyncio] asks for it")
    return problem(
        "no dependency brings greenlet, and SQLAlchemy reaches no database without it",
        tried="a look at the dependencies of the backend",
        source=_line_of(file, '"sqlalchemy'),
        command='uv add --directory backend "sqlalchemy[asyncio]"',
        slug="missing-greenlet",
    )


def frontend_packages() -> Finding:
    """Find out whether what package-lock.json says is installed."""
    if are_packages_installed(FRONTEND):
        return passed("as in package-lock.json")
    return warned(
        "packages are missing or differ from package-lock.json; `uv run dev` installs them",
        tried=f"a look at frontend/node_modules/{STAMP}",
        command="uv run dev",
    )


def lock_file() -> Finding:
    """Look for packages that were left out where the lock file was made."""
    try:
        locked: dict[str, Any] = json.loads(LOCK_FILE.read_text(encoding="utf-8"))["packages"]
    except (OSError, ValueError, KeyError) as error:
        return failed(
            f"frontend/package-lock.json cannot be read: {error}",
            command="git checkout -- frontend/package-lock.json",
        )
    if missing := list(dict.fromkeys(_without_entry(locked))):
        return failed(
            f"package-lock.json lacks {_some(missing)}: `npm ci` fails on another system",
            tried="a search for every optional dependency of every locked package",
            source="frontend/package-lock.json",
            command="git checkout -- frontend/package-lock.json",
            slug="lock-file-of-one-platform",
        )
    return passed(f"it has the packages of every system, {len(locked)} of them")


def _without_entry(locked: dict[str, Any]) -> Iterator[str]:
    for path, package in locked.items():
        for name in package.get("optionalDependencies", {}):
            if not any(f"{folder}node_modules/{name}" in locked for folder in _around(path)):
                yield name


def _around(path: str) -> Iterator[str]:
    """Yield the folders in which Node looks for what a package needs, the nearest first."""
    while path:
        yield f"{path}/"
        path = path.rpartition("node_modules/")[0].rstrip("/")
    yield ""


def _installed() -> Iterator[tuple[str, str]]:
    for package in distributions(path=site.getsitepackages()):
        yield re.sub(r"[-_.]+", "-", package.name).lower(), package.version


def _toml(file: Path) -> dict[str, Any]:
    return tomllib.loads(file.read_text(encoding="utf-8"))


def _line_of(file: Path, words: str) -> str:
    lines = file.read_text(encoding="utf-8").splitlines()
    number = next((number for number, line in enumerate(lines, 1) if words in line), 1)
    return f"{file.relative_to(ROOT).as_posix()} line {number}"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def localhost() -> Finding:
    """Look for `localhost` in the settings, and for where it leads."""
    named = list(_settings_with_localhost())
    if not named:
        return passed(f"no setting names localhost, which is {_meaning()} here")
    names = ", ".join(name for name, _ in named)
    dead = [value for _, value in named if _leads_elsewhere(value)]
    problem = failed if dead else warned
    return problem(
        f"{names} names localhost, which is {_meaning()} here"
        + (", and only 127.0.0.1 answers" if dead else ""),
        tried="a look at the settings, and connections to localhost and 127.0.0.1",
        source=", ".join(value.source for _, value in named),
        command=MEND
        if all(".env.local" in value.source for _, value in named)
        else unset(*(name for name, _ in named)),
        slug="localhost-is-not-one-place",
    )


def _settings_with_localhost() -> Iterator[tuple[str, Value]]:
    for side, names in ADDRESSES.items():
        for name in names:
            value = value_of(side, name)
            if _host_and_port(value)[0] == "localhost":
                yield name, value


def _leads_elsewhere(value: Value) -> bool:
    """Whether the first address that localhost stands for is silent, and 127.0.0.1 is not."""
    _, port = _host_and_port(value)
    first = _addresses_of_localhost()[:1]
    return bool(port and first) and not answers(first[0], port) and answers("127.0.0.1", port)


def _host_and_port(value: Value) -> tuple[str | None, int]:
    try:
        parts = urlsplit(value.text.strip())
        return parts.hostname, parts.port or 0
    except ValueError:
        return None, 0


def _meaning() -> str:
    return " and ".join(_addresses_of_localhost()) or "nothing"


def _addresses_of_localhost() -> list[str]:
    try:
        found = socket.getaddrinfo("localhost", None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def backend_at() -> Finding:
    """Find out at which addresses the backend's port answers."""
    return _who_answers("BACKEND_PORT", backend_port())


def page_at() -> Finding:
    """Find out at which addresses the page's port answers."""
    return _who_answers("FRONTEND_PORT", page_port())


def _who_answers(variable: str, port: int) -> Finding:
    here, other = answers("127.0.0.1", port), answers("::1", port)
    if other and not here:
        return failed(
            f"port {port} answers at ::1 and not at 127.0.0.1: it is taken{by_whom(port)}",
            tried=f"connections to 127.0.0.1:{port} and [::1]:{port}",
            source=source_of_port(variable),
            command=with_other_ports(**{variable: port}),
            slug="localhost-is-not-one-place",
        )
    if not here and not is_port_free(port):
        taken = f"port {port} is taken{by_whom(port)}, which does not answer"
        return failed(
            why_forbidden(port) if is_port_forbidden(port) else taken,
            tried=f"a server at 127.0.0.1:{port}",
            source=source_of_port(variable),
            command=with_other_ports(**{variable: port}),
            slug="reserved-port",
        )
    if other:
        return passed(f"port {port} answers at 127.0.0.1 and at ::1")
    return passed(f"port {port} answers at 127.0.0.1" if here else f"port {port} is free")


def windows() -> Finding:
    """Compare the answer to the question of WSL with where the project runs."""
    runs_there = is_wsl()
    answer = recorded_answers().get("wsl")
    if answer in ("true", "false") and (answer == "true") != runs_there:
        here = "in WSL" if runs_there else f"on {sys.platform}, not in WSL"
        return warned(
            f"the project runs {here}, and its answer to the question of WSL is {answer}: "
            "docs/run.md and the comments in .env.example do not fit",
            tried=f"a look at {PROC / 'version'}",
            source=".copier-answers.yml",
            command=f"uvx copier update --data wsl={str(runs_there).lower()}",
            slug="wsl-two-worlds",
        )
    if not runs_there:
        return passed("not in WSL, so this machine has one 127.0.0.1")
    return _between_the_worlds()


def _between_the_worlds() -> Finding:
    mode = wsl_networking()
    tried = "wslinfo --networking-mode"
    if mode is None:
        return unknown(
            "in WSL, which does not tell whether it shares the network of Windows",
            tried=tried,
            command="wsl.exe --update",
            slug="wsl-two-worlds",
        )
    if mode == "mirrored":
        return passed(
            "in WSL, in mirrored mode: 127.0.0.1 is the same in Windows, and so are the ports"
        )
    if mode == "nat":
        return _behind_nat(windows_address())
    return passed(f"in WSL, in the mode {mode}")


def _behind_nat(windows: str | None) -> Finding:
    port = backend_port()
    if windows and not answers("127.0.0.1", port) and answers(windows, port):
        return failed(
            f"in WSL, in NAT mode: the program on port {port} runs in Windows, and Windows is at "
            f"{windows}, not at 127.0.0.1",
            tried=f"connections to 127.0.0.1:{port} and {windows}:{port}",
            source=backend_url().source,
            by_hand=f"Set BACKEND_URL=http://{windows}:{port} in frontend/.env.local",
            slug="wsl-two-worlds",
        )
    forwards = forwards_localhost()
    if forwards is False:
        return warned(
            "in WSL, in NAT mode, and no browser in Windows finds the page: .wslconfig says "
            "localhostForwarding=false",
            tried="a look at .wslconfig in your folder in Windows",
            by_hand="Remove localhostForwarding=false from .wslconfig",
            command="wsl.exe --shutdown",
            slug="wsl-two-worlds",
        )
    where = windows or "the address that `ip route show default` tells"
    unless = f"a program of Windows has its port (`{on_windows(page_port())}` tells)"
    if forwards is None:
        unless += " or .wslconfig says localhostForwarding=false"
    return passed(
        f"in WSL, in NAT mode: Windows is at {where}. A browser there finds the page at 127.0.0.1, "
        f"unless {unless}, which is not seen from here"
    )


def drive() -> Finding:
    """Find out whether the project lies on a drive of Windows."""
    if not polling(ROOT):
        return passed(f"the project lies on a drive that announces changes: {ROOT}")
    return warned(
        f"the project lies on a drive of Windows, {ROOT}: everything is slow, edits are found by "
        "looking once a second, and SQLite may be locked",
        tried=f"a look at {PROC / 'mounts'}",
        source=str(ROOT),
        command=to_linux(ROOT),
        slug="wsl-mnt-c",
    )


def write_addresses() -> list[str]:
    """Write 127.0.0.1 for localhost in both .env.local."""
    return [
        sentence
        for side, names in ADDRESSES.items()
        for name in names
        for sentence in _write_address(side, name)
    ]


def _write_address(side: str, name: str) -> list[str]:
    file = ROOT / side / ".env.local"
    if not file.exists():
        return []
    lines = file.read_bytes().decode("utf-8", "surrogateescape").splitlines(keepends=True)
    changed = 0
    for index, line in enumerate(lines):
        found = re.match(rf"\s*(?:export\s+)?{name}\s*=\s*['\"]?([^\s'\"#]+)", line)
        if found and _can_be_written(found[1]):
            start, end = found.span(1)
            address = LOCALHOST.sub("127.0.0.1", found[1], count=1)
            lines[index] = line[:start] + address + line[end:]
            changed += 1
    if not changed:
        return []
    file.write_bytes("".join(lines).encode("utf-8", "surrogateescape"))
    return [f"Wrote 127.0.0.1 for localhost in {name} of {side}/.env.local."]


def _can_be_written(address: str) -> bool:
    """Whether it names localhost, and not somebody who listens at ::1 alone."""
    try:
        parts = urlsplit(address)
        port = parts.port or 0
    except ValueError:
        return False
    is_elsewhere = port and answers("::1", port) and not answers("127.0.0.1", port)
    return parts.hostname == "localhost" and not is_elsewhere


CHECKS = (
    Check("tools.python", python),
    Check("tools.uv", uv),
    Check("tools.node", node),
    Check("tools.python-packages", backend_packages),
    Check("tools.greenlet", greenlet),
    Check("tools.npm-packages", frontend_packages),
    Check("tools.lock-file", lock_file),
    Check("network.localhost", localhost),
    Check("network.backend-port", backend_at),
    Check("network.page-port", page_at),
    Check("network.wsl", windows),
    Check("network.drive", drive),
)

FIXES = (write_addresses,)
