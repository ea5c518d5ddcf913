"""The guide's pitfalls, put back with every framework and every database.

Those that lie in the front end are put back once, as it is the same everywhere (test_quality.py).
"""

import shutil
from pathlib import Path

import pytest
from conftest import Installed
from support.forked import AS_TEST, EXAMINATION
from support.inside import lay
from support.pitfall_tests import read_verdict
from support.sabotage_list import FOLDER
from support.variants import STARTED, Variant


@pytest.mark.parametrize("variant", STARTED, ids=str)
def test_the_guides_pitfalls_are_named(
    installed: Installed, variant: Variant, tmp_path: Path
) -> None:
    project = lay(installed(variant), "backend")
    test, report = project.path / "backend" / AS_TEST, tmp_path / "report"
    shutil.copy(EXAMINATION, test)
    pytest_of_project = ("uv", "run", "--no-sync", "pytest", "-n0", f"--junit-xml={report}")
    env = {"PATCHES": str(FOLDER)}
    try:
        ended = project.run(
            *pytest_of_project,
            f"{AS_TEST}::test_guide",
            cwd="backend",
            env=env,
            check=False,
        )
    finally:
        test.unlink()
    assert read_verdict(report).passed == {f"{AS_TEST}::test_guide"}, ended.stdout
