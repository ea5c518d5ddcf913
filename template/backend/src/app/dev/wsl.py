"""WSL, the Linux in Windows, where a project may lie on a drive of Windows."""

import platform
import re
from pathlib import PurePath

POLLING = {"WATCHFILES_FORCE_POLLING": "true", "WATCH_POLL_MS": "1000"}
"""What makes both sides look for changes by themselves; such a drive announces none."""


def is_wsl() -> bool:
    """Whether this runs in WSL."""
    return "microsoft" in platform.uname().release.lower()


def is_windows_drive(path: PurePath | str) -> bool:
    """Whether a path leads to a drive of Windows, as WSL shows it."""
    return re.match(r"/mnt/[a-z](/|$)", str(path)) is not None


def polling(root: PurePath) -> dict[str, str]:
    """Return what the environment of both sides needs for a project at this place."""
    return POLLING if is_wsl() and is_windows_drive(root) else {}


def advice(root: PurePath) -> str:
    """Return the sentence for a project that lies on a drive of Windows."""
    return (
        f"The project lies on a drive of Windows ({root}): everything is slow there, and changes "
        f"are found by looking once a second.\nMove it to Linux: mv '{root}' ~/{root.name}"
    )
