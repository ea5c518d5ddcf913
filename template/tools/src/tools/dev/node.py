"""Node.js: is it there, and new enough?"""

import hashlib
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kit.errors import StartupError
from tools.dev import wsl

MINIMUM = (20, 9)


@dataclass(frozen=True)
class Node:
    """The programs of Node.js, with their paths."""

    node: str
    npm: str


def find_node() -> Node:
    """Find Node.js and npm.

    Raises:
        StartupError: one is missing, too old, or does not run; names the cure.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if wsl.is_wsl():
        for found in (node or shutil.which("node.exe"), npm):
            if found and wsl.is_windows_drive(found):
                raise StartupError(
                    f"{found} is the Node.js of Windows, which cannot serve a project in WSL. "
                    + _cure()
                )
    if node is None:
        raise StartupError(f"Node.js is missing: no node on the PATH. {_cure()}")
    version = version_of(node)
    if version < MINIMUM:
        raise StartupError(f"Node.js {dotted(version)} at {node} is too old. {_cure()}")
    if npm is None:
        raise StartupError(f"npm is missing, though {node} is there. {_cure()}")
    return Node(node, npm)


def version_of(node: str) -> tuple[int, ...]:
    """Ask Node.js for its version.

    Raises:
        StartupError: it does not run, or does not tell.
    """
    try:
        said = subprocess.run(
            [node, "--version"], capture_output=True, text=True, timeout=20, check=False
        )
        answer = (said.stdout + said.stderr).strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        answer = str(error)
    match = re.match(r"v(\d+)\.(\d+)\.(\d+)", answer)
    if match is None:
        raise StartupError(f"{node} --version does not tell a version, but: {answer}\n{_cure()}")
    return tuple(int(part) for part in match.groups())


def dotted(version: tuple[int, ...]) -> str:
    """Return a version as people write it."""
    return ".".join(str(part) for part in version)


def _cure() -> str:
    if sys.platform == "win32":
        command = "winget install OpenJS.NodeJS.LTS"
    elif sys.platform == "darwin":
        command = "brew install node"
    else:
        command = "nvm install --lts (https://github.com/nvm-sh/nvm)"
    return (
        f"Get {dotted(MINIMUM)} or newer with: {command}, or from https://nodejs.org. "
        "Then open a new terminal."
    )


STAMP = ".installed"


def install_packages(frontend: Path, node: Node, environment: Mapping[str, str]) -> bool:
    """Install exactly what package-lock.json says, unless that is there already.

    Returns:
        Whether anything had to be installed.

    Raises:
        StartupError: npm failed; its own words are on the screen.
    """
    if are_installed(frontend):
        return False
    print("Installing the front end's packages (npm ci) ...", flush=True)
    status = subprocess.run(
        [node.npm, "ci", "--include=dev", "--no-audit", "--no-fund"],
        cwd=frontend,
        env=environment,
        check=False,
    ).returncode
    if status:
        raise StartupError(
            f"npm ci failed in {frontend} (exit status {status}), for the reason above. If it says "
            "that package.json and package-lock.json disagree, run npm install there; if the "
            "network failed, start again."
        )
    _stamp(frontend).write_text(_fingerprint(frontend))
    return True


def are_installed(frontend: Path) -> bool:
    """Whether what package-lock.json says is installed.

    Raises:
        StartupError: package.json or package-lock.json is missing.
    """
    stamp = _stamp(frontend)
    wanted = _fingerprint(frontend)
    return stamp.exists() and stamp.read_text() == wanted


def _stamp(frontend: Path) -> Path:
    # npm removes node_modules first: a stamp in it means that the installation ended well.
    return frontend / "node_modules" / STAMP


def _fingerprint(frontend: Path) -> str:
    """Of what is installed, and of the system, since some packages differ between systems."""
    digest = hashlib.sha256(f"{sys.platform} {platform.machine()}".encode())
    for name in ("package.json", "package-lock.json"):
        file = frontend / name
        if not file.exists():
            raise StartupError(f"{file} is missing. Bring it back with: git checkout -- {file}")
        digest.update(file.read_bytes())
    return digest.hexdigest()
