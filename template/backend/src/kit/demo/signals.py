"""What is no answer: notices, effects, corrections, errors, and the end of a conversation."""

from chatkit.errors import CustomStreamError
from chatkit.types import (
    AssistantMessageContent,
    AssistantMessageItem,
    ClientEffectEvent,
    ClosedStatus,
    HiddenContextItem,
    LockedStatus,
    NoticeEvent,
    ThreadItemDoneEvent,
    ThreadItemRemovedEvent,
    ThreadItemReplacedEvent,
)

from kit.chat.turns import Turn
from kit.demo.speech import Events, of, say


async def notice(turn: Turn) -> Events:
    """Show a notice above the composer."""
    yield NoticeEvent(level="info", title="A notice", message="This is a **notice** of the server.")


async def effect(turn: Turn) -> Events:
    """Let the page do something: frontend/src/components/chat/effects.ts says what."""
    yield ClientEffectEvent(name="demo.effect", data={"title": "Named by the server"})


async def correction(turn: Turn) -> Events:
    """Say something wrong and replace it, say something else and take it back."""
    wrong = AssistantMessageItem(**of(turn), content=[AssistantMessageContent(text="2 + 2 = 5")])
    yield ThreadItemDoneEvent(item=wrong)
    right = [AssistantMessageContent(text="2 + 2 = 4")]
    yield ThreadItemReplacedEvent(item=wrong.model_copy(update={"content": right}))
    unsaid = AssistantMessageItem(**of(turn), content=[AssistantMessageContent(text="Or 6?")])
    yield ThreadItemDoneEvent(item=unsaid)
    yield ThreadItemRemovedEvent(item_id=unsaid.id)


async def hidden_note(turn: Turn) -> Events:
    """Remember something that the person does not see, as the next turn shows."""
    notes = [
        item.content for item in await turn.history(100) if isinstance(item, HiddenContextItem)
    ]
    yield ThreadItemDoneEvent(
        item=HiddenContextItem(**of(turn), content={"number": len(notes) + 1})
    )
    async for event in say(turn, f"Before this note I had {len(notes)} that you do not see."):
        yield event


async def error(turn: Turn) -> Events:
    """Fail in the middle of an answer."""
    async for event in say(turn, "Now something goes wrong, as you asked."):
        yield event
    raise CustomStreamError("This is what an error looks like: a sentence.", allow_retry=True)


async def lock(turn: Turn) -> Events:
    """Lock the conversation: it can be read, and nobody can write in it."""
    turn.thread.status = LockedStatus(reason="The demo locked it, as you asked.")
    async for event in say(turn, "This conversation is locked now."):
        yield event


async def close(turn: Turn) -> Events:
    """Close the conversation."""
    turn.thread.status = ClosedStatus(reason="The demo closed it, as you asked.")
    async for event in say(turn, "This conversation is closed now."):
        yield event
