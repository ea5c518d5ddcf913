"""The tests of generated projects that carry the slug of a pitfall: which, and what they say."""

import ast
import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from contract.chat import Json

from support.inside import INSIDE
from support.projects import Project
from support.variants import ROOT

TEMPLATE = ROOT / "template"
IN_DOCSTRING = re.compile(r"\bSlugs?: ([a-z0-9-]+(?:, [a-z0-9-]+)*)")


def _files(side: str, pattern: str) -> list[tuple[Path, str]]:
    """Return files of a side, the project's own and those laid into it, with their names there."""
    folders = (TEMPLATE / side, INSIDE / side)
    files = [(file, folder) for folder in folders for file in sorted(folder.glob(pattern))]
    return [(file, file.relative_to(folder).as_posix()) for file, folder in files]


def _slugs_of_tests() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for file, name_of_file in _files("backend", "tests/**/test_*.py"):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                named = IN_DOCSTRING.search(ast.get_docstring(node) or "")
                slugs = named[1].split(", ") if named else []
                name = node.name.removeprefix("test_").replace("_", "-")
                found[f"{name_of_file}::{node.name}"] = {name, *slugs}
    return found


SLUGS_OF_TESTS = _slugs_of_tests()
"""What pytest calls the backend's tests, and what pitfalls they guard against."""


@dataclass
class Verdict:
    """What tests said: those that passed or were skipped, and what the others failed with."""

    passed: set[str] = field(default_factory=set)
    skipped: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    """Those that could not run, because of a fixture or an import."""


def pytest_tests(slug: str) -> list[str]:
    """Return the backend's tests with this slug, those first that are named after it.

    What a test's name says after the slug is what of the pitfall it is about.
    """
    name = f"test_{slug.replace('-', '_')}"
    tests = [
        test
        for test, slugs in SLUGS_OF_TESTS.items()
        if slug in slugs or test.partition("::")[2].startswith(f"{name}_")
    ]
    return sorted(tests, key=lambda test: not test.endswith(f"::{name}"))


def vitest_files(slug: str) -> list[str]:
    """Return the front end's files that have a test, or a group of tests, with this slug."""
    return _titled(slug, "tests/**/*.test.ts")


def spec_files(slug: str) -> list[str]:
    """Return the files with a test of the page in a browser that has this slug."""
    return _titled(slug, "tests/**/*.spec.ts")


def _titled(slug: str, files: str) -> list[str]:
    title = re.compile(rf'\b(?:describe|test)\(\s*"[^"]*\b{slug}\b')
    found = _files("frontend", files)
    return [name for file, name in found if title.search(file.read_text(encoding="utf-8"))]


def read_verdict(report: Path) -> Verdict:
    """Return what pytest's report says."""
    verdict = Verdict()
    for test in ElementTree.parse(report).iter("testcase"):
        name = f"{test.attrib['classname'].replace('.', '/')}.py::{test.attrib['name']}"
        if (failure := test.find("failure")) is not None:
            verdict.failed[name] = failure.attrib["message"]
        elif (error := test.find("error")) is not None:
            verdict.broken[name] = error.attrib["message"]
        elif test.find("skipped") is None:
            verdict.passed.add(name.partition("[")[0])
        else:
            verdict.skipped.add(name.partition("[")[0])
    return verdict


def run_vitest(project: Project, slugs: Iterable[str], report: Path) -> Verdict:
    """Run the tests of the front end that have one of the slugs."""
    slugs = list(slugs)
    files = {file for slug in slugs for file in vitest_files(slug)}
    command = ("node", "node_modules/vitest/vitest.mjs", "run", "--reporter=json")
    options = (f"--outputFile={report}", f"--testNamePattern={'|'.join(slugs)}")
    result = project.run(*command, *options, *sorted(files), cwd="frontend", check=False)
    assert report.exists(), result.stdout + result.stderr
    verdict = Verdict()
    frontend = (project.path / "frontend").resolve()
    for file in json.loads(report.read_text(encoding="utf-8"))["testResults"]:
        path = Path(file["name"]).resolve().relative_to(frontend).as_posix()
        for test in file["assertionResults"]:
            name = f"{path}: {test['fullName']}"
            if test["status"] == "failed":
                verdict.failed[name] = test["failureMessages"][0]
            elif test["status"] == "passed":
                verdict.passed.add(name.partition(":")[0])
    return verdict


def run_playwright(
    project: Project,
    report: Path,
    files: Iterable[str] = (),
    slugs: Iterable[str] = (),
    config: str = "playwright.config.ts",
    env: Mapping[str, str] | None = None,
) -> Verdict:
    """Run tests of the page, which must be built, in a browser.

    Args:
        project: whose tests.
        report: a file that does not exist yet.
        files: of tests; all by default.
        slugs: of which a test must have one; any or none by default.
        config: which tests there are, and what they need; by default the page, built.
        env: what the tests are told.
    """
    command = ["node", "node_modules/@playwright/test/cli.js", "test", "--reporter=json"]
    command.append(f"--config={config}")
    if wanted := "|".join(slugs):
        command.append(f"--grep={wanted}")
    variables = dict(env or {}) | {"PLAYWRIGHT_JSON_OUTPUT_FILE": str(report)}
    ended = project.run(*command, *files, cwd="frontend", env=variables, check=False)
    assert report.exists(), ended.stdout + ended.stderr
    verdict = Verdict()
    said = json.loads(report.read_text(encoding="utf-8"))
    for number, error in enumerate(said["errors"]):
        verdict.broken[f"error {number}"] = error["message"]
    for spec in _specs(said["suites"]):
        name = f"tests/{spec['file']}: {spec['title']}"
        for result in (result for test in spec["tests"] for result in test["results"]):
            if result["status"] == "passed":
                verdict.passed.add(name)
            elif result["status"] == "skipped":
                verdict.skipped.add(name)
            else:
                verdict.failed[name] = result["error"]["message"]
    return verdict


def keep_pictures(project: Project) -> None:
    """Keep what the page looked like, if there is a browser, and the logs, in `artifacts/`."""
    results = project.path / "frontend" / "test-results"
    if results.exists():
        shutil.copytree(results, ROOT / "artifacts" / str(project.variant), dirs_exist_ok=True)


def _specs(suites: list[Json]) -> Iterator[Json]:
    for suite in suites:
        yield from suite["specs"]
        yield from _specs(suite.get("suites", []))
