"""Scripts with the line ends of Windows."""

import os
from collections.abc import Iterator
from pathlib import Path

from app.dev.paths import ROOT

OTHERS = {".git", ".venv", "node_modules", ".next", ".postgres", ".attachments", "__pycache__"}
"""Folders whose files are not the project's own."""


def scripts_with_crlf() -> list[str]:
    """Return the scripts of the project with such line ends, by their paths in it."""
    return [path.relative_to(ROOT).as_posix() for path in _scripts() if b"\r\n" in _read(path)]


def mend_line_ends() -> list[str]:
    """Give those scripts the line ends of Linux, and return what was done."""
    names = scripts_with_crlf()
    for name in names:
        path = ROOT / name
        path.write_bytes(_read(path).replace(b"\r\n", b"\n"))
    return [f"Took the line ends of Windows out of {name}." for name in names]


def _scripts() -> Iterator[Path]:
    for folder, folders, files in os.walk(ROOT):
        folders[:] = sorted(set(folders) - OTHERS)
        for path in (Path(folder, name) for name in sorted(files)):
            if path.is_file() and (path.suffix == ".sh" or _read(path, 2) == b"#!"):
                yield path


def _read(path: Path, size: int = -1) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError:  # not for our eyes
        return b""
