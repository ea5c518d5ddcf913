"""Node.js: is it there, and new enough?"""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass

from app.dev import wsl
from app.errors import StartupError

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
