"""The recipe of work that takes minutes: another server finishes it when one is killed."""

import re
import shutil
from contextlib import ExitStack
from operator import attrgetter
from pathlib import Path

import pytest
from support.deployed import production_database
from support.forked import PROJECT_PYTHON
from support.projects import Project, render_committed
from support.replicas import pgbouncer
from support.variants import DEFAULT, ROOT, Variant

RECIPE = ROOT / "docs" / "recipes" / "long-work.md"
FILE = re.compile(r"(?ms)^`(\S+)`:\n\n```python\n(.*?)^```$")
DIFF = re.compile(r"(?ms)^```diff\n(.*?)^```$")
POSTGRESQL = Variant("fastapi", "postgresql", wsl=False)
TESTS = {
    DEFAULT: "finishes_it and kill",
    POSTGRESQL: "",
}
"""With PostgreSQL two servers run at once, behind PgBouncer; with SQLite one after the other."""


def follow_recipe(project: Project) -> None:
    """Do what the recipe says."""
    recipe = RECIPE.read_text(encoding="utf-8")
    for name, text in FILE.findall(recipe):
        (project.path / name).write_text(text, encoding="utf-8")
    main = project.path / "backend/src/app/main.py"
    [diff] = DIFF.findall(recipe)
    text = main.read_text(encoding="utf-8")
    for hunk in diff.split("\n\n"):
        old, new = (
            "".join(f"{line[1:]}\n" for line in hunk.splitlines() if line[0] in signs)
            for signs in (" -", " +")
        )
        assert text.count(old) == 1
        text = text.replace(old, new)
    main.write_text(text, encoding="utf-8")
    [added] = re.findall(r"(?m)^uv add (.*)$", recipe)
    project.run("uv", "add", "--quiet", added, cwd="backend")
    project.run("uv", "sync", "--quiet")


@pytest.mark.parametrize("variant", TESTS, ids=attrgetter("database"))
def test_long_work(variant: Variant, tmp_path: Path) -> None:
    project = render_committed(tmp_path / "my-chat", variant)
    follow_recipe(project)
    shutil.copy(PROJECT_PYTHON / "long_work.py", project.path / "backend/tests/test_long_work.py")
    for check in ("ruff check", "ruff format --check", "mypy", "lint-imports"):
        project.run("uv", "run", "--no-sync", *check.split(), cwd="backend")
    command = ["uv", "run", "--no-sync", "pytest", "-q", "-n0", "tests/test_long_work.py"]
    # In its usual folder pytest would close to others the one that this test is in: PgBouncer's.
    command += ["-k", TESTS[variant], f"--basetemp={tmp_path / 'temp'}"]
    with ExitStack() as stack:
        database = stack.enter_context(production_database(project))
        if variant == POSTGRESQL:
            database = stack.enter_context(pgbouncer(database, tmp_path / "pgbouncer"))
        env = {"DATABASE_URL": database}
        project.run(*command, cwd="backend", env=env)
