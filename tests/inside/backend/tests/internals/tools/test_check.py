"""What `uv run check` says of its steps."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from kit.settings import BACKEND
from tools import terminal
from tools.check import Step, run_steps, steps
from tools.node import find_node


@pytest.mark.parametrize(("ci", "verdict"), [({}, "skipped"), ({"CI": "true"}, "FAILED")])
def test_without_a_browser_the_page_was_not_tested(
    tmp_path: Path, ci: dict[str, str], verdict: str
) -> None:
    """Nobody is told that it passed; where it has to be tested, that is a failure."""
    (page,) = [step for step in steps(find_node()) if "browser" in step.name]
    environment = {name: os.environ[name] for name in os.environ if name != "CI"} | ci
    environment["CHROMIUM"] = str(tmp_path / "none")
    (result,) = run_steps([replace(page, needs="")], environment, terminal(), verbose=False)
    assert result.verdict == verdict


@pytest.mark.parametrize(
    ("status", "verbose", "is_told"), [(0, False, False), (0, True, True), (1, False, True)]
)
def test_the_output_of_a_step_is_printed_if_it_fails(
    capsys: pytest.CaptureFixture[str], status: int, verbose: bool, is_told: bool
) -> None:
    code = f"import sys; print('so' + 'much'); sys.exit({status})"
    step = Step("backend: talk", [sys.executable, "-c", code], BACKEND)
    run_steps([step], os.environ, Console(markup=False), verbose=verbose)
    said = capsys.readouterr().out
    assert f"== backend: talk: {'FAILED' if status else 'passed'}, " in said
    assert ("somuch" in said) == is_told


@pytest.mark.parametrize("command", ["check", "dev"])
def test_an_option_that_there_is_not_is_refused(command: str) -> None:
    """And --help helps: it starts nothing."""
    main = [sys.executable, "-c", f"from tools.{command} import main; main()"]
    asked = subprocess.run([*main, "--help"], capture_output=True, encoding="utf-8", check=False)
    assert (asked.returncode, asked.stderr) == (0, "")
    assert asked.stdout.startswith(f"usage: {command} ")
    refused = subprocess.run([*main, "--fiix"], capture_output=True, encoding="utf-8", check=False)
    assert refused.returncode == 2
    assert "unrecognized arguments: --fiix" in refused.stderr


def test_each_step_names_a_program_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its whole name: Windows adds no .exe to a path."""
    for step in steps(find_node()):
        assert Path(step.command[0]).is_file(), step.name
    monkeypatch.setattr("tools.check.which", lambda name, path: str(Path(path, f"{name}.exe")))
    (imports,) = [step for step in steps(None) if step.name == "backend: imports"]
    assert imports.command == [str(Path(sys.executable).with_name("lint-imports.exe"))]
