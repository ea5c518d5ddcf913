"""Dependencies for your own routes in Litestar: the owner, and database sessions."""

from collections.abc import AsyncGenerator
from typing import Any

from litestar import Request
from litestar.di import Provide
from sqlalchemy.ext.asyncio import AsyncSession

from kit.database.engine import read, write
from kit.people.identity import Identify


def dependencies(identify: Identify) -> dict[str, Provide]:
    """Create the dependencies `owner`, `read_session` and `write_session`.

    Args:
        identify: returns the sender of a request from its headers. If it raises RefusedError, the
            route does not run.
    """

    async def owner(request: Request[Any, Any, Any]) -> str:
        return (await identify(request.headers)).owner

    return {
        "owner": Provide(owner),
        "read_session": Provide(_reading),
        "write_session": Provide(_writing),
    }


async def _reading() -> AsyncGenerator[AsyncSession]:
    async with read() as session:
        yield session


async def _writing() -> AsyncGenerator[AsyncSession]:
    async with write() as session:
        yield session
