"""What git makes of the project's files on other systems."""

import shutil
import subprocess
from pathlib import Path

from app.settings import BACKEND


def test_crlf_scripts(tmp_path: Path) -> None:
    """A script that was written in Windows comes out of git as Linux wants it."""
    shutil.copy(BACKEND.parent / ".gitattributes", tmp_path)
    script = tmp_path / "start.sh"
    script.write_bytes(b"#!/bin/sh\r\necho started\r\n")

    def git(*arguments: str) -> None:
        windows = ["git", "-c", "core.autocrlf=true", "-c", "core.safecrlf=false"]
        subprocess.run([*windows, *arguments], cwd=tmp_path, check=True)

    git("init", "--quiet")
    git("add", ".")
    script.unlink()
    git("checkout-index", "--all")
    assert script.read_bytes() == b"#!/bin/sh\necho started\n"
