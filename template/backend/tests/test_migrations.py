"""Alembic, from wherever it is called."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from conftest import alembic, empty_database, environment, run_server
from sqlalchemy.engine import URL

from app.settings import BACKEND

REVISION = """
revision = "{name}"
down_revision = "chatkit_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
"""


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[URL]:
    with empty_database(tmp_path) as url:
        yield url


def succeeds(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_alembic_cannot_import(empty: URL) -> None:
    env = environment(empty)
    succeeds(alembic("upgrade", "head", env=env))
    root = BACKEND.parent
    assert "(head)" in succeeds(alembic("-c", "backend/alembic.ini", "current", env=env, cwd=root))


def test_the_models_are_what_the_migrations_make(empty: URL) -> None:
    env = environment(empty)
    succeeds(alembic("upgrade", "head", env=env))
    assert "No new upgrade operations" in succeeds(alembic("check", env=env))


def test_every_migration_can_be_taken_back(empty: URL) -> None:
    env = environment(empty)
    for command in (("upgrade", "head"), ("downgrade", "base"), ("upgrade", "head")):
        succeeds(alembic(*command, env=env))


def test_the_sql_can_be_read_before_it_runs(empty: URL) -> None:
    sql = succeeds(alembic("upgrade", "head", "--sql", env=environment(empty)))
    assert "CREATE TABLE conversations" in sql


def test_two_alembic_heads(empty: URL, tmp_path: Path) -> None:
    """A revision of yours beside a newer one of the project's."""
    project = tmp_path / "backend"
    for name in ("alembic", "src"):
        shutil.copytree(BACKEND / name, project / name)
    shutil.copy(BACKEND / "alembic.ini", project)
    for name in ("yours", "ours"):
        folder = "alembic/versions" if name == "yours" else "src/app/migrations"
        (project / folder / f"{name}.py").write_text(REVISION.format(name=name))
    env = environment(empty)
    succeeds(alembic("upgrade", "head", env=env, cwd=project))
    assert succeeds(alembic("current", env=env, cwd=project)).count("(head)") == 2
    succeeds(alembic("revision", "-m", "next", env=env, cwd=project))
    assert list((project / "alembic" / "versions").glob("*next.py"))
    assert len(succeeds(alembic("heads", env=env, cwd=project)).splitlines()) == 1


def test_migrations_not_run(empty: URL) -> None:
    with run_server(empty) as server:
        health = httpx2.get(f"{server.address}/health")
        assert health.status_code == 503
        assert "alembic upgrade head" in health.json()["message"]
        chat = server.chat()
        assert "not migrated" in chat.post("threads.list").json()["message"]
        error = chat.say("Hello")[0]
        assert error["type"] == "error"
        assert "not migrated" in error["message"]
        succeeds(alembic("upgrade", "head", env=environment(empty)))
        assert httpx2.get(f"{server.address}/health").json() == {"status": "ok"}
        assert chat.say("Hello")[-1]["type"] == "thread.item.done"


def test_a_database_that_is_not_there_is_named(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/none/chat.db"
    result = subprocess.run(
        [sys.executable, "-c", "from app.database import prepare_database; prepare_database()"],
        env=environment(URL.create("sqlite")) | {"DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "StartupError" in result.stderr
    assert "DATABASE_URL" in result.stderr
