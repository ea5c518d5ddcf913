"""The browser tests of generated projects, in front of another framework's backend.

The owner has taken out what is there as an example: the tests are not about that. They have added
a second assistant, which has a page of its own.
"""

from pathlib import Path

import pytest
from conftest import Install
from support.owner_edits import add_assistant, remove_examples
from support.pitfall_tests import keep_pictures, run_playwright
from support.projects import BUILD, WITHOUT_KEY, render_committed
from support.variants import COVERING, DEFAULT, EVERY_VARIANT, Variant

BROWSED = [
    one for one in COVERING if one != DEFAULT and (EVERY_VARIANT or one.framework == "django")
]
"""Django has cookies and sessions of its own."""


@pytest.mark.parametrize("variant", BROWSED, ids=str)
def test_the_page_in_a_browser(install: Install, variant: Variant, tmp_path: Path) -> None:
    project = remove_examples(install(render_committed(tmp_path / "my-chat", variant)))
    add_assistant(project)
    project.run(*BUILD, cwd="frontend", env=WITHOUT_KEY)
    verdict = run_playwright(project, tmp_path / "report.json")
    if verdict.skipped and not (verdict.passed or verdict.failed):
        pytest.skip("there is no Chromium")
    keep_pictures(project)
    assert verdict.failed | verdict.broken == {}
    assert set(project.git_status()) <= {"?? uv.lock"}
