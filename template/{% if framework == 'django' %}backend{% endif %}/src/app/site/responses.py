"""The answers of the endpoints, as Django sends them."""

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from kit.http.request_handling import Reply


def response_of(reply: Reply) -> HttpResponseBase:
    """Return a reply, all at once or piece by piece."""
    kind = HttpResponse if isinstance(reply.body, bytes) else StreamingHttpResponse
    return kind(reply.body, reply.media_type, reply.status, headers=reply.headers)
