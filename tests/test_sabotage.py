"""Each pitfall is put back into a project: the project's own test of it fails, and it is named.

`tests/sabotage` has the list of them, and a patch each. To try one: `uv run pytest -k fake-id`.
That the same tests pass where none is put back, test_quality.py shows.
"""

import json
import re
import runpy
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

import pytest
from conftest import Install
from support.forked import AS_TEST, EXAMINATION, Forked, forked_from
from support.inside import INSIDE, lay
from support.pitfall_tests import TEMPLATE, Verdict, run_vitest
from support.projects import Project, render, render_committed
from support.sabotage_list import FOLDER, Sabotage, known_slugs, read_table
from support.variants import ROOT, Variant

TABLE = read_table()
BACKEND_DOWN = re.compile("the server (ended|does not answer)")
PATCHED = [one for one in TABLE if one.patch.exists()]
ForkedOf = Callable[[Variant], Forked]
WITHOUT_PAGE = [one for one in PATCHED if one.runs != "page"]
"""The others are in test_sabotage_page.py."""


@contextmanager
def put_back(project: Project, patch: Path) -> Iterator[None]:
    # Patches come without context, so that they outlive changes of the lines around them.
    project.run("git", "apply", "--unidiff-zero", str(patch))
    try:
        yield
    finally:
        project.run("git", "checkout", "--quiet", ".")
        project.run("git", "clean", "--quiet", "--force", "-d", "--exclude=uv.lock")


def by_slug(some: list[Sabotage]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("sabotage", some, ids=lambda one: one.slug)


def test_the_list_has_every_pitfall_and_every_patch() -> None:
    assert [(one.section, one.slug) for one in TABLE] == known_slugs()
    assert {one.patch.stem for one in PATCHED} == {file.stem for file in FOLDER.glob("*.patch")}


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Variant], Project]:
    return cache(lambda variant: render(tmp_path_factory.mktemp("rendered") / "my-chat", variant))


@by_slug(PATCHED)
def test_a_patch_finds_its_place_when_lines_around_it_change(
    rendered: Callable[[Variant], Project], sabotage: Sabotage
) -> None:
    """By the lines that it takes away, which are in the file once. Else only a number tells."""
    text = sabotage.patch.read_text(encoding="utf-8")
    assert not re.search(r"^@@ -[1-9]\d*,0 ", text, re.MULTILINE)
    project = rendered(sabotage.variant).path
    for file, lines in sabotage.taken_away():
        if lines:  # what stands at the beginning of a file takes nothing away
            assert f"\n{(project / file).read_text(encoding='utf-8')}".count(f"\n{lines}") == 1


@by_slug(TABLE)
def test_a_pitfall_is_noticed_or_the_list_says_why_not(sabotage: Sabotage) -> None:
    assert bool(sabotage.untested) != sabotage.patch.exists()
    assert sum(map(bool, (sabotage.doctor, sabotage.shown, sabotage.silent))) == 1
    if not sabotage.untested:
        assert sabotage.tests
    if sabotage.shown:
        file, _, name = sabotage.shown.partition("::")
        side = "frontend" if file.endswith(".ts") else "backend"
        [test] = [one for tree in (TEMPLATE, INSIDE) if (one := tree / side / file).exists()]
        assert (f"def {name}(" if name else sabotage.slug) in test.read_text(encoding="utf-8")


def test_the_documentation_has_the_list() -> None:
    """If not: `uv run scripts/sabotage.py`."""
    text = runpy.run_path(str(ROOT / "scripts" / "sabotage.py"))["page"]()
    assert (ROOT / "docs" / "sabotage.md").read_text(encoding="utf-8") == text


@pytest.fixture(scope="session")
def forked(install: Install, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkedOf]:
    """Return the process of a variant's project from which its tests are forked.

    The project is nobody else's: it is broken, and the process stays.
    """
    with ExitStack() as stack:

        @cache
        def get(variant: Variant) -> Forked:
            folder = tmp_path_factory.mktemp("forked")
            project = lay(install(render_committed(folder / "my-chat", variant)))
            return stack.enter_context(forked_from(project, folder))

        yield get


@by_slug(WITHOUT_PAGE)
def test_a_pitfall_that_is_put_back_is_caught_and_named(
    forked: ForkedOf,
    tmp_path: Path,
    sabotage: Sabotage,
    record_property: Callable[[str, object], None],
) -> None:
    process = forked(sabotage.variant)
    project = process.project
    tests = [] if sabotage.is_of_the_page else sabotage.tests[:1]
    if sabotage.doctor:
        tests.append(f"{AS_TEST}::test_{sabotage.runs}")
    with put_back(project, sabotage.patch):
        shutil.copy(EXAMINATION, project.path / "backend" / AS_TEST)
        verdict, said = process.run_pytest(tests) if tests else (Verdict(), "")
        if sabotage.is_of_the_page and not sabotage.browser:
            verdict = run_vitest(project, [sabotage.slug], tmp_path / "report")
    caught = sabotage.browser or caught_by(verdict)
    named = named_by(sabotage, said) if sabotage.doctor else ""
    record_property("pitfall", row(sabotage, caught, named))


def caught_by(verdict: Verdict) -> str:
    failed = {test: why for test, why in verdict.failed.items() if not test.startswith(AS_TEST)}
    assert failed, f"its test did not fail: {verdict}"
    test, message = next(iter(failed.items()))
    assert not BACKEND_DOWN.search(message), f"the whole project was broken: {message}"
    return test


def named_by(sabotage: Sabotage, said: str) -> str:
    """Fail unless the doctor names this pitfall, with its cure, and nothing else as a cause."""
    assert said, "the doctor was not heard"
    findings = {one["check"]: one for one in json.loads(said)["findings"]}
    failed = {
        name: one["slug"]
        for name, one in findings.items()
        if one["outcome"] == "FAIL" and not one["because"]
    }
    found = findings[sabotage.doctor]
    assert found["slug"] == sabotage.slug, (found, failed)
    assert found["outcome"] in ("FAIL", "WARN"), found
    assert found["cure"]
    assert failed.keys() <= {sabotage.doctor}, failed
    return f"{found['outcome']} {sabotage.doctor}"


def row(sabotage: Sabotage, caught: str, named: str) -> str:
    by = named or sabotage.shown or f"nobody: {sabotage.silent}"
    return f"{sabotage.slug:<29} {caught}\n{'':<29} {by}"
