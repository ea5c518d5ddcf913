"""Conversations that go along when the answer to the question of the database is changed."""

import re
import shlex
from pathlib import Path
from typing import Any

import copier
import mariadb
from backend import run_backend
from chat import Chat, message
from conftest import Installed
from projects import PACKAGES, Project, render_committed, share
from variants import BY_DATABASE, DEFAULT, Variant

POSTGRESQL = next(variant for variant in BY_DATABASE if variant.database == "postgresql")
TRICKY = 'emoji 🧑‍🚀, quotes " and \\, Ünïcode, NUL \0 and a space '
COPY = ("uv", "run", "--group", "databases", "copy-database")
JOURNEY = ("sqlite", "postgresql", "mysql", "sqlite", "mysql", "postgresql", "sqlite")
"""Each kind of database to each other one, once."""


def new_address(kind: str, folder: Path, project: Project) -> str:
    """Return the address of an empty database; `folder` is a new one."""
    if kind == "mysql":
        return mariadb.new_database()
    if kind == "sqlite":
        return f"sqlite:///{folder / 'chat.db'}"
    made = project.run("uv", "run", "python", "-c", NEW_POSTGRESQL, folder.name, cwd="backend")
    return made.stdout.strip()


NEW_POSTGRESQL = """
import sys
import psycopg
from app.database import database_url
url = database_url()
with psycopg.connect(url.set(drivername="postgresql").render_as_string(False)) as connection:
    connection.autocommit = True
    connection.execute(f"CREATE DATABASE {sys.argv[1]}")
print(url.set(database=sys.argv[1]).render_as_string(hide_password=False))
"""


def write(chat: Chat, text: str, thread: str | None = None) -> str:
    """Write a message with a file, give the answer a thumb, and return the thread's id."""
    file = chat.upload("notes.txt", b"notes", "text/plain").json()["id"]
    kind = "threads.add_user_message" if thread else "threads.create"
    params: dict[str, Any] = {"thread_id": thread} if thread else {}
    with chat.stream(kind, input=message(text, attachments=[file]), **params) as events:
        thread = thread or next(events)["thread"]["id"]
        list(events)
    answer = chat.items(thread)[-1]["id"]
    chat.ask("items.feedback", thread_id=thread, item_ids=[answer], kind="positive")
    return thread


def test_a_conversation_goes_on_in_every_other_database(
    installed: Installed, tmp_path: Path
) -> None:
    project = installed(POSTGRESQL)
    files = {"ATTACHMENTS_URL": str(tmp_path / "files")}
    old, thread = "", ""
    before: list[dict[str, Any]] = []
    threads: list[str] = []
    for number, kind in enumerate(JOURNEY):
        folder = tmp_path / f"{kind}{number}"
        folder.mkdir()
        env = {"DATABASE_URL": new_address(kind, folder, project)} | files
        if old:
            copied = project.run(*COPY, old, env=env)
            assert f"Copied {number} conversations" in copied.stdout
        else:
            project.run(*COPY[:-1], "alembic", "upgrade", "head", cwd="backend", env=env)
        with run_backend(project, tmp_path / "log", **env) as backend:
            chat = backend.chat
            if old:
                assert chat.items(thread) == before
                assert chat.download(before[0]["attachments"][0]["id"]).content == b"notes"
            thread = write(chat, f"{TRICKY} {number}", thread or None)
            before = chat.items(thread)
            assert len(before) == 2 * (number + 1)
            threads.insert(0, chat.say("Something new")[0]["thread"]["id"] if old else thread)
            assert [one["id"] for one in chat.ask("threads.list")["data"]] == threads
        old = env["DATABASE_URL"]


def test_after_the_answer_is_changed_dev_says_how_to_go_on(
    installed: Installed, tmp_path: Path
) -> None:
    """The old address is named, with the command that changes it; then all is there again."""
    project = render_committed(tmp_path / "my-chat", DEFAULT)
    share(installed(DEFAULT), project, PACKAGES)
    project.run("uv", "run", "alembic", "upgrade", "head", cwd="backend")
    with run_backend(project, tmp_path / "log") as backend:
        thread = write(backend.chat, TRICKY)
        before = backend.chat.items(thread)
    project.commit("The lock file")
    copier.run_update(
        project.path,
        data={"database": "postgresql"},
        defaults=True,
        overwrite=True,
        quiet=True,
        unsafe=False,
        vcs_ref="HEAD",
    )
    project = Project(project.path, Variant(DEFAULT.framework, "postgresql", DEFAULT.wsl))

    said = project.run("uv", "run", "dev", check=False).stderr

    assert "DATABASE_URL names a sqlite database, and the project is made for postgresql" in said
    assert "uvx copier update --data database=sqlite" in said
    command = re.search("To use postgresql: (.*)", said)
    assert command, said
    project.run(*shlex.split(command[1]))
    (command_of_readme,) = re.findall(
        r"(?m)^uv run --group databases copy-database .*", (project.path / "README.md").read_text()
    )
    copied = project.run(*shlex.split(command_of_readme)).stdout
    assert "Copied 1 conversations, 1 attachments, 2 messages, 1 feedback." in copied
    with run_backend(project, tmp_path / "log") as backend:
        assert backend.chat.items(thread) == before
        backend.chat.say("And on", thread)
        assert len(backend.chat.items(thread)) == len(before) + 2
