"""The response to a login after too many failed logins."""

import math

from axes.helpers import get_client_username
from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import Max
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone

from app.site.errors import prefers_html
from app.site.responses import response_of
from kit.http.request_handling import refusal


def locked_out(request: HttpRequest, *_: object) -> HttpResponseBase:
    """Return a 429 response that says how long this address must wait for this user name."""
    seconds = _seconds_left(request)
    minutes = math.ceil(seconds / 60)
    wait = "a minute" if minutes == 1 else f"{minutes} minutes"
    message = f"Too many logins have failed. Try again in {wait}."
    if not prefers_html(request):
        return response_of(refusal(429, message, seconds))
    response = render(request, "registration/locked_out.html", {"message": message}, status=429)
    response["Retry-After"] = str(seconds)
    return response


def _seconds_left(request: HttpRequest) -> int:
    attempts = AccessAttempt.objects.filter(
        username=get_client_username(request, getattr(request, "axes_credentials", None)),
        ip_address=getattr(request, "axes_ip_address", None),
    )
    latest = attempts.aggregate(latest=Max("attempt_time"))["latest"] or timezone.now()
    left = latest + settings.AXES_COOLOFF_TIME - timezone.now()
    return max(1, math.ceil(left.total_seconds()))
