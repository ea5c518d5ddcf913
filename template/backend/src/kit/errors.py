"""Errors with messages for people."""


class StartupError(Exception):
    """A problem that the person who starts the app can fix.

    The message says what is wrong, where, and what to do. It is shown without a traceback, and
    never contains a secret.
    """


class RefusedError(Exception):
    """A request is refused. The message tells the person why, and what to do.

    The message is for any person. `inside` is for people who run the app, and may name settings or
    hosts. In development the person sees it after the message; in production only the log has it.
    """

    def __init__(
        self,
        status: int,
        message: str,
        retry_after: int | None = None,
        inside: str | None = None,
    ) -> None:
        """Create the error.

        Args:
            status: the HTTP status of the reply, 4xx or 5xx.
            message: a sentence for any person.
            retry_after: after how many seconds the person may try again.
            inside: a sentence for people who run the app.
        """
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
        self.inside = inside
