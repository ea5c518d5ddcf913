"""Addresses as providers hand them out. Slug: database-url-dialect."""

from pathlib import Path

import pytest

from app.database_url import parse_database_url
from app.errors import StartupError

BASE = Path(__file__).parent


@pytest.mark.parametrize(
    ("pasted", "query"),
    [
        ("postgres://u:p@ep-cool.aws.neon.tech/db?sslmode=require&channel_binding=require", 2),
        ("postgresql://postgres.ref:p@aws-0.pooler.supabase.com:6543/postgres?pgbouncer=true", 0),
        ("postgresql+asyncpg://u:p@host/db", 0),
        ("postgresql+psycopg2://u:p@host.rds.amazonaws.com:5432/db?sslmode=verify-full", 1),
        (' "postgresql://u:p@postgres.railway.internal:5432/railway" ', 0),
    ],
)
def test_database_url_dialect(pasted: str, query: int) -> None:
    pytest.importorskip("psycopg", reason="the project's database is another one")
    url = parse_database_url(pasted, BASE)
    assert url.drivername == "postgresql+psycopg"
    assert len(url.query) == query


def test_a_password_survives() -> None:
    url = parse_database_url("postgresql://u:p%40ss%25w%2Frd@host/db", BASE)
    assert url.password == "p@ss%w/rd"


@pytest.mark.parametrize("pasted", ["sqlite:///chat.db", "sqlite+pysqlite:///./chat.db"])
def test_sqlite_in_a_temp_folder(pasted: str) -> None:
    """The file is the same from every working directory."""
    url = parse_database_url(pasted, BASE)
    assert url.drivername == "sqlite+aiosqlite"
    assert url.database is not None
    assert Path(url.database) == BASE / "chat.db"


@pytest.mark.parametrize(
    "wrong", ["mongodb://host/db", "chat.db", "postgresql://u:p@host:port/db", "sqlite://"]
)
def test_what_is_no_database_is_refused_in_words(wrong: str) -> None:
    with pytest.raises(StartupError) as refused:
        parse_database_url(wrong, BASE)
    assert "DATABASE_URL" in str(refused.value)
    assert ":p@" not in str(refused.value)
