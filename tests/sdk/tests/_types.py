"""Who asks in the SDK's tests: the module that its source distribution lacks."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RequestContext:
    """The only thing that the store may ask of its context: whose conversations these are."""

    user_id: str

    @property
    def owner(self) -> str:
        """What projects call it."""
        return self.user_id
