"""The packages of the front end."""

import hashlib
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from app.dev.node import Node
from app.errors import StartupError

STAMP = ".installed"


def install(frontend: Path, node: Node, environment: Mapping[str, str]) -> bool:
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
