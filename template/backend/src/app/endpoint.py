"""`POST /chatkit`, whatever the framework: bytes in, a reply out."""

from collections.abc import AsyncIterator

from chatkit.server import StreamingResult
from chatkit.store import NotFoundError
from chatkit.types import (
    ChatKitReq,
    InputTranscribeReq,
    ThreadsSyncCustomActionReq,
    is_streaming_req,
)
from pydantic import ValidationError
from pydantic_core import from_json

from app.chatkit_server import get_server, parse_request
from app.errors import RefusedError
from app.headers import Headers
from app.identity import Identify, RequestContext, identify
from app.replies import Reply, failed_stream, json_reply, refusal, stream_reply
from app.request_handling import explain_failure, handle, read_body
from app.request_log import name_request
from app.streaming import TurnStream
from app.turn_limit import count_turn

MAX_BODY_BYTES = 10 * 1024 * 1024
"""What a request with dictated speech may carry. Files come another way."""

MAX_TEXT_BYTES = 512 * 1024
"""What every other request may carry: describing each mistake of a long list takes pydantic long,
and everybody waits."""

EXAMPLE = '{"type": "threads.list", "params": {}}'


async def answer(headers: Headers, body: AsyncIterator[bytes], who: Identify = identify) -> Reply:
    """Answer a request of ChatKit's page. Every failure has a `message` for the person."""

    async def work(context: RequestContext) -> Reply:
        request = await _read(headers, body)
        name_request(request.type)
        try:
            return await _answer(request, context)
        except (RefusedError, NotFoundError):
            raise
        except Exception as error:
            # ChatKit refuses what does not fit the conversation with a plain ValueError.
            if type(error) is ValueError:
                return refusal(400, f"{error}.")
            if is_streaming_req(request):
                _, message = explain_failure(error, context.request_id)
                return failed_stream(message)
            raise

    return await handle("chatkit", headers, work, who)


async def _answer(request: ChatKitReq, context: RequestContext) -> Reply:
    if is_streaming_req(request) or isinstance(
        request, InputTranscribeReq | ThreadsSyncCustomActionReq
    ):
        await count_turn(context.owner)
    result = await get_server().handle(request, context)
    if isinstance(result, StreamingResult):
        return stream_reply(await TurnStream(aiter(result)).start())
    return json_reply(result.json)


async def _read(headers: Headers, body: AsyncIterator[bytes]) -> ChatKitReq:
    media_type = (headers.get("content-type") or "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise RefusedError(
            415,
            f"Send JSON, with the header Content-Type: application/json. For example: {EXAMPLE}",
        )
    try:
        said = await read_body(body, MAX_BODY_BYTES)
        if len(said) > MAX_TEXT_BYTES and not _is_speech(said):
            raise RefusedError(413, f"That is larger than {MAX_TEXT_BYTES // 1024} KB of text.")
        return parse_request(said)
    except ValidationError as error:
        raise RefusedError(400, _explain(error)) from None


def _is_speech(body: bytes) -> bool:
    try:
        return bool(from_json(body)["type"] == "input.transcribe")
    except (ValueError, TypeError, LookupError):
        return False


def _explain(error: ValidationError) -> str:
    problem = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in problem["loc"]) or "the body"
    return f"This is not a request of ChatKit: {where}: {problem['msg']}. One that works: {EXAMPLE}"
