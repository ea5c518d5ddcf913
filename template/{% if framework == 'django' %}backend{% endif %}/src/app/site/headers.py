"""The headers of a request."""

from django.core.handlers.asgi import ASGIRequest


class FirstHeaders:
    """As they were sent. Django's own `request.headers` makes one of several with the same name."""

    def __init__(self, request: ASGIRequest) -> None:
        """Take those of a request."""
        self._sent: list[tuple[bytes, bytes]] = request.scope["headers"]

    def get(self, name: str, /) -> str | None:
        """Return the first header of that name, which is written in lower case."""
        wanted = name.encode()
        return next((value.decode("latin-1") for sent, value in self._sent if sent == wanted), None)
