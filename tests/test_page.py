"""The browser tests of generated projects, in front of the backends of the frameworks."""

from pathlib import Path

import pytest
from conftest import Installed
from pitfall_tests import keep_pictures, run_playwright
from variants import COVERING, DEFAULT, Variant

OF_BACKENDS = ("attachments", "conversation", "history")
"""Tests whose outcome could depend on the backend. All of them `uv run check` runs."""


@pytest.mark.parametrize("variant", [one for one in COVERING if one != DEFAULT], ids=str)
def test_the_page_in_a_browser(built: Installed, variant: Variant, tmp_path: Path) -> None:
    project = built(variant)
    some = [f"tests/page/{name}.spec.ts" for name in OF_BACKENDS]
    verdict = run_playwright(project, tmp_path / "report.json", some)
    if verdict.skipped and not (verdict.passed or verdict.failed):
        pytest.skip("there is no Chromium")
    keep_pictures(project)
    assert verdict.failed | verdict.broken == {}
    assert set(project.git_status()) <= {"?? uv.lock"}
