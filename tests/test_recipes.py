"""The recipes of docs/recipes: each answers in a project, with stand-ins for the providers."""

import re
import shutil
from pathlib import Path

from support.forked import PROJECT_PYTHON
from support.projects import render_committed
from support.variants import DEFAULT, ROOT

RECIPES = ROOT / "docs" / "recipes"
VERSIONS = {
    "anthropic": "2.14.0",
    "langchain-openai": "1.7.4",
    "langgraph": "1.2.24",
    "litellm": "1.110.2",
    "pydantic-ai-slim[openai]": "2.68.0",
}
"""What the recipes are tested with. The project itself pins openai."""


def libraries() -> list[str]:
    """Return the names of the recipes that are about libraries."""
    listed = (RECIPES / "README.md").read_text(encoding="utf-8")
    [section] = re.findall(r"(?ms)^## Other libraries(.*?)(?:^## |\Z)", listed)
    return re.findall(r"\]\((.*)\.md\)", section)


def test_every_recipe_converses_and_is_stopped(tmp_path: Path) -> None:
    """All in one project, into which their packages are installed once."""
    texts = [(RECIPES / f"{name}.md").read_text(encoding="utf-8") for name in libraries()]
    added = re.findall(r"(?m)^uv add (.*)$", "".join(texts))
    names = {name.strip('"').split(">")[0] for line in added for name in line.split()}
    assert names == {*VERSIONS, "openai"}
    packages = [f"{name}=={version}" for name, version in VERSIONS.items()]

    project = render_committed(tmp_path / "my-chat", DEFAULT)
    pins = project.path / "pyproject.toml"
    [newer] = re.findall(r'"certifi>=.*"', (RECIPES / "litellm.md").read_text(encoding="utf-8"))
    pins.write_text(
        re.sub(r'"certifi==.*?"', newer, pins.read_text(encoding="utf-8")), encoding="utf-8"
    )
    project.run("uv", "add", "--quiet", "openai", *packages, cwd="backend")
    project.run("uv", "sync", "--quiet")
    shutil.copy(PROJECT_PYTHON / "recipes.py", project.path / "backend/tests/test_recipes.py")
    command = ("uv", "run", "--no-sync", "pytest", "-q", "-n0", "tests/test_recipes.py")
    env = {"RECIPES": str(RECIPES), "NAMES": " ".join(libraries())}
    project.run(*command, cwd="backend", env=env)


def test_the_list_has_every_recipe() -> None:
    listed = re.findall(r"\]\((.*\.md)\)", (RECIPES / "README.md").read_text(encoding="utf-8"))
    assert sorted(listed) == sorted(
        file.name for file in RECIPES.glob("*.md") if file.stem != "README"
    )
