"""What a person is told of a failure, and what only those are who run the app."""

import logging

from kit.settings import get_settings

logger = logging.getLogger("app.inside")


def disclosed(message: str, inside: str | None, level: int = logging.ERROR) -> str:
    """Return what a person is told of a failure.

    Args:
        message: a sentence for anybody.
        inside: what names settings, hosts, commands or the words of another server, but no secret.
            In development it follows the sentence; in production it goes to the log alone.
        level: that of the line in the log.
    """
    if inside is None:
        return message
    if in_development():
        return f"{message} {inside}"
    logger.log(level, "%s %s", message, inside)
    return message


def went_wrong() -> str:
    """Return what a person is told when nothing better can be said, and the log has the cause."""
    message = "Something went wrong."
    return f"{message} The backend's log says why." if in_development() else message


def in_development() -> bool:
    """Whether whoever asks runs the app too."""
    return get_settings().app_env == "development"
