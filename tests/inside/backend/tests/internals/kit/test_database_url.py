"""Addresses as providers hand them out. Slug: database-url-dialect."""

import sys
from pathlib import Path

import pytest

from kit.database.engine import MissingDriverError, create_engine, parse_database_url
from kit.database.mysql import tls_context
from kit.errors import StartupError
from kit.settings import BACKEND
from tools.settings import recorded_answers


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
    url = parse_database_url(pasted)
    assert url.drivername == "postgresql+psycopg"
    assert len(url.query) == query


@pytest.mark.parametrize(
    ("pasted", "mode"),
    [
        ("mysql://root:p@containers.railway.app:6011/railway", None),
        (
            'mysql://u:p@aws.connect.psdb.cloud/db?ssl={"rejectUnauthorized":true}',
            "VERIFY_IDENTITY",
        ),
        ("mysql://u:p@aws.connect.psdb.cloud/db?sslaccept=strict", "VERIFY_IDENTITY"),
        ("mysql+pymysql://u:p@db.aivencloud.com:12691/defaultdb?ssl-mode=REQUIRED", "REQUIRED"),
        ("mariadb://u:p@host.rds.amazonaws.com/db?ssl_mode=verify_identity", "VERIFY_IDENTITY"),
        ("mysql://u:p@host/db?charset=utf8&connection_limit=5", None),
    ],
)
def test_addresses_of_mysql(pasted: str, mode: str | None) -> None:
    url = parse_database_url(pasted)
    assert url.drivername == "mysql+asyncmy"
    assert url.query.get("ssl-mode") == mode
    context = tls_context(url)
    assert (context is not None) == (mode is not None)
    if context:
        assert context.check_hostname == (mode == "VERIFY_IDENTITY")
        # It is written into the environment of other processes, and read there again.
        assert parse_database_url(url.render_as_string(hide_password=False)) == url


def test_tls_with_a_certificate_of_ones_own() -> None:
    url = parse_database_url("mysql://u:p@host/db?ssl_ca=/nowhere/ca.pem")
    assert url.query == {"ssl-mode": "VERIFY_CA", "ssl-ca": "/nowhere/ca.pem"}
    with pytest.raises(StartupError, match="ssl-ca"):
        tls_context(url)


def test_a_password_survives() -> None:
    url = parse_database_url("postgresql://u:p%40ss%25w%2Frd@host/db")
    assert url.password == "p@ss%w/rd"


@pytest.mark.parametrize("pasted", ["sqlite:///chat.db", "sqlite+pysqlite:///./chat.db"])
def test_sqlite_in_a_temp_folder(pasted: str) -> None:
    """The file is the same from every working directory."""
    url = parse_database_url(pasted)
    assert url.drivername == "sqlite+aiosqlite"
    assert url.database is not None
    assert Path(url.database) == BACKEND / "chat.db"


@pytest.mark.parametrize(
    "wrong",
    [
        "mongodb://host/db",
        "chat.db",
        "postgresql://u:p@host:port/db",
        "sqlite://",
        "mysql://u:p@h/d?ssl-mode=no",
        "mysql://u:p@h",
        "mysql://u:p@h/",
        "mysql://u:p@ss@h/d",
        "postgresql://u:p@ss@h/d",
    ],
)
def test_what_is_no_database_is_refused_in_words(wrong: str) -> None:
    with pytest.raises(StartupError) as refused:
        parse_database_url(wrong)
    assert "DATABASE_URL" in str(refused.value)
    assert ":p@" not in str(refused.value)
    assert "ss@" not in str(refused.value)


def test_an_address_that_was_not_answered_says_both_ways_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The answer was changed, and in a fresh clone the driver of the old database is missing."""
    answered = recorded_answers()["database"]
    other, address, driver = ("sqlite", "sqlite:///old.db", "aiosqlite")
    if answered == "sqlite":
        other, address, driver = ("mysql", "mysql://ada@127.0.0.1/old", "asyncmy")
    monkeypatch.setitem(sys.modules, driver, None)
    monkeypatch.setenv("DATABASE_URL", address)
    with pytest.raises(MissingDriverError) as missing:
        create_engine(parse_database_url(address))
    said = str(missing.value)
    assert f"DATABASE_URL names a {other} database" in said
    assert "this project is made for another one" in said
    assert "To use that one: " in said
    assert f"To stay with {other}: uvx copier update --data database={other}" in said
