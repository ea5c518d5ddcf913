"""`uv run copy-database FROM_URL`: all conversations of another database, into this project's.

For a project that was made for one kind of database and is now to keep its conversations in
another. What is copied are the tables that Alembic compares with the models: those of the chat, and
yours that app/tables.py or alembic/env.py imports. The files of attachments stay where they are.
"""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, DateTime, RowMapping, Table, inspect, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from kit.database import postgresql
from kit.database.engine import (
    KINDS,
    MissingDriverError,
    applied_migrations,
    create_engine,
    database_url,
    loop_factory,
    migrate,
    newest_migrations,
    parse_database_url,
)
from kit.database.tables import Base, Lock
from kit.database.turn_records import aware
from kit.errors import StartupError
from kit.settings import BACKEND
from tools import print_any_sign

BATCH = 100
"""How many rows are in memory at a time; one may hold a long message."""


@dataclass(frozen=True)
class Copied:
    """What was copied, and what was not."""

    rows: Mapping[str, int]
    """How many rows of each table."""
    left: list[str]
    """The other tables of the source."""

    def __str__(self) -> str:
        """Return it for a person."""
        rows = ", ".join(f"{count} {table}" for table, count in self.rows.items())
        left = f"\nNot copied, as alembic/env.py does not know them: {', '.join(self.left)}."
        return f"Copied {rows}.{left if self.left else ''}"


def main() -> None:
    """Copy, and exit with 1 if that is refused or fails: then nothing was copied."""
    parser = argparse.ArgumentParser(
        prog="copy-database",
        description="Copy all conversations of another database into the one at DATABASE_URL, "
        "which must have none yet. Stop the app before.",
    )
    parser.add_argument(
        "source",
        metavar="FROM_URL",
        help="where they are, as DATABASE_URL said it: sqlite:///chat.db, mysql://..., or "
        "postgresql:// for the server of the project's own",
    )
    print_any_sign()
    try:
        source = source_url(parser.parse_args().source)
        target = database_url()
        refuse_the_same(source, target)
        migrate()
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            print(runner.run(copy(source, target)))
    except StartupError as error:
        sys.exit(str(error))


def source_url(text: str) -> URL:
    """Return the address of the source.

    Raises:
        StartupError: it is none, or there is nothing.
    """
    if text == "postgresql://" and postgresql.has_own_server():
        text = postgresql.start_own_server(BACKEND.parent)
    try:
        url = parse_database_url(text)
    except StartupError as error:
        raise StartupError(str(error).replace("DATABASE_URL", "FROM_URL")) from None
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise StartupError(f"FROM_URL names {url.database}. There is no such file.")
    return url


def refuse_the_same(source: URL, target: URL) -> None:
    """Refuse to copy a database into itself.

    Raises:
        StartupError: both addresses name the same one.
    """
    if _place(source) == _place(target):
        raise StartupError(
            "FROM_URL and DATABASE_URL name the same database. DATABASE_URL has to be that of the "
            "new one, in the environment or in backend/.env.local."
        )


def _place(url: URL) -> tuple[object, ...]:
    database = url.database
    if url.get_backend_name() == "sqlite":
        database = str(Path(database or "").resolve())
    return url.get_backend_name(), url.host, url.query.get("host"), url.port, database


async def copy(source: URL, target: URL) -> Copied:
    """Copy all rows of all tables of the models in one transaction.

    Args:
        source: of which nothing is changed.
        target: which is migrated and has no rows in these tables.

    Raises:
        StartupError: a driver is missing, a database cannot be used, the source is not migrated,
            or the target has rows.
    """
    async with _connect(source, "FROM_URL") as old, _connect(target, "DATABASE_URL") as new:
        if source.get_backend_name() != "sqlite":  # where any transaction sees but one state
            await old.execution_options(isolation_level="REPEATABLE READ")
        await new.execution_options(writes=True)
        await _refuse_other_migrations(old)
        # Those that others refer to come first. Locks are of one database.
        tables = [one for one in Base.metadata.sorted_tables if one.name != Lock.__tablename__]
        for table in tables:
            await _refuse_rows(new, table)
        rows = {table.name: await _copy_table(old, new, table) for table in tables}
        await KINDS[target.get_backend_name()].count_on(new, tables)
        left = await old.run_sync(_other_tables)
        await new.commit()
    return Copied(rows, left)


@asynccontextmanager
async def _connect(url: URL, name: str) -> AsyncIterator[AsyncConnection]:
    try:
        engine = create_engine(url)
    except MissingDriverError:
        raise StartupError(
            f"{name} names a {url.get_backend_name()} database, and its driver is not installed. "
            "Install it with: uv run --group databases copy-database FROM_URL"
        ) from None
    try:
        async with engine.connect() as connection:
            yield connection
    except (DBAPIError, OSError) as error:
        raise StartupError(
            f"The database at {name} ({url.render_as_string(hide_password=True)}) fails, so "
            f"nothing was copied: {getattr(error, 'orig', error)}"
        ) from None
    finally:
        await engine.dispose()


async def _refuse_other_migrations(old: AsyncConnection) -> None:
    there = await old.run_sync(applied_migrations)
    if there == newest_migrations():
        return
    raise StartupError(
        f"The database at FROM_URL has the migrations up to {', '.join(sorted(there)) or 'none'}. "
        f"This project has those up to {', '.join(sorted(newest_migrations()))}. Migrate the "
        "database first: in backend/, with DATABASE_URL=FROM_URL in the environment, run uv run "
        "--group databases alembic upgrade head."
    )


async def _refuse_rows(new: AsyncConnection, table: Table) -> None:
    if (await new.execute(select(1).select_from(table).limit(1))).first():
        raise StartupError(
            f"The database at DATABASE_URL has {table.name} already, so nothing was copied. Copy "
            "into an empty one. In backend/, uv run alembic downgrade base empties this one; what "
            "it holds is lost then."
        )


async def _copy_table(old: AsyncConnection, new: AsyncConnection, table: Table) -> int:
    count = 0
    everything = select(table).order_by(*table.primary_key)
    rows = await old.stream(everything, execution_options={"yield_per": BATCH})
    try:
        async for batch in rows.mappings().partitions():
            await new.execute(table.insert(), [_with_time_zones(table, row) for row in batch])
            count += len(batch)
    finally:
        await rows.close()  # `async with` would not, after an error
    return count


def _with_time_zones(table: Table, row: RowMapping) -> dict[str, Any]:
    """Return a row with moments in UTC that say so.

    Only PostgreSQL keeps the offset, and takes a moment without one for its session's.
    """
    values = dict(row)
    for column in table.columns:
        moment = values[column.name]
        if moment and isinstance(column.type, DateTime) and column.type.timezone:
            values[column.name] = aware(moment).astimezone(UTC)
    return values


def _other_tables(connection: Connection) -> list[str]:
    known = {"alembic_version", *Base.metadata.tables}
    return sorted(set(inspect(connection).get_table_names()) - known)


if __name__ == "__main__":
    main()
