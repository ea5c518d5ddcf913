"""Conversations that go along when the answer to the question of the database is changed."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import copier
from conftest import Installed
from contract.chat import PATIENCE, Chat, message, wait_until
from support import mariadb
from support.backend import run_backend
from support.dev import dev
from support.projects import PACKAGES, Project, clean_environment, share
from support.variants import BY_DATABASE, DEFAULT, Variant
from support.versions import clone_template

POSTGRESQL = next(variant for variant in BY_DATABASE if variant.database == "postgresql")
TRICKY = 'emoji 🧑‍🚀, quotes " and \\, Ünïcode, NUL \0 and a space '
COPY = ("uv", "run", "--group", "databases", "copy-database")
SERVE_POSTGRESQL = """
import psycopg
from kit.database.engine import database_url
url = database_url().set(drivername="postgresql")
for name in ("first", "second"):
    with psycopg.connect(url.render_as_string(False), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    print(url.set(database=name).render_as_string(False), flush=True)
input()
"""
"""Starts the project's own server, prints the addresses of two databases, and waits for a line."""


@contextmanager
def serve_postgresql(project: Project) -> Iterator[list[str]]:
    """Run the server of a project until the end of the block; return its databases."""
    server = subprocess.Popen(
        [project.python, "-c", SERVE_POSTGRESQL],
        cwd=project.path / "backend",
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    assert server.stdout
    try:
        yield [server.stdout.readline().strip() for _ in range(2)]
    finally:
        server.communicate("\n", timeout=PATIENCE)


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
    with serve_postgresql(project) as addresses:
        first, second = addresses
        sqlite = [f"sqlite:///{tmp_path / name}.db" for name in ("first", "second", "third")]
        mysql = [mariadb.new_database(), mariadb.new_database()]
        # From each kind to each other one, once.
        travel(
            project,
            tmp_path,
            [sqlite[0], first, mysql[0], sqlite[1], mysql[1], second, sqlite[2]],
        )


def travel(project: Project, tmp_path: Path, addresses: list[str]) -> None:
    """Hold a conversation in one database after the other."""
    files = {"ATTACHMENTS_URL": str(tmp_path / "files")}
    old, thread = "", ""
    before: list[dict[str, Any]] = []
    threads: list[str] = []
    for number, address in enumerate(addresses):
        env = {"DATABASE_URL": address} | files
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
        old = address


def test_after_the_answer_is_changed_dev_says_how_to_go_on(
    installed: Installed, tmp_path: Path
) -> None:
    """The old address is named, with the command that changes it; then all is there again."""
    template = clone_template(tmp_path / "template", "v90.0.0")
    project = Project(tmp_path / "my-chat", DEFAULT)
    copier.run_copy(str(template), project.path, defaults=True, quiet=True, unsafe=False)
    project.run("git", "init", "--quiet")
    project.commit("Start")
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
    )
    project = Project(project.path, Variant(DEFAULT.framework, "postgresql", DEFAULT.wsl))

    with dev(project) as running:  # on the old one: its driver is still installed
        wait_until(lambda: "To stay with sqlite" in running.output or running.has_ended(), 300)
    said = running.output
    assert "DATABASE_URL names a sqlite database, and the project is made for postgresql" in said
    assert "uvx copier update --data database=sqlite" in said
    command = re.search("To use postgresql: (.*)", said)
    assert command, said
    project.run(*shlex.split(command[1]))
    (documented,) = re.findall(
        r"(?m)^uv run --group databases copy-database .*",
        (project.path / "docs" / "updates.md").read_text(encoding="utf-8"),
    )
    copied = project.run(*shlex.split(documented)).stdout
    assert "Copied 1 conversations, 1 turns, 1 attachments, 2 messages, 1 feedback." in copied
    with run_backend(project, tmp_path / "log") as backend:
        assert backend.chat.items(thread) == before
        backend.chat.say("And on", thread)
        assert len(backend.chat.items(thread)) == len(before) + 2
    back = {"DATABASE_URL": f"sqlite:///{tmp_path / 'back.db'}"}
    copied = project.run(*COPY, "postgresql://", env=back).stdout
    assert "Copied 1 conversations, 2 turns, 1 attachments, 4 messages, 1 feedback." in copied
