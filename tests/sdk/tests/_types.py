"""Who asks in the SDK's tests: the module that its source distribution lacks."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RequestContext:
    """All that the store may ask of its context: whose conversations these are, and with whom."""

    user_id: str
    assistant: str = ""

    @property
    def owner(self) -> str:
        """What projects call it."""
        return self.user_id
