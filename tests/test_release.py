"""The version, its notes, and the workflow that publishes them."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.variants import ROOT
from support.versions import commits, git

SCRIPT = ROOT / "scripts" / "release_notes.py"
VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "version"
]
HEADINGS = re.findall(r"(?m)^## (.*)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
WORKFLOWS = ROOT / ".github" / "workflows"
JOBS: dict[str, Any] = yaml.safe_load((WORKFLOWS / "release.yml").read_text(encoding="utf-8"))[
    "jobs"
]

GH = """#!/bin/sh
echo "$@" >> gh.log
case "$2" in view) exit $RELEASED;; esac
"""
"""In the place of GitHub's command: writes down what it is asked, and knows a release or not."""


def notes(*arguments: str, script: Path = SCRIPT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(script), *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False)


def test_the_newest_section_of_the_changelog_is_of_this_version() -> None:
    assert re.fullmatch(re.escape(VERSION) + r" \(\d{4}-\d\d-\d\d\)", HEADINGS[0])
    numbers = [[int(part) for part in one.split()[0].split(".")] for one in HEADINGS]
    assert numbers == sorted(numbers, reverse=True)


OF_PROJECTS = ("template", "hooks", "copier.yml")
"""What projects are made of."""


def test_the_template_does_not_change_without_a_version_that_says_so() -> None:
    """A version whose release is there is never changed: the next commit needs another one."""
    released = commits().get(f"v{VERSION}")
    changed = git("diff", "--name-only", released, "--", *OF_PROJECTS) if released else ""
    assert changed.split() == [], f"raise the version in pyproject.toml: {VERSION} is released"


def names_in_projects(listed: str) -> set[str]:
    """Return what the files of a list of the template's are called in a project."""
    found = set()
    for name in listed.splitlines():
        path = re.sub(r"{%.*?%}(.*?){%.*?%}", r"\1", name.strip('"').removeprefix("template/"))
        found.add(path.removesuffix(".jinja").replace("{{_copier_conf.answers_file}}", ANSWERS))
    return found


ANSWERS = ".copier-answers.yml"
DELETED = re.compile(r"(?m)^- `([^`]+/)`(?: \([^)]*\))?: (.*)$")
"""A line of the changelog: a folder, perhaps where its files are now, and their names."""


def test_edit_lost_in_a_rename() -> None:
    """The changelog names each file that this version deletes or renames."""
    before = [tag for tag in commits() if tag != f"v{VERSION}"][-1]
    theirs = git("ls-tree", "-r", "--name-only", commits()[before], "--", "template")
    ours = git("ls-files", "--cached", "--others", "--exclude-standard", "--", "template")
    named = {
        f"{folder}{name}"
        for folder, names in DELETED.findall(notes().stdout)
        for name in re.findall("`([^`]+)`", names)
    }
    assert named == names_in_projects(theirs) - names_in_projects(ours)


def test_every_release_has_its_section() -> None:
    command = ["git", "tag", "--list", "v*"]
    tags = subprocess.run(
        command, cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    ).stdout
    assert set(tags.split()) <= {f"v{heading.split()[0]}" for heading in HEADINGS}


def test_the_notes_say_what_changes_and_what_to_do() -> None:
    assert notes("--version").stdout.strip() == VERSION
    printed = notes().stdout
    assert "**What changes for you.**" in printed
    assert "**What you must do.**" in printed
    assert not re.search(r"(?m)^## ", printed)


def test_notes_are_of_one_version(tmp_path: Path) -> None:
    script = changelog_of(tmp_path, "0.2.0", "## 0.2.0 (2027-01-02)\n\nNew.\n\n## 0.1.0\n\nOld.\n")
    assert notes(script=script).stdout == "New.\n"


def test_a_version_without_notes_is_refused(tmp_path: Path) -> None:
    script = changelog_of(tmp_path, "0.2.0", "## 0.1.0 (2026-11-25)\n\nOld.\n")
    result = notes(script=script)
    assert result.returncode == 1
    assert 'no section "## 0.2.0' in result.stderr
    assert "Traceback" not in result.stderr


def changelog_of(folder: Path, version: str, sections: str) -> Path:
    """Make a repository with these sections and return its script."""
    (folder / "scripts").mkdir()
    (folder / "pyproject.toml").write_text(f'[project]\nversion = "{version}"\n', encoding="utf-8")
    (folder / "CHANGELOG.md").write_text(f"# Changelog\n\n{sections}", encoding="utf-8")
    return Path(shutil.copy(SCRIPT, folder / "scripts"))


@pytest.mark.skipif(sys.platform == "win32", reason="the workflow's steps are typed into a shell")
@pytest.mark.parametrize("released", [False, True])
def test_the_workflow_releases_a_version_that_is_new(tmp_path: Path, released: bool) -> None:
    """With a stand-in for GitHub's command, since there is no GitHub here."""
    gh = tmp_path / "bin" / "gh"
    gh.parent.mkdir()
    gh.write_text(GH, encoding="utf-8")
    gh.chmod(0o755)
    (tmp_path / "scripts").symlink_to(ROOT / "scripts")
    path = os.pathsep.join([str(gh.parent), os.environ["PATH"]])
    output = tmp_path / "output"
    env = {"PATH": path, "GITHUB_OUTPUT": str(output), "RELEASED": "0" if released else "1"}
    run_steps(tmp_path, "version", env)
    said = dict(line.split("=") for line in output.read_text(encoding="utf-8").splitlines())
    assert said == {"tag": f"v{VERSION}", "new": "false" if released else "true"}
    if not released:
        run_steps(tmp_path, "publish", env | {"TAG": said["tag"], "GITHUB_SHA": "abc"})
        asked = (tmp_path / "gh.log").read_text(encoding="utf-8").splitlines()
        options = f"--target abc --title v{VERSION} --notes-file notes.md"
        assert asked[-1] == f"release create v{VERSION} {options}"
        published = (tmp_path / "notes.md").read_text(encoding="utf-8")
        assert published == notes().stdout


def run_steps(folder: Path, job: str, env: dict[str, str]) -> None:
    """Run the commands of a job, in the shell that GitHub runs them in."""
    for step in JOBS[job]["steps"]:
        if "run" in step:
            subprocess.run(["bash", "-e", "-c", step["run"]], cwd=folder, env=env, check=True)


def test_the_workflow_publishes_what_passed_all_tests_and_may_do_no_more() -> None:
    assert JOBS["tests"]["uses"] == "./.github/workflows/ci.yml"
    assert JOBS["tests"]["if"] == "needs.version.outputs.new == 'true'"
    assert set(JOBS["publish"]["needs"]) == {"version", "tests"}
    assert JOBS["publish"]["permissions"] == {"contents": "write"}
    assert [name for name, job in JOBS.items() if "permissions" in job] == ["publish"]
    triggers = yaml.safe_load((WORKFLOWS / "release.yml").read_text(encoding="utf-8"))[
        True
    ]  # YAML's "on"
    assert triggers == {"push": {"branches": ["main"]}, "workflow_dispatch": None}
    assert (
        "workflow_call" in yaml.safe_load((WORKFLOWS / "ci.yml").read_text(encoding="utf-8"))[True]
    )
