"""The headers of a request, whatever the framework."""

from typing import Protocol
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""What a machine calls itself, and no other one."""


class Headers(Protocol):
    """What every framework's headers can do."""

    def get(self, name: str, /) -> str | None:
        """Return the first header of that name, which is written in lower case."""


def is_loopback(address: str) -> bool:
    """Whether an address such as `http://127.0.0.1:3000` or `//localhost` is of this machine."""
    try:
        return urlsplit(address).hostname in LOOPBACK
    except ValueError:
        return False
