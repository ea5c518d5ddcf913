"""The steps of every request: identify its sender, handle its errors, and log it."""

import asyncio
import json
import logging
import re
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from http.client import responses
from io import BytesIO
from urllib.parse import parse_qsl

from chatkit.store import NotFoundError
from chatkit.types import ErrorEvent, ThreadStreamEvent
from sqlalchemy.exc import SQLAlchemyError

from kit.disclosure import disclosed, explain_database_error, went_wrong
from kit.errors import RefusedError
from kit.http.request_log import logged_request, note_outcome
from kit.http.streaming import TurnStream
from kit.people.identity import Headers, Identify, Identity, RequestContext
from kit.people.limits import running_request_of

logger = logging.getLogger("app.request")

HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9a-fA-F:]+\])(:[0-9]{1,5})?")
LANGUAGE = re.compile(
    r"\s*([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)\s*(?:;\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)\s*)?"
)
"""An entry of `Accept-Language`: a tag, and how much it is preferred."""

LANGUAGE_CHARACTERS = 1000
"""How much of `Accept-Language` is read."""

PAGE_CHARACTERS = 2000
"""How long the header with the page's context may be. The page's server has the same limit."""

CLOSED = 499
"""The status in the log if the client closed the connection before the answer, as in nginx."""

OUTCOMES = {4: "refused", 5: "failed"}

HTTP_ERRORS = {
    404: "There is nothing at this address.",
    405: "This address does not take this method.",
}

STREAM_HEADERS = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}


@dataclass(frozen=True)
class Reply:
    """An HTTP response, independent of the framework."""

    status: int
    media_type: str
    body: bytes | AsyncIterator[bytes]
    headers: dict[str, str] = field(default_factory=dict)


def json_reply(body: bytes) -> Reply:
    """Return a reply with a body that is already JSON."""
    return Reply(200, "application/json", body)


def refusal(status: int, message: str, retry_after: int | None = None) -> Reply:
    """Return an error in ChatKit's format: JSON with a `message`, which its page shows."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return Reply(status, "application/json", json.dumps({"message": message}).encode(), headers)


def http_error(
    status: int, headers: Mapping[str, str] | None = None, detail: object = None
) -> Reply:
    """Return the reply for an HTTP error of the framework, or of a route of your own.

    Args:
        status: the status of the reply.
        headers: additional headers of the reply.
        detail: text becomes the `message`, unless it is empty or only the name of the status: then
            the message is the same in each framework. Any other value is returned as `detail`.
    """
    name = responses.get(status, f"Status {status}")
    usual = went_wrong() if status == 500 else f"{name}."
    said: dict[str, object] = {"message": HTTP_ERRORS.get(status, usual)}
    if isinstance(detail, str):
        said["message"] = said["message"] if detail in ("", name) else detail
    elif detail is not None:
        said["detail"] = detail
    return Reply(status, "application/json", json.dumps(said).encode(), dict(headers or {}))


def stream_reply(chunks: AsyncIterator[bytes]) -> Reply:
    """Return a stream of server-sent events, with headers that forbid proxies to buffer it."""
    return Reply(200, "text/event-stream", chunks, dict(STREAM_HEADERS))


def event_chunk(event: ThreadStreamEvent) -> bytes:
    """Return an event that has no times, as a stream sends it."""
    return f"data: {event.model_dump_json()}\n\n".encode()


def failed_stream(message: str) -> Reply:
    """Return a stream with status 200 that contains only an error event.

    After a 5xx status, ChatKit's page would post the message up to five more times, and each would
    create a thread.
    """

    async def events() -> AsyncIterator[bytes]:
        yield event_chunk(ErrorEvent(message=message, allow_retry=True))

    return stream_reply(events())


Work = Callable[[RequestContext], Awaitable[Reply]]


async def handle(kind: str, headers: Headers, work: Work, who: Identify) -> Reply:
    """Identify the sender, do the work for them, and log the request.

    No exception of the work is raised: every error becomes a reply with a `message` for the person.

    Args:
        kind: the name of the request in the log.
        headers: the headers of the request.
        work: returns the reply, or raises RefusedError or ChatKit's NotFoundError.
        who: identifies the sender. A framework with its own login passes its own function.
    """
    with logged_request(kind, headers) as request, ExitStack() as running:
        try:
            reply = await _answer(headers, request.id, work, who, running)
        except asyncio.CancelledError:
            # Some frameworks cancel the request when the client closes the connection.
            request.over(CLOSED, "stopped")
            raise
        body = reply.body
        if isinstance(body, TurnStream):
            body.when_over(lambda outcome: request.over(reply.status, outcome))
        else:
            request.over(reply.status, OUTCOMES.get(reply.status // 100, "answered"))
        if not isinstance(body, bytes):
            end = running.pop_all().close
            # A framework may drop a stream without iterating it.
            weakref.finalize(body, end)
            if isinstance(body, TurnStream):
                body.when_over(lambda _outcome: end())
            else:
                body = _until_over(body, end)
    return replace(reply, body=body, headers={**reply.headers, "X-Request-Id": request.id})


async def _until_over(
    chunks: AsyncIterator[bytes], end: Callable[[], None]
) -> AsyncIterator[bytes]:
    try:
        async for chunk in chunks:
            yield chunk
    finally:
        end()


async def _answer(
    headers: Headers, request_id: str, work: Work, who: Identify, running: ExitStack
) -> Reply:
    try:
        identity = await who(headers)
        url = _attachments_url(identity, headers)
        context = RequestContext(
            identity.owner,
            request_id,
            url,
            identity.address,
            _language(headers),
            _page(headers),
        )
        running.enter_context(running_request_of(context))
        return await work(context)
    except Exception as error:
        return _explained(error, request_id)


def _explained(error: Exception, request_id: str) -> Reply:
    if isinstance(error, RefusedError):
        return _refusal(error, request_id)
    if isinstance(error, NotFoundError):
        return refusal(404, str(error) or "That is not there.")
    return refusal(*explain_failure(error, request_id))


def _refusal(error: RefusedError, request_id: str) -> Reply:
    is_ours = error.status >= 500
    level = logging.ERROR if is_ours else logging.WARNING
    message = disclosed(str(error), error.inside, level)
    # The id is only useful if the log says more: not for errors that the person can fix.
    if is_ours or error.inside:
        message = naming_request(message, request_id)
    return refusal(error.status, message, error.retry_after)


def _attachments_url(identity: Identity, headers: Headers) -> str:
    if identity.page_origin is not None:
        return f"{identity.page_origin}/api/attachments"
    # The request did not come through the page's server, but from `curl` or an app, for example.
    host = headers.get("host") or "127.0.0.1:8000"
    if not HOST.fullmatch(host):
        raise RefusedError(400, "The Host header is not a valid host name.")
    # Each proxy appends its value. The first value is that of the proxy next to the browser.
    forwarded = (headers.get("x-forwarded-proto") or "").partition(",")[0].strip()
    scheme = "https" if forwarded == "https" else "http"
    return f"{scheme}://{host}/attachments"


def _language(headers: Headers) -> str | None:
    """Return the tag that the person prefers; of equal ones, the first."""
    entries = (headers.get("accept-language") or "")[:LANGUAGE_CHARACTERS].split(",")
    found = (LANGUAGE.fullmatch(entry) for entry in entries)
    preferred = [(float(one[2] or 1), one[1]) for one in found if one]
    weight, tag = max(preferred, key=lambda one: one[0], default=(0.0, None))
    return tag if weight > 0 else None


def _page(headers: Headers) -> dict[str, str]:
    """Return what the page says about itself, which is written like the query of an address."""
    written = headers.get("x-page-context") or ""
    if len(written) > PAGE_CHARACTERS:
        message = f"The page's context is longer than {PAGE_CHARACTERS} characters."
        raise RefusedError(431, message)
    return dict(parse_qsl(written, keep_blank_values=True))


def failure_outside(headers: Headers, error: Exception) -> Reply:
    """Return the reply for an error that is raised outside `handle`: in a route of your own."""
    with logged_request("other", headers) as request:
        reply = _explained(error, request.id)
        request.over(reply.status, OUTCOMES[reply.status // 100])
    return replace(reply, headers={**reply.headers, "X-Request-Id": request.id})


def explain_failure(error: Exception, request_id: str) -> tuple[int, str]:
    """Log an error, and return a status and a sentence for the person."""
    logger.error("The request failed", exc_info=error)
    note_outcome("failed")
    if isinstance(error, SQLAlchemyError):
        return 503, naming_request(explain_database_error(error), request_id)
    return 500, naming_request(went_wrong(error), request_id)


def naming_request(message: str, request_id: str) -> str:
    """Return the message with the id of the request, which the log has, too."""
    return f"{message} (request {request_id})"


async def read_body(body: AsyncIterator[bytes], limit: int) -> bytes:
    """Return the whole body of a request.

    Raises:
        RefusedError: the body is larger than `limit` bytes (413), or the connection breaks (400).
    """
    whole = BytesIO()  # a list of tiny chunks would take many times their size in memory
    async for chunk in limited(body, limit):
        whole.write(chunk)
    return whole.getvalue()


async def limited(body: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    """Return the chunks of a body.

    Raises:
        RefusedError: the body is larger than `limit` bytes (413), or the connection breaks (400).
    """
    size = 0
    while True:
        try:
            chunk = await anext(body, None)
        except asyncio.CancelledError:
            raise
        except Exception:  # each framework raises a different error
            raise RefusedError(400, "The connection broke off.") from None
        if chunk is None:
            return
        size += len(chunk)
        if size > limit:
            megabytes = limit / 1024 / 1024
            raise RefusedError(413, f"The body is larger than {megabytes:.0f} MB, the maximum.")
        yield chunk
