"""The headers of a request."""

from django.core.handlers.asgi import ASGIRequest


class FirstHeaders:
    """The headers as they were sent. Django's `request.headers` joins those with the same name."""

    def __init__(self, request: ASGIRequest) -> None:
        """Wrap the headers of a request."""
        self._sent: list[tuple[bytes, bytes]] = request.scope["headers"]

    def get(self, name: str, /) -> str | None:
        """Return the first header with the name, which must be in lower case; None if missing."""
        wanted = name.encode()
        return next((value.decode("latin-1") for sent, value in self._sent if sent == wanted), None)
