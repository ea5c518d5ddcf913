"""Ports that the environment may change."""

import os

from app.errors import StartupError


def read_port(variable: str, default: int) -> int:
    """Return the port that an environment variable names.

    Raises:
        StartupError: it is not a port's number.
    """
    text = os.environ.get(variable, "").strip()
    if not text:
        return default
    if text.isascii() and text.isdigit() and 0 < int(text) < 65536:
        return int(text)
    raise StartupError(
        f"{variable} is {text!r} in the environment: set it to a number from 1 to 65535, or unset "
        f"it for {default}."
    )
