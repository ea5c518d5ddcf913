"""A connection to the project's database, for one check."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database import create_engine, database_url
from app.event_loop import loop_factory

SECONDS = 10
"""How long a check waits for the database."""

Answer = TypeVar("Answer")


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
