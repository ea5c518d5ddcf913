"""The browser tests of generated projects, in front of another framework's backend."""

from pathlib import Path

import pytest
from conftest import Installed
from support.pitfall_tests import keep_pictures, run_playwright
from support.variants import COVERING, DEFAULT, EVERY_VARIANT, Variant

CONVERSATION = "tests/page/conversation.spec.ts"
"""All others `uv run check` runs: the page is the same, and test_quality.py hears the same."""

BROWSED = [
    one for one in COVERING if one != DEFAULT and (EVERY_VARIANT or one.framework == "django")
]
"""Django has cookies and sessions of its own."""


@pytest.mark.parametrize("variant", BROWSED, ids=str)
def test_the_page_in_a_browser(built: Installed, variant: Variant, tmp_path: Path) -> None:
    project = built(variant)
    verdict = run_playwright(project, tmp_path / "report.json", [CONVERSATION])
    if verdict.skipped and not (verdict.passed or verdict.failed):
        pytest.skip("there is no Chromium")
    keep_pictures(project)
    assert verdict.failed | verdict.broken == {}
    assert set(project.git_status()) <= {"?? uv.lock"}
