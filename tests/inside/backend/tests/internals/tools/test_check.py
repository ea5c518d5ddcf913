"""What `uv run check` says of its steps."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tools import terminal
from tools.check import run_steps, steps
from tools.node import find_node


@pytest.mark.parametrize(("ci", "verdict"), [({}, "skipped"), ({"CI": "true"}, "FAILED")])
def test_without_a_browser_the_page_was_not_tested(
    tmp_path: Path, ci: dict[str, str], verdict: str
) -> None:
    """Nobody is told that it passed; where it has to be tested, that is a failure."""
    (page,) = [step for step in steps(find_node()) if "browser" in step.name]
    environment = {name: os.environ[name] for name in os.environ if name != "CI"} | ci
    environment["CHROMIUM"] = str(tmp_path / "none")
    (result,) = run_steps([replace(page, needs="")], environment, terminal())
    assert result.verdict == verdict
