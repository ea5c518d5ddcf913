"""`POST /chatkit`, whatever the framework: bytes in, a reply out."""

import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import cache

from chatkit.server import StreamingResult
from chatkit.store import NotFoundError
from chatkit.types import (
    AttachmentsCreateReq,
    AttachmentsDeleteReq,
    ChatKitReq,
    ErrorEvent,
    InputTranscribeReq,
    is_streaming_req,
)
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import SQLAlchemyError

from app.chatkit_server import ChatKitServer, parse_request, went_wrong
from app.health import explain_database_error
from app.identity import RequestContext, UnauthorizedError, identify
from app.streaming import TurnStream

logger = logging.getLogger("app.chatkit")

EXAMPLE = '{"type": "threads.list", "params": {}}'
NOT_OFFERED: dict[type[BaseModel], str] = {
    AttachmentsCreateReq: "This server takes no attachments.",
    AttachmentsDeleteReq: "This server takes no attachments.",
    InputTranscribeReq: "This server takes no dictation.",
}
STREAM_HEADERS = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}


@dataclass(frozen=True)
class Reply:
    """What a framework sends: all at once, or piece by piece."""

    status: int
    media_type: str
    body: bytes | AsyncIterator[bytes]
    headers: dict[str, str]


@cache
def get_server() -> ChatKitServer:
    """Return the server that the whole process shares."""
    return ChatKitServer()


async def answer(body: bytes, authorization: str | None) -> Reply:
    """Answer a request of ChatKit's page. Every failure has a `message` for the person."""
    try:
        context = RequestContext(owner=identify(authorization))
        request = parse_request(body)
    except UnauthorizedError as error:
        return _refusal(401, str(error))
    except ValidationError as error:
        return _refusal(400, _explain_request(error))
    if type(request) in NOT_OFFERED:
        return _refusal(400, NOT_OFFERED[type(request)])
    try:
        result = await get_server().handle(request, context)
        if isinstance(result, StreamingResult):
            stream = await TurnStream(aiter(result)).start()
            return Reply(200, "text/event-stream", stream, STREAM_HEADERS)
        return Reply(200, "application/json", result.json, {})
    except NotFoundError as error:
        return _refusal(404, str(error) or "That is not there.")
    except Exception as error:
        # ChatKit refuses what does not fit the conversation with a plain ValueError.
        if type(error) is ValueError:
            logger.warning("Request %s is refused: %s", context.request_id, error)
            return _refusal(400, f"{error}.")
        logger.exception("Request %s failed", context.request_id)
        if isinstance(error, SQLAlchemyError):
            return _failure(request, 503, explain_database_error(error))
        return _failure(request, 500, went_wrong(context.request_id))


def _refusal(status: int, message: str) -> Reply:
    return Reply(status, "application/json", json.dumps({"message": message}).encode(), {})


def _failure(request: ChatKitReq, status: int, message: str) -> Reply:
    if not is_streaming_req(request):
        return _refusal(status, message)
    # ChatKit's page posts a message again after a 5xx, up to five times, a thread each.
    event = ErrorEvent(message=message, allow_retry=True)

    async def events() -> AsyncIterator[bytes]:
        yield f"data: {event.model_dump_json()}\n\n".encode()

    return Reply(200, "text/event-stream", events(), STREAM_HEADERS)


def _explain_request(error: ValidationError) -> str:
    problem = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in problem["loc"]) or "the body"
    return f"This is not a request of ChatKit: {where}: {problem['msg']}. One that works: {EXAMPLE}"
