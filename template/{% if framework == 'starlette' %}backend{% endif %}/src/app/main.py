"""The Starlette application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chatkit.store import NotFoundError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from app import assistant
from app.identity import identify
from app.routes import routes
from app.thread_titles import title_of
from kit.backend import Backend, check_health, running
from kit.errors import RefusedError
from kit.http.request_handling import Reply, failure_outside, http_error

backend = Backend(assistant, identify, title_of)


@asynccontextmanager
async def lifespan(_app: Starlette) -> AsyncIterator[None]:
    """Check the settings at the start, and close the database connections at the end."""
    async with running():
        yield


async def chatkit(request: Request) -> Response:
    """Answer a request of ChatKit's page."""
    return _response(await backend.chatkit(request.headers, request.stream()))


async def upload(request: Request) -> Response:
    """Store an uploaded file."""
    return _response(await backend.upload(request.headers, request.stream()))


async def upload_announced(request: Request) -> Response:
    """Store the file of an announced attachment."""
    attachment_id: str = request.path_params["attachment_id"]
    body = request.stream()
    return _response(await backend.upload_announced(attachment_id, request.headers, body))


async def download(request: Request) -> Response:
    """Send a file to its owner."""
    attachment_id: str = request.path_params["attachment_id"]
    return _response(await backend.download(attachment_id, request.headers))


async def health(request: Request) -> JSONResponse:
    """Report how the server is; `live` and `ready` are for whoever restarts or chooses servers."""
    result = await check_health(request.path_params.get("about", ""))
    return JSONResponse(result.body, result.status)


async def refuse(_request: Request, error: Exception) -> Response:
    """Answer HTTP errors of the framework and of your own routes."""
    assert isinstance(error, HTTPException)
    return _response(http_error(error.status_code, error.headers, error.detail))


async def fail(request: Request, error: Exception) -> Response:
    """Answer all other errors of your own routes. The log has the cause of unexpected ones."""
    return _response(failure_outside(request.headers, error))


def _response(reply: Reply) -> Response:
    if isinstance(reply.body, bytes):
        return Response(reply.body, reply.status, reply.headers, reply.media_type)
    return StreamingResponse(reply.body, reply.status, reply.headers, reply.media_type)


app = Starlette(
    routes=[
        Route("/chatkit", chatkit, methods=["POST"]),
        Route("/attachments", upload, methods=["POST"]),
        Route("/attachments/{attachment_id}", upload_announced, methods=["POST"]),
        Route("/attachments/{attachment_id}", download),
        Route("/health", health),
        Route("/health/{about}", health),
        *routes,
    ],
    exception_handlers={
        HTTPException: refuse,
        RefusedError: fail,
        NotFoundError: fail,
        Exception: fail,
    },
    lifespan=lifespan,
)
