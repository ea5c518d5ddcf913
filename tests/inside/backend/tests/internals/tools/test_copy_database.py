"""`uv run copy-database`: everything arrives as it was, or nothing does."""

import asyncio
import secrets
import subprocess
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from contract.chat import message
from contract.serving import Server, alembic, empty_database, environment, run_server, run_sql
from sqlalchemy import Column, DateTime, Insert, Integer, Table, insert
from sqlalchemy.engine import URL

from kit.database.engine import create_engine, database_url, loop_factory, parse_database_url
from kit.database.tables import Base, Lock
from kit.errors import StartupError
from tools import copy_database

TRICKY = 'emoji 🧑‍🚀, quotes " and \\, Ünïcode, NUL \0 and a space '


@contextmanager
def migrated(folder: Path) -> Iterator[URL]:
    folder.mkdir()
    with empty_database(folder) as url:
        result = alembic("upgrade", "head", env=environment(url))
        assert result.returncode == 0, result.stderr
        yield url


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Server]:
    """A server whose database nobody else writes to."""
    with migrated(tmp_path / "source") as url, run_server(url) as server:
        yield server


@pytest.fixture
def target(tmp_path: Path) -> Iterator[URL]:
    """A migrated database without conversations."""
    with migrated(tmp_path / "target") as url:
        yield url


@pytest.fixture
def owners_table(source: Server, target: URL) -> Iterator[Table]:
    """A table that alembic/env.py knows, with a row, and in the old database one that it does not.

    Its moments have no time zone.
    """
    table = Table(
        "notes",
        Base.metadata,
        Column("number", Integer, primary_key=True),
        Column("moment", DateTime()),
    )
    row = insert(table).values(number=41, moment=datetime(2026, 3, 29, 2, 30))
    for url, rows_there in ((source.database, [row]), (target, [])):
        run_sql(url, "CREATE TABLE scribbles (number INTEGER)")
        wait_for(make_table(url, table, rows_there))
    yield table
    Base.metadata.remove(table)


async def make_table(url: URL, table: Table, rows: list[Insert]) -> None:
    engine = create_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(table.create)
        for row in rows:
            await connection.execute(row)
    await engine.dispose()


def wait_for(work: Coroutine[None, None, object]) -> object:
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(work)


def copy(source: URL, target: URL) -> str:
    return str(wait_for(copy_database.copy(source, target)))


def rows(url: URL) -> dict[str, set[tuple[object, ...]]]:
    """Return all rows but those of the locks, which are of one database."""
    tables = [one for one in Base.metadata.tables if one != Lock.__tablename__]
    return {table: set(run_sql(url, f"SELECT * FROM {table}")) for table in tables}


def converse(server: Server, owner: str) -> str:
    """Hold a conversation with a file, a thumb and all that is hard to store; return its id."""
    person = server.someone(owner)
    file = person.upload("notes.txt", TRICKY.replace("\0", "").encode(), "text/plain").json()["id"]
    with person.stream("threads.create", input=message(TRICKY, attachments=[file])) as events:
        thread: str = next(events)["thread"]["id"]
        list(events)
    answer = person.items(thread)[-1]["id"]
    person.ask("items.feedback", thread_id=thread, item_ids=[answer], kind="positive")
    return thread


def test_all_arrives_and_goes_on(
    source: Server,
    target: URL,
    owners_table: Table,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Over HTTP as in the database, more than one batch of it, and what is new comes after it."""
    owner = secrets.token_hex(8)
    person = source.someone(owner)
    threads = [converse(source, owner) for _ in range(3)]
    monkeypatch.setattr(copy_database, "BATCH", 2)

    said = copy(source.database, target)

    assert "1 notes" in said
    assert "3 turns" in said
    assert "locks" not in said
    assert said.endswith("Not copied, as alembic/env.py does not know them: scribbles.")
    assert rows(target) == rows(source.database)
    assert all(rows(target).values())
    with run_server(target) as running:
        there = running.someone(owner)
        assert [there.items(thread) for thread in threads] == [
            person.items(thread) for thread in threads
        ]
        there.say("And on", threads[0])
        assert len(there.items(threads[0])) == len(person.items(threads[0])) + 2
        newest = there.say("Hello")[0]["thread"]["id"]
        listed = [thread["id"] for thread in there.ask("threads.list")["data"]]
        assert listed == [newest, *reversed(threads)]
    before = rows(target)
    with pytest.raises(StartupError, match="has conversations already"):
        copy(source.database, target)
    assert rows(target) == before


def test_nothing_arrives_when_it_fails_on_the_way(
    server: Server, database: URL, target: URL
) -> None:
    converse(server, "ada")
    run_sql(target, "ALTER TABLE feedback RENAME COLUMN created_at TO moment")
    with pytest.raises(StartupError, match="nothing was copied"):
        copy(database, target)
    assert not run_sql(target, "SELECT id FROM conversations")


def test_names_that_a_pipe_of_windows_cannot_show_are_no_error(tmp_path: Path, target: URL) -> None:
    with migrated(tmp_path / "source") as url:
        run_sql(url, "CREATE TABLE заметки (number INTEGER)")
        address = url.render_as_string(hide_password=False)
        command = [sys.executable, "-m", "tools.copy_database", address]
        env = environment(target) | {"PYTHONIOENCODING": "cp1252"}
        result = subprocess.run(command, env=env, capture_output=True, check=False)
    assert result.returncode == 0, result.stderr
    assert b"does not know them: ???????." in result.stdout


def test_a_database_is_not_copied_into_itself(database: URL) -> None:
    command = [sys.executable, "-m", "tools.copy_database", database.render_as_string(False)]
    result = subprocess.run(
        command, env=environment(database), capture_output=True, encoding="utf-8", check=False
    )
    assert result.returncode == 1
    assert result.stderr.startswith("FROM_URL and DATABASE_URL name the same database.")
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("chat.db", "FROM_URL is not the address of a database"),
        ("oracle://ada@127.0.0.1/chat", "FROM_URL names the database 'oracle'"),
        ("sqlite:///nowhere.db", "There is no such file"),
    ],
)
def test_what_is_no_database_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(StartupError, match=words):
        copy_database.source_url(text)


def test_a_database_that_is_not_migrated_is_refused(database: URL, tmp_path: Path) -> None:
    with (
        empty_database(tmp_path) as empty,
        pytest.raises(StartupError, match="has the migrations up to none"),
    ):
        copy(empty, database)


def test_a_missing_driver_is_named_with_the_command_that_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = database_url()
    other, driver = ("sqlite:///other.db", "aiosqlite")
    if target.get_backend_name() == "sqlite":
        other, driver = ("mysql://ada@127.0.0.1/other", "asyncmy")
    source = parse_database_url(other)
    monkeypatch.setitem(sys.modules, driver, None)
    with pytest.raises(StartupError, match="uv run --group databases copy-database"):
        copy(source, target)
