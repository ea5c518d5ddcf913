"""The shell into which a person types, and how commands are written for it."""

import os
import re
import shlex
import shutil
import sys
from enum import Enum, auto
from functools import cache
from pathlib import PurePath

import psutil


class Shell(Enum):
    """What tells apart how commands are written."""

    POSIX = auto()
    FISH = auto()
    POWERSHELL = auto()
    """Windows PowerShell 5.1, which knows no `&&`, and its successors."""
    CMD = auto()


PROGRAMS = {
    **dict.fromkeys(("sh", "ash", "bash", "dash", "ksh", "zsh"), Shell.POSIX),
    "fish": Shell.FISH,
    "powershell": Shell.POWERSHELL,
    "pwsh": Shell.POWERSHELL,
    "cmd": Shell.CMD,
}

PLAIN = re.compile(r"[\w./:+=-]+", re.ASCII)
PLAIN_IN_WINDOWS = re.compile(r"[\w./:\\+-]+", re.ASCII)
"""What needs no quotes."""

QUOTES_IN_POWERSHELL = "['\u2018-\u201b]"
"""What ends a quoted text there: typographic quotes count as straight ones."""


@cache
def shell() -> Shell:
    """Return the shell that has started this process, or else the system's usual one.

    Git Bash in Windows and PowerShell in Linux count as what they are.
    """
    try:
        for process in psutil.Process().parents():
            name = process.name().lower().removesuffix(".exe")
            if name in PROGRAMS:
                return PROGRAMS[name]
    except psutil.Error:
        pass
    return Shell.POWERSHELL if sys.platform == "win32" else Shell.POSIX


def quoted(argument: PurePath | str) -> str:
    """Return an argument as it is typed, such as a path with spaces.

    cmd replaces %NAME% between quotes too, and nothing that is typed keeps it from that.
    """
    text = str(argument)
    if shell() is Shell.POWERSHELL:
        return text if PLAIN_IN_WINDOWS.fullmatch(text) else _in_powershell(text)
    if shell() is Shell.CMD:
        return text if PLAIN_IN_WINDOWS.fullmatch(text) else f'"{text}"'
    return text if PLAIN.fullmatch(text) else shlex.quote(text)


def in_turn(*commands: str) -> str:
    """Return a line that runs commands, each one if the one before has succeeded."""
    if shell() is not Shell.POWERSHELL:
        return " && ".join(commands)
    first, *others = commands
    return f"{first}; if ($?) {{ {in_turn(*others)} }}" if others else first


def with_variable(name: str, value: str, command: str) -> str:
    """Return a line that runs a command with an environment variable."""
    match shell():
        case Shell.POWERSHELL:
            return f"$env:{name}={_in_powershell(value)}; {command}"
        case Shell.CMD:
            return f'set "{name}={value}" && {command}'
        case _:
            return f"{name}={quoted(value)} {command}"


def unset(*names: str) -> str:
    """Return a line that takes variables out of the environment of the shell."""
    match shell():
        case Shell.POWERSHELL:
            return "; ".join(f"Remove-Item Env:{name}" for name in names)
        case Shell.CMD:
            return " & ".join(f'set "{name}="' for name in names)
        case Shell.FISH:
            return f"set -e {' '.join(names)}"
        case Shell.POSIX:
            return f"unset {' '.join(names)}"


def make_folder(folder: PurePath) -> str:
    """Return the command that makes a folder, and those around it."""
    parents = " -p" if shell() in (Shell.POSIX, Shell.FISH) else ""  # the others always do
    return f"mkdir{parents} {quoted(folder)}"


def move_home(folder: PurePath, place: str) -> str:
    """Return the command that moves a folder to a place in the home of Linux."""
    if shell() is Shell.POWERSHELL:  # whose own Move-Item does not leave a drive
        return f"mv {quoted(folder)} (Join-Path $HOME {quoted(place)})"
    return f"mv {quoted(folder)} ~/{quoted(place)}"


def fetch(url: str, *options: str) -> str:
    """Return the command that shows what is at an address."""
    # In Windows PowerShell `curl` is another program, which takes no such options.
    program = "curl.exe" if sys.platform == "win32" else "curl"
    return " ".join([program, *options, quoted(url)])


def get_uv() -> str:
    """Return the command that installs uv, by its own installer."""
    if sys.platform == "win32":
        return "winget install -e --id astral-sh.uv"
    return "curl -LsSf https://astral.sh/uv/install.sh | sh"


def without_uv() -> str:
    """Return what somebody has to know whose shell does not find uv; empty if it does.

    That is so after `pip install --user`, for one, where it still runs as a module of Python.
    """
    if shutil.which("uv"):
        return ""
    python = "python" if sys.platform == "win32" else "python3"
    instead = f" Type {python} -m uv in place of uv, and {python} -m uv tool run in place of uvx."
    is_module = "UV" in os.environ  # set by uv for what it runs
    return "uv is not on the PATH." + (instead if is_module else "")


def _in_powershell(text: str) -> str:
    doubled = re.sub(QUOTES_IN_POWERSHELL, r"\g<0>\g<0>", text)
    return f"'{doubled}'"
