"""The tutorial, command by command, in a shell that goes from one block to the next."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Installed
from contract.chat import Chat, text_of, visit
from support.dev import Dev
from support.projects import PACKAGES, Project, clean_environment, share
from support.variants import DEFAULT, ROOT
from support.versions import NEWEST, conflicts, git, release_news

RELEASED = "v98"
ADDRESS = "gh:OWNER/copier-chatkit"
TEXT = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
FENCED = re.compile(r"(?ms)^```(python)?\n(.*?)^```$")
COPY, *BLOCKS = [text for language, text in FENCED.findall(TEXT) if not language]
[TABLES] = [text for language, text in FENCED.findall(TEXT) if language]
EDIT = re.compile(r"(?m)^- in `(.+)` write `(.+)` in place of `(.+)`;$")
DEV = "uv run dev\n"
CONFLICTS = 'git grep -n "^<<<<<<< "\n'


def run(block: str, folder: Path) -> str:
    """Type commands into a shell and return what they print."""
    result = subprocess.run(
        ["bash", "-e", "-c", block],
        cwd=folder,
        env=clean_environment()
        | {
            f"GIT_{who}_{what}": "tester@example.com"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        },
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert result.returncode == 0, f"{block}\n{result.stdout}\n{result.stderr}"
    return result.stdout


def test_it_tells_the_whole_way() -> None:
    words = ["git init", DEV, "uv add", "alembic revision", "copier update", DEV, "git switch -"]
    words += [DEV, "git merge", "check-update"]
    whole = "".join(BLOCKS)
    for word in words:
        assert word in whole
        whole = whole.partition(word)[2]


@pytest.mark.skipif(sys.platform == "win32", reason="the tutorial is typed into a shell")
def test_its_commands_work(releases: Path, installed: Installed, tmp_path: Path) -> None:
    template = tmp_path / "template"
    git("clone", "--quiet", str(releases), str(template))
    git("tag", RELEASED, NEWEST, cwd=template)
    git("tag", "--delete", NEWEST, cwd=template)  # not released yet
    run(COPY.replace(ADDRESS, str(template)), tmp_path)
    project = Project(tmp_path / "my-chat", DEFAULT)
    share(installed(DEFAULT), project, PACKAGES)  # as if npm had them in its cache
    chats: list[tuple[Chat, str]] = []
    for block in BLOCKS:
        if "uv add" in block:
            edit(project)
        if "copier update" in block:
            release_news(template, NEWEST)
        if block == DEV:
            converse(project, chats)
        else:
            # git's status is 1 if there are none.
            printed = run(block.replace(CONFLICTS, f"! {CONFLICTS}"), project.path)
    assert "up-to-date" in printed, "the last command asks for a newer release"
    assert conflicts(project.path) == []
    assert project.git_status() == []
    assert "bookseller" in (project.path / "backend/src/app/assistant.py").read_text(
        encoding="utf-8"
    )
    assert 'title: "Bookshop"' in (project.path / "frontend/src/app/layout.tsx").read_text(
        encoding="utf-8"
    )
    assert NEWEST in (project.path / ".copier-answers.yml").read_text(encoding="utf-8")
    for check in (("ruff", "check"), ("ruff", "format", "--check")):
        project.run("uv", "run", *check, cwd="backend")
    tables = project.run("uv", "run", "alembic", "check", cwd="backend")
    assert "No new upgrade operations" in tables.stdout + tables.stderr


def edit(project: Project) -> None:
    """Do what the tutorial says is done in an editor."""
    edits = EDIT.findall(TEXT)
    assert len(edits) == 2
    for name, new, old in edits:
        file = project.path / name
        text = file.read_text(encoding="utf-8")
        assert text.count(old) == 1
        file.write_text(text.replace(old, new), encoding="utf-8")
    tables = project.path / "backend/src/app/tables.py"
    assert tables.exists()
    tables.write_text(TABLES, encoding="utf-8")


def converse(project: Project, chats: list[tuple[Chat, str]]) -> None:
    """Run the project, look for the conversations of earlier times, and hold another one."""
    running = Dev(project.path)
    try:
        page = running.wait_for_address()
        for earlier, thread_id in chats:
            items = Chat(f"{page}/api/chatkit", earlier.headers).items(thread_id)
            assert text_of(items[0]) == "Which books do you have?"
        chat = visit(page)
        thread_id = chat.say("Which books do you have?")[0]["thread"]["id"]
        chats.append((chat, thread_id))
    finally:
        running.stop()
