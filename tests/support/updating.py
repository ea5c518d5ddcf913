"""Copies of releases of the template, and their updates, in this process and without trust."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import copier
import jinja2
import pytest

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
