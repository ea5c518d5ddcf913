"""What FastAPI hands to routes of your own: who is asking, and sessions of the database."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from kit.database.engine import read, write
from kit.people.identity import Identify


def owner_by(identify: Identify) -> Callable[[Request], Awaitable[str]]:
    """Make the dependency that is the owner of a request.

    Args:
        identify: tells by the headers of a request who sends it; whom it refuses, the route is
            never run for.
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


# Over before the answer is sent: what cannot be committed is not answered with 200.
ReadSession = Annotated[AsyncSession, Depends(_reading, scope="function")]
WriteSession = Annotated[AsyncSession, Depends(_writing, scope="function")]
