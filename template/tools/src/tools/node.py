"""Node.js, and the packages of the front end."""

import hashlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kit.errors import INSPECTED, SERVERS_OWN, StartupError
from tools.shell import quoted
from tools.wsl import is_windows_drive, is_wsl

OLDEST_NODE = (20, 9)


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
    if is_wsl():
        for found in (node or shutil.which("node.exe"), npm):
            if found and is_windows_drive(found):
                raise StartupError(
                    f"{found} is the Node.js of Windows. It cannot serve a project in WSL. "
                    + _get_node()
                )
    if node is None:
        raise StartupError(f"Node.js is missing: no node on the PATH. {_get_node()}")
    version = node_version(node)
    if version < OLDEST_NODE:
        raise StartupError(f"Node.js {dotted(version)} at {node} is too old. {_get_node()}")
    if npm is None:
        raise StartupError(f"npm is missing, though {node} is there. {_get_node()}")
    return Node(node, npm)


def node_version(node: str) -> tuple[int, ...]:
    """Ask Node.js for its version.

    Raises:
        StartupError: it does not run, or does not tell.
    """
    try:
        answer = ask_version(node)
    except (OSError, subprocess.TimeoutExpired) as error:
        answer = str(error)
    match = re.match(r"v(\d+)\.(\d+)\.(\d+)", answer)
    if match is None:
        raise StartupError(f"{node} --version tells no version, but: {answer}\n{_get_node()}")
    return tuple(int(part) for part in match.groups())


def ask_version(program: str) -> str:
    """Return what a program says of its version.

    Raises:
        OSError: it does not run.
        subprocess.TimeoutExpired: it says nothing in 20 seconds.
    """
    said = subprocess.run(
        [program, "--version"],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=20,
        check=False,
    )
    return said.stdout.strip() or said.stderr.strip()


def dotted(version: tuple[int, ...]) -> str:
    """Return a version as people write it."""
    return ".".join(str(part) for part in version)


def _get_node() -> str:
    if sys.platform == "win32":
        command = "winget install OpenJS.NodeJS.LTS"
    elif sys.platform == "darwin":
        command = "brew install node"
    else:
        command = "nvm install --lts (https://github.com/nvm-sh/nvm)"
    return (
        f"Get {dotted(OLDEST_NODE)} or newer with: {command}, or from https://nodejs.org. "
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
    with installing_packages(frontend, node, environment) as anything:
        return anything


@contextmanager
def installing_packages(
    frontend: Path, node: Node, environment: Mapping[str, str]
) -> Iterator[bool]:
    """Do the same while the body of the `with` runs, which ends when both have ended.

    An error in the body ends npm at once; the next start installs again.

    Returns:
        Whether anything has to be installed.

    Raises:
        StartupError: npm failed; its own words are on the screen.
    """
    if are_packages_installed(frontend):
        yield False
        return
    print("Installing the front end's packages (npm ci) ...", flush=True)
    # npm speaks to the terminal. What it says is read in its log.
    with tempfile.TemporaryDirectory(prefix="npm-", ignore_cleanup_errors=True) as logs:
        command = [node.npm, "ci", "--include=dev", "--no-audit", "--no-fund", f"--logs-dir={logs}"]
        with subprocess.Popen(command, cwd=frontend, env=environment) as npm:
            try:
                yield True
                status = npm.wait()
            except BaseException:
                npm.kill()  # else `with` waits for it
                raise
        if status:
            raise StartupError(
                f"npm ci failed in {frontend} (exit status {status}), for the reason above. "
                + _advice(Path(logs))
            )
    _stamp(frontend).write_text(_fingerprint(frontend), encoding="utf-8")


CERTIFICATE = re.compile(r"error code (\w*(?:CERT|VERIFY)\w*)")
"""How npm names what is wrong with a certificate, such as SELF_SIGNED_CERT_IN_CHAIN."""

NOT_VALID = ("CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID", "ERR_TLS_CERT_ALTNAME_INVALID")
"""What is wrong with a certificate that nobody makes valid by trusting more."""


def _advice(logs: Path) -> str:
    """Return what to do about what npm has written into its log."""
    said = "".join(log.read_text(encoding="utf-8", errors="replace") for log in logs.glob("*.log"))
    if refused := CERTIFICATE.search(said):
        code = refused[1]
        what, advice = ("valid", SERVERS_OWN) if code in NOT_VALID else ("trusted", INSPECTED)
        return (
            f"The certificate of the server with npm's packages is not {what} here ({code}). "
            + advice
        )
    return (
        "If it says that package.json and package-lock.json disagree, run npm install there. If "
        "the network failed, start again."
    )


def are_packages_installed(frontend: Path) -> bool:
    """Whether what package-lock.json says is installed.

    Raises:
        StartupError: package.json or package-lock.json is missing.
    """
    stamp = _stamp(frontend)
    wanted = _fingerprint(frontend)
    return stamp.exists() and stamp.read_text(encoding="utf-8") == wanted


def _stamp(frontend: Path) -> Path:
    # npm removes node_modules first: a stamp in it means that the installation ended well.
    return frontend / "node_modules" / STAMP


def _fingerprint(frontend: Path) -> str:
    """Of what is installed, and of the system, since some packages differ between systems."""
    digest = hashlib.sha256(f"{sys.platform} {platform.machine()}".encode())
    for name in ("package.json", "package-lock.json"):
        file = frontend / name
        if not file.exists():
            raise StartupError(
                f"{file} is missing. Bring it back with: git checkout -- {quoted(file)}"
            )
        digest.update(file.read_bytes())
    return digest.hexdigest()
