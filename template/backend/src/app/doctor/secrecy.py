"""Keeps secrets out of what the doctor says: people paste it into bug reports."""

import os
import re
from collections.abc import Iterator
from functools import cache
from urllib.parse import unquote

from app.doctor.values import FILES, lines_of

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
