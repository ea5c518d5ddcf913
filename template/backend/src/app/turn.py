"""What an assistant is given to answer with."""

from dataclasses import dataclass

from chatkit.store import Store
from chatkit.types import ThreadItem, ThreadMetadata, UserMessageItem

from app.identity import RequestContext


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
