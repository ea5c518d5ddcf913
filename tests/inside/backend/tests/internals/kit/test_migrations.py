"""Alembic, from wherever it is called."""

import asyncio
import re
import shutil
import threading
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from contract.chat import wait_until
from contract.serving import alembic, environment, run_server, run_sql
from contract.test_database import prepare_database, succeeds
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError

from kit.database.engine import alembic_config, create_engine
from kit.database.tables import Base
from kit.settings import BACKEND

REVISION = """
revision = "{name}"
down_revision = "{head}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
"""

HEAD = ScriptDirectory.from_config(alembic_config()).get_heads()[0]


def copy_of_backend(folder: Path) -> Path:
    """Return a copy of what Alembic needs, to put revisions into."""
    project = folder / "backend"
    for name in ("alembic", "src"):
        shutil.copytree(BACKEND / name, project / name)
    shutil.copy(BACKEND / "alembic.ini", project)
    (project / "alembic" / "versions").mkdir(exist_ok=True)
    return project


def test_every_migration_can_be_taken_back(empty: URL) -> None:
    env = environment(empty)
    for command in (("upgrade", "head"), ("downgrade", "base"), ("upgrade", "head")):
        succeeds(alembic(*command, env=env))


def test_no_text_is_read_as_the_system_likes(database: URL) -> None:
    """Windows likes another encoding than UTF-8."""
    strict = {"PYTHONWARNDEFAULTENCODING": "1", "PYTHONWARNINGS": "error::EncodingWarning"}
    succeeds(alembic("check", env=environment(database) | strict))


def test_records_of_before_a_migration_stay(empty: URL) -> None:
    env = environment(empty)
    succeeds(alembic("upgrade", "chatkit_0002", env=env))
    now = "'2026-01-01 00:00:00'"
    run_sql(empty, f"INSERT INTO attachments VALUES ('a', 'ada', NULL, {now}, '{{}}')")
    for target in ("head", "chatkit_0002"):
        command = "upgrade" if target == "head" else "downgrade"
        succeeds(alembic(command, target, env=env))
        size = "size" if target == "head" else "0"
        assert run_sql(empty, f"SELECT id, {size} FROM attachments") == [("a", 0)]


def test_conversations_of_before_belong_to_the_first_assistant(empty: URL) -> None:
    env = environment(empty)
    succeeds(alembic("upgrade", "chatkit_0003", env=env))
    now = "'2026-01-01 00:00:00'"
    run_sql(empty, f"INSERT INTO conversations VALUES (1, 't', 'ada', '', {now}, '{{}}')")
    run_sql(empty, f"INSERT INTO messages VALUES ('t', 'm', 1, 'widget', {now}, '{{}}')")
    for target in ("head", "chatkit_0003", "head"):
        command = "upgrade" if target == "head" else "downgrade"
        succeeds(alembic(command, target, env=env))
        assert run_sql(empty, "SELECT count(*) FROM messages") == [(1,)]
    assert run_sql(empty, "SELECT id, assistant FROM conversations") == [("t", "")]


def test_the_sql_can_be_read_before_it_runs(empty: URL) -> None:
    sql = succeeds(alembic("upgrade", "head", "--sql", env=environment(empty)))
    assert "CREATE TABLE conversations" in sql


def test_two_alembic_heads(empty: URL, tmp_path: Path) -> None:
    """A revision of yours beside a newer one of the project's."""
    project = copy_of_backend(tmp_path)
    for name in ("yours", "ours"):
        folder = "alembic/versions" if name == "yours" else "src/kit/database/migrations"
        (project / folder / f"{name}.py").write_text(
            REVISION.format(name=name, head=HEAD), encoding="utf-8"
        )
    env = environment(empty)
    succeeds(alembic("upgrade", "head", env=env, cwd=project))
    current = succeeds(alembic("current", env=env, cwd=project)).splitlines()
    assert {"yours (head)", "ours (head)"} <= set(current)
    succeeds(alembic("revision", "-m", "next", env=env, cwd=project))
    assert list((project / "alembic" / "versions").glob("*next.py"))
    assert len(succeeds(alembic("heads", env=env, cwd=project)).splitlines()) == 1


TABLES = """
from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from kit import Base
from kit.database.tables import OWNER


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(OWNER)
    conversation_id: Mapped[str | None] = mapped_column(
        ForeignKey("conversations.id", ondelete="CASCADE")
    )
"""


def test_own_table_cannot_migrate(empty: URL, tmp_path: Path) -> None:
    """A table of yours that refers to conversations, from app/tables.py to the database."""
    project = copy_of_backend(tmp_path)
    (project / "src" / "app" / "tables.py").write_text(TABLES, encoding="utf-8")
    env = environment(empty)
    succeeds(alembic("upgrade", "head", env=env, cwd=project))
    succeeds(alembic("revision", "--autogenerate", "-m", "orders", env=env, cwd=project))
    (revision,) = (project / "alembic" / "versions").glob("*orders.py")
    assert "kit." not in revision.read_text(encoding="utf-8")
    succeeds(alembic("upgrade", "head", env=env, cwd=project))
    assert "No new upgrade operations" in succeeds(alembic("check", env=env, cwd=project))
    now = "'2026-01-01 00:00:00'"
    run_sql(empty, f"INSERT INTO conversations VALUES (1, 't', 'ada', '', {now}, '{{}}', '')")
    run_sql(empty, "INSERT INTO orders VALUES (1, 'ada', 't')")
    succeeds(alembic("downgrade", HEAD, env=env, cwd=project))
    succeeds(alembic("upgrade", "head", env=env, cwd=project))


def test_a_rebuilt_table_of_sqlite_keeps_what_refers_to_it(empty: URL, tmp_path: Path) -> None:
    """SQLite changes a table by dropping it, and messages are deleted with their conversation."""
    project = copy_of_backend(tmp_path)
    (project / "alembic/versions/yours.py").write_text(
        REVISION.format(name="yours", head=HEAD).replace(
            "def upgrade() -> None:\n    pass",
            "def upgrade() -> None:\n"
            "    import sqlalchemy as sa\n    from alembic import op\n"
            "    with op.batch_alter_table('conversations', recreate='auto') as table:\n"
            "        table.alter_column('owner', existing_type=sa.String(255), server_default='')",
        ),
        encoding="utf-8",
    )
    env = environment(empty)
    succeeds(alembic("upgrade", HEAD, env=env, cwd=project))
    now = "'2026-01-01 00:00:00'"
    run_sql(empty, f"INSERT INTO conversations VALUES (1, 't', 'ada', '', {now}, '{{}}', '')")
    run_sql(empty, f"INSERT INTO messages VALUES ('t', 'm', 1, 'widget', {now}, '{{}}')")
    succeeds(alembic("upgrade", "head", env=env, cwd=project))
    assert run_sql(empty, "SELECT count(*) FROM messages") == [(1,)]


def test_a_sweep_without_tables_is_said_in_words(empty: URL, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with run_server(empty, log, APP_ENV="production"):
        wait_until(lambda: "retention sweep failed" in log.read_text(encoding="utf-8"))
    said = log.read_text(encoding="utf-8")
    assert "The retention sweep failed. The database is not migrated." in said
    assert "in production `uv run --no-dev alembic upgrade head`" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("trouble", ["no folder", "no database", "another branch"])
def test_a_database_that_cannot_be_used_is_named(empty: URL, tmp_path: Path, trouble: str) -> None:
    env = environment(empty)
    if trouble == "another branch":
        run_sql(empty, "CREATE TABLE alembic_version (version_num varchar(32) primary key)")
        run_sql(empty, "INSERT INTO alembic_version VALUES ('of_a_branch')")
    else:
        name = "none/chat.db" if trouble == "no folder" else "text.db"
        (tmp_path / "text.db").write_text("This is no database. " * 100, encoding="utf-8")
        env["DATABASE_URL"] = f"sqlite:///{tmp_path / name}"
    if trouble != "another branch" and empty.get_backend_name() != "sqlite":
        env["DATABASE_URL"] = f"{empty.get_backend_name()}://nobody@127.0.0.1:1/none"
    result = prepare_database(env)
    words = "of_a_branch" if trouble == "another branch" else "DATABASE_URL"
    assert result.returncode == 1
    assert words in result.stderr.partition("REFUSED: ")[2]
    by_hand = alembic("upgrade", "head", env=env)
    assert by_hand.returncode
    assert words in by_hand.stderr
    assert "Traceback" not in by_hand.stderr


def test_no_thread_stays_of_a_file_that_cannot_be_opened(empty: URL, tmp_path: Path) -> None:
    """It would print a traceback when the command ends before it does."""
    if empty.get_backend_name() != "sqlite":
        pytest.skip("only SQLite's driver opens a file in a thread")

    async def threads_after_it() -> int:
        engine = create_engine(empty.set(database=str(tmp_path / "none" / "chat.db")))
        with pytest.raises(OperationalError, match="unable to open"):
            await engine.connect()
        return threading.active_count()

    before = threading.active_count()
    assert asyncio.run(threads_after_it()) == before


def test_every_table_and_column_is_in_the_drawing() -> None:
    text = (BACKEND.parent / "docs" / "schema.md").read_text(encoding="utf-8")
    drawn = {
        table: re.findall(r"(?m)^ {8}\w+ (\w+)", columns)
        for table, columns in re.findall(r"(?ms)^ {4}(\w+) \{\n(.*?)^ {4}\}", text)
    }
    tables = Base.metadata.tables
    assert drawn == {name: list(table.columns.keys()) for name, table in tables.items()}
