"""The FastAPI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chatkit.store import NotFoundError
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException

from app import assistant
from app.identity import identify
from app.routes import router
from app.thread_titles import title_of
from kit.backend import Backend, check_health, running
from kit.errors import RefusedError
from kit.http.request_handling import Reply, failure_outside, http_error
from kit.settings import get_settings

backend = Backend(assistant, identify, title_of)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Check the settings at the start, and close the database connections at the end."""
    async with running():
        yield


app = FastAPI(
    title="ChatKit backend",
    lifespan=lifespan,
    # Without it there is no /docs, which is for development only.
    openapi_url="/openapi.json" if get_settings().app_env == "development" else None,
)
app.include_router(router)


@app.post("/chatkit")
async def chatkit(request: Request) -> Response:
    """Answer a request of ChatKit's page."""
    return _response(await backend.chatkit(request.headers, request.stream()))


@app.post("/attachments")
async def upload(request: Request) -> Response:
    """Store an uploaded file."""
    return _response(await backend.upload(request.headers, request.stream()))


@app.post("/attachments/{attachment_id}")
async def upload_announced(attachment_id: str, request: Request) -> Response:
    """Store the file of an announced attachment."""
    body = request.stream()
    return _response(await backend.upload_announced(attachment_id, request.headers, body))


@app.get("/attachments/{attachment_id}")
async def download(attachment_id: str, request: Request) -> Response:
    """Send a file to its owner."""
    return _response(await backend.download(attachment_id, request.headers))


@app.get("/health")
@app.get("/health/{about}")
async def health(about: str = "") -> JSONResponse:
    """Report how the server is; `live` and `ready` are for whoever restarts or chooses servers."""
    result = await check_health(about)
    return JSONResponse(result.body, result.status)


@app.exception_handler(HTTPException)
async def refuse(_request: Request, error: HTTPException) -> Response:
    """Answer HTTP errors of the framework and of your own routes."""
    return _response(http_error(error.status_code, error.headers, error.detail))


@app.exception_handler(RefusedError)
@app.exception_handler(NotFoundError)
@app.exception_handler(Exception)
async def fail(request: Request, error: Exception) -> Response:
    """Answer all other errors of your own routes. The log has the cause of unexpected ones."""
    return _response(failure_outside(request.headers, error))


def _response(reply: Reply) -> Response:
    if isinstance(reply.body, bytes):
        return Response(reply.body, reply.status, reply.headers, reply.media_type)
    return StreamingResponse(reply.body, reply.status, reply.headers, reply.media_type)
