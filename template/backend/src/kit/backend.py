"""The backend of the chat, independent of the framework: it takes requests, returns replies."""

import asyncio
import contextlib
import gc
import os
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace

from chatkit.server import StreamingResult
from chatkit.store import NotFoundError
from chatkit.types import (
    AttachmentsCreateReq,
    InputTranscribeReq,
    ThreadsSyncCustomActionReq,
)
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from kit.attachments import endpoint as attachments
from kit.attachments.attachment_store import AttachmentStore
from kit.attachments.file_store import get_file_store
from kit.attachments.retention import sweep_for_ever
from kit.chat.chatkit_server import ChatKitServer, TitleOf
from kit.chat.request_checks import (
    MAX_TEXT_BYTES,
    AnyReq,
    check_json,
    check_length,
    is_streaming,
    parse_request,
    too_much_text,
)
from kit.chat.running_turns import FAREWELL_SECONDS, RESTARTING, here
from kit.chat.turns import Assistant
from kit.database import postgresql
from kit.database.chatkit_store import ChatKitStore
from kit.database.engine import answered_within, get_engine, missing_migrations
from kit.disclosure import MIGRATE, NOT_MIGRATED, disclosed, explain_database_error
from kit.errors import RefusedError, StartupError
from kit.http.request_handling import (
    HTTP_ERRORS,
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
from kit.llm.model_client import transcribe, use_for_all_runs
from kit.people.identity import Headers, Identify, RequestContext, check_secret
from kit.people.limits import count_upload, in_line
from kit.settings import check_assistant, check_certificates, get_settings

HEALTH_SECONDS = 5.0
"""How long the database may take to answer a check of the health."""

NEW_OBJECTS = 10_000
"""The number of new objects that triggers garbage collection. Python's default is lower."""

MAX_BODY_BYTES = 10 * 1024 * 1024
"""The limit for a body with dictated speech. Files are uploaded to `/attachments` instead."""

MAX_MISTAKES = 100
"""Up to how many validation errors the first is described.

pydantic can only describe all of them, which takes long for thousands.
"""

MAX_EXPLANATION = 300
"""How many characters of a validation error are shown: it may quote what was sent."""

EXAMPLE = '{"type": "threads.list", "params": {}}'

SAYS_STOP = "x-says-stop"
"""The header by which the page announces that it says Stop with `kit.stop`.

Then a closed connection is no Stop: the turn goes on, and the page reads the answer later.
"""

ASSISTANT = "x-assistant"
"""The header in which the page names the assistant that it asks, unless that is the first one."""

NAME = re.compile(r"[a-z0-9-]{1,40}")
"""The name of an assistant. The page's server passes on no other."""


class Backend:
    """Answers the requests of ChatKit's page. Each process has one instance."""

    def __init__(
        self,
        assistant: Assistant,
        identify: Identify,
        title_of: TitleOf,
        others: Mapping[str, Assistant] | None = None,
    ) -> None:
        """Create the backend.

        Args:
            assistant: answers messages, unless the settings choose the demo assistant.
            identify: returns the sender of a request from its headers.
            title_of: makes the title of a conversation from its first message.
            others: more assistants, by the names that the page calls them. Each has a history of
                its own. If it has a `title_of`, that makes its titles.

        Raises:
            StartupError: a setting or a name is wrong.
        """
        if get_settings().is_demo:
            check_assistant(get_settings())
            from kit import demo  # nobody else needs it, so its owner may delete it

            assistant = demo
        elif get_settings().has_openai:
            use_for_all_runs()
        files = AttachmentStore(ChatKitStore())
        self.server = ChatKitServer(assistant, files, transcribe, title_of)
        self._servers = {"": self.server}
        for name, other in (others or {}).items():
            if not NAME.fullmatch(name):
                raise StartupError(
                    f"An assistant cannot be called {name!r}. Its name may have 1 to 40 lower-case "
                    "letters, digits and hyphens: change it where Backend(...) is called."
                )
            answering = assistant if get_settings().is_demo else other
            titling = getattr(other, "title_of", title_of)
            self._servers[name] = ChatKitServer(answering, files, transcribe, titling)
        self._identify = identify

    async def chatkit(
        self, headers: Headers, body: AsyncIterator[bytes], who: Identify | None = None
    ) -> Reply:
        """Answer `POST /chatkit`, a request of ChatKit's page.

        Args:
            headers: the headers of the request.
            body: the chunks of the body.
            who: replaces `identify` for this request, if identifying the sender takes more than
                headers, such as a session.
        """
        return await answer(self._servers, headers, body, who or self._identify)

    async def upload(
        self, headers: Headers, body: AsyncIterator[bytes], who: Identify | None = None
    ) -> Reply:
        """Answer `POST /attachments`: store a file and return its ChatKit record."""
        return await attachments.upload(self.server.files, headers, body, who or self._identify)

    async def upload_announced(
        self,
        attachment_id: str,
        headers: Headers,
        body: AsyncIterator[bytes],
        who: Identify | None = None,
    ) -> Reply:
        """Answer `POST /attachments/{id}`: store the file that `attachments.create` announced."""
        return await attachments.upload_announced(
            self.server.files, attachment_id, headers, body, who or self._identify
        )

    async def download(
        self, attachment_id: str, headers: Headers, who: Identify | None = None
    ) -> Reply:
        """Answer `GET /attachments/{id}` with the file, for its owner."""
        return await attachments.download(
            self.server.files, attachment_id, headers, who or self._identify
        )


async def answer(
    servers: Mapping[str, ChatKitServer],
    headers: Headers,
    body: AsyncIterator[bytes],
    who: Identify,
) -> Reply:
    """Answer a request of ChatKit's page. Every error reply has a `message` for the person.

    Args:
        servers: the servers of the assistants, by name. That of the first one is empty.
        headers: the headers of the request.
        body: the chunks of the body.
        who: returns the sender of the request.
    """

    async def work(sender: RequestContext) -> Reply:
        name = headers.get(ASSISTANT) or ""
        server = servers.get(name)
        if server is None:
            raise RefusedError(
                404,
                "There is no such assistant.",
                inside=f"Backend(...) has {', '.join(filter(None, servers)) or 'no others'}.",
            )
        context = replace(sender, assistant=name)
        said = await _receive(headers, body)

        async def soon_done() -> Reply | AnyReq:
            request = _parse(said)
            name_request(request.type)
            return request if _is_turn(request) else await _answer(server, request, context)

        done = await in_line(context, soon_done)
        if isinstance(done, Reply):
            return done
        return await _answer(server, done, context, outlives=headers.get(SAYS_STOP) == "1")

    return await handle("chatkit", headers, work, who)


def _is_turn(request: AnyReq) -> bool:
    """Whether the request may call a model. Such requests take long and have their own limits."""
    return is_streaming(request) or isinstance(
        request, InputTranscribeReq | ThreadsSyncCustomActionReq
    )


async def _answer(
    server: ChatKitServer, request: AnyReq, context: RequestContext, outlives: bool = False
) -> Reply:
    try:
        return await _answer_within_limits(server, request, context, outlives)
    except (RefusedError, NotFoundError):
        raise
    except Exception as error:
        # ChatKit raises a plain ValueError for a request that does not fit the conversation.
        if type(error) is ValueError:
            return refusal(400, f"{error}.")
        if is_streaming(request):
            _, message = explain_failure(error, context.request_id)
            return failed_stream(message)
        raise


async def _answer_within_limits(
    server: ChatKitServer, request: AnyReq, context: RequestContext, outlives: bool
) -> Reply:
    check_length(request)
    if isinstance(request, AttachmentsCreateReq):
        await count_upload(context)
    result = await server.handle(request, context)
    if isinstance(result, StreamingResult):
        stream = TurnStream(aiter(result), left=lambda: _left(context, outlives))
        return stream_reply(await stream.start())
    return json_reply(result.json)


def _left(context: RequestContext, outlives: bool) -> bool:
    """End the turn whose reader has left, or let it go on. Return False if it has not begun."""
    turn = here.of(context)
    if turn is None:
        return False
    if outlives:
        turn.limit(get_settings().turn_max_minutes * 60)
    else:
        turn.end("stopped")
    return True


async def _receive(headers: Headers, body: AsyncIterator[bytes]) -> bytes:
    media_type = (headers.get("content-type") or "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise RefusedError(
            415,
            f"Send JSON, with the header Content-Type: application/json. For example: {EXAMPLE}",
        )
    return await read_body(body, MAX_BODY_BYTES)


def _parse(said: bytes) -> AnyReq:
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


def check_settings() -> None:
    """Check the settings that the app needs to start.

    `running` calls this at the start, but then the server prints a traceback with the message. So
    the project's commands call it first.

    Raises:
        StartupError: a setting is missing or wrong.
    """
    settings = get_settings()
    check_secret(settings)
    check_assistant(settings)
    check_certificates(os.environ.get("SSL_CERT_FILE", ""))
    get_file_store()
    get_engine()


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[None]:
    """Run the backend for the duration of the block, which is the lifespan of the app.

    At the start, check the settings and begin the retention sweep. At the end, let running turns
    store their answers, and close the connections to the database.

    Raises:
        StartupError: a setting is missing or wrong.
    """
    check_settings()
    sweeper = asyncio.create_task(sweep_for_ever(ChatKitStore()))
    _collect_less()
    try:
        yield
    finally:
        sweeper.cancel()
        await here.interrupt_all()
        await TurnStream.end_all(FAREWELL_SECONDS)
        await get_engine().dispose()
        postgresql.leave_own_server()


def _collect_less() -> None:
    """Exclude all objects that exist at the start from garbage collection, and collect less often.

    A body of a few kB can contain thousands of lists, which trigger a full collection. With all
    imported modules it takes 0.2 s, during which the process answers nobody.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS)


@dataclass(frozen=True)
class Health:
    """The answer: status 200 if the database works, otherwise 503 and the cause."""

    status: int
    body: dict[str, str]


async def check_health(about: str = "") -> Health:
    """Check that the database answers and has at least the revisions that the code needs.

    Args:
        about: `live` checks only that the process answers, since a restart does not bring back a
            database. `ready` checks also that the server is not about to stop.
    """
    if about not in ("", "live", "ready"):
        return Health(404, {"message": HTTP_ERRORS[404]})
    if about == "live":
        return Health(200, {"status": "ok"})
    if about == "ready" and here.is_draining:
        return Health(503, {"status": "draining", "message": RESTARTING})
    try:
        missing = await answered_within(HEALTH_SECONDS, missing_migrations())
    except (SQLAlchemyError, OSError) as error:
        return Health(503, {"status": "unavailable", "message": explain_database_error(error)})
    if missing:
        message = disclosed(NOT_MIGRATED, f"It lacks {', '.join(missing)}. {MIGRATE}")
        return Health(503, {"status": "not migrated", "message": message})
    return Health(200, {"status": "ok"})
