"""What tools said, so that the next turn knows it too."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from agents import RunItem
from agents.items import ToolCallItem, ToolCallOutputItem
from chatkit.agents import AgentContext
from chatkit.types import HiddenContextItem

from app.chatkit_store import generate_id
from app.identity import RequestContext


class ToolMemory:
    """Makes hidden items of the outputs of tools: ChatKit has no items for those.

    What a client tool said is in its own item.
    """

    def __init__(self, context: AgentContext[RequestContext]) -> None:
        """Remember the run with this context."""
        self._context = context
        self._seen = 0

    def of_new_outputs(self, items: Sequence[RunItem]) -> Iterator[HiddenContextItem]:
        """Return an item for each tool output among a run's items that is new since last time."""
        new, self._seen = items[self._seen :], len(items)
        calls = {item.call_id: item for item in items if isinstance(item, ToolCallItem)}
        client_tool = self._context.client_tool_call
        for item in new:
            call = calls.get(item.call_id) if isinstance(item, ToolCallOutputItem) else None
            if call is None or (client_tool and call.tool_name == client_tool.name):
                continue
            arguments = getattr(call.raw_item, "arguments", "{}")
            yield HiddenContextItem(
                id=generate_id("message"),
                thread_id=self._context.thread.id,
                created_at=datetime.now(),
                content=f"The tool {call.tool_name} was called with {arguments} and said: "
                f"{item.output}",
            )
