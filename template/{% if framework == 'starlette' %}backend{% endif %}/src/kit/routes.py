"""What routes of your own are handed in Starlette: who is asking."""

from collections.abc import Awaitable, Callable
from functools import wraps

from starlette.requests import Request
from starlette.responses import Response

from kit.people.identity import Identify

Endpoint = Callable[[Request], Awaitable[Response]]
OwnersEndpoint = Callable[[Request, str], Awaitable[Response]]


def with_owner(identify: Identify) -> Callable[[OwnersEndpoint], Endpoint]:
    """Make a decorator that hands an endpoint the owner of the request, beside the request.

    Args:
        identify: tells by the headers of a request who sends it; whom it refuses, the endpoint is
            never run for.
    """

    def decorate(endpoint: OwnersEndpoint) -> Endpoint:
        @wraps(endpoint)
        async def identified(request: Request) -> Response:
            return await endpoint(request, (await identify(request.headers)).owner)

        return identified

    return decorate
