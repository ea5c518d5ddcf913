"""Many people at once, a database that was away, and a pool that is small."""

import os
import secrets
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import pytest
from chat import Chat, text_of
from conftest import Run, Server, alembic, environment, run_server, run_sql
from sqlalchemy import text
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError

from kit.database import embedded_postgres, sqlite
from kit.database.chatkit_store import LOAD_THREAD
from kit.database.engine import read
from kit.errors import StartupError

POOL_OF_FIVE = {"DATABASE_POOL_SIZE": "5"}


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


def test_no_statement_is_prepared(run: Run, database: URL) -> None:
    """Behind a pooler in transaction mode, such as Supabase's, the next one may not know it."""
    if database.get_backend_name() != "postgresql":
        pytest.skip("only PostgreSQL's driver prepares what is said often")

    async def work() -> None:
        async with read() as session:
            for _ in range(10):
                await session.execute(LOAD_THREAD, {"thread_id": "none", "owner": "nobody"})
            prepared = await session.scalar(text("SELECT count(*) FROM pg_prepared_statements"))
        assert prepared == 0

    run(work())


def test_mysql_over_tls(database: URL) -> None:
    """As an address asks for it: encrypted only, or with a certificate that is known."""
    if database.get_backend_name() != "mysql":
        pytest.skip("psycopg leaves TLS to PostgreSQL's own library")
    if not run_sql(database, "SELECT @@ssl_cert")[0][0]:
        pytest.skip("the server has no certificate")

    def cipher(**parameters: str) -> object:
        url = database.update_query_dict(parameters)
        [(_, name)] = run_sql(url, "SHOW STATUS LIKE 'Ssl_cipher'")
        return name

    assert not cipher()
    assert cipher(**{"ssl-mode": "REQUIRED"})
    with pytest.raises(OperationalError, match="CERTIFICATE_VERIFY_FAILED"):
        cipher(**{"ssl-mode": "VERIFY_IDENTITY"})


def test_missing_greenlet() -> None:
    """SQLAlchemy needs it for every async call, and brings it only when it is asked to."""
    project = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    assert '"sqlalchemy[asyncio]' in project
    assert find_spec("greenlet")


def files_of(url: URL) -> list[Path]:
    """Return the file of a database, and those that SQLite puts beside it."""
    database = Path(str(url.database))
    return list(database.parent.glob(f"{database.name}*"))


def modes(url: URL) -> dict[str, int]:
    """Return who may do what with each file."""
    return {file.suffix: file.stat().st_mode & 0o777 for file in files_of(url)}


@pytest.mark.skipif(sys.platform == "win32", reason="a folder says who may read there")
def test_files_are_their_owners_alone(database: URL, tmp_path: Path) -> None:
    """Those of a database, made by Alembic; and those that people send."""
    if database.get_backend_name() != "sqlite":
        pytest.skip("the files are the server's")
    url, folder = database.set(database=str(tmp_path / "new.db")), tmp_path / "attachments"
    alembic("upgrade", "head", env=environment(url))
    assert modes(url) == {".db": 0o600}
    (tmp_path / "new.db").chmod(0o644)  # as those of earlier releases are
    with run_server(url, ATTACHMENTS_URL=str(folder)) as server:
        person = server.someone()
        person.say("Hello")
        assert modes(url) == {".db": 0o600, ".db-shm": 0o600, ".db-wal": 0o600}
        uploaded = person.upload("a.txt", b"Hello", "text/plain").json()["id"]
        assert folder.stat().st_mode & 0o777 == 0o700
        assert (folder / uploaded).stat().st_mode & 0o777 == 0o600


def test_deleted_words_are_overwritten(database: URL, tmp_path: Path) -> None:
    """In each file of the database, by the next sweep, and when the last server stops."""
    if database.get_backend_name() != "sqlite":
        pytest.skip("the files are the server's")
    word = secrets.token_hex(8).encode()

    def holds_it() -> bool:
        return any(word in file.read_bytes() for file in files_of(url))

    url = database.set(database=str(tmp_path / "new.db"))
    alembic("upgrade", "head", env=environment(url))
    with run_server(url) as server:
        person = server.someone()
        thread_id = person.say(word.decode() * 1000)[0]["thread"]["id"]
        assert holds_it()
        with closing(sqlite3.connect(tmp_path / "new.db")) as connection:
            connection.execute("PRAGMA wal_checkpoint")  # now they are in both files
        person.ask("threads.delete", thread_id=thread_id)
        sqlite.overwrite_deleted(url)
        assert not holds_it()
        thread_id = person.say(word.decode() * 1000)[0]["thread"]["id"]
        person.ask("threads.delete", thread_id=thread_id)
    assert not holds_it()


CONNECT = """
import sys
from pathlib import Path
import psycopg
from kit.database import embedded_postgres
with psycopg.connect(embedded_postgres.start(Path(sys.argv[1]))):
    print("connected", flush=True)
    input()
"""


def run_python(program: str, *arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(not embedded_postgres.is_available(), reason="not PostgreSQL")
def test_a_killed_server_is_started_again(tmp_path: Path) -> None:
    """Another process may have its number then, as after a restart of WSL, and is left alone."""
    note = embedded_postgres.data_folder(tmp_path) / "postmaster.pid"
    with run_python("input()") as bystander:
        for _ in range(2):
            with run_python(CONNECT, tmp_path) as process:
                assert process.stdout
                assert process.stdout.readline() == "connected\n"
                number, *rest = note.read_text().splitlines()
                os.kill(int(number), signal.SIGKILL)
                process.kill()
            note.write_text("\n".join([str(bystander.pid), *rest]))
        assert bystander.poll() is None
        bystander.communicate("\n")


@pytest.mark.skipif(sys.platform == "win32", reason="paths of a Unix system")
def test_embedded_server_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL does not start below a path with a space: its data goes elsewhere."""
    folder = embedded_postgres.data_folder
    assert folder(Path("/home/ada/chat")) == Path("/home/ada/chat/backend/.postgres")
    monkeypatch.setenv("HOME", "/home/ada")
    elsewhere = folder(Path("/mnt/my files/chat"))
    assert elsewhere.is_relative_to("/home/ada")
    assert elsewhere != folder(Path("/mnt/my files/other"))
    monkeypatch.setenv("HOME", "/home/ada lovelace")
    with pytest.raises(StartupError, match="DATABASE_URL"):
        folder(Path("/mnt/my files/chat"))
