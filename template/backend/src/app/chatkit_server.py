"""ChatKit's protocol: what a request does, what is sent and what is stored."""

import logging
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any, TypeVar

from chatkit.actions import Action
from chatkit.server import ChatKitServer as BaseServer
from chatkit.server import NonStreamingResult, StreamingResult
from chatkit.types import (
    ChatKitReq,
    ErrorEvent,
    Page,
    SyncCustomActionResponse,
    Thread,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemReplacedEvent,
    ThreadMetadata,
    ThreadStreamEvent,
    UserMessageItem,
    WidgetItem,
    is_streaming_req,
)
from pydantic import BaseModel, TypeAdapter

from app import assistant, demo_assistant
from app.chatkit_store import ChatKitStore
from app.identity import RequestContext
from app.settings import get_settings
from app.thread_titles import title_of
from app.turn import Turn

logger = logging.getLogger("app.chatkit")

# Built once: building it takes longer than many a request.
_REQUEST: TypeAdapter[ChatKitReq] = TypeAdapter(ChatKitReq)

Dated = TypeVar("Dated", bound=BaseModel)


class ChatKitServer(BaseServer[RequestContext]):
    """The server: a store, and the assistant that answers."""

    def __init__(self) -> None:
        """Answer with assistant.py, or with the demo assistant while no model can be asked."""
        super().__init__(ChatKitStore())
        self._assistant = demo_assistant if get_settings().is_demo else assistant

    async def process(
        self, request: str | bytes | bytearray, context: RequestContext
    ) -> StreamingResult | NonStreamingResult:
        """Answer a request that is not parsed yet.

        Raises:
            pydantic.ValidationError: the request is not one of ChatKit's.
            chatkit.store.NotFoundError: it names something that is not there, or somebody else's.
        """
        return await self.handle(parse_request(request), context)

    async def handle(
        self, request: ChatKitReq, context: RequestContext
    ) -> StreamingResult | NonStreamingResult:
        """Answer a request.

        Raises:
            chatkit.store.NotFoundError: it names something that is not there, or somebody else's.
            ValueError: it does not fit what the conversation has come to.
        """
        if is_streaming_req(request):
            return StreamingResult(self._process_streaming(request, context))
        return NonStreamingResult(await self._process_non_streaming(request, context))

    async def respond(
        self,
        thread: ThreadMetadata,
        input_user_message: UserMessageItem | None,
        context: RequestContext,
    ) -> AsyncIterator[ThreadStreamEvent]:
        """Answer a message, the output of a client tool, or a form (then there is no message)."""
        if input_user_message is not None and thread.title is None:
            thread.title = title_of(input_user_message)
        turn = Turn(thread, input_user_message, context, self.store)
        async for event in self._assistant.respond(turn):
            yield event

    async def action(
        self,
        thread: ThreadMetadata,
        action: Action[str, Any],
        sender: WidgetItem | None,
        context: RequestContext,
    ) -> AsyncIterator[ThreadStreamEvent]:
        """Answer what a person did in a widget."""
        turn = Turn(thread, None, context, self.store)
        async for event in self._assistant.act(turn, action, sender):
            yield event

    async def sync_action(
        self,
        thread: ThreadMetadata,
        action: Action[str, Any],
        sender: WidgetItem | None,
        context: RequestContext,
    ) -> SyncCustomActionResponse:
        """Answer what a person did in a widget, with the item that replaces it at most."""
        async for event in self.action(thread, action, sender, context):
            if isinstance(event, ThreadItemReplacedEvent):
                await self.store.save_item(thread.id, event.item, context)
                return SyncCustomActionResponse(updated_item=event.item)
            if isinstance(event, ThreadItemDoneEvent):
                await self.store.add_thread_item(thread.id, event.item, context)
        return SyncCustomActionResponse()

    async def _process_events(
        self,
        thread: ThreadMetadata,
        context: RequestContext,
        stream: Callable[[], AsyncIterator[ThreadStreamEvent]],
    ) -> AsyncIterator[ThreadStreamEvent]:
        # ChatKit tells the person no more than that a turn failed, and then logs why.
        async for event in super()._process_events(thread, context, stream):
            if isinstance(event, ErrorEvent) and event.message is None:
                logger.error("Request %s failed, for the reason that follows", context.request_id)
                message = went_wrong(context.request_id)
                yield ErrorEvent(message=message, allow_retry=event.allow_retry)
            else:
                yield event

    def _serialize(self, obj: BaseModel) -> bytes:
        # ChatKit's times are naive and local, and a browser elsewhere would read them as its own.
        return super()._serialize(_with_offsets(obj))


def parse_request(request: str | bytes | bytearray) -> ChatKitReq:
    """Return the request that some JSON is.

    Raises:
        pydantic.ValidationError: it is not one of ChatKit's.
    """
    return _REQUEST.validate_json(request)


def went_wrong(request_id: str) -> str:
    """Return what a person is told when nothing better can be said."""
    return f"Something went wrong. The backend's log says more about request {request_id}."


def _with_offsets(obj: BaseModel) -> BaseModel:
    """Return a copy whose `created_at` say how far they are from UTC."""
    match obj:
        case Page():
            return obj.model_copy(update={"data": [_with_offsets(entry) for entry in obj.data]})
        case Thread():
            return _dated(obj).model_copy(update={"items": _with_offsets(obj.items)})
        case ThreadItemAddedEvent() | ThreadItemDoneEvent() | ThreadItemReplacedEvent():
            return obj.model_copy(update={"item": _dated(obj.item)})
        case SyncCustomActionResponse(updated_item=item) if item is not None:
            return obj.model_copy(update={"updated_item": _dated(item)})
    if isinstance(thread := getattr(obj, "thread", None), Thread):
        return obj.model_copy(update={"thread": _with_offsets(thread)})
    return _dated(obj)


def _dated(obj: Dated) -> Dated:
    moment = getattr(obj, "created_at", None)
    if not isinstance(moment, datetime):
        return obj
    return obj.model_copy(update={"created_at": moment.astimezone()})
