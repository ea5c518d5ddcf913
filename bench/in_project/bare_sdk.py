"""ChatKit's server as its documentation puts it into FastAPI, with a store in memory."""

from collections import defaultdict
from collections.abc import AsyncIterator

from chatkit.server import ChatKitServer, StreamingResult
from chatkit.store import NotFoundError, Store
from chatkit.types import (
    Attachment,
    Page,
    ThreadItem,
    ThreadMetadata,
    ThreadStreamEvent,
    UserMessageItem,
    UserMessageTextContent,
)
from fastapi import FastAPI, Request
from fastapi.responses import Response, StreamingResponse
from script import speak


class MemoryStore(Store[None]):
    """As much of a store as a turn needs, and no more work than that."""

    def __init__(self) -> None:
        """Start empty."""
        self._threads: dict[str, ThreadMetadata] = {}
        self._items: defaultdict[str, dict[str, ThreadItem]] = defaultdict(dict)

    async def load_thread(self, thread_id: str, context: None) -> ThreadMetadata:
        """Return a thread."""
        if thread_id not in self._threads:
            raise NotFoundError
        return self._threads[thread_id]

    async def save_thread(self, thread: ThreadMetadata, context: None) -> None:
        """Keep a thread."""
        self._threads[thread.id] = thread

    async def add_thread_item(self, thread_id: str, item: ThreadItem, context: None) -> None:
        """Keep an item."""
        self._items[thread_id][item.id] = item

    async def load_thread_items(
        self, thread_id: str, after: str | None, limit: int, order: str, context: None
    ) -> Page[ThreadItem]:
        """Not needed here, like all that follows."""
        raise NotImplementedError

    async def load_threads(
        self, limit: int, after: str | None, order: str, context: None
    ) -> Page[ThreadMetadata]:
        """See above."""
        raise NotImplementedError

    async def save_item(self, thread_id: str, item: ThreadItem, context: None) -> None:
        """See above."""
        raise NotImplementedError

    async def load_item(self, thread_id: str, item_id: str, context: None) -> ThreadItem:
        """See above."""
        raise NotImplementedError

    async def delete_thread(self, thread_id: str, context: None) -> None:
        """See above."""
        raise NotImplementedError

    async def delete_thread_item(self, thread_id: str, item_id: str, context: None) -> None:
        """See above."""
        raise NotImplementedError

    async def save_attachment(self, attachment: Attachment, context: None) -> None:
        """See above."""
        raise NotImplementedError

    async def load_attachment(self, attachment_id: str, context: None) -> Attachment:
        """See above."""
        raise NotImplementedError

    async def delete_attachment(self, attachment_id: str, context: None) -> None:
        """See above."""
        raise NotImplementedError


class Server(ChatKitServer[None]):
    """The server, with the assistant of the measurements."""

    def respond(
        self, thread: ThreadMetadata, input_user_message: UserMessageItem | None, context: None
    ) -> AsyncIterator[ThreadStreamEvent]:
        """Answer what the message orders."""
        assert input_user_message
        part = input_user_message.content[0]
        assert isinstance(part, UserMessageTextContent)
        item_id = self.store.generate_item_id("message", thread, context)
        return speak(part.text, item_id, thread.id)


app = FastAPI()
server = Server(MemoryStore())


@app.post("/chatkit")
async def chatkit(request: Request) -> Response:
    """Answer a request of ChatKit's page."""
    result = await server.process(await request.body(), None)
    if isinstance(result, StreamingResult):
        return StreamingResponse(result, media_type="text/event-stream")
    return Response(result.json, media_type="application/json")
