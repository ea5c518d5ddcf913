"""What the assistant fails with: only what its author means for people reaches them."""

from collections.abc import AsyncIterator, Callable

from chatkit.errors import BaseStreamError, CustomStreamError
from chatkit.types import ThreadStreamEvent
from sqlalchemy.exc import SQLAlchemyError

from app.disclosure import disclosed
from app.errors import RefusedError

Events = AsyncIterator[ThreadStreamEvent]


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
