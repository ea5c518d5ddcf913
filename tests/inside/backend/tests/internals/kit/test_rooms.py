"""The rooms of a project: what is loaded where, and what is found under its old name."""

import os
import subprocess
import sys
from importlib import import_module

import pytest

import kit
from kit.moved import MOVED

LOADED = "import sys, app.main; print(*(name for name in sys.modules if name in {names}))"


def test_an_app_that_asks_a_model_loads_no_tool_and_no_demo() -> None:
    names = {"tools", "kit.demo", "pytest", "psutil"}
    environment = os.environ | {"OPENAI_API_KEY": "sk-test", "APP_ENV": "development"}
    program = LOADED.format(names=sorted(names))
    loaded = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert loaded.stdout.split() == []


@pytest.mark.parametrize("old", MOVED)
def test_what_moved_is_found_under_its_old_name(old: str) -> None:
    with pytest.warns(DeprecationWarning, match="^app.* is kit.* now") as said:
        found = import_module(old)
    # Its package may say so too.
    assert f"{old} is {MOVED[old]} now" in [str(warning.message) for warning in said]
    assert found is sys.modules[MOVED[old]]
    assert found.__spec__
    assert found.__spec__.name == found.__name__ == MOVED[old]


@pytest.mark.parametrize("name", kit.__all__)
def test_the_public_names_are_there(name: str) -> None:
    assert getattr(kit, name)
