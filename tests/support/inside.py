"""Tests of what a project is made of, which are the template's and not its owner's.

`tests/inside` is a tree that is the project's tree.
"""

import shutil
from pathlib import Path

from support.projects import Project
from support.variants import ROOT

INSIDE = ROOT / "tests" / "inside"


def lay(project: Project, part: str = ".") -> Project:
    """Copy these tests into a project, or those of a part of it, such as "backend".

    Git does not see them there: nothing is to commit, and an update finds the project clean.
    """
    exclude = project.path / ".git" / "info" / "exclude"
    exclude.parent.mkdir(exist_ok=True)
    listed = exclude.read_text(encoding="utf-8").splitlines() if exclude.exists() else []
    for name in names_of(part):
        target = project.path / name
        assert f"/{name}" in listed or not target.exists(), f"{name} is the project's own"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(INSIDE / name, target)
    lines = dict.fromkeys([*listed, *(f"/{name}" for name in names_of(part))])
    exclude.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return project


def names_of(part: str = ".") -> list[str]:
    """Return the files of a part, by their paths in a project."""
    files: list[Path] = [file for file in (INSIDE / part).rglob("*") if file.is_file()]
    names = [file.relative_to(INSIDE).as_posix() for file in files]
    return sorted(name for name in names if "__pycache__" not in name)
