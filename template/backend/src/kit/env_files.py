"""The two .env.local files, which git does not keep: made and completed from .env.example."""

import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from kit.errors import StartupError

SECRET = "CHATKIT_SECRET"
PREVIOUS = "CHATKIT_SECRET_PREVIOUS"
"""The one before it, which is believed too while it is there."""


class EnvFileError(StartupError):
    """The .env.local files cannot be completed; the message names the file and the cure."""


def complete_env_files(root: Path) -> list[str]:
    """Complete backend/.env.local and frontend/.env.local, and give both the same secret.

    What is there stays as it is, byte for byte; only an empty secret is filled in.

    Args:
        root: the project's folder, which holds backend/ and frontend/.

    Returns:
        Sentences for a person on what was done; none if nothing was.

    Raises:
        EnvFileError: the secrets of the two sides differ, and nothing was changed; or a file is
            missing or cannot be read or written.
    """
    try:
        sides = [_EnvFile(root, side) for side in ("backend", "frontend")]
        for side in sides:
            side.complete()
        _share_secret(*sides)
        for side in sides:
            side.save()
    except OSError as error:
        raise EnvFileError(
            f"{error.filename} cannot be read or written: {error.strerror}."
        ) from error
    return [sentence for side in sides for sentence in side.sentences]


class _EnvFile:
    """One .env.local, in memory until it is saved."""

    def __init__(self, root: Path, side: str) -> None:
        folder = root / side
        self.name = f"{side}/.env.local"
        self.path = folder / ".env.local"
        self.existed = self.path.exists()
        self.sentences: list[str] = []
        self.saved = _read(self.path) if self.existed else ""
        self.text = self.saved
        self._example_name = f"{side}/.env.example"
        example = folder / ".env.example"
        self._example = _read(example) if example.exists() else None

    def complete(self) -> None:
        """Take over from the example what is missing."""
        if self._example is None:
            if not self.existed:
                raise EnvFileError(
                    f"{self._example_name} is missing, from which {self.name} is made. Bring it "
                    f"back with: git checkout -- {self._example_name}"
                )
            return
        if not self.existed:
            self.text = self._example
            self.sentences.append(f"Made {self.name} from {self._example_name}.")
            return
        there = {binding.key for binding in bindings(self.text)}
        blocks = {k: block for k, block in _blocks(self._example) if k not in there}
        for block in blocks.values():
            self._append(block)
        if blocks:
            self.sentences.append(f"Added {', '.join(blocks)} to {self.name}.")

    @property
    def is_used(self) -> bool:
        """Whether it was there, and says anything that the example does not."""
        return self.existed and self.saved != self._example

    @property
    def secret(self) -> str:
        """The secret, empty if there is none."""
        return self._value(SECRET)

    @property
    def previous(self) -> str:
        """The secret before it, empty if there is none."""
        return self._value(PREVIOUS)

    @property
    def secret_line(self) -> str:
        """Where the secret stands, for a message."""
        binding = self._binding(SECRET)
        assert binding is not None
        return f"{self.name} line {line_number(binding)}"

    def fill_secret(self, value: str) -> None:
        """Put the secret where its empty place is."""
        binding = self._binding(SECRET)
        if binding is None:
            self._append(f"{SECRET}={value}\n")
            return
        before, line, after = self._around(binding)
        filled = re.sub(
            rf"({SECRET}['\"]?)[^\S\r\n]*(?:=(?:[^\S\r\n]*(?:''|\"\"))?)?",
            lambda match: f"{match[1]}={value}",
            line,
            count=1,
        )
        self.text = before + filled + after

    def save(self) -> None:
        """Write the file if anything changed; a new one only its owner can read."""
        if self.text == self.saved:
            return
        # In place, so that links, owner and mode stay.
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with os.fdopen(os.open(self.path, flags, 0o600), "wb") as file:
            file.write(_encode(self.text))

    def _value(self, name: str) -> str:
        binding = self._binding(name)
        return (binding.value or "") if binding else ""

    def _binding(self, name: str) -> Binding | None:
        """The last one, since that is the one that counts."""
        found = [binding for binding in bindings(self.text) if binding.key == name]
        return found[-1] if found else None

    def _around(self, wanted: Binding) -> tuple[str, str, str]:
        offset = len(self.text) - len(self.text.removeprefix("\ufeff"))
        for binding in bindings(self.text):
            if binding == wanted:
                break
            offset += len(binding.original.string)
        end = offset + len(wanted.original.string)
        return self.text[:offset], self.text[offset:end], self.text[end:]

    def _append(self, block: str) -> None:
        newline = "\r\n" if "\r\n" in self.text else "\n"
        if self.text and not self.text.endswith(("\n", "\r")):
            self.text += newline
        lines = ["", *block.splitlines(), ""] if self.text else [*block.splitlines(), ""]
        self.text += newline.join(lines)


def _share_secret(backend: _EnvFile, frontend: _EnvFile) -> None:
    if backend.secret and frontend.secret:
        if frontend.secret not in (backend.secret, backend.previous):
            raise EnvFileError(
                f"{SECRET} differs between {backend.secret_line} and {frontend.secret_line}, and "
                "must be the same in both. Empty the wrong one and start again: it is then copied "
                "from the other."
            )
        return
    for empty, other in ((backend, frontend), (frontend, backend)):
        if other.secret:
            empty.fill_secret(other.secret)
            empty.sentences.append(f"Copied {SECRET} from {other.name} to {empty.name}.")
            return
    secret = secrets.token_urlsafe(32)
    sentence = f"Made a new {SECRET} for both."
    if backend.is_used or frontend.is_used:
        sentence += (
            " If there was one before, guests lose their cookie, and with it their history: to "
            "keep it, put the old secret back into both files."
        )
    for side in (backend, frontend):
        side.fill_secret(secret)
    frontend.sentences.append(sentence)


def _blocks(example: str) -> Iterator[tuple[str, str]]:
    """Yield each key of an example with its lines: its own and the comment right above it."""
    block = ""
    for binding in bindings(example):
        lines = binding.original.string
        starts_anew = lines.startswith(("\n", "\r"))
        block = lines.lstrip() if starts_anew else block + lines
        if binding.key is not None:
            yield binding.key, block
            block = ""


def _read(path: Path) -> str:
    # Bytes that are not UTF-8 come back as they were.
    return path.read_bytes().decode("utf-8", "surrogateescape")


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


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
