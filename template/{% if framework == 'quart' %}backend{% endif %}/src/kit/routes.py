"""A decorator for your own routes in Quart, which passes the owner."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from quart import request

from kit.people.identity import Identify

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def with_owner(
    identify: Identify,
) -> Callable[
    [Callable[Concatenate[str, Parameters], Awaitable[Result]]],
    Callable[Parameters, Awaitable[Result]],
]:
    """Create a decorator that passes the owner to a view as its first argument.

    Args:
        identify: returns the sender of a request from its headers. If it raises RefusedError, the
            view does not run.
    """

    def decorate(
        view: Callable[Concatenate[str, Parameters], Awaitable[Result]],
    ) -> Callable[Parameters, Awaitable[Result]]:
        @wraps(view)
        async def identified(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
            owner = (await identify(request.headers)).owner
            return await view(owner, *args, **kwargs)

        return identified

    return decorate
