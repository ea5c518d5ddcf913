"""What `uv run check` says of its steps."""

import os
import sys
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


def test_each_step_names_a_program_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its whole name: Windows adds no .exe to a path."""
    for step in steps(find_node()):
        assert Path(step.command[0]).is_file(), step.name
    monkeypatch.setattr("tools.check.which", lambda name, path: str(Path(path, f"{name}.exe")))
    (imports,) = [step for step in steps(None) if step.name == "backend: imports"]
    assert imports.command == [str(Path(sys.executable).with_name("lint-imports.exe"))]
