"""What this machine has: free ports, Node.js with the page's packages, and Windows around WSL."""

import errno
import hashlib
import os
import platform
import re
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath

import psutil

from kit.errors import StartupError

# --- ports

BACKEND_PORT = 8000
FRONTEND_PORT = 3000


def require_free_port(variable: str, port: int) -> None:
    """Make sure that a port can be had.

    Args:
        variable: the environment variable that chooses another port.
        port: the port's number.

    Raises:
        StartupError: it is taken or forbidden; names what holds it, and how to take another.
    """
    if is_port_taken(port):
        raise StartupError(
            f"Port {port} is taken{by_whom(port)}. End that program, or choose another port: "
            + with_another_port(variable, port)
        )


def is_port_taken(port: int) -> bool:
    """Whether a program listens on the port, or it cannot be had for another reason.

    A program that listens on all addresses, or on ::1 alone, counts: `localhost` may mean either.
    """
    return answers("127.0.0.1", port) or answers("::1", port) or not _can_bind(port)


def answers(host: str, port: int) -> bool:
    """Whether a program takes connections to the port at this address."""
    try:
        with socket.create_connection((host, port), timeout=0.3):
            return True
    except OSError:
        return False


def _can_bind(port: int) -> bool:
    with socket.socket() as probe:
        if sys.platform != "win32":  # else a port that was in use a minute ago counts as taken
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno == errno.EACCES:
                raise StartupError(
                    f"This machine does not let ordinary programs use port {port}. Choose one "
                    "above 1023."
                ) from None
            return False
    return True


def by_whom(port: int) -> str:
    """Return the words that name the program which holds a port."""
    for process in psutil.process_iter():
        try:
            listens = any(
                connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
                for connection in process.net_connections("tcp")
            )
            if not listens:
                continue
            name = process.name()
        except psutil.Error:
            continue
        try:
            command = " ".join(process.cmdline())
        except psutil.Error:
            command = ""
        return f" by {name}, process {process.pid}" + (f" ({command[:120]})" if command else "")
    return " by a program of another user"


def with_another_port(variable: str, taken: int) -> str:
    """Return the command that starts both sides with another port, the next one that is free."""
    candidates = (port for port in range(taken + 1, 65536) if not is_port_taken(port))
    port = next(candidates, FRONTEND_PORT)
    if sys.platform == "win32":
        return f"$env:{variable}={port}; uv run dev"
    return f"{variable}={port} uv run dev"


# --- Node.js and the page's packages

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
        said = subprocess.run(
            [node, "--version"], capture_output=True, text=True, timeout=20, check=False
        )
        answer = (said.stdout + said.stderr).strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        answer = str(error)
    match = re.match(r"v(\d+)\.(\d+)\.(\d+)", answer)
    if match is None:
        raise StartupError(f"{node} --version tells no version, but: {answer}\n{_get_node()}")
    return tuple(int(part) for part in match.groups())


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
    command = [node.npm, "ci", "--include=dev", "--no-audit", "--no-fund"]
    with subprocess.Popen(command, cwd=frontend, env=environment) as npm:
        try:
            yield True
            status = npm.wait()
        except BaseException:
            npm.kill()  # else `with` waits for it
            raise
    if status:
        raise StartupError(
            f"npm ci failed in {frontend} (exit status {status}), for the reason above. If it says "
            "that package.json and package-lock.json disagree, run npm install there. If the "
            "network failed, start again."
        )
    _stamp(frontend).write_text(_fingerprint(frontend))


def are_packages_installed(frontend: Path) -> bool:
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


# --- WSL, the Linux in Windows, where a project may lie on a drive of Windows

PROC = Path(os.environ.get("CHATKIT_PROC", "/proc"))
"""Where Linux tells about itself. CHATKIT_PROC is for tests, which have no WSL: they name a folder
with a `version`, a `mounts` and a `net/route` of their own, and a `wslinfo` on the PATH."""

POLLING = {"WATCHFILES_FORCE_POLLING": "true", "WATCH_POLL_MS": "1000"}
"""What makes both sides look for changes by themselves; such a drive announces none."""

OF_WINDOWS = ("drvfs", "9p", "virtiofs")
"""The file systems by which WSL shows the drives of Windows."""


def is_wsl() -> bool:
    """Whether this runs in WSL."""
    return "microsoft" in _told("version").lower()


def is_windows_drive(path: PurePath | str) -> bool:
    """Whether a path leads to a drive of Windows, as WSL shows it."""
    mounts = (line.split(" ") for line in _told("mounts").splitlines())
    around = [
        (len(folder), kind)
        for _, folder, kind, *_ in mounts
        if PurePosixPath(path).is_relative_to(_unescaped(folder))
    ]
    return bool(around) and max(around)[1] in OF_WINDOWS


def polling(root: PurePath) -> dict[str, str]:
    """Return what the environment of both sides needs for a project at this place."""
    return POLLING if is_wsl() and is_windows_drive(root) else {}


def to_linux(root: PurePath) -> str:
    """Return the command that moves the project from a drive of Windows into Linux."""
    return f"mv '{root}' ~/{root.name}"


def wsl_networking() -> str | None:
    """Return how WSL and Windows see each other: `nat`, `mirrored` and so on; None: unknown.

    The first WSL shares the network of Windows, which is as good as mirrored.
    """
    if "wsl2" not in _told("version").lower():
        return "mirrored"
    program = shutil.which("wslinfo")
    if program is None:
        return None
    try:
        said = subprocess.run(
            [program, "--networking-mode"], capture_output=True, text=True, timeout=3, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return said.stdout.strip().lower() or None


def windows_address() -> str | None:
    """Return the address of Windows in NAT mode: that of the gateway, as `ip route` shows it."""
    for line in _told("net/route").splitlines()[1:]:
        _, destination, gateway, *_ = line.split()
        if destination == "00000000":
            return socket.inet_ntoa(struct.pack("=I", int(gateway, 16)))
    return None


def _told(name: str) -> str:
    try:
        return (PROC / name).read_text(errors="replace")
    except OSError:  # not Linux, or a container that hides it
        return ""


def _unescaped(folder: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), folder)
