"""The tests of generated projects that carry the slug of a pitfall: which, and what they say."""

import ast
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from projects import Project
from variants import ROOT

TEMPLATE = ROOT / "template"
IN_DOCSTRING = re.compile(r"\bSlugs?: ([a-z0-9-]+(?:, [a-z0-9-]+)*)")
NO_TEST_HANGS = ("-o", "faulthandler_timeout=120", "-o", "faulthandler_exit_on_timeout=true")


def _slugs_of_tests() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for file in sorted(TEMPLATE.glob("backend/tests/test_*.py")):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                named = IN_DOCSTRING.search(ast.get_docstring(node) or "")
                slugs = named[1].split(", ") if named else []
                name = node.name.removeprefix("test_").replace("_", "-")
                found[f"tests/{file.name}::{node.name}"] = {name, *slugs}
    return found


SLUGS_OF_TESTS = _slugs_of_tests()
"""What pytest calls the backend's tests, and what pitfalls they guard against."""


@dataclass
class Verdict:
    """What tests said: those that passed, and what the others failed with."""

    passed: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    """Those that could not run, because of a fixture or an import."""


def pytest_tests(slug: str) -> list[str]:
    """Return the backend's tests with this slug, those first that are named after it."""
    name = f"test_{slug.replace('-', '_')}"
    tests = [test for test, slugs in SLUGS_OF_TESTS.items() if slug in slugs]
    return sorted(tests, key=lambda test: not test.endswith(f"::{name}"))


def vitest_files(slug: str) -> list[str]:
    """Return the front end's files that have a test, or a group of tests, with this slug."""
    title = re.compile(rf'\b(?:describe|test)\("[^"]*\b{slug}\b')
    return [
        f"tests/{file.name}"
        for file in sorted(TEMPLATE.glob("frontend/tests/*.test.ts"))
        if title.search(file.read_text())
    ]


def run_pytest(project: Project, tests: Iterable[str], report: Path, *options: str) -> Verdict:
    """Run tests of the backend."""
    command = ("uv", "run", "--no-sync", "pytest", f"--junit-xml={report}", *NO_TEST_HANGS)
    result = project.run(*command, *options, *tests, cwd="backend", check=False)
    assert report.exists(), result.stdout + result.stderr
    verdict = Verdict()
    for test in ElementTree.parse(report).iter("testcase"):
        name = f"tests/{test.attrib['classname'].rpartition('.')[2]}.py::{test.attrib['name']}"
        if (failure := test.find("failure")) is not None:
            verdict.failed[name] = failure.attrib["message"]
        elif (error := test.find("error")) is not None:
            verdict.broken[name] = error.attrib["message"]
        elif test.find("skipped") is None:
            verdict.passed.add(name.partition("[")[0])
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
    for file in json.loads(report.read_text())["testResults"]:
        for test in file["assertionResults"]:
            name = f"tests/{Path(file['name']).name}: {test['fullName']}"
            if test["status"] == "failed":
                verdict.failed[name] = test["failureMessages"][0]
            elif test["status"] == "passed":
                verdict.passed.add(name.partition(":")[0])
    return verdict
