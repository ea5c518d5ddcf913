"""WSL, the Linux in Windows, where a project may lie on a drive of Windows."""

import os
import re
import shutil
import socket
import struct
import subprocess
from pathlib import Path, PurePath, PurePosixPath

from tools.shell import in_turn, move_home

PROC = Path(os.environ.get("CHATKIT_PROC", "/proc"))
"""Where Linux tells about itself. CHATKIT_PROC is for tests, which have no WSL: they name a folder
with a `version`, a `mounts` and a `net/route` of their own, and put `wslinfo`, `wslpath` and
`cmd.exe` on the PATH."""

POLLING = {"WATCHFILES_FORCE_POLLING": "true", "WATCH_POLL_MS": "1000"}
"""What makes both sides look for changes by themselves; such a drive announces none."""

OF_WINDOWS = ("drvfs", "9p", "virtiofs")
"""The file systems by which WSL shows the drives of Windows."""


TO_ALL = re.compile(r"\S+\s+00000000\s+([0-9A-F]{8})\b", re.IGNORECASE)
"""The route to everywhere, with its gateway."""


def is_wsl() -> bool:
    """Whether this runs in WSL, and not in a container there, such as one of Docker Desktop.

    Both have the kernel that Windows brings, but the root of a container is an overlay, and that of
    WSL a disk. Variables such as WSL_DISTRO_NAME are no sign: sudo and systemd drop them. What WSL
    adds to /run and to binfmt_misc is none either: it depends on the version and on settings.
    """
    return _has_kernel_of_windows() and "overlay" not in _file_system(PurePosixPath("/"))


def is_windows_drive(path: PurePath | str) -> bool:
    """Whether a path leads to a drive of Windows, as WSL and its containers show it."""
    return _file_system(PurePosixPath(path)) in OF_WINDOWS


def polling(root: PurePath) -> dict[str, str]:
    """Return what the environment of both sides needs for a project at this place."""
    return POLLING if _has_kernel_of_windows() and is_windows_drive(root) else {}


def to_linux(root: Path) -> str:
    """Return the command that moves the project from a drive of Windows into Linux.

    It brings along the data of the project's own PostgreSQL, which are found by the project's path.
    There is none in a container: what is moved there is lost with it.
    """
    if not is_wsl():
        return ""
    from kit.database.postgresql import data_folder_at_home, has_data  # slow to import

    move = move_home(root, root.name)
    data = data_folder_at_home(root)
    if not has_data(data):
        return move
    return in_turn(move, move_home(data, f"{root.name}/backend/.postgres"))


def wsl_networking() -> str | None:
    """Return how WSL and Windows see each other: `nat`, `mirrored` and so on; None: unknown.

    The first WSL shares the network of Windows, which is as good as mirrored.
    """
    if "wsl2" not in _told("version").lower():
        return "mirrored"
    return _answer("wslinfo", "--networking-mode").lower() or None


def forwards_localhost() -> bool | None:
    """Whether Windows shows the ports of WSL at its own 127.0.0.1 in NAT mode; None: unknown.

    Only Windows knows where its settings of WSL are, and WSL may not be allowed to ask it.
    """
    profile = _answer("cmd.exe", "/d", "/u", "/c", "echo %USERPROFILE%")
    folder = _answer("wslpath", "-u", profile) if profile else ""
    if not folder:
        return None
    try:
        settings = _decoded((Path(folder) / ".wslconfig").read_bytes())
    except FileNotFoundError:
        return True
    except OSError:
        return None
    section = re.search(r"^\s*\[wsl2\](.*?)(?=^\s*\[|\Z)", settings, re.I | re.M | re.S)
    off = r"^\s*localhostForwarding\s*=\s*false\b"
    return not (section and re.search(off, section[1], re.I | re.M))


def windows_address() -> str | None:
    """Return the address of Windows in NAT mode: that of the gateway, as `ip route` shows it."""
    for line in _told("net/route").splitlines()[1:]:
        if to_all := TO_ALL.match(line):
            return socket.inet_ntoa(struct.pack("=I", int(to_all[1], 16)))
    return None


def on_windows(port: int) -> str:
    """Return the command with which WSL lists the processes that have a port in Windows."""
    return f"netstat.exe -ano | findstr.exe :{port}"


def _has_kernel_of_windows() -> bool:
    return "microsoft" in _told("version").lower()


def _file_system(path: PurePosixPath) -> str:
    """Return the kind of the file system that a path leads to."""
    mounts = (line.split(" ") for line in _told("mounts").splitlines())
    around = [
        (len(mount[1]), number, mount[2])
        for number, mount in enumerate(mounts)
        if len(mount) > 2 and path.is_relative_to(_unescaped(mount[1]))
    ]
    return max(around)[2] if around else ""


def _answer(name: str, *arguments: str) -> str:
    """Return what a program says; "" if it is not there, fails, or says nothing in time."""
    program = shutil.which(name)
    if program is None:
        return ""
    try:
        said = subprocess.run(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # cmd.exe complains of folders of Linux
            timeout=3,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return "" if said.returncode else _decoded(said.stdout).strip()


def _decoded(text: bytes) -> str:
    return text.decode("utf-16" if b"\0" in text else "utf-8-sig", errors="replace")


def _told(name: str) -> str:
    try:
        return (PROC / name).read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux, or a container that hides it
        return ""


def _unescaped(folder: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), folder)
