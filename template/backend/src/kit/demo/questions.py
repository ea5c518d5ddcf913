"""What the demo asks of the browser and of the person."""

from chatkit.types import (
    ClientToolCallItem,
    ProgressUpdateEvent,
    StructuredInputFreeform,
    StructuredInputItem,
    StructuredInputMultipleChoice,
    StructuredInputMultipleChoiceOption,
    ThreadItemDoneEvent,
)

from kit.chat.turns import Turn
from kit.database.chatkit_store import generate_id
from kit.demo.speech import Events, of, say


async def client_tool(turn: Turn) -> Events:
    """Ask the browser for its time, in frontend/src/components/chat/client-tools.ts."""
    yield ProgressUpdateEvent(icon="globe", text="Asking your browser for its time")
    yield ThreadItemDoneEvent(
        item=ClientToolCallItem(
            **of(turn, "tool_call"),
            call_id=generate_id("tool_call"),
            name="get_browser_time",
            arguments={},
        )
    )


async def form(turn: Turn) -> Events:
    """Ask the person two questions."""
    async for event in say(turn, "Two questions, and you may skip them:"):
        yield event
    options = [
        StructuredInputMultipleChoiceOption(value=value) for value in ("FastAPI", "Django", "Other")
    ]
    yield ThreadItemDoneEvent(
        item=StructuredInputItem(
            **of(turn),
            inputs=[
                StructuredInputMultipleChoice(
                    id="framework", question="Which framework do you like?", options=options
                ),
                StructuredInputFreeform(id="idea", question="What will you build?"),
            ],
        )
    )


async def answered(turn: Turn) -> Events:
    """Say what the browser or the person answered."""
    last = next(iter(await turn.history(1)), None)
    match last:
        case ClientToolCallItem():
            text = f"Your browser answered: `{last.output}`."
        case StructuredInputItem():
            answers = "; ".join(
                ", ".join(question.answer.values) if question.answer else "nothing"
                for question in last.inputs
            )
            text = f"Thank you. The form is {last.status}: {answers}."
        case _:
            text = "Thank you."
    async for event in say(turn, text):
        yield event
