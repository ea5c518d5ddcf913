"""Many people at once, a database that was away, and a pool that is small."""

import re
import secrets
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from contract.serving import alembic, environment, run_server, run_sql
from sqlalchemy import text
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError

from internals.conftest import Run
from kit.database import postgresql, sqlite
from kit.database.chatkit_store import LOAD_THREAD
from kit.database.engine import read
from kit.errors import StartupError
from kit.settings import BACKEND


def test_no_statement_is_prepared(run: Run, database: URL) -> None:
    """Behind a pooler in transaction mode, such as Supabase's, the next one may not know it."""
    if database.get_backend_name() != "postgresql":
        pytest.skip("only PostgreSQL's driver prepares what is said often")

    async def work() -> None:
        async with read() as session:
            for _ in range(10):
                await session.execute(
                    LOAD_THREAD, {"thread_id": "none", "owner": "nobody", "assistant": ""}
                )
            prepared = await session.scalar(text("SELECT count(*) FROM pg_prepared_statements"))
        assert prepared == 0

    run(work())


def test_the_queries_of_the_documentation_run(database: URL) -> None:
    document = (BACKEND.parent / "docs" / "schema.md").read_text(encoding="utf-8")
    queries = re.findall("```sql\n(.*?)```", document, re.DOTALL)
    assert len(queries) > 1
    for query in queries:
        assert isinstance(run_sql(database, query), list)  # of whatever other tests have stored


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
from kit.database import postgresql
with psycopg.connect(postgresql.start_own_server(Path(sys.argv[1]))):
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


@pytest.mark.skipif(not postgresql.has_own_server(), reason="not PostgreSQL")
def test_a_killed_server_is_started_again(tmp_path: Path) -> None:
    """Another process may have its number then, as after a restart of WSL, and is left alone."""
    note = postgresql.own_data_folder(tmp_path) / "postmaster.pid"
    with run_python("input()") as bystander:
        for _ in range(2):
            with run_python(CONNECT, tmp_path) as process:
                assert process.stdout
                assert process.stdout.readline() == "connected\n"
                number, *rest = note.read_text().splitlines()
                psutil.Process(int(number)).kill()
                process.kill()
            note.write_text("\n".join([str(bystander.pid), *rest]))
        assert bystander.poll() is None
        bystander.communicate("\n")


@pytest.mark.skipif(sys.platform == "win32", reason="paths of a Unix system")
def test_embedded_server_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL does not start below a path with a space: its data goes elsewhere."""
    folder = postgresql.own_data_folder
    assert folder(Path("/home/ada/chat")) == Path("/home/ada/chat/backend/.postgres")
    monkeypatch.setenv("HOME", "/home/ada")
    elsewhere = folder(Path("/mnt/my files/chat"))
    assert elsewhere.is_relative_to("/home/ada")
    assert elsewhere != folder(Path("/mnt/my files/other"))
    monkeypatch.setenv("HOME", "/home/ada lovelace")
    with pytest.raises(StartupError, match="DATABASE_URL"):
        folder(Path("/mnt/my files/chat"))
