"""What runs is what was tested together."""

import site
import tomllib
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from kit.settings import BACKEND


def read(file: Path) -> dict[str, Any]:
    return tomllib.loads(file.read_text(encoding="utf-8"))


def test_dependency_drift() -> None:
    """Each package has one version: the template's, or of your own that of uv.lock."""
    root = BACKEND.parent
    constraints = read(root / "pyproject.toml")["tool"]["uv"]["constraint-dependencies"]
    assert not [line for line in constraints if "==" not in line]
    pins = dict(line.split("==") for line in constraints)
    assert len(pins) == len(constraints), "another version for another Python"
    locked = {
        package["name"]: package.get("version") for package in read(root / "uv.lock")["package"]
    }
    installed = {
        canonicalize_name(package.name): package.version
        for package in distributions(path=site.getsitepackages())
    }
    expected = {name: pins.get(name, locked.get(name)) for name in installed}
    assert installed == expected, "run `uv sync`"
