"""Dependencies for your own routes in FastAPI: the owner, and database sessions."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from kit.database.engine import read, write
from kit.people.identity import Identify


def owner_by(identify: Identify) -> Callable[[Request], Awaitable[str]]:
    """Create a dependency that returns the owner of a request.

    Args:
        identify: returns the sender of a request from its headers. If it raises RefusedError, the
            route does not run.
    """

    async def owner(request: Request) -> str:
        return (await identify(request.headers)).owner

    return owner


async def _reading() -> AsyncIterator[AsyncSession]:
    async with read() as session:
        yield session


async def _writing() -> AsyncIterator[AsyncSession]:
    async with write() as session:
        yield session


# The scope ends a session before the response is sent, so a failed commit is not answered with 200.
ReadSession = Annotated[AsyncSession, Depends(_reading, scope="function")]
WriteSession = Annotated[AsyncSession, Depends(_writing, scope="function")]
