"""Every combination of the template's answers, as copier.yml offers them."""

import itertools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
SETTINGS: dict[str, Any] = yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))
QUESTIONS: dict[str, dict[str, Any]] = {
    name: question
    for name, question in SETTINGS.items()
    if not name.startswith("_") and question.get("when") is not False
}
FRAMEWORKS: dict[str, dict[str, str]] = SETTINGS["frameworks"]["default"]
SYSTEMS = ("linux", "darwin", "win32")
"""What a project, and the template, work on, as `sys.platform` names it."""


@dataclass(frozen=True)
class Variant:
    """One combination of answers."""

    framework: str
    database: str
    wsl: bool

    @property
    def answers(self) -> dict[str, Any]:
        return {"framework": self.framework, "database": self.database, "wsl": self.wsl}

    def __str__(self) -> str:
        return f"{self.framework}-{self.database}{'-wsl' if self.wsl else ''}"


def choices(question: str) -> list[Any]:
    """Return what can be answered to a question."""
    if question == "framework":
        return list(FRAMEWORKS)
    return list(QUESTIONS[question]["choices"].values())


VARIANTS = [
    Variant(*answers)
    for answers in itertools.product(*map(choices, ("framework", "database", "wsl")))
]
DEFAULT = VARIANTS[0]
BY_DATABASE = [one for one in VARIANTS if one.framework == DEFAULT.framework and not one.wsl]

COVERING = [
    Variant(framework, choices("database")[number % len(choices("database"))], number % 2 == 1)
    for number, framework in enumerate(choices("framework"))
]
"""A few in which every answer occurs."""

BY_FRAMEWORK = [Variant(framework, "sqlite", wsl=False) for framework in choices("framework")]

ONE_FOR_EACH_CODE = {
    (one.framework, one.database): one
    for one in [*(one for one in VARIANTS if not one.wsl), *COVERING]
}
EVERY_VARIANT = bool(os.environ.get("EVERY_VARIANT"))
"""Whether every one is tested, as the workflow on GitHub does."""

RUN = VARIANTS if EVERY_VARIANT else list(ONE_FOR_EACH_CODE.values())
"""Those that are installed and checked, and converse as in production.

One with each framework and database, as WSL changes only comments (test_quality.py shows it).
"""

STARTED = VARIANTS if EVERY_VARIANT else COVERING
"""One with each framework: started by `uv run dev` too, tested in what is the framework's alone.

Into these the guide's pitfalls are put back.
"""

WHOLE = VARIANTS if EVERY_VARIANT else [one for one in RUN if one in (*BY_DATABASE, *COVERING)]
"""Those whose own tests are all run that could depend on the answers, and through the page."""
