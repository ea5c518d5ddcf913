"""The template as others have it: a repository with releases."""

import subprocess
from pathlib import Path

from projects import GIT
from variants import ROOT


def clone_template(folder: Path, version: str) -> Path:
    """Clone the template as it is committed, and release it as that version."""
    subprocess.run(["git", "clone", "--quiet", "--no-tags", ROOT, folder], check=True)
    git(folder, "tag", version)
    return folder


def release_news(template: Path, version: str) -> None:
    """Make a release that brings projects a file, NEWS.md."""
    (template / "template" / "NEWS.md").write_text("News\n")
    git(template, "add", ".")
    git(template, "commit", "--quiet", "-m", "News")
    git(template, "tag", version)


def git(folder: Path, *arguments: str) -> None:
    """Run git."""
    subprocess.run([*GIT, *arguments], cwd=folder, check=True, capture_output=True)
