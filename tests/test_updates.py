"""What `copier update` makes of projects that older releases of the template made.

Until there are enough releases, `older-versions.toml` names commits that stand for them. What
becomes of edits and of conversations: test_edited_updates.py.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import copier
import pytest
import yaml
from support.projects import Project
from support.updating import copy, copy_committed, update
from support.variants import DEFAULT, EVERY_VARIANT, Variant
from support.versions import NEWEST, UNSHALLOW, commits, conflicts, missing, offered

pytestmark = pytest.mark.usefixtures("compiled_once")
OLDER = list(commits())
LATEST = OLDER[-1]
GITHUB = "gh:example/copier-chatkit"


def covering(variants: list[Variant]) -> list[Variant]:
    """Return a few in which every answer occurs."""
    picked: list[Variant] = []
    seen: set[object] = set()
    while any(new := [len(set(one.answers.items()) - seen) for one in variants]):
        picked.append(variants[new.index(max(new))])
        seen |= set(picked[-1].answers.items())
    return picked


CASES = [
    (version, variant)
    for version in OLDER
    for variant in (offered(version) if EVERY_VARIANT else covering(offered(version)))
]
"""Each combination of answers that a version offered, as the workflow on GitHub runs them all."""

Fresh = Callable[[Variant], dict[str, bytes]]


@pytest.fixture(scope="session")
def fresh(releases: Path, tmp_path_factory: pytest.TempPathFactory) -> Fresh:
    """Return what a variant's project holds that was copied from the newest release."""
    made: dict[Variant, dict[str, bytes]] = {}

    def get(variant: Variant) -> dict[str, bytes]:
        if variant not in made:
            path = tmp_path_factory.mktemp("fresh") / "my-chat"
            made[variant] = contents(copy(releases, NEWEST, path, variant))
        return made[variant]

    return get


def contents(project: Project) -> dict[str, bytes]:
    """Return all files but git's own and those that are of one machine."""
    return {
        str(file.relative_to(project.path)): file.read_bytes()
        for file in project.path.rglob("*")
        if file.is_file()
        and file.name != ".env.local"
        and file.relative_to(project.path).parts[0] != ".git"
    }


def env_files(project: Project) -> dict[str, bytes]:
    sides = ("backend", "frontend")
    return {side: (project.path / side / ".env.local").read_bytes() for side in sides}


def test_the_older_versions_are_here() -> None:
    assert len(OLDER) >= 5
    assert not missing(), f"this clone has not their commits; they come with: {UNSHALLOW}"


@pytest.mark.parametrize(("version", "variant"), CASES, ids=str)
def test_an_untouched_project_becomes_a_fresh_copy(
    releases: Path, fresh: Fresh, tmp_path: Path, version: str, variant: Variant
) -> None:
    """Slug: conflicts-on-update. Without trust, and `.env.local` stays as it is."""
    project = copy_committed(releases, version, tmp_path / "my-chat", variant)
    settings = env_files(project)
    update(project)
    assert contents(project) == fresh(variant)
    assert env_files(project) == settings


def recorded(project: Project) -> dict[str, Any]:
    answers: dict[str, Any] = yaml.safe_load(
        (project.path / ".copier-answers.yml").read_text(encoding="utf-8")
    )
    return answers


def test_changed_answers_make_another_project(
    releases: Path, fresh: Fresh, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nothing of the former answers is left, and the way back is open."""
    project = copy_committed(releases, LATEST, tmp_path / "my-chat", DEFAULT)
    settings = env_files(project)
    for answers in (
        {"database": "postgresql"},
        {"framework": "django"},
        {"framework": "quart", "wsl": True},
        DEFAULT.answers,
    ):
        update(project, quiet=False, **answers)
        now = {name: recorded(project)[name] for name in DEFAULT.answers}
        assert answers.items() <= now.items()
        assert contents(project) == fresh(Variant(**now))
        said = capfd.readouterr().err
        assert ("manage.py migrate" in said) == (now["framework"] == "django")
        assert ("WSL" in said) == now["wsl"]
        project.commit("Change answers")
    assert env_files(project) == settings


def run_copier(
    *arguments: str, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "copier", *arguments],
        cwd=cwd,
        env=os.environ | dict(env or {}),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_an_update_in_the_middle_of_work_is_refused(releases: Path, tmp_path: Path) -> None:
    project = copy_committed(releases, LATEST, tmp_path / "my-chat", DEFAULT)
    page = project.path / "frontend" / "src" / "app" / "page.tsx"
    page.write_text("// half a page", encoding="utf-8")
    before = contents(project)
    result = run_copier("update", "--defaults", cwd=project.path)
    assert result.returncode != 0
    assert "Destination repository is dirty" in result.stderr
    assert "commit or stash" in result.stderr
    assert "Traceback" not in result.stderr
    assert contents(project) == before


@pytest.mark.skipif(sys.platform == "win32", reason="git is told of a repository by its path")
def test_the_answers_name_no_path_where_the_address_has_none(
    releases: Path, tmp_path: Path
) -> None:
    """Slug: secrets-in-answers. By the commands, with git told that the template is here."""
    env = {
        "COPIER_CACHE_DIR": str(tmp_path / "cache"),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{releases}.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/example/copier-chatkit.git",
    }
    first, moved = tmp_path / "my-chat", tmp_path / "elsewhere"
    result = run_copier("copy", "--defaults", f"--vcs-ref={LATEST}", GITHUB, str(first), env=env)
    assert result.returncode == 0, result.stderr
    project = Project(first.rename(moved), DEFAULT)
    expected = {"_src_path": GITHUB, "project_name": "my-chat", **DEFAULT.answers}
    assert recorded(project) == expected | {"_commit": LATEST}
    project.run("git", "init", "--quiet")
    project.commit("Start")

    result = run_copier("update", "--defaults", cwd=moved, env=env)
    assert result.returncode == 0, result.stderr
    assert recorded(project) == expected | {"_commit": NEWEST}
    for words in ("git status", 'git grep -n "<<<<<<<"', "uv run dev", "alembic upgrade head"):
        assert words in result.stderr
    assert "CHANGELOG.md of\nhttps://github.com/example/copier-chatkit\n" in result.stderr
    assert conflicts(moved) == []


def test_a_relative_address_is_of_one_folder_only(
    releases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why docs/tutorial.md wants another one: Copier records it as it was typed."""
    monkeypatch.chdir(releases.parent)
    project = copy_committed(releases.name, LATEST, tmp_path / "my-chat", DEFAULT)
    monkeypatch.chdir(project.path)
    with pytest.raises((ValueError, copier.errors.CopierError)):
        update(project)
