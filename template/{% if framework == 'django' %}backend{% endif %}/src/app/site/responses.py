"""Conversion of the kit's replies into Django's responses."""

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from kit.http.request_handling import Reply


def response_of(reply: Reply) -> HttpResponseBase:
    """Return the Django response for a reply, which streams if the reply has chunks."""
    kind = HttpResponse if isinstance(reply.body, bytes) else StreamingHttpResponse
    return kind(reply.body, reply.media_type, reply.status, headers=reply.headers)
