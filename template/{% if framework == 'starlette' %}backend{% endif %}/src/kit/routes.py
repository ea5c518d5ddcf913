"""A decorator for your own routes in Starlette, which passes the owner."""

from collections.abc import Awaitable, Callable
from functools import wraps

from starlette.requests import Request
from starlette.responses import Response

from kit.people.identity import Identify

Endpoint = Callable[[Request], Awaitable[Response]]
OwnersEndpoint = Callable[[Request, str], Awaitable[Response]]


def with_owner(identify: Identify) -> Callable[[OwnersEndpoint], Endpoint]:
    """Create a decorator that passes the owner to an endpoint, after the request.

    Args:
        identify: returns the sender of a request from its headers. If it raises RefusedError, the
            endpoint does not run.
    """

    def decorate(endpoint: OwnersEndpoint) -> Endpoint:
        @wraps(endpoint)
        async def identified(request: Request) -> Response:
            return await endpoint(request, (await identify(request.headers)).owner)

        return identified

    return decorate
