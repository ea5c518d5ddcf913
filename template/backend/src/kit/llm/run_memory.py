"""What the runs of a conversation remember, apart from its items."""

from typing import Any

from chatkit.types import ThreadMetadata
from pydantic import BaseModel

KEY = "kit"
"""The entry of a thread's metadata. ChatKit's page never sees metadata."""


class PendingClientTool(BaseModel):
    """A client tool that waits until the page has run the one before."""

    name: str
    arguments: dict[str, Any]


class RunMemory(BaseModel):
    """The memory of a conversation's runs. It is stored in the metadata of the thread."""

    agents: dict[str, str] = {}
    """The name of the agent that spoke last, by the name of the agent that a run starts with."""
    blocked: list[str] = []
    """The ids of the items that a guardrail has refused. The model is not sent them again."""
    client_tools: list[PendingClientTool] = []
    """The client tools of the last answer that the page has not been asked to run yet."""

    @classmethod
    def of(cls, thread: ThreadMetadata) -> "RunMemory":
        """Return the memory of a conversation."""
        return cls.model_validate(thread.metadata.get(KEY, {}))

    def keep(self, thread: ThreadMetadata) -> None:
        """Put the memory into the thread. ChatKit stores the thread when the turn ends."""
        if kept := self.model_dump(exclude_defaults=True):
            thread.metadata[KEY] = kept
        else:
            thread.metadata.pop(KEY, None)
