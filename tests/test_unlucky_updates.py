"""What Copier says where it cannot update, and whether the cure of docs/updates.md helps then.

By the real command. What it says is Copier's: a newer Copier may say it otherwise.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.projects import Project
from support.updating import record, recorded, run_copier
from support.variants import DEFAULT, ROOT
from support.versions import UNSHALLOW, clone_template, git, release_news

PAGE = (ROOT / "template" / "docs" / "updates.md").read_text(encoding="utf-8")
CURES = PAGE.partition("## When Copier cannot update\n")[2].partition("\n## ")[0]
TABLE = [row.split(" | ") for row in re.findall(r"(?m)^\| (`.*) \|$", CURES)]
KEPT = (
    "backend/src/app",
    "docs",
    "frontend/src/kit/pitfalls.json",  # which the documents include
    "{{_copier_conf.answers_file}}.jinja",
)
NO_RELEASE = "not of a release"
OF_THIS_COMPUTER = "in a folder of this computer"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep Copier's clones of what it takes for remote out of the home folder."""
    monkeypatch.setenv("COPIER_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """The template, with a release, and without most of what it would copy: that takes time."""
    folder = clone_template(tmp_path / "template", "v1.0.0")
    git("rm", "-r", "--quiet", "template", *(f":!template/{one}" for one in KEPT), cwd=folder)
    git("commit", "--quiet", "-m", "Less", cwd=folder)
    git("tag", "--force", "v1.0.0", cwd=folder)
    return folder


def copied(
    source: Path | str, path: Path, *options: str, cwd: Path | None = None
) -> tuple[Project, str]:
    """Copy the template and commit the project; return it, and what Copier said."""
    result = run_copier("copy", "--defaults", *options, str(source), str(path), cwd=cwd)
    assert result.returncode == 0, result.stderr
    project = Project((cwd or Path()) / path, DEFAULT)
    project.run("git", "init", "--quiet")
    project.commit("Start")
    return project, result.stderr


def update(
    project: Project, *arguments: str, folder: str = "."
) -> subprocess.CompletedProcess[str]:
    return run_copier("update", "--defaults", *arguments, cwd=project.path / folder)


def assert_refused(result: subprocess.CompletedProcess[str], words: str) -> None:
    """Assert that Copier says what people look for in the table."""
    assert result.returncode != 0
    assert words in result.stderr
    assert any(f"`{words}`" in row[0] for row in TABLE)


def assert_updated(project: Project, *arguments: str, folder: str = ".") -> None:
    """Assert that the update succeeds, and brings the newest release."""
    result = update(project, *arguments, folder=folder)
    assert result.returncode == 0, result.stderr
    assert (project.path / "NEWS.md").read_text(encoding="utf-8") == "News\n"


def test_all_that_the_table_says_is_said_here() -> None:
    here = Path(__file__).read_text(encoding="utf-8")
    words = [words for row in TABLE for words in re.findall("`(.*?)`", row[0])]
    assert len(words) > 10
    assert [one for one in words if f'"{one}' not in here] == []
    assert [row for row in TABLE if not all(cell.strip() for cell in row)] == []


def test_a_command_typed_in_a_folder_below(template: Path, tmp_path: Path) -> None:
    project, _ = copied(template, tmp_path / "my-chat")
    release_news(template, "v1.1.0")
    assert_refused(update(project, folder="backend"), "Template not found")
    assert_updated(project, "..", folder="backend")
    project.run("git", "reset", "--hard")
    project.run("git", "clean", "-d", "--force")
    assert_updated(project)


@pytest.mark.skipif(sys.platform == "win32", reason="only who may make links has one")
def test_a_project_named_by_a_link(template: Path, tmp_path: Path) -> None:
    project, _ = copied(template, tmp_path / "my-chat")
    release_news(template, "v1.1.0")
    link = tmp_path / "link"
    link.symlink_to(project.path, target_is_directory=True)
    assert_refused(update(project, str(link)), "is not in the subpath of")
    assert_updated(Project(link, DEFAULT))


def test_a_project_that_is_not_in_git(template: Path, tmp_path: Path) -> None:
    path = tmp_path / "my-chat"
    run_copier("copy", "--defaults", str(template), str(path))
    release_news(template, "v1.1.0")
    project = Project(path, DEFAULT)
    words = "Updating is only supported in git-tracked subprojects"
    assert_refused(update(project), words)
    project.run("git", "init", "--quiet")
    assert_refused(update(project), "Destination repository is dirty")
    project.commit("Start")
    assert_updated(project)


def test_a_template_that_was_moved(template: Path, tmp_path: Path) -> None:
    project, said = copied(template, tmp_path / "my-chat")
    assert OF_THIS_COMPUTER in said
    assert NO_RELEASE not in said
    release_news(template, "v1.1.0")
    moved = template.rename(tmp_path / "renamed")
    no_folder = "Local template must be a directory"
    assert_refused(update(project), no_folder)
    check = run_copier("check-update", cwd=project.path)
    assert_refused(check, "Checking is only supported in git-tracked templates")
    record(project, _src_path="../nowhere")
    assert_refused(update(project), no_folder)
    record(project, _src_path=moved.as_uri())
    assert_refused(update(project), no_folder)
    record(project, _src_path=f"{moved.as_uri()}.git")
    assert_refused(update(project), "does not appear to be a git repository")
    record(project, _src_path=str(moved / "docs"))
    assert_refused(update(project), "Updating is only supported in git-tracked templates")
    record(project, _src_path=str(moved))
    assert_updated(project)


def test_a_relative_address_is_recorded_as_an_absolute_one(template: Path, tmp_path: Path) -> None:
    """Copier records it as it was typed, and then looks from the project's folder."""
    (tmp_path / "here").mkdir()
    project, said = copied("../template", Path("my-chat"), cwd=tmp_path / "here")
    assert recorded(project)["_src_path"] == str(template.resolve())
    assert OF_THIS_COMPUTER in said
    release_news(template, "v1.1.0")
    assert_updated(project)


def test_an_address_that_is_right_from_the_project_stays_relative(
    template: Path, tmp_path: Path
) -> None:
    """As in one repository of both, which has another place on each computer."""
    (tmp_path / "my-chat").mkdir()
    project, _ = copied("../template", Path("."), cwd=tmp_path / "my-chat")
    release_news(template, "v1.1.0")
    assert recorded(project)["_src_path"] == "../template"
    assert_updated(project)
    assert recorded(project)["_src_path"] == "../template"


GONE = "Unknown revision"
GONE_SAYS_COPIER_9_15 = "did not match any file(s) known to git"
"""The oldest that the template takes; the one that is installed here is newer."""


def test_copy_of_an_untagged_clone_with_uncommitted_changes(template: Path, tmp_path: Path) -> None:
    """Copier commits them, in a clone that it deletes."""
    draft = template / "template" / "DRAFT.md"
    draft.write_text("Half of it\n", encoding="utf-8")
    project, said = copied(template, tmp_path / "my-chat", "--vcs-ref=HEAD")
    commit = recorded(project)["_commit"]
    assert re.fullmatch("v1[.]0[.]0-1-g[0-9a-f]+", commit)
    assert f"It is a copy of {commit}, {NO_RELEASE}." in said
    draft.unlink()
    release_news(template, "v1.1.0")
    assert_refused(update(project), GONE)
    record(project, _commit="v1.0.0")
    assert_updated(project)
    assert (project.path / "DRAFT.md").exists()


def test_copy_of_an_untagged_clone_whose_commit_is_there(template: Path, tmp_path: Path) -> None:
    git("tag", "--delete", "v1.0.0", cwd=template)
    project, said = copied(template, tmp_path / "my-chat")
    assert f"It is a copy of {recorded(project)['_commit']}, {NO_RELEASE}." in said
    release_news(template, "v1.1.0")
    assert_updated(project)
    assert recorded(project)["_commit"] == "v1.1.0"


def test_copy_of_an_untagged_clone_without_any_older_tag(template: Path, tmp_path: Path) -> None:
    """Then Copier writes all files anew, and git shows what the owner had written."""
    git("tag", "--delete", "v1.0.0", cwd=template)
    draft = template / "template" / "DRAFT.md"
    draft.write_text("Half of it\n", encoding="utf-8")
    project, _ = copied(template, tmp_path / "my-chat")
    draft.unlink()
    git("tag", "v1.0.0", cwd=template)
    assistant = project.path / "backend" / "src" / "app" / "assistant.py"
    mine = assistant.read_text(encoding="utf-8") + "# Mine\n"
    assistant.write_text(mine, encoding="utf-8")
    project.commit("Mine")
    assert_refused(update(project), GONE)

    assert "uvx copier recopy --overwrite\ngit diff\n" in CURES
    result = run_copier("recopy", "--overwrite", "--defaults", cwd=project.path)
    assert result.returncode == 0, result.stderr
    assert "\n-# Mine" in project.run("git", "diff").stdout
    assert recorded(project)["_commit"] == "v1.0.0"
    assistant.write_text(mine, encoding="utf-8")
    project.commit("The release, and mine")
    release_news(template, "v1.1.0")
    assert_updated(project)
    assert assistant.read_text(encoding="utf-8") == mine


def test_a_shallow_clone_of_the_template(template: Path, tmp_path: Path) -> None:
    project, _ = copied(template, tmp_path / "my-chat")
    release_news(template, "v1.1.0")
    shallow = tmp_path / "shallow"
    git("clone", "--quiet", "--depth=1", template.as_uri(), str(shallow))
    record(project, _src_path=str(shallow))
    result = update(project)
    assert_refused(result, GONE)
    assert "ShallowCloneWarning" in result.stderr
    assert f"`ShallowCloneWarning`, type in it:\n\n```\n{UNSHALLOW}\n```" in CURES
    git(*UNSHALLOW.split()[1:], cwd=shallow)
    assert_updated(project)


def test_a_template_whose_history_was_rewritten(template: Path, tmp_path: Path) -> None:
    """Its tags are of other commits then, which does no harm; a commit is gone."""
    release_news(template, "v1.0.1")
    git("tag", "--delete", "v1.0.1", cwd=template)
    project, _ = copied(template, tmp_path / "my-chat", "--vcs-ref=HEAD")
    git("reset", "--quiet", "--hard", "v1.0.0", cwd=template)
    git("commit", "--quiet", "--amend", "-m", "All anew", cwd=template)
    git("tag", "--force", "v1.0.0", cwd=template)
    (template / "template" / "MORE.md").write_text("More\n", encoding="utf-8")
    release_news(template, "v1.1.0")
    again = tmp_path / "again"
    git("clone", "--quiet", template.as_uri(), str(again))
    record(project, _src_path=str(again))
    assert_refused(update(project), GONE)
    record(project, _commit="v1.0.0")
    assert_updated(project)
    assert (project.path / "MORE.md").exists()


def test_a_template_that_is_a_folder_without_git(template: Path, tmp_path: Path) -> None:
    unpacked = tmp_path / "unpacked"
    shutil.copytree(template, unpacked, ignore=shutil.ignore_patterns(".git"))
    project, said = copied(unpacked, tmp_path / "my-chat")
    assert f"It is a copy of a folder without git, {NO_RELEASE}." in said
    release_news(template, "v1.1.0")
    assert_refused(update(project), "cannot obtain old template references")
    record(project, _src_path=str(template), _commit="v1.0.0")
    assert_updated(project)


def test_a_copy_that_is_newer_than_the_newest_release(template: Path, tmp_path: Path) -> None:
    release_news(template, "v1.1.0")
    git("tag", "--delete", "v1.1.0", cwd=template)
    (template / "template" / "MORE.md").write_text("More\n", encoding="utf-8")
    git("add", ".", cwd=template)
    git("commit", "--quiet", "-m", "More", cwd=template)
    project, _ = copied(template, tmp_path / "my-chat", "--vcs-ref=HEAD~1")
    assert_refused(update(project), "You are downgrading")
    assert_updated(project, "--vcs-ref", "HEAD")
    assert (project.path / "MORE.md").exists()
    project.commit("Update")
    git("tag", "v1.1.0", cwd=template)
    assert_updated(project)
    assert recorded(project)["_commit"] == "v1.1.0"
