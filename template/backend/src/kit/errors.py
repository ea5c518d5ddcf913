"""Problems that a person can mend."""


class StartupError(Exception):
    """A problem that whoever starts the app can mend.

    The message says what is wrong, where, and what to do. It is shown as it is, without a
    traceback, so it never holds a secret.
    """


class RefusedError(Exception):
    """A request that is not answered. The message tells the person why, and what to do.

    It is for anybody. What is only for those who run the app, such as the name of a setting or of a
    host, is `inside`: the person is told it in development, and in production the log has it.
    """

    def __init__(
        self,
        status: int,
        message: str,
        retry_after: int | None = None,
        inside: str | None = None,
    ) -> None:
        """Refuse with an HTTP status of 4xx or 5xx; `retry_after` is in seconds."""
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
        self.inside = inside
