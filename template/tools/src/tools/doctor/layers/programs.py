"""The first layer: Python, uv, Node.js and the packages of both sides."""

import json
import os
import platform
import re
import shutil
import site
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kit.settings import BACKEND
from tools import FRONTEND, ROOT
from tools.dev.node import STAMP, are_installed, dotted, find_node, version_of
from tools.doctor.checks import Check, Finding, failed, passed, warned

LOCK_FILE = FRONTEND / "package-lock.json"


def python() -> Finding:
    """Tell which Python runs the backend."""
    return passed(f"{platform.python_version()} at {sys.executable}")


def uv() -> Finding:
    """Find uv, which runs every command of the project."""
    program = os.environ.get("UV") or shutil.which("uv")
    if program is None:
        return warned(
            "uv is not on the PATH, and `uv run dev` needs it",
            tried="a search for uv on the PATH",
            command="python3 -m pip install uv",
        )
    said = subprocess.run(
        [program, "--version"], capture_output=True, text=True, timeout=20, check=False
    )
    return passed(f"{said.stdout.strip() or said.stderr.strip()} at {program}")


def node() -> Finding:
    """Find a Node.js that is new enough."""
    found = find_node()
    return passed(f"Node.js {dotted(version_of(found.node))} at {found.node}")


def backend_packages() -> Finding:
    """Compare the installed Python packages with the versions that were tested together."""
    file = ROOT / "pyproject.toml"
    lines: list[str] = _toml(file)["tool"]["uv"]["constraint-dependencies"]
    if loose := [line for line in lines if "==" not in line]:
        return warned(
            f"{', '.join(loose)} allows other versions than the one that was tested",
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
            f"other versions are installed than were tested together: {_some(others)}",
            tried="a comparison of what is installed with constraint-dependencies",
            source="pyproject.toml",
            command="uv sync",
            slug="dependency-drift",
        )
    return passed(f"as pinned, {len(pins)} versions (pyproject.toml)")


def greenlet() -> Finding:
    """Find greenlet, which SQLAlchemy needs and does not bring by itself."""
    file = BACKEND / "pyproject.toml"
    wanted: list[str] = _toml(file)["project"]["dependencies"]
    if find_spec("greenlet") is None:
        problem = failed
    elif not any(re.match(r"greenlet\b|sqlalchemy\[[^]]*asyncio", line, re.I) for line in wanted):
        problem = warned
    else:
        return passed("installed, as sqlalchemy[asyncio] asks for it")
    return problem(
        "nothing asks for greenlet, without which no database can be reached",
        tried="a look at the dependencies of the backend",
        source=_line_of(file, '"sqlalchemy'),
        command="uv add --directory backend sqlalchemy[asyncio]",
        slug="missing-greenlet",
    )


def frontend_packages() -> Finding:
    """Find out whether what package-lock.json says is installed."""
    if are_installed(FRONTEND):
        return passed("as in package-lock.json")
    return warned(
        "not what package-lock.json says, or nothing yet; `uv run dev` installs it",
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
            f"no entry for {_some(missing)}: `npm ci` fails on another system",
            tried="a search for every optional dependency of every locked package",
            source="frontend/package-lock.json",
            command="git checkout -- frontend/package-lock.json",
            slug="lock-file-of-one-platform",
        )
    return passed(f"whole for every system, {len(locked)} packages")


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


CHECKS = (
    Check("tools.python", python),
    Check("tools.uv", uv),
    Check("tools.node", node),
    Check("tools.python-packages", backend_packages),
    Check("tools.greenlet", greenlet),
    Check("tools.npm-packages", frontend_packages),
    Check("tools.lock-file", lock_file),
)
