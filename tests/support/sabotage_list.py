"""The pitfalls that are put back into projects: by which patch, and who notices."""

import json
import os
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path

from support.pitfall_tests import TEMPLATE, Verdict, pytest_tests, spec_files, vitest_files
from support.variants import DEFAULT, ROOT, Variant

FOLDER = ROOT / "tests" / "sabotage"
ALIVE = ("backend.", "round-trip.")
BOTH_SIDES = ("proxy.", "page.development", "page.document", "page.policy")


@dataclass(frozen=True)
class Sabotage:
    """A pitfall that a project may have, and who notices it there."""

    section: str
    slug: str
    doctor: str = ""
    """The check that names it."""
    way: str = ""
    """What runs when the doctor looks."""
    shown: str = ""
    """The test of projects that brings it about, and wants it to be named."""
    silent: str = ""
    """Why nobody names it."""
    browser: str = ""
    """Why its test, which needs a browser, is left to the project's own checks."""
    untested: str = ""
    """Why no test of projects fails."""
    test: str = ""
    """The test that fails, where another one with the slug comes first."""
    database: str = DEFAULT.database

    @property
    def patch(self) -> Path:
        """What puts it back."""
        return FOLDER / f"{self.slug}.patch"

    def taken_away(self) -> Iterator[tuple[str, str]]:
        """Return each block of lines that the patch takes away, after the name of its file."""
        file = ""
        text = self.patch.read_text(encoding="utf-8")
        for hunk in re.split(r"^@@.*\n", text, flags=re.MULTILINE):
            if file:
                yield file, "".join(re.findall(r"^-(?!-- )(.*\n)", hunk, re.MULTILINE))
            for name in re.findall(r"^--- a/(.*)", hunk, re.MULTILINE):
                file = name

    @cached_property
    def tests(self) -> list[str]:
        """The project's tests of it: those of pytest, or else files of the front end's."""
        if self.test:
            return [self.test]
        return pytest_tests(self.slug) or vitest_files(self.slug) or spec_files(self.slug)

    @property
    def is_of_the_page(self) -> bool:
        """Whether the front end is what is patched."""
        return "+++ b/frontend/" in self.patch.read_text(encoding="utf-8")

    def is_shown_by(self, tests: Iterable[str]) -> bool:
        """Whether the test that shows it is one of these, which are named as in a verdict."""
        if not self.shown.endswith(".ts"):
            return self.shown in tests
        return any(one.startswith(f"{self.shown}: ") and self.slug in one for one in tests)

    @property
    def runs(self) -> str:
        """What runs when the doctor looks: as the table says, or as its check needs it."""
        if self.way:
            return self.way
        if self.doctor.startswith(ALIVE):
            return "running"
        return "page" if self.doctor.startswith(BOTH_SIDES) else "stopped"

    @property
    def variant(self) -> Variant:
        """The project into which it is put back."""
        return Variant(DEFAULT.framework, self.database, DEFAULT.wsl)


def read_table() -> list[Sabotage]:
    """Return all, in the order of tests/sabotage/slugs.toml."""
    table = tomllib.loads((FOLDER / "slugs.toml").read_text(encoding="utf-8"))
    return [
        Sabotage(section, slug, **facts)
        for section, slugs in table.items()
        for slug, facts in slugs.items()
    ]


def not_shown(verdict: Verdict, pattern: str) -> list[str]:
    """Return the pitfalls that tests of this pattern have not shown, as the list says they do.

    A test that was skipped counts, for want of a program, but not in CI.
    """
    done = verdict.passed if os.environ.get("CI") else verdict.passed | verdict.skipped
    shown = [one for one in read_table() if fnmatch(one.shown, pattern)]
    return [one.slug for one in shown if not one.is_shown_by(done)]


def known_slugs() -> list[tuple[str, str]]:
    """Return section and slug of all pitfalls that projects have words for."""
    sections = json.loads(
        (TEMPLATE / "frontend" / "src" / "kit" / "pitfalls.json").read_text(encoding="utf-8")
    )
    return [(one["section"], pitfall["slug"]) for one in sections for pitfall in one["pitfalls"]]
