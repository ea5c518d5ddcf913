"""Alembic's environment: where the database is, which tables there should be."""

import asyncio
import logging
import sys
from collections.abc import Iterable
from logging.config import fileConfig
from pathlib import Path
from typing import Any

from alembic import context
from alembic.autogenerate.api import AutogenContext
from alembic.operations import MigrationScript
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, TypeDecorator, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

# Alembic may run in an environment of its own, which does not have the project installed.
BACKEND = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(BACKEND / "src"))

from kit.database.engine import (  # noqa: E402
    create_engine,
    database_url,
    framework_tables,
    loop_factory,
    newer_migrations,
    unusable,
)
from kit.errors import StartupError  # noqa: E402

# isort: split
# Of tables Alembic knows those that are imported: yours stand in app/tables.py.
from app import tables  # noqa: E402, F401
from app.models import Base  # noqa: E402

THEIRS = BACKEND / "alembic" / "versions"


def put_into_versions(
    migration_context: MigrationContext,
    _revision: str | Iterable[str | None] | Iterable[str],
    directives: list[MigrationScript],
) -> None:
    """Put a new revision into alembic/versions, after all there are."""
    for directive in directives:
        directive.version_path = directive.version_path or str(THEIRS)
        if directive.head in (None, "head"):
            directive.head = "heads"


def is_ours(name: str | None, kind: str, _parents: object) -> bool:
    """Whether Alembic compares something with the models: not the tables of a framework."""
    framework = framework_tables() if kind == "table" else None
    return framework is None or name not in framework.names()


def in_sqlalchemys_words(kind: str, obj: object, _context: AutogenContext) -> str | bool:
    """Return how a revision writes a type of the kit's; False for Alembic's own way.

    Alembic would write the kit's class, which a revision does not import.
    """
    if (
        kind == "type"
        and isinstance(obj, TypeDecorator)
        and type(obj).__module__.startswith("kit.")
    ):
        return f"sa.{obj.impl!r}"
    return False


def options() -> dict[str, Any]:
    """Return what both modes configure."""
    result: dict[str, Any] = {
        "target_metadata": Base.metadata,
        "include_name": is_ours,
        "render_item": in_sqlalchemys_words,
        "process_revision_directives": put_into_versions,
        "render_as_batch": database_url().get_backend_name() == "sqlite",
    }
    arguments = context.config.cmd_opts
    if context.config.attributes.get("upgrade") or (
        arguments
        and arguments.cmd[0].__name__ == "upgrade"
        and arguments.revision in ("head", "heads")
    ):
        result["fn"] = steps_to_all_heads
    return result


def steps_to_all_heads(applied: Any, migration_context: MigrationContext) -> Any:
    """Return what an upgrade has to do. After a rollback of the code this is nothing.

    "head" means every head: your revisions and the project's may both have a newest one.
    """
    connection = None if migration_context.as_sql else migration_context.connection
    if connection and (newer := newer_migrations(connection)):
        logging.getLogger("alembic").warning(
            "The database is newer than this code, and stays as it is. It has %s.",
            ", ".join(sorted(newer)),
        )
        return []
    return context.script._upgrade_revs("heads", applied)


def run(connection: Connection) -> None:
    """Migrate over an open connection."""
    context.configure(connection=connection, **options())
    with context.begin_transaction():
        context.run_migrations()


def run_offline() -> None:
    """Write SQL instead of running it."""
    context.configure(
        dialect_name=database_url().get_backend_name(), literal_binds=True, **options()
    )
    with context.begin_transaction():
        context.run_migrations()


def allow_to_rebuild_tables(connection: Any, _entry: ConnectionPoolEntry) -> None:
    """Let SQLite drop a table without deleting what refers to it.

    SQLite changes a table by making a new one and dropping the old, and with foreign keys on, the
    messages of all conversations would go with it.
    """
    connection.execute("PRAGMA foreign_keys = OFF")


async def run_online() -> None:
    """Connect and migrate."""
    engine = create_engine(database_url())
    if engine.dialect.name == "sqlite":
        event.listen(engine.sync_engine, "connect", allow_to_rebuild_tables)
    async with engine.connect() as connection:
        await connection.execution_options(writes=True)
        await connection.run_sync(run)
        await connection.commit()
    await engine.dispose()


if context.config.config_file_name and context.config.cmd_opts:
    fileConfig(context.config.config_file_name, disable_existing_loggers=False, encoding="utf-8")

try:
    if context.is_offline_mode():
        run_offline()
    else:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(run_online())
except StartupError as error:
    sys.exit(str(error))
except DBAPIError as error:
    # Of a statement that fails whoever wrote the revision wants to know where; of a database that
    # is not there, nobody does. `kit.database.engine` says so in words of its own.
    if error.statement or not context.config.cmd_opts:
        raise
    sys.exit(str(unusable(database_url(), error)))
