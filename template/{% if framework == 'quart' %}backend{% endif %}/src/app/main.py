"""The Quart application."""

from collections.abc import AsyncGenerator

from quart import Quart, Response, request
from werkzeug.exceptions import HTTPException

from app import assistant
from app.identity import identify
from app.routes import routes
from app.thread_titles import title_of
from kit.backend import Backend, check_health, running
from kit.http.request_handling import Reply, failure_outside, http_error

backend = Backend(assistant, identify, title_of)

app = Quart(__name__, static_folder=None)
app.config.update(
    # Each endpoint has its own limit.
    MAX_CONTENT_LENGTH=None,
    # A turn has no time limit.
    RESPONSE_TIMEOUT=None,
)
app.register_blueprint(routes)


@app.while_serving
async def lifespan() -> AsyncGenerator[None]:
    """Check the settings at the start, and close the database connections at the end."""
    async with running():
        yield


@app.post("/chatkit")
async def chatkit() -> Response:
    """Answer a request of ChatKit's page."""
    return _response(await backend.chatkit(request.headers, request.body))


@app.post("/attachments")
async def upload() -> Response:
    """Store an uploaded file."""
    return _response(await backend.upload(request.headers, request.body))


@app.post("/attachments/<attachment_id>")
async def upload_announced(attachment_id: str) -> Response:
    """Store the file of an announced attachment."""
    body = request.body
    return _response(await backend.upload_announced(attachment_id, request.headers, body))


@app.get("/attachments/<attachment_id>")
async def download(attachment_id: str) -> Response:
    """Send a file to its owner."""
    return _response(await backend.download(attachment_id, request.headers))


@app.get("/health")
@app.get("/health/<about>")
async def health(about: str = "") -> tuple[dict[str, str], int]:
    """Report how the server is; `live` and `ready` are for whoever restarts or chooses servers."""
    result = await check_health(about)
    return result.body, result.status


@app.errorhandler(HTTPException)
async def refuse(error: HTTPException) -> Response:
    """Answer HTTP errors of the framework and of your own routes."""
    # A description that was passed to `abort` is in `vars`. Werkzeug's default descriptions are
    # attributes of the class.
    words = vars(error).get("description")
    return _response(http_error(error.code or 500, dict(error.get_headers()), words))


@app.errorhandler(Exception)
async def fail(error: Exception) -> Response:
    """Answer all other errors of your own routes. The log has the cause of unexpected ones."""
    return _response(failure_outside(request.headers, error))


def _response(reply: Reply) -> Response:
    return Response(reply.body, reply.status, reply.headers, reply.media_type)
