"""Where the value of a setting comes from: the shell, or a line of a file."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from urllib.parse import unquote

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from kit.database.engine import KINDS
from kit.env_files import EnvLine, read_env_lines, read_text
from kit.errors import StartupError
from tools import ROOT
from tools.shell import quoted, unset

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
    return read_env_lines(read_text(ROOT / file))


def backend_url() -> Value:
    """Return where the page's server looks for the backend."""
    for name in ("BACKEND_URL", "NEXT_PUBLIC_BACKEND_URL"):
        value = value_of("frontend", name)
        if value.is_set:
            return Value(value.text.strip().rstrip("/"), f"{name} in {value.source}")
    return Value("http://127.0.0.1:8000", DEFAULT)


BASE_PATH = "FRONTEND_BASE_PATH"


def base_path() -> str:
    """Return the path below which the page is, such as `/chat`; empty if it is at the root.

    Raises:
        StartupError: FRONTEND_BASE_PATH is not a path, by the rule in frontend/src/kit/settings.ts.
    """
    path = value_of("frontend", BASE_PATH).text.strip()
    if path and not re.fullmatch(r"(/[A-Za-z0-9_.~-]+)+", path):
        raise StartupError(
            f'{place_of("frontend", BASE_PATH)} is "{path}". Set it to a path such as /chat, of '
            "letters without accents, digits and . ~ - _ and without a slash at its end, or leave "
            "it out. Git Bash makes another path of it: there, set MSYS_NO_PATHCONV=1."
        )
    return path


MASK = "***"

NAMES = re.compile(r"(^|_)(SECRET|PASSWORD|PASSWD|TOKEN|KEY|KEYS|CREDENTIALS)(_|$)", re.IGNORECASE)
SHORTEST = 8
"""Characters of a value that is masked wherever it stands: shorter ones are words like others."""

PASSWORD_IN_URL = re.compile(r"(://[^\s/:@]*:)[^\s/]+(?=@)")
PASSWORD_IN_QUERY = re.compile(
    r"([?&][^\s=&]*(?:password|secret|token|key)=)[^\s&]+", re.IGNORECASE
)


def mask(text: str) -> str:
    """Return the text without the secrets of this project, of this shell and of any address."""
    if known := _known():
        text = known.sub(MASK, text)
    text = PASSWORD_IN_URL.sub(rf"\1{MASK}", text)
    return PASSWORD_IN_QUERY.sub(rf"\1{MASK}", text)


@cache
def _known() -> re.Pattern[str] | None:
    longest_first = sorted(set(_secrets()), key=len, reverse=True)
    alternatives = "|".join(map(re.escape, longest_first))
    return re.compile(rf"(?<!\w)(?:{alternatives})(?!\w)") if longest_first else None


def _secrets() -> Iterator[str]:
    files = (lines_of(file) for names in FILES.values() for file in names)
    settings = [(name, line.value) for lines in files for name, line in lines.items()]
    for name, value in (*settings, *os.environ.items()):
        if "://" in value:
            password = re.search(r"://[^\s/:@]*:(\S+)@", value)
            value = password[1] if password else ""
        elif not NAMES.search(name) or name.startswith("NEXT_PUBLIC_"):  # which everybody may see
            continue
        if len(value) >= SHORTEST:
            yield from (value, unquote(value))


FILE = ROOT / ".copier-answers.yml"


@cache
def recorded_answers() -> dict[str, str]:
    """Return the answers by their questions, as they are written; none without the file."""
    # Each is a word on a line of its own, so no parser of YAML has to be installed.
    return dict(re.findall(r"(?m)^(\w+): ['\"]?(.*?)['\"]?\r?$", read_text(FILE)))


NAME = "DATABASE_URL"


@dataclass(frozen=True)
class Mismatch:
    """An address that names another kind of database than the answer."""

    named: str
    answered: str
    address: Value

    @property
    def problem(self) -> str:
        """What is wrong."""
        return f"{NAME} names a {self.named} database, and the project is made for {self.answered}"

    @property
    def use_the_answer(self) -> str:
        """The command after which DATABASE_URL names the kind that was answered."""
        if self.address.source == SHELL:
            return unset(NAME)
        example = lines_of("backend/.env.example").get(NAME)
        dotenv = "uv run dotenv -f backend/.env.local"
        if example and example.value:
            return f"{dotenv} set {NAME} {quoted(example.value)}"
        return f"{dotenv} unset {NAME}"

    @property
    def change_the_answer(self) -> str:
        """The command after which the project is made for the kind that DATABASE_URL names."""
        return f"uvx copier update --data database={self.named}"

    def __str__(self) -> str:
        """Return it with both ways out, for a person in the project's folder."""
        return (
            f"{self.problem} (.copier-answers.yml).\nThe address comes from {self.address.source}."
            f"\nTo use {self.answered}: {self.use_the_answer}"
            f"\ndocs/updates.md tells how the conversations come along."
            f"\nTo stay with {self.named}: {self.change_the_answer}"
        )


def find_mismatch() -> Mismatch | None:
    """Return how DATABASE_URL contradicts the answer; None if it does not, or nobody can tell."""
    answered = recorded_answers().get("database", "")
    address = value_of("backend", NAME)
    try:
        named = make_url(address.text.strip().strip("\"'")).get_backend_name()
    except ArgumentError:  # none, or one that the database's layer will not take
        return None
    if answered not in KINDS or KINDS.get(named) is KINDS[answered]:
        return None
    return Mismatch(named, answered, address)
