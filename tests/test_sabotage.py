"""Each pitfall is put back into a project, and the project's own test of it fails.

`tests/sabotage` has the slugs, and a patch each. To try one: `uv run pytest -k fake-id`.
"""

import re
import shutil
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from tempfile import mkdtemp
from typing import cast

import pytest
from conftest import Installed
from pitfall_tests import Verdict, pytest_tests, run_pytest, run_vitest, vitest_files
from projects import Project, share_packages
from variants import DEFAULT, ROOT, Variant

FOLDER = ROOT / "tests" / "sabotage"
PATCHES = {patch.stem: patch for patch in FOLDER.glob("*.patch")}
SECTIONS: dict[str, list[str]] = tomllib.loads((FOLDER / "slugs.toml").read_text())
SLUGS = [slug for section in SECTIONS.values() for slug in section]
POSTGRESQL = Variant(DEFAULT.framework, "postgresql", DEFAULT.wsl)
NOT_IN_SQLITE = {"database-url-dialect", "emoji-and-nul", "stale-pool"}
NEVER_STARTED = re.compile("the server (ended|does not answer)")
AT_ONCE = 2
"""How many projects are tested at the same time."""

Subject = str | Variant
"""A pitfall that is put back, or a variant in which there is none."""


def variant_of(slug: str) -> Variant:
    return POSTGRESQL if slug in NOT_IN_SQLITE else DEFAULT


def is_of_the_page(slug: str) -> bool:
    return "+++ b/frontend/" in PATCHES[slug].read_text()


def slugs_of(variant: Variant) -> list[str]:
    return [slug for slug in SLUGS if variant_of(slug) == variant]


class Workshop:
    """Copies of projects, so that no pitfall meets another one, or another test."""

    def __init__(self, originals: dict[Variant, Project], folder: Path) -> None:
        self._originals = originals
        self._folder = folder
        self._idle: defaultdict[Variant, SimpleQueue[Project]] = defaultdict(SimpleQueue)

    def judge(self, subject: Subject) -> Verdict:
        """Return what the tests of a pitfall say of it, or all of them of a project without."""
        if isinstance(subject, Variant):
            with self._project(subject) as project:
                return self._judge_all(project)
        with self._project(variant_of(subject)) as project, put_back(project, PATCHES[subject]):
            if is_of_the_page(subject):
                return run_vitest(project, [subject], self._report())
            return run_pytest(project, pytest_tests(subject), self._report(), "--exitfirst")

    def _judge_all(self, project: Project) -> Verdict:
        slugs = slugs_of(project.variant)
        tests = dict.fromkeys(test for slug in slugs for test in pytest_tests(slug))
        verdict = run_pytest(project, tests, self._report())
        if pages := [slug for slug in slugs if is_of_the_page(slug)]:
            page = run_vitest(project, pages, self._report())
            verdict.passed |= page.passed
            verdict.failed |= page.failed
        return verdict

    @contextmanager
    def _project(self, variant: Variant) -> Iterator[Project]:
        idle = self._idle[variant]
        project = self._copy(variant) if idle.empty() else idle.get()
        yield project
        idle.put(project)  # unless it failed: then nobody knows what state it is in

    def _copy(self, variant: Variant) -> Project:
        original = self._originals[variant]
        copy = Project(Path(mkdtemp(dir=self._folder)) / "my-chat", variant)
        not_shared = shutil.ignore_patterns(".venv", "node_modules", ".next", ".postgres")
        shutil.copytree(original.path, copy.path, ignore=not_shared)
        share_packages(original, copy)
        copy.run("uv", "sync", "--quiet")
        return copy

    def _report(self) -> Path:
        return Path(mkdtemp(dir=self._folder)) / "report"


@contextmanager
def put_back(project: Project, patch: Path) -> Iterator[None]:
    # Patches come without context, so that they outlive changes of the lines around them.
    project.run("git", "apply", "--unidiff-zero", str(patch))
    try:
        yield
    finally:
        project.run("git", "checkout", "--quiet", ".")
        project.run("git", "clean", "--quiet", "--force", "-d", "--exclude=uv.lock")


@pytest.fixture(scope="module")
def verdicts(
    request: pytest.FixtureRequest, installed: Installed, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Subject, Future[Verdict]]]:
    """What the tests say of each subject that was asked for, once they have said it."""
    subjects = [
        cast(Subject, test.callspec.params["subject"])
        for test in request.session.items
        if isinstance(test, pytest.Function) and "verdicts" in test.fixturenames
    ]
    variants = {one if isinstance(one, Variant) else variant_of(one) for one in subjects}
    originals = {variant: installed(variant) for variant in variants}
    workshop = Workshop(originals, tmp_path_factory.mktemp("sabotage"))
    pool = ThreadPoolExecutor(AT_ONCE)
    # What takes longest begins first.
    subjects.sort(key=lambda one: not isinstance(one, Variant))
    yield {subject: pool.submit(workshop.judge, subject) for subject in subjects}
    pool.shutdown(cancel_futures=True)


def test_every_pitfall_has_a_patch() -> None:
    assert sorted(SLUGS) == sorted(PATCHES)


@pytest.mark.parametrize("slug", SLUGS)
def test_every_pitfall_has_a_test_in_projects(slug: str) -> None:
    assert vitest_files(slug) if is_of_the_page(slug) else pytest_tests(slug)


@pytest.mark.parametrize("subject", SLUGS)
def test_a_pitfall_that_is_put_back_is_caught(
    verdicts: dict[Subject, Future[Verdict]], subject: str, capsys: pytest.CaptureFixture[str]
) -> None:
    verdict = verdicts[subject].result()
    assert verdict.failed, f"its tests did not fail: {verdict}"
    test, message = next(iter(verdict.failed.items()))
    words = " ".join(message.split())[:160]
    with capsys.disabled():
        print(f"\n{subject:<29} {test}\n    {words} ", end="")
    assert not NEVER_STARTED.search(words), "the whole project was broken"


@pytest.mark.parametrize("subject", [DEFAULT, POSTGRESQL], ids=str)
def test_where_none_is_put_back_the_same_tests_pass(
    verdicts: dict[Subject, Future[Verdict]], subject: Variant
) -> None:
    verdict = verdicts[subject].result()
    assert not verdict.failed
    assert not verdict.broken
    for slug in slugs_of(subject):
        assert verdict.passed & {*pytest_tests(slug), *vitest_files(slug)}, slug
