"""The lines of an .env file that set something."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO

from dotenv.parser import Binding, parse_stream


@dataclass(frozen=True)
class EnvLine:
    """What a variable is set to, and in which line."""

    number: int
    value: str


def read_env_lines(text: str) -> dict[str, EnvLine]:
    """Return the variables of a file by their names; of several lines the last one counts."""
    return {
        binding.key: EnvLine(line_number(binding), binding.value or "")
        for binding in bindings(text)
        if binding.key is not None
    }


def bindings(text: str) -> Iterator[Binding]:
    """Return all there is in a file, in its order."""
    return parse_stream(StringIO(text, newline=""))


def line_number(binding: Binding) -> int:
    """Return the line in which something stands; it begins with the blank lines above it."""
    blank_lines = re.match(r"\s*", binding.original.string)
    assert blank_lines is not None
    return binding.original.line + len(re.findall(r"\r\n|\r|\n", blank_lines.group()))
