"""Versions of the template, and repositories that have them as releases.

`older-versions.toml` names commits of this repository that stand for releases; tags are releases.
"""

import os
import re
import shutil
import subprocess
import tomllib
from functools import cache
from itertools import product
from pathlib import Path

import yaml

from support.projects import GIT
from support.variants import ROOT, Variant

OLDER = Path(__file__).parent / "older-versions.toml"
NEWEST = "v99"
"""The tag of what lies in the working tree."""

UNSHALLOW = "git fetch --unshallow --tags"


def git(*arguments: str, cwd: Path = ROOT, check: bool = True) -> str:
    """Run git and return what it prints."""
    command = [*GIT, *arguments]
    result = subprocess.run(command, cwd=cwd, capture_output=True, encoding="utf-8", check=False)
    assert not (check and result.returncode), f"{command}\n{result.stderr}"
    return result.stdout


@cache
def commits() -> dict[str, str]:
    """Return the commits of older versions by their tags, from the oldest on."""
    older: dict[str, str] = tomllib.loads(OLDER.read_text(encoding="utf-8"))["versions"]
    released = git("tag", "--list", "v*", "--sort=version:refname", check=False).split()
    return older | {tag: f"refs/tags/{tag}" for tag in released}


@cache
def missing() -> list[str]:
    """Return the versions whose commits are not here, as in a shallow clone."""
    return [tag for tag in commits() if not git("cat-file", "-t", commits()[tag], check=False)]


@cache
def offered(tag: str) -> list[Variant]:
    """Return every combination of answers that a version offered; none if it is not here."""
    if tag in missing():
        return []
    questions = yaml.safe_load(git("show", f"{commits()[tag]}:copier.yml"))
    frameworks = questions["framework"]["choices"]
    if isinstance(frameworks, str):  # then they stand in a table
        frameworks = questions["frameworks"]["default"]
    else:
        frameworks = frameworks.values()
    databases = questions["database"]["choices"].values()
    return [Variant(*answers) for answers in product(frameworks, databases, (False, True))]


def make_template(folder: Path) -> Path:
    """Make a repository with every older version as a release, and the working tree as the newest.

    Args:
        folder: where it will be; is not there yet.
    """
    git("clone", "--quiet", "--no-tags", str(ROOT), str(folder))
    for tag, commit in commits().items():
        git("tag", tag, git("rev-parse", f"{commit}^{{commit}}").strip(), cwd=folder)
    for name in git("ls-files", cwd=folder).splitlines():
        (folder / name).unlink()
    listed = git("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.split("\0")):
        if os.path.lexists(ROOT / name):  # else it is deleted, and that is not committed yet
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    git("add", "--all", cwd=folder)
    git("commit", "--quiet", "--allow-empty", "-m", "What lies in the working tree", cwd=folder)
    git("tag", NEWEST, cwd=folder)
    return folder


def clone_template(folder: Path, version: str) -> Path:
    """Clone the template as it is committed, and release it as that version."""
    git("clone", "--quiet", "--no-tags", str(ROOT), str(folder))
    git("tag", version, cwd=folder)
    return folder


def release_news(template: Path, version: str) -> None:
    """Make a release that brings projects a file, NEWS.md."""
    (template / "template" / "NEWS.md").write_text("News\n", encoding="utf-8")
    git("add", ".", cwd=template)
    git("commit", "--quiet", "-m", "News", cwd=template)
    git("tag", version, cwd=template)


def conflicts(project: Path) -> list[str]:
    """Return what an update could not merge, since Copier succeeds all the same."""
    markers = re.compile(r"^(<<<<<<<|>>>>>>>) ", re.MULTILINE)
    names = git("ls-files", "--cached", "--others", "--exclude-standard", cwd=project).splitlines()
    texts = {
        name: (project / name).read_bytes().decode(errors="replace")
        for name in set(names)
        if (project / name).is_file()
    }
    unmerged = git("diff", "--name-only", "--diff-filter=U", cwd=project).splitlines()
    rejected = [name for name in names if name.endswith(".rej")]
    return sorted({*unmerged, *rejected, *(n for n, text in texts.items() if markers.search(text))})
