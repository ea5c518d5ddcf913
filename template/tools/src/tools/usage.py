"""What was asked of the models: `uv run usage`."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from kit.database.engine import (
    database_url,
    get_engine,
    loop_factory,
    missing_migrations,
    read,
    unusable,
)
from kit.database.tables import TurnRecord
from kit.database.turn_records import aware
from kit.disclosure import MIGRATE, NOT_MIGRATED
from kit.errors import StartupError
from tools import print_any_sign

DAYS = 30
MAX_DAYS = 3650
HEADINGS = ("day", "owner", "model", "turns", "tokens in", "tokens out")
NUMBERS = 3
"""How many of the columns are numbers. They are the last ones."""


class Line(NamedTuple):
    """What an owner has asked of a model on a day, in UTC. The model is empty if none is known."""

    day: str
    owner: str
    model: str
    turns: int
    tokens_in: int
    tokens_out: int


def main() -> None:
    """Print the usage. Exit with 1 if the database cannot be used."""
    parser = argparse.ArgumentParser(
        prog="usage",
        description="Print the turns and tokens of each owner, by day (in UTC) and model. "
        "DATABASE_URL says where they are recorded.",
    )
    parser.add_argument(
        "--days",
        type=days_of,
        default=DAYS,
        metavar="NUMBER",
        help=f"how many days, with today; by default {DAYS}",
    )
    print_any_sign()
    days: int = parser.parse_args().days
    try:
        refuse_nothing(database_url())
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            lines = runner.run(usage(days))
    except StartupError as error:
        sys.exit(str(error))
    when = "today" if days == 1 else f"in the last {days} days"
    print(table(lines) if lines else f"No turn has begun {when}.")


def days_of(text: str) -> int:
    """Return the number of days in an argument.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    if text.isdecimal() and 1 <= int(text[:9]) <= MAX_DAYS:
        return int(text)
    raise argparse.ArgumentTypeError(f"it is a number from 1 to {MAX_DAYS}, and not {text!r}")


def refuse_nothing(url: URL) -> None:
    """Refuse a file that does not exist: to read it would make it.

    Raises:
        StartupError: there is no such file.
    """
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise StartupError(f"There is no database yet at {url.database}. {MIGRATE}")


async def usage(days: int) -> list[Line]:
    """Return the usage of the last days, the oldest first.

    Raises:
        StartupError: the database cannot be used.
    """
    try:
        if missing := await missing_migrations():
            raise StartupError(f"{NOT_MIGRATED} It lacks {', '.join(missing)}. {MIGRATE}")
        return await _usage(days)
    except DBAPIError as error:
        raise unusable(database_url(), error) from None
    finally:
        await get_engine().dispose()


async def _usage(days: int) -> list[Line]:
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    async with read() as session:
        first = await session.scalar(select(func.min(TurnRecord.started_at)))
    if first is None:
        return []
    # Databases differ in how they make a day of a time, so each day is asked for.
    days = min(days, (midnight.date() - aware(first).astimezone(UTC).date()).days + 1)
    return [
        line
        for ago in range(days - 1, -1, -1)
        for line in await usage_of(midnight - timedelta(days=ago))
    ]


async def usage_of(midnight: datetime) -> list[Line]:
    """Return the usage of the day that begins at a time."""
    turn, day = TurnRecord, f"{midnight:%Y-%m-%d}"
    query = (
        select(
            turn.owner,
            turn.model,
            func.count(),
            func.sum(turn.tokens_in),
            func.sum(turn.tokens_out),
        )
        .where(turn.started_at >= midnight, turn.started_at < midnight + timedelta(days=1))
        .group_by(turn.owner, turn.model)
        .order_by(turn.owner, turn.model)
    )
    async with read() as session:
        return [
            Line(day, owner, model or "", turns, int(tokens_in), int(tokens_out))
            for owner, model, turns, tokens_in, tokens_out in await session.execute(query)
        ]


def table(lines: Sequence[Line]) -> str:
    """Return the lines in columns, below headings, and their sum."""
    sums = [sum(numbers) for numbers in zip(*(line[-NUMBERS:] for line in lines), strict=True)]
    rows = [HEADINGS, *(tuple(map(str, line)) for line in lines), ("sum", "", "", *map(str, sums))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    names = len(HEADINGS) - NUMBERS
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column < names else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


if __name__ == "__main__":
    main()
