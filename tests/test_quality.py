"""What the owner's own checks say of every variant, and what is left behind in git."""

import hashlib
import json
import os

import pytest
from conftest import Installed
from projects import Project
from variants import DEFAULT, ROOT, VARIANTS, Variant

each_variant = pytest.mark.parametrize("variant", VARIANTS, ids=str)
NOT_CODE = (".env.example", "README.md", ".copier-answers.yml")


def code_of(project: Project) -> str:
    """Return a digest of all that is checked: what differs in comments and settings is not."""
    digest = hashlib.sha256()
    for name in project.run("git", "ls-files").stdout.splitlines():
        if not name.endswith(NOT_CODE):
            digest.update(name.encode() + b"\0" + (project.path / name).read_bytes())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def checked() -> dict[str, str]:
    """What the checks said, by the digest of the code: the same code is checked once."""
    return {}


@each_variant
def test_its_own_checks_pass(
    installed: Installed, variant: Variant, checked: dict[str, str]
) -> None:
    project = installed(variant)
    code = code_of(project)
    if code not in checked:
        result = project.run("uv", "run", "check", check=False)
        checked[code] = result.stdout + result.stderr
        assert result.returncode == 0, checked[code]
    summary = checked[code].split("== Summary")[1]
    assert summary.count("passed") == 8, checked[code]
    assert "FAILED" not in summary
    assert set(project.git_status()) <= {"?? uv.lock"}


def test_what_measurements_run_in_a_project_has_its_types(installed: Installed) -> None:
    code = ROOT / "bench" / "in_project"
    paths = os.pathsep.join(["src", "tests", str(code)])
    mypy = ("uv", "run", "mypy", "--explicit-package-bases", str(code))
    installed(DEFAULT).run(*mypy, cwd="backend", env={"MYPYPATH": paths})


def test_the_front_end_is_the_same_everywhere(project_of: Installed) -> None:
    trees = set()
    for variant in VARIANTS:
        listed = project_of(variant).run("git", "ls-files", "-s", "frontend").stdout.splitlines()
        trees.add("\n".join(line for line in listed if not line.endswith(NOT_CODE)))
    assert len(trees) == 1


@each_variant
def test_alembic_works_from_everywhere(installed: Installed, variant: Variant) -> None:
    """Slug: alembic-cannot-import. On the variant's own database, as it is after copying."""
    project = installed(variant)
    project.run("uv", "run", "alembic", "upgrade", "head", cwd="backend")
    from_root = ("uv", "run", "alembic", "-c", "backend/alembic.ini")
    project.run(*from_root, "upgrade", "head")
    checked = project.run(*from_root, "check")
    assert "No new upgrade operations" in checked.stdout + checked.stderr
    project.run("uv", "run", "alembic", "downgrade", "base", cwd="backend")
    assert project.run(*from_root, "current").stdout.strip() == ""
    project.run(*from_root, "upgrade", "head")


def test_lock_file_of_one_platform(project_of: Installed) -> None:
    lock = json.loads((project_of(DEFAULT).path / "frontend" / "package-lock.json").read_text())
    packages = lock["packages"]
    for path, package in packages.items():
        assert "resolved" not in package, path
        for name in package.get("optionalDependencies", {}):
            folders = path.split("/node_modules/")
            places = ["/node_modules/".join(folders[: n + 1]) for n in range(len(folders))]
            assert any(f"{place}/node_modules/{name}" in packages for place in places) or (
                f"node_modules/{name}" in packages
            ), f"{path} wants {name}"
