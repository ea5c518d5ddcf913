"""WSL, the Linux in Windows, where a project may lie on a drive of Windows."""

import os
import re
import shutil
import socket
import struct
import subprocess
from pathlib import Path, PurePath, PurePosixPath

from tools.shell import move_home

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
    return move_home(root)


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
            [program, "--networking-mode"],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=3,
            check=False,
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
        return (PROC / name).read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux, or a container that hides it
        return ""


def _unescaped(folder: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), folder)
