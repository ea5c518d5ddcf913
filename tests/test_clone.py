"""A committed project on another machine, and what working with it leaves in git."""

import re
from pathlib import Path

import pytest
from conftest import Installed
from contract.chat import Chat, visit
from support import mariadb
from support.conversation import converse
from support.dev import dev, nothing_stays
from support.ports import kill_server
from support.projects import PACKAGES, Project, share
from support.variants import BY_DATABASE, DEFAULT, Variant

COMPLETE = """
from tools import ROOT
from kit.env_files import complete_env_files
complete_env_files(ROOT)
"""
SECRET = re.compile(r"^CHATKIT_SECRET=(.+)$", re.MULTILINE)


def secrets_of(project: Project) -> list[str]:
    files = [project.path / side / ".env.local" for side in ("backend", "frontend")]
    return [
        found[1] for file in files if (found := SECRET.search(file.read_text(encoding="utf-8")))
    ]


@pytest.mark.parametrize("variant", BY_DATABASE, ids=str)
def test_env_file_lost(installed: Installed, tmp_path: Path, variant: Variant) -> None:
    """A fresh clone has no `.env.local`; `uv run dev` alone starts it, and forgets nothing."""
    original = installed(variant)
    original.run("uv", "run", "python", "-c", COMPLETE)
    clone = Project(tmp_path / "clone", variant)
    original.run("git", "clone", "--quiet", str(original.path), str(clone.path))
    if variant != DEFAULT:  # which really does everything
        share(original, clone, PACKAGES)
    # Where a server of one's own is, a clone has to be told.
    env = {"DATABASE_URL": mariadb.new_database()} if variant.database == "mysql" else {}
    with dev(clone, env) as running:
        chat = visit(running.wait_for_address())
        thread_id = converse(chat)
        items = chat.items(thread_id)
        kill_server(running.backend_port)
        nothing_stays(running, clone)
    first, second = secrets_of(clone)
    assert first == second
    theirs, also_theirs = secrets_of(original)
    assert theirs == also_theirs != first, "two projects share a secret"
    assert [line for line in clone.git_status() if "uv.lock" not in line] == []

    (clone.path / "frontend" / ".env.local").unlink()
    with dev(clone, env) as running:
        address = running.wait_for_address()
        again = Chat(f"{address}/api/chatkit", chat.headers)
        assert again.items(thread_id) == items
        again.say("Still there?", thread_id)
        assert visit(address).ask("threads.list")["data"] == []
    assert secrets_of(clone) == [first, first]


def test_update_refused_dirty(installed: Installed) -> None:
    """After dev nothing is left but uv.lock, the first time, and no secret where git sees it.

    Slugs: update-refused-dirty, secrets-in-answers. After a build: `build_page`; after `check`:
    test_quality.py.
    """
    project = installed(DEFAULT)
    with dev(project) as running:
        running.wait_for_address()
    assert project.git_status() == ["?? uv.lock"]
    secret = secrets_of(project)[0]
    assert len(secret) >= 32
    found = project.run("git", "grep", "--untracked", "-l", secret, check=False)
    assert found.stdout == ""
