"""`uv run usage`: who has asked which model for how much."""

import argparse
import asyncio
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from contract.serving import empty_database, environment, migrated_database
from sqlalchemy import insert
from sqlalchemy.engine import URL

from kit.database.engine import create_engine, loop_factory
from kit.database.tables import TurnRecord
from tools.usage import days_of

USED = [
    ("ada", "big", 0, 100, 10),
    ("ada", "big", 0, 1000, 1),
    ("ada", "small", 0, 5, 5),
    ("bob", None, 0, 0, 0),
    ("guest_1", "big", 1, 123456, 7),
    ("ada", "big", 40, 9, 9),
]
"""Owner, model, how many days ago, tokens in and out."""


def usage(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.usage", *arguments]
    return subprocess.run(command, env=env, capture_output=True, encoding="utf-8", check=False)


async def record(url: URL, now: datetime) -> None:
    rows = [
        {
            "id": f"trn_{number}",
            "owner": owner,
            "model": model,
            "request_id": "r",
            "started_at": now - timedelta(days=ago),
            "beat_at": now,
            "ended_at": now,
            "outcome": "answered",
            "tokens_in": tokens_in,
            "tokens_out": tokens_out,
        }
        for number, (owner, model, ago, tokens_in, tokens_out) in enumerate(USED)
    ]
    engine = create_engine(url)
    async with engine.begin() as connection:
        await connection.execute(insert(TurnRecord), rows)
    await engine.dispose()


def test_it_is_printed_by_day_owner_and_model(tmp_path: Path) -> None:
    with migrated_database(tmp_path) as url:
        env = environment(url)
        nothing = usage(env)
        assert (nothing.returncode, nothing.stdout) == (
            0,
            "No turn has begun in the last 30 days.\n",
        )
        now = datetime.now(UTC)
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(record(url, now))
        printed = usage(env)
        today, yesterday, long_ago = (f"{now - timedelta(days=ago):%Y-%m-%d}" for ago in (0, 1, 40))
        assert printed.stdout.splitlines() == [
            "day         owner    model  turns  tokens in  tokens out",
            f"{yesterday}  guest_1  big        1     123456           7",
            f"{today}  ada      big        2       1100          11",
            f"{today}  ada      small      1          5           5",
            f"{today}  bob                 1          0           0",
            "sum                             5     124561          23",
        ]
        assert printed.stderr == ""
        assert yesterday not in usage(env, "--days", "1").stdout
        assert long_ago in usage(env, "--days=3650").stdout


@pytest.mark.parametrize("days", ["0", "-3", "1.5", "", "3651", "100000", "9" * 5000])
def test_what_is_no_number_of_days_is_refused(days: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="a number from 1 to 3650, and not"):
        days_of(days)


def test_what_is_refused_is_said_in_words(database: URL) -> None:
    refused = usage(environment(database), "--days", "abc")
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1] == (
        "usage: error: argument --days: it is a number from 1 to 3650, and not 'abc'"
    )
    assert refused.stdout == ""


def test_a_database_that_is_not_migrated_is_named(tmp_path: Path) -> None:
    with empty_database(tmp_path) as url:
        for _ in range(2):  # the first time makes no file
            failed = usage(environment(url))
            assert failed.returncode == 1
            assert "uv run --no-dev alembic upgrade head" in failed.stderr
            assert "Traceback" not in failed.stderr
            if url.get_backend_name() == "sqlite":
                assert "There is no database yet" in failed.stderr


def test_a_database_that_does_not_answer_is_named(database: URL) -> None:
    if database.get_backend_name() == "sqlite":
        nowhere = database.set(database="/nowhere/chat.db")
    else:
        nowhere = database.set(port=1, query={})
    failed = usage(environment(nowhere))
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr
    assert "DATABASE_URL" in failed.stderr or "There is no database yet" in failed.stderr
