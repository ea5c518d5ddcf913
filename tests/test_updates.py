"""What `copier update` makes of projects that older releases of the template made.

Until there are enough releases, `older-versions.toml` names commits that stand for them. What
becomes of edits and of conversations: test_edited_updates.py.
"""

import sys
from pathlib import Path

import pytest
from support.projects import Project
from support.updating import (
    Fresh,
    contents,
    copy_committed,
    files_of_the_owner,
    recorded,
    run_copier,
    update,
)
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


def test_the_older_versions_are_here() -> None:
    assert len(OLDER) >= 5
    assert not missing(), f"this clone has not their commits; they come with: {UNSHALLOW}"


@pytest.mark.parametrize(("version", "variant"), CASES, ids=str)
def test_an_untouched_project_becomes_a_fresh_copy(
    releases: Path, fresh: Fresh, tmp_path: Path, version: str, variant: Variant
) -> None:
    """Slug: conflicts-on-update. Without trust, and what is the owner's stays as it is."""
    project = copy_committed(releases, version, tmp_path / "my-chat", variant)
    theirs = files_of_the_owner(project)
    update(project)
    assert contents(project) == fresh(releases, variant)
    assert files_of_the_owner(project) == theirs


def test_changed_answers_make_another_project(
    releases: Path, fresh: Fresh, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nothing of the former answers is left, and the way back is open."""
    project = copy_committed(releases, LATEST, tmp_path / "my-chat", DEFAULT)
    theirs = files_of_the_owner(project)
    for answers in (
        {"database": "postgresql"},
        {"framework": "django"},
        {"framework": "quart", "database": "mysql", "wsl": True},
        DEFAULT.answers,
    ):
        before = recorded(project)
        update(project, quiet=False, **answers)
        now = {name: recorded(project)[name] for name in DEFAULT.answers}
        assert answers.items() <= now.items()
        assert contents(project) == fresh(releases, Variant(**now))
        said = capfd.readouterr().err
        assert f"my-chat is updated from {before['_commit']} to {NEWEST}: " in said
        release = before["_commit"].removeprefix("v")
        assert f"read the\nsections above {release} in the CHANGELOG.md of\n" in said
        assert ("manage.py migrate" in said) == (now["framework"] == "django")
        assert ("WSL" in said) == now["wsl"]
        named = f"still names the {before['database']} database"
        assert (named in said) == (now["database"] != before["database"])
        assert ("compose.yaml" in said) == (before["database"] == "mysql")
        routes = "Write your own routes again"
        assert (routes in said) == (now["framework"] != before["framework"])
        project.commit("Change answers")
    assert files_of_the_owner(project) == theirs


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
    assert "of this computer" not in result.stderr
    project = Project(first.rename(moved), DEFAULT)
    expected = {"_src_path": GITHUB, "project_name": "my-chat", **DEFAULT.answers}
    assert recorded(project) == expected | {"_commit": LATEST}
    project.run("git", "init", "--quiet")
    project.commit("Start")

    result = run_copier("update", "--defaults", cwd=moved, env=env)
    assert result.returncode == 0, result.stderr
    assert recorded(project) == expected | {"_commit": NEWEST}
    for words in (
        'git grep -n "^<<<<<<< "',
        "git diff --name-only --diff-filter=D",
        "uv run dev",
        "alembic upgrade head",
    ):
        assert words in result.stderr
    assert "CHANGELOG.md of\nhttps://github.com/example/copier-chatkit\n" in result.stderr
    assert conflicts(moved) == []
