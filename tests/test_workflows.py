"""The workflows of a generated project: what they run is run here, in a shell as GitHub's."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import copier
import pytest
import yaml
from support.projects import Project, clean_environment
from support.updating import record
from support.variants import DEFAULT, ROOT
from support.versions import clone_template, release_news

FOLDER = ROOT / "template" / ".github" / "workflows"


def steps(workflow: str, job: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((FOLDER / workflow).read_text(encoding="utf-8"))[
        "jobs"
    ][job]["steps"]
    return found


NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """The template, with a release."""
    return clone_template(tmp_path / "template", "v90.0.0")


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Project:
    """A project of that release."""
    project = Project(tmp_path / "my-chat", DEFAULT)
    copier.run_copy(str(template), project.path, defaults=True, quiet=True, unsafe=False)
    project.run("git", "init", "--quiet")
    project.commit("Start")
    return project


def ask_the_template(
    project: Project, summary: Path, **env: str
) -> subprocess.CompletedProcess[str]:
    script = steps("weekly.yml", "update")[-1]["run"]
    env["GITHUB_STEP_SUMMARY"] = str(summary)
    return project.run("bash", "-e", "-c", script, env=env, check=False)


def test_a_newer_template_is_named_with_the_command(
    project: Project, template: Path, tmp_path: Path
) -> None:
    summary = tmp_path / "summary"
    summary.touch()

    result = ask_the_template(project, summary)
    assert (result.returncode, summary.read_text(encoding="utf-8")) == (0, ""), result.stderr

    release_news(template, "v90.1.0")
    result = ask_the_template(project, summary)
    assert result.returncode == 1, result.stderr
    assert "Current version is 90.0.0, latest version is 90.1.0." in summary.read_text(
        encoding="utf-8"
    )
    assert "Type in the project: `uvx copier update`" in summary.read_text(encoding="utf-8")
    (annotation,) = re.findall(r"(?m)^::error title=.*?::(.*)", result.stdout)
    assert "latest version is 90.1.0. Type in the project: uvx copier update" in annotation

    record(project, _src_path=str(tmp_path))
    result = ask_the_template(project, summary)
    assert result.returncode != 0
    assert "newer version" not in result.stdout, "a folder that is no template is no news"


def test_a_copier_that_cannot_be_had_is_no_newer_template(project: Project, tmp_path: Path) -> None:
    offline = {"UV_CACHE_DIR": str(tmp_path / "cache"), "UV_OFFLINE": "1"}
    result = ask_the_template(project, tmp_path / "summary", **offline)
    assert result.returncode != 0
    assert "newer version" not in result.stdout


def test_a_template_on_somebodys_computer_is_not_asked(project: Project, tmp_path: Path) -> None:
    """The workflow says so and passes: it would be red each week, and nobody could mend it."""
    for source in (
        "/home/me/it's here/copier-chatkit",
        "../copier-chatkit",
        "~/copier-chatkit",
        r"C:\Users\Jane Doe\copier-chatkit",
        "D:/copier-chatkit",
        "//server/copier-chatkit",
        r"\\server\copier-chatkit",
        "copier-chatkit",
        "clones/copier-chatkit",
        "file:///home/me/copier-chatkit",
        "file://C:/copier-chatkit.git",
        "git+file:///home/me/copier-chatkit",
    ):
        record(project, _src_path=source)
        result = ask_the_template(project, tmp_path / "summary")
        assert result.returncode == 0, result.stderr
        assert f"The template is at {source}, a path" in (tmp_path / "summary").read_text(
            encoding="utf-8"
        )
        assert "::notice title=The template was not asked::" in result.stdout


def test_a_template_at_an_address_is_asked(project: Project, tmp_path: Path) -> None:
    offline = {"GIT_SSH_COMMAND": "false", "GIT_CONFIG_COUNT": "1"} | {
        "GIT_CONFIG_KEY_0": "http.proxy",
        "GIT_CONFIG_VALUE_0": NOBODY,
    }
    for source in (
        "gh:me/it",
        "git@git.example.com:me/it.git",
        "https://git.example.com/it",
        "git+https://git.example.com/it",
    ):
        record(project, _src_path=source)
        result = ask_the_template(project, tmp_path / "summary", **offline)
        assert result.returncode != 0
        assert not re.search("not asked|newer version", result.stdout)


def test_what_renovate_types_brings_the_update(project: Project, template: Path) -> None:
    """As its manager for Copier does: without trust, with the newest tag."""
    release_news(template, "v90.1.0")
    answers = yaml.safe_load((project.path / ".copier-answers.yml").read_text(encoding="utf-8"))
    assert answers["_commit"] == "v90.0.0"  # what it compares with the tags of _src_path
    assert answers["_src_path"] == str(template)
    command = ("copier", "update", "--skip-answered", "--defaults")
    project.run(*command, "--answers-file", ".copier-answers.yml", "--vcs-ref", "v90.1.0")
    assert "_commit: v90.1.0" in (project.path / ".copier-answers.yml").read_text(encoding="utf-8")
    assert project.git_status() == [" M .copier-answers.yml", "?? NEWS.md"]


def audited(workflow: Path, folder: Path, temporary: Path) -> set[str]:
    """Run the steps of an audit for Python; return the names of the packages that are read.

    Nobody is asked about them, for that needs the network.
    """
    jobs = yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"]["audit"]["steps"]
    script = "\n".join(step["run"] for step in jobs if "requirements.txt" in step.get("run", ""))
    result = subprocess.run(
        ["bash", "-e", "-c", script.replace("--disable-pip", "--disable-pip --dry-run")],
        cwd=folder,
        env=clean_environment() | {"RUNNER_TEMP": str(temporary)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert "would have audited" in result.stderr, result.stderr
    return set(
        re.findall(
            r"(?m)^([\w.-]+)==", (temporary / "requirements.txt").read_text(encoding="utf-8")
        )
    )


def test_every_package_is_audited(project: Project, tmp_path: Path) -> None:
    read = audited(FOLDER / "weekly.yml", project.path, tmp_path)
    locked = tomllib.loads((project.path / "uv.lock").read_text(encoding="utf-8"))["package"]
    assert read == {one["name"] for one in locked if "registry" in one["source"]}
    assert audited(ROOT / ".github" / "workflows" / "audit.yml", ROOT, tmp_path) > read


def test_projects_ask_with_the_copier_that_was_tested() -> None:
    constraints = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["uv"]
    (pinned,) = [one for one in constraints["constraint-dependencies"] if one.startswith("copier=")]
    script = steps("weekly.yml", "update")[-1]["run"]
    assert set(re.findall(r"uvx (copier@\S+)", script)) == {pinned.replace("==", "@")}


def test_projects_run_the_actions_that_are_run_here() -> None:
    ours = set(
        re.findall(
            "uses: (.*)", (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
        )
    )
    for workflow in FOLDER.iterdir():
        assert set(re.findall("uses: (.*)", workflow.read_text(encoding="utf-8"))) <= ours


def test_workflows_use_the_browser_of_their_machine() -> None:
    """Ubuntu's `chromium` is a snap, slow to install, which cannot read our folders.

    That of other systems, which run in an image of their own, is none.
    """
    for folder in (FOLDER, ROOT / ".github" / "workflows"):
        for workflow in folder.iterdir():
            lines = workflow.read_text(encoding="utf-8").splitlines()
            named = [line for line in lines if "chromium" in line and "{ image:" not in line]
            assert named == [], workflow
