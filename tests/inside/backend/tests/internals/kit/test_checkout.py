"""What git makes of the project's files on other systems."""

import shutil
import subprocess
from pathlib import Path

import pytest

from kit.settings import BACKEND


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


@pytest.mark.parametrize(
    ("slug", "names"),
    [
        ("secrets-in-answers", ["backend/.env.local", "frontend/.env.local"]),
        ("update-refused-dirty", ["backend/chat.db", "frontend/next-env.d.ts", "frontend/.next/"]),
    ],
)
def test_what_nobody_commits_is_ignored(tmp_path: Path, slug: str, names: list[str]) -> None:
    """Slugs: secrets-in-answers, update-refused-dirty."""
    shutil.copy(BACKEND.parent / ".gitignore", tmp_path)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    asked = ["git", "check-ignore", *names]
    said = subprocess.run(asked, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    assert said.stdout.split() == names, slug
