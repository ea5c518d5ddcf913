"""The database: where it is, its tables and its text, and the migrations of both."""

import asyncio
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from alembic.script import ScriptDirectory
from alembic.util import rev_id
from sqlalchemy import text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.database import postgresql
from kit.database.engine import (
    KINDS,
    alembic_config,
    applied_migrations,
    create_engine,
    database_url,
    framework_tables,
    loop_factory,
    migrate,
    missing_migrations_of,
    newer_migrations,
    newest_migrations,
)
from kit.errors import StartupError
from kit.settings import BACKEND, get_settings
from tools import ROOT, start_server
from tools.doctor.checks import MEND, Check, Finding, failed, passed, warned
from tools.settings import place_of
from tools.shell import make_folder

TABLES = ("conversations", "messages")

SLUGS = {
    "unable to open database file": "sqlite-in-a-temp-folder",
    "database is locked": "database-is-locked",
    "load plugin": "database-url-dialect",
    "greenlet": "missing-greenlet",
    "ProactorEventLoop": "windows-event-loop",
}
"""The pitfalls by what the database or its driver says."""

REFUSED = re.compile(
    r"Access denied|Unknown database|authentication failed|no pg_hba\.conf entry|does not exist"
)
"""What MySQL, MariaDB and PostgreSQL say to whom they do not let in."""

ENCODINGS = {
    "postgresql": ("SHOW server_encoding", "UTF8"),
    "mysql": (
        "SELECT MIN(SUBSTRING_INDEX(table_collation, '_', 1)) FROM information_schema.tables "
        "WHERE table_schema = DATABASE() AND table_name IN ('conversations', 'messages')",
        "utf8mb4",
    ),
}
"""How to ask for the encoding of text, and what it has to be. SQLite has but one."""

# Without `site`, the installed packages are there and the project, which is not a copy among them,
# is not: so it is for an Alembic of another environment.
ALONE = """
import sys
sys.path.append(sys.argv.pop(1))
from alembic.config import main
main(prog="alembic")
"""

CANNOT_IMPORT = ("No module named 'app'", "No module named 'kit'")
TWO_HEADS = "Multiple head revisions"

SECONDS = 10
"""How long a check waits for the database."""

Answer = TypeVar("Answer")


def address() -> Finding:
    """Read the address of the database, and start the project's own server if it is that."""
    settings = get_settings()
    is_own = settings.app_env == "development" and not settings.database_url
    is_own = is_own and postgresql.has_own_server()
    try:
        if is_own and (finding := _problem_of_own_server()):
            return finding
        url = database_url()
    except StartupError as error:
        slug = "embedded-server-path" if is_own else "database-url-dialect"
        return failed(str(error), tried="its address", source=_source(), slug=slug)
    if url.get_backend_name() == "sqlite":
        return _file_of(url)
    kind = KINDS[url.get_backend_name()]
    return passed(kind.describe(url), source=_source())


def _problem_of_own_server() -> Finding | None:
    folder = postgresql.own_data_folder(ROOT)
    if reason := postgresql.reason_against(folder):
        return failed(
            f"PostgreSQL cannot keep its data in {folder}: {reason}",
            tried="a look at the path",
            source=_source(),
            command="git diff backend/src/kit/database/postgresql.py",
            slug="embedded-server-path",
        )
    if not (folder / "PG_VERSION").exists():
        return _without_data("the project's own PostgreSQL server has not been made yet")
    return None


def _file_of(url: URL) -> Finding:
    file = Path(url.database or "")
    if not file.is_absolute():
        return failed(
            f"the SQLite file {file} is another one in every folder that a command is typed in",
            tried="a look at the path",
            source=_source(),
            command="git diff backend/src/kit/database/sqlite.py",
            slug="sqlite-in-a-temp-folder",
        )
    if not file.parent.is_dir():
        return failed(
            f"the folder of the SQLite file does not exist: {file.parent}",
            tried=f"a search for {file.parent}",
            source=_source(),
            command=make_folder(file.parent),
            slug="sqlite-in-a-temp-folder",
        )
    if not file.exists():
        return _without_data(f"there is no SQLite file yet at {file}")
    temporary = Path(tempfile.gettempdir())
    if file.is_relative_to(temporary) and not ROOT.is_relative_to(temporary):
        return warned(
            f"the SQLite file {file} lies in the folder for temporary files, which is emptied",
            tried=f"a look whether it lies in {temporary}",
            source=_source(),
            command="uv run dev",
            slug="sqlite-in-a-temp-folder",
        )
    return passed(f"SQLite, {file}", source=_source())


def _without_data(problem: str) -> Finding:
    return failed(
        f"{problem}, so it has no tables",
        tried="a search for the data",
        source=_source(),
        command=MEND,
        slug="migrations-not-run",
    )


def answers() -> Finding:
    """Ask the database for its version."""
    is_file = database_url().get_backend_name() == "sqlite"
    statement = f"SELECT {'sqlite_version' if is_file else 'version'}()"
    try:
        version = str(ask_for(statement))
    except DatabaseError as error:
        tried = f"{statement} at {database_url().render_as_string()}"
        if REFUSED.search(str(error)):
            return failed(
                f"the database server refuses the user, the password or the database: {error}",
                tried=tried,
                source=_source(),
                by_hand="Create the database, and give the user all rights on it, or set another "
                "DATABASE_URL",
                slug="database-down",
            )
        return failed(
            f"the database does not answer: {error}",
            tried=tried,
            source=_source(),
            command=_start(),
            slug=next(
                (slug for words, slug in SLUGS.items() if words in str(error)), "database-down"
            ),
        )
    return passed(f"it answers, version {version.partition(' on ')[0]}")


def _start() -> str:
    """Return what starts the database, or shows why it does not."""
    return start_server() or "uv run dev"


def many_at_once() -> Finding | None:
    """Find out whether SQLite lets people read while somebody writes."""
    if database_url().get_backend_name() != "sqlite":
        return None
    mode, milliseconds = ask_for("PRAGMA journal_mode"), ask_for("PRAGMA busy_timeout")
    tried = "PRAGMA journal_mode and PRAGMA busy_timeout"
    if mode == "wal" and milliseconds:
        return passed("readers and a writer do not disturb each other (WAL)")
    return failed(
        f"readers and writers lock each other out: journal mode {mode}, patience {milliseconds} ms",
        tried=tried,
        source="backend/src/kit/database/sqlite.py",
        command="git diff backend/src/kit/database/sqlite.py",
        slug="database-is-locked",
    )


def migrations() -> Finding:
    """Compare the revisions of the database with the newest ones."""
    tried = "a comparison of the database's revisions with those of the project"
    try:
        script = ScriptDirectory.from_config(alembic_config())
        known = {revision.revision for revision in script.walk_revisions()}
    except Exception as error:  # whatever is written in a revision
        return failed(f"Alembic cannot read the revisions: {error}", tried=tried)
    applied = ask(lambda connection: connection.run_sync(applied_migrations))
    if newer := ask(lambda connection: connection.run_sync(newer_migrations)):
        return warned(
            f"a newer version of this project has migrated the database, to "
            f"{', '.join(sorted(newer))}. This version works on it too",
            tried=tried,
            source=_source(),
            command="git log --oneline --max-count=5",
            slug="old-code-is-unhealthy",
        )
    if strange := applied - known:
        return failed(
            f"another branch has migrated the database, to {', '.join(sorted(strange))}. Go back "
            "to that branch, or use another database here",
            tried=tried,
            source=_source(),
            command="git branch --all",
        )
    if missing := set(script.get_heads()) - applied:
        return failed(
            f"the database is not migrated; it lacks {', '.join(sorted(missing))}",
            tried=tried,
            source=_source(),
            command=MEND,
            slug="migrations-not-run",
        )
    return passed(f"at the newest, {', '.join(sorted(applied))}")


def migrations_of_framework() -> Finding | None:
    """Look for the migrations of the tables that a framework brings of its own."""
    module = framework_tables()
    if module is None:
        return None
    missing: list[str] = module.missing()
    if not missing:
        return passed("the migrations of the framework are applied too")
    return failed(
        f"the database lacks migrations of the framework, such as {missing[0]}",
        tried="a comparison of the migrations that are applied with those that are there",
        source=_source(),
        command=MEND,
        slug="migrations-not-run",
    )


def tables() -> Finding:
    """Count what is in the tables."""
    statements = [f"SELECT count(*) FROM {name}" for name in TABLES]
    try:
        counts = [f"{ask_for(one)} {name}" for one, name in zip(statements, TABLES, strict=True)]
    except SilentDatabaseError:
        return passed("they have more rows than can be counted quickly")
    except DatabaseError as error:
        return failed(
            f"a table is missing, though the migrations are applied: {error}. Bring it back from a "
            "backup, or use an empty database",
            tried="; ".join(statements),
            source=_source(),
            slug="migrations-not-run",
        )
    return passed(", ".join(counts))


def any_text() -> Finding:
    """Find out whether the tables take any text, such as an emoji."""
    kind = database_url().get_backend_name()
    if kind not in ENCODINGS:
        return passed("any text can be stored")
    statement, wanted = ENCODINGS[kind]
    encoding = ask_for(statement)
    if encoding == wanted:
        return passed(f"any text can be stored ({encoding})")
    return failed(
        f"text is kept as {encoding} and not as {wanted}, so an emoji cannot be stored",
        tried=statement,
        source=_source(),
        slug="emoji-and-nul",
    )


def _source() -> str:
    return place_of("backend", "DATABASE_URL")


def command_line() -> Finding:
    """Have `alembic upgrade head` print what it would do, in an environment of its own."""
    said = run_alone("upgrade", "head", "--sql")
    tried = "alembic upgrade head --sql in backend/, without the project installed"
    if said.returncode == 0:
        return passed("`alembic upgrade head` works wherever it is called")
    words = said.stderr.strip().rpartition("\n")[2]
    if any(cause in said.stderr for cause in CANNOT_IMPORT):
        return failed(
            f"Alembic cannot import the models: {words}",
            tried=tried,
            source="backend/alembic/env.py",
            command="git diff backend/alembic/env.py",
            slug="alembic-cannot-import",
        )
    if TWO_HEADS in said.stderr:
        return failed(
            "there are two newest revisions, and `alembic upgrade head` does not take both",
            tried=tried,
            source="backend/alembic/env.py",
            command=MEND,
            slug="two-alembic-heads",
        )
    return warned(f"Alembic does not print what it would do: {words}", tried=tried)


def run_alone(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Alembic's command line on the project's database, without the project installed."""
    packages = sysconfig.get_path("purelib")
    # The database's server is found already, and need not be looked for again.
    address = database_url().render_as_string(hide_password=False)
    return subprocess.run(
        [sys.executable, "-S", "-c", ALONE, packages, *arguments],
        cwd=BACKEND,
        env=os.environ | {"DATABASE_URL": address, "PYTHONIOENCODING": "utf-8:replace"},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


class DatabaseError(Exception):
    """The database does not do as it is asked; the message is its own, in one line."""


class SilentDatabaseError(DatabaseError):
    """It does not answer in time."""


def ask(question: Callable[[AsyncConnection], Awaitable[Answer]]) -> Answer:
    """Return what a question to the database is answered with.

    Raises:
        DatabaseError: it refuses, or it does not answer in time.
        StartupError: its address is wrong, or its driver is not installed.
    """

    async def run() -> Answer:
        engine = create_engine(database_url())
        try:
            async with asyncio.timeout(SECONDS), engine.connect() as connection:
                return await question(connection)
        finally:
            await engine.dispose()

    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            return runner.run(run())
    except TimeoutError:
        raise SilentDatabaseError(f"no answer within {SECONDS} seconds") from None
    except (SQLAlchemyError, OSError, ValueError) as error:  # ValueError: without greenlet
        cause = error.orig if isinstance(error, DBAPIError) else error
        raise DatabaseError(str(cause).partition("\n")[0]) from error


def ask_for(statement: str) -> object:
    """Return the one value of a statement.

    Raises:
        DatabaseError: as `ask`.
        StartupError: as `ask`.
    """

    async def run(connection: AsyncConnection) -> object:
        return (await connection.execute(text(statement))).scalar()

    return ask(run)


def bring_up_to_date() -> list[str]:
    """Apply the migrations that the database lacks, and return what was done."""
    there = address()
    if there.stands_in_the_way and there.slug != "migrations-not-run":
        return []
    missing = sorted(newest_migrations())
    others: list[str] = []
    if not there.stands_in_the_way:
        missing = ask(lambda connection: connection.run_sync(missing_migrations_of))
        module = framework_tables()
        others = module.missing() if module else []
    if not missing and not others:
        return []
    migrate()
    return [f"Migrated the database: {', '.join([*missing, *others[:3]])}."]


def join_heads() -> list[str]:
    """Let a new revision of theirs follow all heads, where `alembic upgrade head` takes but one."""
    script = ScriptDirectory.from_config(alembic_config())
    heads = script.get_heads()
    if len(heads) < 2 or TWO_HEADS not in run_alone("upgrade", "head", "--sql").stderr:
        return []
    script.messaging_opts = {"quiet": True}
    folder = BACKEND / "alembic" / "versions"
    joined = script.generate_revision(
        rev_id(), "join heads", head=list(heads), version_path=str(folder)
    )
    if joined is None:
        return []
    migrate()
    place = f"backend/alembic/versions/{joined.path.rpartition('versions')[2][1:]}"
    return [f"Joined the revisions {' and '.join(heads)} in {place}: commit it."]


CHECKS = (
    Check("database.address", address, needs=("files.settings",)),
    Check("database.server", answers, needs=("database.address",)),
    Check("database.many-at-once", many_at_once, needs=("database.server",)),
    Check("database.migrations", migrations, needs=("database.server",)),
    Check("database.other-migrations", migrations_of_framework, needs=("database.migrations",)),
    Check("database.tables", tables, needs=("database.migrations",)),
    Check("database.text", any_text, needs=("database.tables",)),
    Check("database.alembic", command_line, needs=("database.address", "files.encoding")),
)

FIXES = (bring_up_to_date, join_heads)
