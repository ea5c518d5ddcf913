"""`POST /chatkit`, independent of the framework: it takes bytes and returns a reply."""

from collections.abc import AsyncIterator
from contextlib import ExitStack

from chatkit.server import StreamingResult
from chatkit.store import NotFoundError
from chatkit.types import (
    AttachmentsCreateReq,
    ChatKitReq,
    InputTranscribeReq,
    ThreadsSyncCustomActionReq,
    is_streaming_req,
)
from pydantic import ValidationError

from kit.chat.chatkit_server import ChatKitServer
from kit.chat.request_checks import (
    MAX_TEXT_BYTES,
    check_json,
    check_length,
    parse_request,
    too_much_text,
)
from kit.errors import RefusedError
from kit.http.request_handling import (
    Reply,
    explain_failure,
    failed_stream,
    handle,
    json_reply,
    read_body,
    refusal,
    stream_reply,
)
from kit.http.request_log import name_request
from kit.http.streaming import TurnStream
from kit.people.identity import Headers, Identify, RequestContext
from kit.people.limits import count_turn, count_upload, in_line, running_turn_of

MAX_BODY_BYTES = 10 * 1024 * 1024
"""The limit for a body with dictated speech. Files are uploaded to `/attachments` instead."""

MAX_MISTAKES = 100
"""Up to how many validation errors the first is described.

pydantic can only describe all of them, which takes long for thousands.
"""

MAX_EXPLANATION = 300
"""How many characters of a validation error are shown: it may quote what was sent."""

EXAMPLE = '{"type": "threads.list", "params": {}}'


async def answer(
    server: ChatKitServer, headers: Headers, body: AsyncIterator[bytes], who: Identify
) -> Reply:
    """Answer a request of ChatKit's page. Every error reply has a `message` for the person."""

    async def work(context: RequestContext) -> Reply:
        said = await _receive(headers, body)

        async def soon_done() -> Reply | ChatKitReq:
            request = _parse(said)
            name_request(request.type)
            return request if _is_turn(request) else await _answer(server, request, context)

        done = await in_line(context, soon_done)
        return done if isinstance(done, Reply) else await _answer(server, done, context)

    return await handle("chatkit", headers, work, who)


def _is_turn(request: ChatKitReq) -> bool:
    """Whether the request may call a model. Such requests take long and have their own limits."""
    return is_streaming_req(request) or isinstance(
        request, InputTranscribeReq | ThreadsSyncCustomActionReq
    )


async def _answer(server: ChatKitServer, request: ChatKitReq, context: RequestContext) -> Reply:
    try:
        return await _answer_within_limits(server, request, context)
    except (RefusedError, NotFoundError):
        raise
    except Exception as error:
        # ChatKit raises a plain ValueError for a request that does not fit the conversation.
        if type(error) is ValueError:
            return refusal(400, f"{error}.")
        if is_streaming_req(request):
            _, message = explain_failure(error, context.request_id)
            return failed_stream(message)
        raise


async def _answer_within_limits(
    server: ChatKitServer, request: ChatKitReq, context: RequestContext
) -> Reply:
    with ExitStack() as running:
        if _is_turn(request):
            check_length(request)
            running.enter_context(running_turn_of(context))
            await count_turn(context)
        elif isinstance(request, AttachmentsCreateReq):
            await count_upload(context)
        result = await server.handle(request, context)
        if isinstance(result, StreamingResult):
            stream = await TurnStream(aiter(result)).start()
            end = running.pop_all().close
            stream.when_over(lambda _outcome: end())
            return stream_reply(stream)
    return json_reply(result.json)


async def _receive(headers: Headers, body: AsyncIterator[bytes]) -> bytes:
    media_type = (headers.get("content-type") or "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise RefusedError(
            415,
            f"Send JSON, with the header Content-Type: application/json. For example: {EXAMPLE}",
        )
    return await read_body(body, MAX_BODY_BYTES)


def _parse(said: bytes) -> ChatKitReq:
    check_json(said)
    try:
        request = parse_request(said)
    except ValidationError as error:
        raise RefusedError(400, _explain(error)) from None
    if len(said) > MAX_TEXT_BYTES and not isinstance(request, InputTranscribeReq):
        raise too_much_text()
    return request


def _explain(error: ValidationError) -> str:
    if error.error_count() > MAX_MISTAKES:
        mistake = f"{error.error_count()} things are wrong"
    else:
        problem = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in problem["loc"]) or "the body"
        mistake = f"{where}: {problem['msg']}"
    if len(mistake) > MAX_EXPLANATION:
        mistake = f"{mistake[:MAX_EXPLANATION]}…"
    return f"This is not a request of ChatKit: {mistake}. One that works: {EXAMPLE}"
