"""A turn of a conversation, and the assistant that answers it."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from chatkit.actions import Action
from chatkit.errors import BaseStreamError, CustomStreamError
from chatkit.store import Store
from chatkit.types import ThreadItem, ThreadMetadata, ThreadStreamEvent, UserMessageItem, WidgetItem
from sqlalchemy.exc import SQLAlchemyError

from kit.disclosure import disclosed
from kit.errors import RefusedError
from kit.people.identity import RequestContext


@dataclass(frozen=True)
class Turn:
    """One turn of a conversation."""

    thread: ThreadMetadata
    """Changes to it, such as another title, are stored and shown."""
    message: UserMessageItem | None
    """What the person wrote; None after a client tool, a form or an action."""
    context: RequestContext
    store: Store[RequestContext]

    @property
    def message_text(self) -> str:
        """The text of the message, empty where there is none."""
        return "".join(part.text for part in self.message.content) if self.message else ""

    async def history(self, limit: int) -> list[ThreadItem]:
        """Return the newest items of the conversation, in their order, `limit` at most."""
        page = await self.store.load_thread_items(
            self.thread.id, after=None, limit=limit, order="desc", context=self.context
        )
        return page.data[::-1]


_turns = Counter[str]()


@contextmanager
def running_turn(thread_id: str, alone: bool = False) -> Iterator[None]:
    """Know until the end of the block that a conversation is being answered.

    Only this process knows: a turn that runs in another worker, or on another machine, is not seen.

    Args:
        thread_id: which conversation.
        alone: whether the turn removes items, which no other turn may add to meanwhile.

    Raises:
        RefusedError: it is to be alone and is not (409).
    """
    if alone and _turns[thread_id]:
        raise RefusedError(
            409, "This conversation is being answered, perhaps in another tab. Wait, or press Stop."
        )
    _turns[thread_id] += 1
    try:
        yield
    finally:
        _turns[thread_id] -= 1
        if not _turns[thread_id]:
            del _turns[thread_id]


Events = AsyncIterator[ThreadStreamEvent]


class Assistant(Protocol):
    """What answers: a module with these functions will do."""

    def respond(self, turn: Turn) -> Events:
        """Answer a message, the output of a client tool, or a form."""

    def act(self, turn: Turn, action: Action[str, Any], widget: WidgetItem | None) -> Events:
        """Answer what a person did in a widget."""


class AssistantError(Exception):
    """The assistant failed. Its own error is the cause, for the log alone."""


async def shielded(answer: Callable[[], Events]) -> Events:
    """Return the events of the assistant.

    ChatKit says with a ValueError or a NotFoundError what is wrong with a request, and people are
    told. Of the assistant such an error says something about its own code.

    Raises:
        CustomStreamError: the assistant tells the person that it failed.
        RefusedError: so it does.
        AssistantError: it failed otherwise.
    """
    try:
        async for event in answer():
            yield event
    except (BaseStreamError, RefusedError, SQLAlchemyError):
        raise
    except Exception as error:
        raise AssistantError("The assistant failed") from error


async def shielded_in_stream(answer: Callable[[], Events]) -> Events:
    """Return the events of the assistant for a stream, which has no status to refuse with.

    Raises:
        CustomStreamError: the assistant tells the person that it failed.
        AssistantError: it failed otherwise.
    """
    try:
        async for event in shielded(answer):
            yield event
    except RefusedError as error:
        message = disclosed(str(error), error.inside)
        raise CustomStreamError(message, allow_retry=error.retry_after is not None) from error
