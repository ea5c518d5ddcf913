"""What views of your own are handed in Django: who is asking."""

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
    """Make a decorator that hands a view the owner of the request, beside the request.

    Args:
        identify: tells who sends a request; whom it refuses, the view is never run for.
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
