"""Error responses: JSON as in every framework, and Django's own pages for browsers."""

from collections.abc import Awaitable, Callable

from chatkit.store import NotFoundError
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import async_only_middleware
from django.utils.functional import Promise
from sqlalchemy.exc import SQLAlchemyError

from app.site.responses import response_of
from kit.disclosure import went_wrong
from kit.errors import RefusedError
from kit.http.request_handling import (
    Reply,
    failure_outside,
    http_error,
    naming_request,
    refusal,
)
from kit.http.request_log import logged_request

JSON = "application/json"
STATUSES = {Http404: 404, PermissionDenied: 403, BadRequest: 400}
"""The exceptions that a view may raise to refuse a request, and their statuses."""

Next = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


def prefers_html(request: HttpRequest) -> bool:
    """Whether the client prefers HTML to JSON, as a browser does when it opens a page."""
    return request.get_preferred_type([JSON, "text/html"]) == "text/html"


@async_only_middleware
def errors_in_words(get_response: Next) -> Next:
    """Return Django's error pages as JSON, unless the client prefers HTML."""

    async def middleware(request: HttpRequest) -> HttpResponseBase:
        # Adds the id of the request to lines that Django logs.
        with logged_request("page", request.headers) as logged:
            response = await get_response(request)
        is_error = response.status_code >= 400 and response.headers.get("Content-Type") != JSON
        if is_error and not prefers_html(request):
            response = response_of(_error_in_words(response, logged.id))
        response.headers.setdefault("X-Request-Id", logged.id)
        return response

    middleware.process_exception = _refused  # type: ignore[attr-defined]  # Django asks for it
    return middleware


def _refused(request: HttpRequest, error: Exception) -> HttpResponseBase | None:
    """Answer the errors of your own views. None leaves the error to Django."""
    if isinstance(error, RefusedError | NotFoundError | SQLAlchemyError):
        return response_of(failure_outside(request.headers, error))
    status = next((status for kind, status in STATUSES.items() if isinstance(error, kind)), None)
    if status is None or prefers_html(request):
        return None
    # A lazy translation is text, too. Django's 404 for an unknown URL has an argument that is not
    # text.
    words = next((str(one) for one in error.args if isinstance(one, str | Promise)), None)
    return response_of(http_error(status, detail=words))


def _error_in_words(response: HttpResponseBase, request_id: str) -> Reply:
    if response.status_code == 500:
        return refusal(500, naming_request(went_wrong(), request_id))
    allowed = {name: value for name, value in response.items() if name == "Allow"}
    return http_error(response.status_code, allowed)
