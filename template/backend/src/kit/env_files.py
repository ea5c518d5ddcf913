"""The two .env.local files: created and completed from .env.example. Git ignores them.

They are in UTF-8, as all text of the project. What Windows PowerShell has written in UTF-16 is
refused here, and converted.
"""

import codecs
import os
import re
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import StringIO
from itertools import count
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from kit.errors import StartupError

SECRET = "CHATKIT_SECRET"
PREVIOUS = "CHATKIT_SECRET_PREVIOUS"
"""The previous secret, which is accepted, too, while it is set."""


class EnvFileError(StartupError):
    """The .env.local files cannot be completed. The message names the file and the fix."""


def complete_env_files(root: Path, *, mend: bool = False) -> list[str]:
    """Complete backend/.env.local and frontend/.env.local, and give both the same secret.

    Existing content is not changed, byte for byte, except that an empty secret is filled in.

    Args:
        root: the project's folder, which contains backend/ and frontend/.
        mend: whether a secret of the backend that differs is replaced by that of the front end,
            which signs the cookies of guests.

    Returns:
        Sentences for a person that describe the changes; empty if there are none.

    Raises:
        EnvFileError: the secrets of the two sides differ and are not mended, a file is missing, a
            file has text in UTF-16, or a file cannot be read or written. Before a file is written,
            nothing is changed.
    """
    try:
        sides = [_EnvFile(root, side) for side in ("backend", "frontend")]
        for side in sides:
            side.complete()
        _share_secret(*sides, mend=mend)
        for side in sides:
            side.save()
    except OSError as error:
        raise EnvFileError(
            f"{error.filename} cannot be read or written: {error.strerror}."
        ) from error
    return [sentence for side in sides for sentence in side.sentences]


class _EnvFile:
    """One .env.local file, in memory until it is saved."""

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
        """Add the variables that the example has and the file lacks.

        Raises:
            EnvFileError: both the file and the example are missing.
        """
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
        """Whether the file existed and differs from the example."""
        return self.existed and self.saved != self._example

    @property
    def secret(self) -> str:
        """The secret; empty if there is none."""
        return self._value(SECRET)

    @property
    def previous(self) -> str:
        """The previous secret; empty if there is none."""
        return self._value(PREVIOUS)

    @property
    def secret_line(self) -> str:
        """The file and line of the secret, for a message. The secret must be set."""
        binding = self._binding(SECRET)
        assert binding is not None
        return f"{self.name} line {line_number(binding)}"

    def fill_secret(self, value: str) -> None:
        """Set the secret on its empty line, or append a line."""
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

    def replace_secret(self, value: str) -> None:
        """Replace the secret that counts. The secret must be set."""
        binding = self._binding(SECRET)
        assert binding is not None
        before, line, after = self._around(binding)
        end = line[len(line.rstrip("\r\n")) :]
        self.text = f"{before}{line[: line.index(SECRET)]}{SECRET}={value}{end}{after}"

    def save(self) -> None:
        """Write the file if it changed. Only its owner can read a new file."""
        if self.text == self.saved:
            return
        # Written in place, to keep links, owner and mode.
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with os.fdopen(os.open(self.path, flags, 0o600), "wb") as file:
            file.write(_encode(self.text))

    def _value(self, name: str) -> str:
        binding = self._binding(name)
        return (binding.value or "") if binding else ""

    def _binding(self, name: str) -> Binding | None:
        """Return the last binding of the name, which is the effective one."""
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


def _share_secret(backend: _EnvFile, frontend: _EnvFile, *, mend: bool) -> None:
    if backend.secret and frontend.secret:
        if frontend.secret in (backend.secret, backend.previous):
            return
        if not mend:
            raise EnvFileError(
                f"{SECRET} differs between {backend.secret_line} and {frontend.secret_line}, and "
                "must be the same in both. Guests keep their conversations with the one in "
                f"{frontend.name}. To copy it to {backend.name}, type: uv run doctor --fix"
            )
        backend.sentences.append(f"Copied {SECRET} from {frontend.name} to {backend.name}.")
        backend.replace_secret(frontend.secret)
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
    """Yield each key of an example with its lines: its own and the comment directly above it."""
    block = ""
    for binding in bindings(example):
        lines = binding.original.string
        starts_anew = lines.startswith(("\n", "\r"))
        block = lines.lstrip() if starts_anew else block + lines
        if binding.key is not None:
            yield binding.key, block
            block = ""


def _read(path: Path) -> str:
    expect_utf_8(path)
    # `_encode` restores bytes that are not UTF-8.
    return path.read_bytes().decode("utf-8", "surrogateescape")


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


TEXTS = (
    ".copier-answers.yml",
    ".gitattributes",
    ".gitignore",
    "pyproject.toml",
    "backend/.env.example",
    "backend/.env.local",
    "backend/pyproject.toml",
    "backend/alembic/**/*.py",
    "backend/src/**/*.py",
    "backend/tests/**/*.py",
    "frontend/.env.example",
    *(  # those that Next.js reads
        f"frontend/.env{mode}{end}"
        for mode in ("", ".development", ".production", ".test")
        for end in ("", ".local")
    ),
    "frontend/.npmrc",
    "frontend/*.json",
    "frontend/src/**/*.css",
    "frontend/src/**/*.json",
    "frontend/src/**/*.ts",
    "frontend/src/**/*.tsx",
)
"""The files of `texts`."""

MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",  # before UTF-16, whose mark is the beginning of this one
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
"""The byte order marks, at the beginning of a file or of what was appended to one."""

WIDE = re.compile(rb"\xff\xfe|\xfe\xff|[^\0]\0", re.DOTALL)
"""How text in UTF-16 begins: with a mark, or with a letter of ASCII."""

CONVERT = "Convert it with: uv run doctor --fix"
TAKE_OUT = "take the NUL characters and what else is no text out, and save it as UTF-8"

ERRORS = {"utf-8": "surrogateescape"}
"""`_encode` restores bytes that are not UTF-8."""


def expect_utf_8(*paths: Path) -> None:
    """Refuse text that the readers of these files would ignore or misread.

    Raises:
        EnvFileError: a file has text in UTF-16 or UTF-32, or bytes that are no text. The message
            says what mends it.
    """
    if found := in_utf_16(paths):
        raise EnvFileError(explain_utf_16(found))


def read_text(path: Path) -> str:
    """Return the text of a file in any of these encodings; empty if there is none."""
    return _text(_content(path)) or ""


def texts(root: Path) -> Iterator[Path]:
    """Yield the project's files that people append to and that are read as UTF-8."""
    for pattern in TEXTS:
        yield from sorted(root.glob(pattern))


def in_utf_16(paths: Iterable[Path]) -> list[Path]:
    """Return the files that have text in UTF-16 or UTF-32, and those of `without_text`."""
    return [path for path in paths if _is_wide(_content(path))]


def without_text(paths: Iterable[Path]) -> list[Path]:
    """Return the files that nothing converts, such as those that a crash has filled with NULs."""
    return [path for path in paths if _text(_content(path)) is None]


def explain_utf_16(paths: Sequence[Path]) -> str:
    """Return what is wrong with such files, and what mends it."""
    lost = without_text(paths)
    wide = [path for path in paths if path not in lost]
    sentences = []
    if lost:
        sentences.append(
            f"{' and '.join(map(str, lost))} has bytes that are no text, as a crash may leave "
            f"them. Open it in an editor, {TAKE_OUT}."
        )
    if wide:
        sentences.append(
            f"{' and '.join(map(str, wide))} has text in UTF-16, as > and >> of Windows PowerShell "
            f"write it, and everything here reads UTF-8. {CONVERT}"
        )
    return " ".join(sentences)


def convert_to_utf_8(root: Path) -> list[str]:
    """Convert the project's files that have text in UTF-16, and keep each beside it as it was.

    Returns:
        Sentences for a person that describe the changes.
    """
    sentences = []
    for path in in_utf_16(texts(root)):
        content = _content(path)
        text = _text(content)
        if text is None:
            continue
        kept = _keep(path, content)
        path.write_bytes(_encode(text))  # in place, to keep links, owner and mode
        name = path.relative_to(root).as_posix()
        sentence = f"Converted {name} to UTF-8. As it was, it is in {kept} beside it."
        if path.name.startswith(".env") and (names := _repeated(text)):
            sentence += f" It sets {', '.join(names)} more than once, and the last line counts."
        sentences.append(sentence)
    return sentences


def _keep(path: Path, content: bytes) -> str:
    """Keep the content under a name of its own, which git ignores, and return the name."""
    for number in count(1):
        name = f"{path.name}.utf-16{f'-{number}' if number > 1 else ''}.local"
        with suppress(FileExistsError):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with os.fdopen(os.open(path.with_name(name), flags, 0o600), "wb") as file:
                file.write(content)
            break
    return name


def _repeated(text: str) -> list[str]:
    names = Counter(binding.key for binding in bindings(text) if binding.key is not None)
    return [name for name, times in names.items() if times > 1]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # whoever needs it says so
        return b""


def _is_wide(content: bytes) -> bool:
    """Whether some of it has two or four bytes for a character: UTF-8 has no NUL in a text."""
    return b"\0" in content or content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))


def _text(content: bytes) -> str | None:
    """Return the text of a file that is in UTF-8, UTF-16 or UTF-32, or in one after the other.

    Windows PowerShell appends UTF-16 to whatever there is, and others append UTF-8 to that. None if
    it is no text.
    """
    lines = []
    encoding = "utf-8"
    while content:
        mark = next((mark for mark in MARKS if content.startswith(mark)), b"")
        encoding = MARKS[mark] if mark else _encoding_of_line(content, encoding)
        content = content.removeprefix(mark)
        end = _end_of_line(content, encoding)
        try:
            lines.append(content[:end].decode(encoding, ERRORS.get(encoding, "strict")))
        except UnicodeDecodeError:
            return None
        content = content[end:]
        if content and not lines[-1].endswith("\n"):  # the next one began without a new line
            lines.append("\n")
    text = "".join(lines)
    return None if "\0" in text else text


def _encoding_of_line(content: bytes, before: str) -> str:
    """Return how the first line is encoded: as its first character says, which should be ASCII."""
    line, _, rest = content.partition(b"\n")
    if b"\0" not in line + rest[:1]:
        return "utf-8"
    for encoding in ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be"):
        first = content[: len(" ".encode(encoding))]
        with suppress(UnicodeDecodeError):
            if "\0" < first.decode(encoding) < "\x80":
                return encoding
    return before


def _end_of_line(content: bytes, encoding: str) -> int:
    """Return where the first line ends, or where UTF-16 goes on in the middle of it."""
    newline = "\n".encode(encoding)
    if encoding == "utf-8":
        line = content[: content.find(newline) + 1 or None]
        wide = WIDE.search(line, 1)
        return wide.start() if wide else len(line)
    width = len(newline)
    starts = range(0, len(content), width)
    return next((i + width for i in starts if content[i : i + width] == newline), len(content))


@dataclass(frozen=True)
class EnvLine:
    """The value of a variable and the number of its line."""

    number: int
    value: str


def read_env_lines(text: str) -> dict[str, EnvLine]:
    """Return the variables of a file by name. If a name occurs twice, the last line counts."""
    return {
        binding.key: EnvLine(line_number(binding), binding.value or "")
        for binding in bindings(text)
        if binding.key is not None
    }


def bindings(text: str) -> Iterator[Binding]:
    """Return all bindings, comments and blank lines of a file in order."""
    return parse_stream(StringIO(text, newline=""))


def line_number(binding: Binding) -> int:
    """Return the line number of a binding, without the blank lines above that it includes."""
    blank_lines = re.match(r"\s*", binding.original.string)
    assert blank_lines is not None
    return binding.original.line + len(re.findall(r"\r\n|\r|\n", blank_lines.group()))
