"""The backend of the chat, independent of the framework: it takes requests, returns replies."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from kit.attachments import endpoint as attachments
from kit.attachments.attachment_store import AttachmentStore
from kit.attachments.file_store import get_file_store
from kit.attachments.retention import sweep_for_ever
from kit.chat import endpoint
from kit.chat.chatkit_server import ChatKitServer, TitleOf
from kit.chat.turns import Assistant
from kit.database import postgresql
from kit.database.chatkit_store import ChatKitStore
from kit.database.engine import get_engine, missing_migrations
from kit.disclosure import MIGRATE, NOT_MIGRATED, disclosed, explain_database_error
from kit.http.request_handling import Reply
from kit.http.streaming import TurnStream
from kit.llm import transcribe
from kit.people.identity import Headers, Identify, check_secret
from kit.settings import get_settings

FAREWELL_SECONDS = 5.0

NEW_OBJECTS = 10_000
"""The number of new objects that triggers garbage collection. Python's default is lower."""


class Backend:
    """Answers the requests of ChatKit's page. Each process has one instance."""

    def __init__(self, assistant: Assistant, identify: Identify, title_of: TitleOf) -> None:
        """Create the backend.

        Args:
            assistant: answers messages. If no model is configured, the demo assistant replaces it.
            identify: returns the sender of a request from its headers.
            title_of: makes the title of a conversation from its first message.

        Raises:
            StartupError: a setting is wrong.
        """
        if get_settings().is_demo:
            from kit import demo  # nobody else needs it

            assistant = demo
        files = AttachmentStore(ChatKitStore())
        self.server = ChatKitServer(assistant, files, transcribe, title_of)
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
        return await endpoint.answer(self.server, headers, body, who or self._identify)

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


def check_settings() -> None:
    """Check the settings that the app needs to start.

    `running` calls this at the start, but then the server prints a traceback with the message. So
    the project's commands call it first.

    Raises:
        StartupError: a setting is missing or wrong.
    """
    check_secret(get_settings())
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


async def check_health() -> Health:
    """Check that the database answers and has the newest revisions."""
    try:
        missing = await missing_migrations()
    except (SQLAlchemyError, OSError) as error:
        return Health(503, {"status": "unavailable", "message": explain_database_error(error)})
    if missing:
        message = disclosed(NOT_MIGRATED, f"It lacks {', '.join(missing)}. {MIGRATE}")
        return Health(503, {"status": "not migrated", "message": message})
    return Health(200, {"status": "ok"})
