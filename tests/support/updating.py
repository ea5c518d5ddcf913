"""Copies of releases of the template, and their updates, without trust."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import copier
import jinja2
import pytest
import yaml

from support.projects import Project
from support.variants import Variant
from support.versions import NEWEST, make_template


@pytest.fixture(scope="session")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template's repository, with all releases."""
    return make_template(tmp_path_factory.mktemp("releases") / "template")


@pytest.fixture(scope="module")
def compiled_once() -> Iterator[None]:
    """Let Jinja compile each text once: Copier does it anew for every part of every path."""
    compiled: dict[tuple[Any, ...], Any] = {}
    compile_it: Any = jinja2.Environment.compile

    def compile_once(environment: jinja2.Environment, *text: Any) -> Any:
        if text not in compiled:
            compiled[text] = compile_it(environment, *text)
        return compiled[text]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jinja2.Environment, "compile", compile_once)
        yield


def copy(template: Path | str, version: str, path: Path, variant: Variant, **data: Any) -> Project:
    """Copy a release of the template."""
    copier.run_copy(
        str(template),
        path,
        data=variant.answers | data,
        defaults=True,
        quiet=True,
        unsafe=False,
        vcs_ref=version,
    )
    return Project(path, variant)


def copy_committed(
    template: Path | str, version: str, path: Path, variant: Variant, **data: Any
) -> Project:
    """Copy a release and commit the project, as the message after copying says."""
    project = copy(template, version, path, variant, **data)
    project.run("git", "init", "--quiet", "--initial-branch=main")
    project.commit("Start")
    return project


def update(project: Project, version: str | None = NEWEST, quiet: bool = True, **data: Any) -> None:
    """Update a project to a release, by default to what lies in the working tree.

    Args:
        project: what is updated.
        version: the tag; without one it is the newest release.
        quiet: whether Copier's messages are left out.
        data: answers that change.
    """
    copier.run_update(
        project.path,
        data=data,
        defaults=True,
        overwrite=True,
        quiet=quiet,
        unsafe=False,
        vcs_ref=version,
    )


def run_copier(
    *arguments: str, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command `copier`, as owners do."""
    return subprocess.run(
        [sys.executable, "-m", "copier", *arguments],
        cwd=cwd,
        env=os.environ | dict(env or {}),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def recorded(project: Project) -> dict[str, Any]:
    """Return what Copier has recorded."""
    answers: dict[str, Any] = yaml.safe_load(
        (project.path / ".copier-answers.yml").read_text(encoding="utf-8")
    )
    return answers


def record(project: Project, **values: str) -> None:
    """Write other values into what Copier has recorded, as its owner would, and commit that."""
    file = project.path / ".copier-answers.yml"
    text = file.read_text(encoding="utf-8")
    for name, value in values.items():
        text = re.sub(f"(?m)^{name}: .*\n", "", text) + yaml.safe_dump({name: value}, width=1000)
    file.write_text(text, encoding="utf-8")
    project.commit("Another template")


OF_THE_OWNER = ("README.md", "backend/.env.local", "frontend/.env.local")
"""No update changes them."""


def contents(project: Project) -> dict[str, bytes]:
    """Return all files but git's own and the owner's."""
    return {
        name: file.read_bytes()
        for file in project.path.rglob("*")
        if (name := file.relative_to(project.path).as_posix()) not in OF_THE_OWNER
        and file.is_file()
        and not name.startswith(".git/")
    }


Fresh = Callable[[Path, Variant], dict[str, bytes]]


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Fresh:
    """Return what a copy of a template's newest release holds."""

    @cache
    def get(template: Path, variant: Variant) -> dict[str, bytes]:
        path = tmp_path_factory.mktemp("fresh") / "my-chat"
        return contents(copy(template, NEWEST, path, variant))

    return get


def files_of_the_owner(project: Project) -> dict[str, bytes]:
    """Return what is in the files that no update changes."""
    return {name: (project.path / name).read_bytes() for name in OF_THE_OWNER}
