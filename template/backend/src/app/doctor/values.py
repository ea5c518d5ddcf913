"""Where the value of a setting comes from: the shell, or a line of a file."""

import os
from dataclasses import dataclass

from app.dev.paths import ROOT
from app.env_lines import EnvLine, read_env_lines

SHELL = "the shell"
DEFAULT = "the default"

FILES = {
    "backend": ("backend/.env.local",),
    # In the order of Next.js, whose server for development reads them all.
    "frontend": (
        "frontend/.env.development.local",
        "frontend/.env.local",
        "frontend/.env.development",
        "frontend/.env",
    ),
}


@dataclass(frozen=True)
class Value:
    """A value and its source."""

    text: str
    source: str

    @property
    def is_set(self) -> bool:
        """Whether it is more than the empty value, which means the default."""
        return bool(self.text.strip())


def value_of(side: str, name: str) -> Value:
    """Return the value that counts for one side, `backend` or `frontend`."""
    if name in os.environ:
        return Value(os.environ[name], SHELL)
    return in_files(side, name) or Value("", DEFAULT)


def place_of(side: str, name: str) -> str:
    """Return who says what a setting is, with its name."""
    source = value_of(side, name).source
    return f"{source} of {name}" if source == DEFAULT else f"{name} in {source}"


def in_files(side: str, name: str) -> Value | None:
    """Return what the files of one side say, whatever the shell does."""
    for file in FILES[side]:
        if line := lines_of(file).get(name):
            return Value(line.value, f"{file} line {line.number}")
    return None


def lines_of(file: str) -> dict[str, EnvLine]:
    """Return the variables that a file of the project sets; none if there is no such file."""
    try:
        text = (ROOT / file).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return {}
    return read_env_lines(text)


def backend_url() -> Value:
    """Return where the page's server looks for the backend."""
    for name in ("BACKEND_URL", "NEXT_PUBLIC_BACKEND_URL"):
        value = value_of("frontend", name)
        if value.is_set:
            return Value(value.text.strip().rstrip("/"), f"{name} in {value.source}")
    return Value("http://127.0.0.1:8000", DEFAULT)
