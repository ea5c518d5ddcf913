"""Errors as every framework says them here; a browser gets Django's own pages."""

from collections.abc import Awaitable, Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import async_only_middleware

from app.replies import http_error
from app.site.responses import response_of

JSON = "application/json"

Next = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


def prefers_html(request: HttpRequest) -> bool:
    """Whether it is a browser that opens a page."""
    return request.get_preferred_type([JSON, "text/html"]) == "text/html"


@async_only_middleware
def errors_in_words(get_response: Next) -> Next:
    """Say in JSON what Django says in HTML, to whoever does not ask for HTML."""

    async def middleware(request: HttpRequest) -> HttpResponseBase:
        response = await get_response(request)
        if response.status_code < 400 or response.headers.get("Content-Type") == JSON:
            return response
        if prefers_html(request):
            return response
        allowed = {name: value for name, value in response.items() if name == "Allow"}
        return response_of(http_error(response.status_code, allowed))

    return middleware
