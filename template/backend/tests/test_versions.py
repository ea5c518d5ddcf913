"""What runs is what was tested together."""

import site
import tomllib
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from app.settings import BACKEND


def read(pyproject: Path) -> dict[str, Any]:
    return tomllib.loads(pyproject.read_text(encoding="utf-8"))


def test_dependency_drift() -> None:
    """Each installed package is pinned, those that others bring along and your own ones too."""
    pins = read(BACKEND.parent / "pyproject.toml")["tool"]["uv"]["constraint-dependencies"]
    ours = canonicalize_name(read(BACKEND / "pyproject.toml")["project"]["name"])
    installed = {
        canonicalize_name(package.name): package.version
        for package in distributions(path=site.getsitepackages())
    }
    installed.pop(ours)
    unpinned = {f"{name}=={version}" for name, version in installed.items()} - set(pins)
    assert not unpinned, (
        "Run `uv sync`, or put these into constraint-dependencies of the project's pyproject.toml"
    )
