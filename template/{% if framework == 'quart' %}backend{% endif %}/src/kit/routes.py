"""What routes of your own are handed in Quart: who is asking."""

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
    """Make a decorator that hands a view the owner of the request, as its first argument.

    Args:
        identify: tells by the headers of a request who sends it; whom it refuses, the view is
            never run for.
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
