"""Problems that a person can mend."""


class StartupError(Exception):
    """A problem that whoever starts the app can mend.

    The message says what is wrong, where, and what to do. It is shown as it is, without a
    traceback, so it never holds a secret.
    """
