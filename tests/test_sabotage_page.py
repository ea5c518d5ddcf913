"""What test_sabotage.py does, with the pitfalls of the page: in a project that runs.

Both sides run as `uv run dev` starts them, once for all: Next.js takes each change as it comes.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Install
from support.dev import Dev, dev
from support.forked import AS_TEST, EXAMINATION, Forked, forked_from
from support.inside import lay
from support.pitfall_tests import run_vitest
from support.projects import BUILD, PACKAGES, WITHOUT_KEY, Project, render_committed, share
from support.sabotage_list import Sabotage, read_table
from support.variants import DEFAULT
from test_sabotage import by_slug, caught_by, named_by, put_back, row

OF_THE_PAGE = [one for one in read_table() if one.patch.exists() and one.runs == "page"]


@pytest.fixture(scope="module")
def process(install: Install, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forked]:
    """What the project's tests are forked from."""
    folder = tmp_path_factory.mktemp("forked")
    project = lay(install(render_committed(folder / "my-chat", DEFAULT)))
    with forked_from(project, folder) as started:
        yield started


@pytest.fixture(scope="module")
def running(process: Forked) -> Iterator[Dev]:
    """The project, as its owner starts it."""
    with dev(process.project) as started:
        started.wait_for_address()
        yield started


@by_slug(OF_THE_PAGE)
def test_a_pitfall_of_the_page_is_caught_and_named(
    process: Forked,
    running: Dev,
    tmp_path: Path,
    sabotage: Sabotage,
    record_property: Callable[[str, object], None],
) -> None:
    project = process.project
    with put_back(project, sabotage.patch):
        shutil.copy(EXAMINATION, project.path / "backend" / AS_TEST)
        _, said = process.run_pytest(
            [f"{AS_TEST}::test_page"],
            EXPECTED=sabotage.doctor,
            BACKEND_PORT=str(running.backend_port),
            FRONTEND_PORT=str(running.frontend_port),
        )
        named = named_by(sabotage, said)
        if sabotage.browser:
            caught = caught_by_build(project, tmp_path)
        else:
            caught = caught_by(run_vitest(project, [sabotage.slug], tmp_path / "report"))
    record_property("pitfall", row(sabotage, caught, named))


def caught_by_build(project: Project, folder: Path) -> str:
    """Build the page in a copy: others may be looking at what was built in the project."""
    others = shutil.ignore_patterns("node_modules", ".next")
    shutil.copytree(project.path / "frontend", folder / "frontend", ignore=others)
    copy = Project(folder, project.variant)
    share(project, copy, PACKAGES)
    ended = copy.run(*BUILD, cwd="frontend", env=WITHOUT_KEY, check=False)
    assert ended.returncode, "the page was built"
    return "the build of the page"
