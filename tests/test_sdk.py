"""openai-chatkit's own tests, with the projects' store and server in the place of the SDK's.

Its source distribution carries them without all that they import: tests/sdk holds the rest.
"""

import re
import shutil
import tarfile
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
from audit import pins
from conftest import Installed
from support.projects import Project
from support.variants import BY_DATABASE, DEFAULT, ROOT, Variant

SERVER_TESTS = "test_chatkit_server"
TESTS = ("test_store", SERVER_TESTS)
"""Those that use a store."""


def pinned(package: str) -> str:
    """Return the requirement by which projects install a package."""
    versions = pins(ROOT / "template" / "pyproject.toml.jinja")
    [version] = [one for one in versions if one.startswith(f"{package}==")]
    return version


@pytest.fixture(scope="module")
def sdk(project_of: Installed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tests of the SDK that projects install, their settings, and what they lack."""
    folder = tmp_path_factory.mktemp("sdk")
    download = ("uv", "tool", "run", "pip@26.3", "download", "--no-deps", f"--dest={folder}")
    project_of(DEFAULT).run(*download, "--no-binary=openai-chatkit", pinned("openai-chatkit"))
    [archive] = folder.glob("*.tar.gz")
    sdk = folder / archive.name.removesuffix(".tar.gz")
    with tarfile.open(archive) as distribution:
        # Not its package: the tests are to import the installed one.
        for name in ("pyproject.toml", *(f"tests/{test}.py" for test in TESTS)):
            distribution.extract(f"{sdk.name}/{name}", folder, filter="data")
    shutil.copytree(ROOT / "tests" / "sdk", sdk, dirs_exist_ok=True)
    return sdk


def run_in(project: Project, sdk: Path, report: Path, *arguments: str) -> list[Element]:
    """Run tests of the SDK with a project's packages and database, and return how each ended.

    Args:
        project: whose they are.
        sdk: the folder of the tests.
        report: where pytest writes it down.
        arguments: those of pytest.
    """
    python = ("uv", "run", "--project", str(project.path), "--with", "pytest-asyncio==1.5.0")
    result = project.run(
        *(*python, "python", "-m", "pytest", "-p", "helpers.mock_store", *arguments),
        *("--disable-warnings", f"--junit-xml={report}"),
        cwd=str(sdk),
        env={"PYTHONPATH": str(project.path / "backend" / "tests")},
    )
    [collected] = re.findall(r"^collected (\d+) items$", result.stdout, re.MULTILINE)
    [suite] = ElementTree.parse(report).getroot()
    counts = {name: suite.attrib[name] for name in ("tests", "failures", "errors")}
    assert counts == {"tests": collected, "failures": "0", "errors": "0"}
    return list(suite)


@pytest.mark.parametrize("variant", BY_DATABASE, ids=str)
def test_the_store_passes_the_tests_of_the_sdk(
    project_of: Installed, sdk: Path, tmp_path: Path, variant: Variant
) -> None:
    cases = run_in(project_of(variant), sdk, tmp_path / "report.xml")
    assert {case.attrib["classname"].split(".")[1] for case in cases} == set(TESTS)
    assert [case.attrib["name"] for case in cases if case.find("skipped") is not None] == []


def test_the_server_passes_the_tests_of_the_sdk(
    project_of: Installed, sdk: Path, tmp_path: Path
) -> None:
    """But those that `kit_server` lists with the reason: each of them must fail."""
    plugin = ("-p", "helpers.kit_server", f"tests/{SERVER_TESTS}.py")
    cases = run_in(project_of(DEFAULT), sdk, tmp_path / "report.xml", *plugin)
    assert {case.attrib["classname"] for case in cases} == {f"tests.{SERVER_TESTS}"}
    left_out = [found for case in cases if (found := case.find("skipped")) is not None]
    assert {one.attrib["type"] for one in left_out} == {"pytest.xfail"}
