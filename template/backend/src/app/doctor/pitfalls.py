"""The pitfalls by their slugs, of the file that the page and docs/pitfalls.md are made of too."""

import json
from dataclasses import dataclass
from functools import cache

from app.dev.paths import FRONTEND

FILE = FRONTEND / "src" / "kit" / "pitfalls.json"


@dataclass(frozen=True)
class Pitfall:
    """What the doctor says of a pitfall."""

    title: str
    cure: str
    read_on: str
    """Where all of it stands."""


def find_pitfall(slug: str) -> Pitfall | None:
    """Return the pitfall, or None if the file does not have it."""
    return _pitfalls().get(slug)


@cache
def _pitfalls() -> dict[str, Pitfall]:
    try:
        sections = json.loads(FILE.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # an examination without quotations is better than none
        return {}
    return {
        one["slug"]: Pitfall(one["title"], one["cure"], f"docs/pitfalls.md#{one['slug']}")
        for section in sections
        for one in section["pitfalls"]
    }
