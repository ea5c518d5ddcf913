"""The views that the page's server calls. They are the same in every framework."""

from django.core.handlers.asgi import ASGIRequest
from django.http import JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from app import assistant
from app.identity import identify
from app.site.bodies import body_of
from app.site.headers import FirstHeaders
from app.site.owners import user_or_guest
from app.site.responses import response_of
from app.thread_titles import title_of
from kit.backend import Backend, check_health

backend = Backend(assistant, identify, title_of)

# These views need no CSRF token: they require the page's signed token in the Authorization header,
# which no other site can send. See `app.site.owners`.


@csrf_exempt
@require_POST
async def chatkit(request: ASGIRequest) -> HttpResponseBase:
    """Answer a request of ChatKit's page."""
    headers, who = FirstHeaders(request), user_or_guest(request)
    return response_of(await backend.chatkit(headers, body_of(request), who))


@csrf_exempt
@require_POST
async def upload(request: ASGIRequest) -> HttpResponseBase:
    """Store an uploaded file."""
    headers, who = FirstHeaders(request), user_or_guest(request)
    return response_of(await backend.upload(headers, body_of(request), who))


@csrf_exempt
@require_http_methods(["GET", "POST"])
async def attachment(request: ASGIRequest, attachment_id: str) -> HttpResponseBase:
    """Send a file to its owner, or store the file of an announced attachment."""
    headers, who = FirstHeaders(request), user_or_guest(request)
    if request.method == "GET":
        return response_of(await backend.download(attachment_id, headers, who))
    body = body_of(request)
    return response_of(await backend.upload_announced(attachment_id, headers, body, who))


@csrf_exempt
@require_GET
async def health(_request: ASGIRequest, about: str = "") -> JsonResponse:
    """Report how the server is; `live` and `ready` are for whoever restarts or chooses servers."""
    result = await check_health(about)
    return JsonResponse(result.body, status=result.status)
