"""The headers of a request, whatever the framework."""

from typing import Protocol


class Headers(Protocol):
    """What every framework's headers can do."""

    def get(self, name: str, /) -> str | None:
        """Return the first header of that name, which is written in lower case."""
