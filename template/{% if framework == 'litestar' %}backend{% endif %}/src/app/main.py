"""The Litestar application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar, Request, Response, get, post
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.params import FromPath
from litestar.response import Stream

from app import assistant
from app.identity import identify
from app.routes import router
from app.thread_titles import title_of
from kit.backend import Backend, check_health, running
from kit.http.request_handling import Reply, failure_outside, http_error
from kit.settings import get_settings

backend = Backend(assistant, identify, title_of)

AnyRequest = Request[Any, Any, Any]


@asynccontextmanager
async def lifespan(_app: Litestar) -> AsyncIterator[None]:
    """Check the settings at the start, and close the database connections at the end."""
    async with running():
        yield


@post("/chatkit", status_code=200)
async def chatkit(request: AnyRequest) -> Response[Any]:
    """Answer a request of ChatKit's page."""
    return _response(await backend.chatkit(request.headers, request.stream()))


@post("/attachments", status_code=200)
async def upload(request: AnyRequest) -> Response[Any]:
    """Store an uploaded file."""
    return _response(await backend.upload(request.headers, request.stream()))


@post("/attachments/{attachment_id:str}", status_code=200)
async def upload_announced(attachment_id: FromPath[str], request: AnyRequest) -> Response[Any]:
    """Store the file of an announced attachment."""
    body = request.stream()
    return _response(await backend.upload_announced(attachment_id, request.headers, body))


@get("/attachments/{attachment_id:str}")
async def download(attachment_id: FromPath[str], request: AnyRequest) -> Response[Any]:
    """Send a file to its owner."""
    return _response(await backend.download(attachment_id, request.headers))


@get(["/health", "/health/{about:str}"])
async def health(about: FromPath[str] = "") -> Response[dict[str, str]]:
    """Report how the server is; `live` and `ready` are for whoever restarts or chooses servers."""
    result = await check_health(about)
    return Response(result.body, status_code=result.status)


def refuse(request: AnyRequest, error: HTTPException) -> Response[Any]:
    """Answer HTTP errors of the framework and of your own routes."""
    # Litestar's own errors with status 500 reveal internals, such as the name of a dependency.
    if error.status_code == 500 and type(error) is not HTTPException:
        return fail(request, error)
    return _response(http_error(error.status_code, error.headers, error.detail))


def fail(request: AnyRequest, error: Exception) -> Response[Any]:
    """Answer all other errors of your own routes. The log has the cause of unexpected ones."""
    return _response(failure_outside(request.headers, error))


def _response(reply: Reply) -> Response[Any]:
    status, headers, media_type = reply.status, reply.headers, reply.media_type
    if isinstance(reply.body, bytes):
        return Response(reply.body, status_code=status, headers=headers, media_type=media_type)
    return Stream(reply.body, status_code=status, headers=headers, media_type=media_type)


app = Litestar(
    [chatkit, upload, upload_announced, download, health, router],
    lifespan=[lifespan],
    exception_handlers={HTTPException: refuse, Exception: fail},
    # Each endpoint has its own limit.
    request_max_body_size=None,
    # `kit.serve` has configured logging.
    logging_config=None,
    # /schema is for development only.
    openapi_config=OpenAPIConfig("ChatKit backend", "1.0.0")
    if get_settings().app_env == "development"
    else None,
)
