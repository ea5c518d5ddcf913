"""Each pitfall is put back into a project, and the project's own test of it fails.

`tests/sabotage` has the slugs, and a patch each. To try one: `uv run pytest -k fake-id`. That the
same tests pass where none is put back, test_quality.py shows.
"""

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import Installed
from pitfall_tests import (
    TEMPLATE,
    pytest_tests,
    run_pytest,
    run_vitest,
    spec_files,
    vitest_files,
)
from projects import Project
from variants import DEFAULT, ROOT, Variant

FOLDER = ROOT / "tests" / "sabotage"
PATCHES = {patch.stem: patch for patch in FOLDER.glob("*.patch")}
SECTIONS: dict[str, list[str]] = tomllib.loads((FOLDER / "slugs.toml").read_text())
SLUGS = [slug for section in SECTIONS.values() for slug in section]
POSTGRESQL = Variant(DEFAULT.framework, "postgresql", DEFAULT.wsl)
WORDS = json.loads((TEMPLATE / "frontend" / "src" / "pitfalls.json").read_text())
SLUGS_OF_THE_PAGE = [
    pitfall["slug"]
    for section in WORDS
    if section["section"] in ("Proxy, network, WSL", "The page")
    for pitfall in section["pitfalls"]
]
NOT_IN_SQLITE = {"database-url-dialect", "emoji-and-nul", "stale-pool"}
NEVER_STARTED = re.compile("the server (ended|does not answer)")


def is_of_the_page(slug: str) -> bool:
    return "+++ b/frontend/" in PATCHES[slug].read_text()


@contextmanager
def put_back(project: Project, patch: Path) -> Iterator[None]:
    # Patches come without context, so that they outlive changes of the lines around them.
    project.run("git", "apply", "--unidiff-zero", str(patch))
    try:
        yield
    finally:
        project.run("git", "checkout", "--quiet", ".")
        project.run("git", "clean", "--quiet", "--force", "-d", "--exclude=uv.lock")


def test_every_pitfall_has_a_patch() -> None:
    assert sorted(SLUGS) == sorted(PATCHES)


@pytest.mark.parametrize("slug", SLUGS)
def test_every_pitfall_has_a_test_in_projects(slug: str) -> None:
    assert vitest_files(slug) if is_of_the_page(slug) else pytest_tests(slug)


@pytest.mark.parametrize("slug", SLUGS_OF_THE_PAGE)
def test_every_pitfall_of_the_page_has_a_test_in_projects(slug: str) -> None:
    assert pytest_tests(slug) or vitest_files(slug) or spec_files(slug)


@pytest.mark.parametrize("slug", SLUGS)
def test_a_pitfall_that_is_put_back_is_caught(
    installed: Installed,
    tmp_path: Path,
    slug: str,
    record_property: Callable[[str, object], None],
) -> None:
    project = installed(POSTGRESQL if slug in NOT_IN_SQLITE else DEFAULT)
    report = tmp_path / "report"
    with put_back(project, PATCHES[slug]):
        if is_of_the_page(slug):
            verdict = run_vitest(project, [slug], report)
        else:
            verdict = run_pytest(project, pytest_tests(slug), report, "--exitfirst")
    assert verdict.failed, f"its tests did not fail: {verdict}"
    test, message = next(iter(verdict.failed.items()))
    assert not NEVER_STARTED.search(message), f"the whole project was broken: {message}"
    words = " ".join(message.split())[:100]
    record_property("pitfall", f"{slug:<29} {test}\n{'':<29} {words}")
