"""Many people at once, a database that was away, and a pool that is small."""

import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import httpx2
import pytest
from sqlalchemy.engine import URL

from contract.chat import HTTP, Chat, is_delta, text_of
from contract.serving import (
    Server,
    alembic,
    empty_database,
    environment,
    migrated_database,
    run_server,
    run_sql,
)
from kit.settings import BACKEND

POOL_OF_FIVE = {"DATABASE_POOL_SIZE": "5", "DATABASE_POOL_SECONDS": "60"}


def converse(person: Chat, number: int) -> list[str]:
    """Hold a conversation of two turns, and return what is stored of it."""
    thread_id = ""
    for question in (f"Show sources, {number}", f"Show progress, {number}"):
        events = person.say(question, thread_id)
        assert "error" not in [event["type"] for event in events], events[-1]["message"]
        thread_id = thread_id or events[0]["thread"]["id"]
    return [text_of(item) for item in person.items(thread_id) if item["type"] != "workflow"]


def everybody(server: Server, number: int) -> None:
    """Let so many people converse at once; nobody fails, and nothing is lost or mixed up."""
    people = [server.someone() for _ in range(number)]
    with ThreadPoolExecutor(number) as pool:
        stored = list(pool.map(converse, people, range(number)))
    for index, texts in enumerate(stored):
        assert [texts[0], texts[2]] == [f"Show sources, {index}", f"Show progress, {index}"]
        assert len(texts) == 4
    for person in people:
        assert len(person.ask("threads.list")["data"]) == 1


def test_database_is_locked(server: Server) -> None:
    everybody(server, 64)


def test_session_held_while_streaming(database: URL) -> None:
    """More streams at once than connections, and an assistant that takes its time."""
    with run_server(database, None, **POOL_OF_FIVE) as server:
        everybody(server, 64 if database.get_backend_name() == "sqlite" else 200)


def test_stale_pool(server: Server, database: URL) -> None:
    """The database's server was restarted; all connections are dead, and nobody notices."""
    if database.get_backend_name() == "sqlite":
        pytest.skip("SQLite has no server that could be restarted")
    everybody(server, 8)
    for statement in end_connections(database):
        run_sql(database, statement)
    everybody(server, 8)


def end_connections(database: URL) -> list[str]:
    """Return what ends all connections to a database but the one on which it is said."""
    if database.get_backend_name() == "postgresql":
        return [
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ]
    others = "SELECT id FROM information_schema.processlist WHERE db = database()"
    ids = run_sql(database, f"{others} AND id <> connection_id()")
    return [f"KILL {number}" for (number,) in ids]


def test_finished_answer_lost(database: URL) -> None:
    """The database is away when an answer ends, and the person reads that it is saved later."""
    if database.get_backend_name() != "sqlite":
        pytest.skip("only SQLite says of a missing column what it says when it is away")
    with run_server(database) as server:
        chat = server.someone()
        with chat.say_slowly("a long answer") as events:
            thread_id = next(events)["thread"]["id"]
            next(filter(is_delta, events))
            server.sql("ALTER TABLE messages RENAME COLUMN document TO away")
            waiting = next(event for event in events if event["type"] == "progress_update")
            assert "is saved as soon as" in waiting["text"]
            server.sql("ALTER TABLE messages RENAME COLUMN away TO document")
            *_, last = events
        assert last["type"] == "thread.item.done"
        assert text_of(chat.items(thread_id)[-1]).endswith("300")


def test_missing_greenlet() -> None:
    """SQLAlchemy needs it for every async call, and brings it only when it is asked to."""
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert '"sqlalchemy[asyncio]' in project
    assert find_spec("greenlet")


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[URL]:
    with empty_database(tmp_path) as url:
        yield url


def succeeds(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stderr
    return result.stdout


ALEMBIC_ALONE = """
import sys
sys.path.append(sys.argv.pop(1))
from alembic.config import main
main()
"""


def test_alembic_cannot_import(empty: URL) -> None:
    """From backend/, from the root, and by an Alembic that does not have the project installed."""
    env = environment(empty)
    packages = sysconfig.get_path("purelib")
    # Without `site`, the installed packages are there and the project, an editable one, is not.
    alone = [sys.executable, "-S", "-c", ALEMBIC_ALONE, packages, "upgrade", "head"]
    result = subprocess.run(
        alone, cwd=BACKEND, env=env, capture_output=True, encoding="utf-8", check=False
    )
    succeeds(result)
    succeeds(alembic("upgrade", "head", env=env))
    root = BACKEND.parent
    assert "(head)" in succeeds(alembic("-c", "backend/alembic.ini", "current", env=env, cwd=root))


def test_the_models_are_what_the_migrations_make(tmp_path: Path) -> None:
    with migrated_database(tmp_path) as url:
        said = succeeds(alembic("check", env=environment(url)))
    assert "No new upgrade operations" in said


PREPARE = """
import sys
from kit.database.engine import prepare_database
from kit.errors import StartupError
try:
    prepare_database()
except StartupError as error:
    sys.exit(f"REFUSED: {error}")
"""


def prepare_database(env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Do what `uv run dev` does before it starts both sides."""
    return subprocess.run(
        [sys.executable, "-c", PREPARE], env=env, capture_output=True, encoding="utf-8", check=False
    )


def test_migrations_not_run_before_both_sides_start(empty: URL) -> None:
    succeeds(prepare_database(environment(empty)))
    with run_server(empty) as server:
        assert httpx2.get(f"{server.address}/health", **HTTP).json() == {"status": "ok"}
        assert server.chat().say("Hello")[-1]["type"] == "thread.item.done"


def test_old_code_is_unhealthy(empty: URL) -> None:
    """A newer version has migrated the database. This one serves, and starts after a rollback."""
    env = environment(empty)
    succeeds(alembic("upgrade", "head", env=env))
    run_sql(empty, "DELETE FROM alembic_version")
    run_sql(empty, "INSERT INTO alembic_version VALUES ('newer')")
    with run_server(empty) as server:
        assert httpx2.get(f"{server.address}/health", **HTTP).json() == {"status": "ok"}
        assert server.chat().say("Hello")[-1]["type"] == "thread.item.done"
    migrated = alembic("upgrade", "head", env=env)
    succeeds(migrated)
    assert "The database is newer than this code" in migrated.stderr
    succeeds(prepare_database(env))


def test_migrations_not_run(empty: URL) -> None:
    with run_server(empty) as server:
        health = httpx2.get(f"{server.address}/health", **HTTP)
        assert health.status_code == 503
        assert "alembic upgrade head" in health.json()["message"]
        chat = server.chat()
        assert "not migrated" in chat.post("threads.list").json()["message"]
        error = chat.say("Hello")[0]
        assert error["type"] == "error"
        assert "not migrated" in error["message"]
        succeeds(alembic("upgrade", "head", env=environment(empty)))
        assert httpx2.get(f"{server.address}/health", **HTTP).json() == {"status": "ok"}
        assert chat.say("Hello")[-1]["type"] == "thread.item.done"
        assert server.sql("SELECT title FROM conversations") == [("Hello",)]
        assert len(server.sql("SELECT type FROM messages")) == 2
