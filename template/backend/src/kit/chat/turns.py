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
    """One turn: a message or another input of a person, and the answer to it."""

    thread: ThreadMetadata
    """Changes to the thread, such as a new title, are stored and shown."""
    message: UserMessageItem | None
    """What the person wrote. None if the turn answers a client tool, a form or an action."""
    context: RequestContext
    store: Store[RequestContext]

    @property
    def message_text(self) -> str:
        """The text of the message; empty if there is no message."""
        return "".join(part.text for part in self.message.content) if self.message else ""

    async def history(self, limit: int) -> list[ThreadItem]:
        """Return at most `limit` of the newest items of the conversation, oldest first."""
        page = await self.store.load_thread_items(
            self.thread.id, after=None, limit=limit, order="desc", context=self.context
        )
        return page.data[::-1]


_turns = Counter[str]()


@contextmanager
def running_turn(thread_id: str, alone: bool = False) -> Iterator[None]:
    """Mark a conversation as being answered until the end of the block.

    The mark exists in this process only: turns in other workers or on other machines are not seen.

    Args:
        thread_id: the id of the conversation.
        alone: whether no other turn may run. Set for a turn that removes items, because another
            turn could add items meanwhile.

    Raises:
        RefusedError: `alone` is set and another turn of the conversation is running (409).
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
    """Answers the person. A module with these functions satisfies the protocol."""

    def respond(self, turn: Turn) -> Events:
        """Answer a message, the output of a client tool, or a form."""

    def act(self, turn: Turn, action: Action[str, Any], widget: WidgetItem | None) -> Events:
        """Answer an action of a widget."""


class AssistantError(Exception):
    """The assistant failed. The original error is `__cause__`, which only the log shows."""


async def shielded(answer: Callable[[], Events]) -> Events:
    """Return the events of the assistant, and hide its internal errors from the person.

    ChatKit raises ValueError and NotFoundError for a wrong request, and the person sees their
    messages. The same errors from the assistant's code are bugs, and become AssistantError.

    Raises:
        BaseStreamError: the assistant failed with a message for the person.
        RefusedError: the assistant refused with a message for the person.
        SQLAlchemyError: the database failed.
        AssistantError: the assistant failed otherwise.
    """
    try:
        async for event in answer():
            yield event
    except (BaseStreamError, RefusedError, SQLAlchemyError):
        raise
    except Exception as error:
        raise AssistantError("The assistant failed") from error


async def shielded_in_stream(answer: Callable[[], Events]) -> Events:
    """Return the events of the assistant for a stream, where no HTTP status can refuse.

    Raises:
        CustomStreamError: the assistant refused, or failed with a message for the person.
        BaseStreamError: the assistant failed with another of ChatKit's stream errors.
        SQLAlchemyError: the database failed.
        AssistantError: the assistant failed otherwise.
    """
    try:
        async for event in shielded(answer):
            yield event
    except RefusedError as error:
        message = disclosed(str(error), error.inside)
        raise CustomStreamError(message, allow_retry=error.retry_after is not None) from error
