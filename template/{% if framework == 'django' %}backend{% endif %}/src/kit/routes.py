"""A decorator for your own views in Django, which passes the owner."""

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from kit.people.identity import Identify

Parameters = ParamSpec("Parameters")
Answering = Coroutine[Any, Any, HttpResponseBase]


def with_owner(
    identify: Callable[[HttpRequest], Identify],
) -> Callable[
    [Callable[Concatenate[HttpRequest, str, Parameters], Answering]],
    Callable[Concatenate[HttpRequest, Parameters], Answering],
]:
    """Create a decorator that passes the owner to a view, after the request.

    Args:
        identify: takes a request and returns the function that identifies its sender. If that
            raises RefusedError, the view does not run.
    """

    def decorate(
        view: Callable[Concatenate[HttpRequest, str, Parameters], Answering],
    ) -> Callable[Concatenate[HttpRequest, Parameters], Answering]:
        @wraps(view)
        async def identified(
            request: HttpRequest, /, *args: Parameters.args, **kwargs: Parameters.kwargs
        ) -> HttpResponseBase:
            owner = (await identify(request)(request.headers)).owner
            return await view(request, owner, *args, **kwargs)

        return identified

    return decorate
