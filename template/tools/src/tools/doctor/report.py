"""What the doctor says: line by line for people, or as JSON for machines and bug reports."""

import json
import textwrap
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache

from tools import FRONTEND
from tools.doctor.checks import Check, Finding, Outcome
from tools.settings import mask

WIDTH = 100
"""Characters of a line."""

INDENT = " " * 19
"""Of what belongs to a finding, below its first line."""


class Report:
    """What both reports do: they count."""

    def __init__(self) -> None:
        """Begin without a finding."""
        self._counts: Counter[Outcome] = Counter()

    def mended(self, sentences: Iterable[str]) -> None:
        """Say what was mended before the examination."""
        raise NotImplementedError

    def add(self, check: Check, finding: Finding) -> None:
        """Say what a check found."""
        self._counts[finding.outcome] += 1

    def end(self) -> int:
        """Say how it looks, and return the exit status."""
        if self._counts[Outcome.FAIL]:
            return 1
        return 2 if self._counts[Outcome.UNKNOWN] else 0


class TextReport(Report):
    """Speaks as soon as it knows."""

    def __init__(self) -> None:
        """Begin with nothing said."""
        super().__init__()
        self._layer = ""
        self._because = ""
        self._not_tried: list[str] = []

    def mended(self, sentences: Iterable[str]) -> None:
        """Say what was mended, a line each."""
        _print("mended")
        for sentence in list(sentences) or ["nothing, since nothing was broken that can be mended"]:
            _print(_filled(sentence, "  "))

    def add(self, check: Check, finding: Finding) -> None:
        """Say what a check found; those that one cause keeps from being tried share a line."""
        super().add(check, finding)
        if (check.layer, finding.because) != (self._layer, self._because):
            self._say_what_was_not_tried()
        if check.layer != self._layer:
            self._layer = check.layer
            _print(self._layer)
        if finding.because:
            self._because = finding.because
            self._not_tried.append(check.title)
        elif finding.outcome is Outcome.PASS:
            source = f" ({finding.source})" if finding.source else ""
            _say(finding.outcome, f"{check.title}: {finding.words}{source}")
        else:
            _say(finding.outcome, f"{check.title}: {finding.words}")
            _explain(finding)

    def end(self) -> int:
        """Say how many checks ended in which way, and return the exit status."""
        self._say_what_was_not_tried()
        passed, warned, failed, unknown = (self._counts[outcome] for outcome in Outcome)
        _print(f"\n{passed} passed, {warned} warned, {failed} failed, {unknown} unknown.")
        return super().end()

    def _say_what_was_not_tried(self) -> None:
        if self._not_tried:
            names = ", ".join(self._not_tried)
            _say(Outcome.UNKNOWN, f"{names}: not tried, since {self._because} did not pass")
        self._because = ""
        self._not_tried = []


class JsonReport(Report):
    """Speaks once, in the end."""

    def __init__(self) -> None:
        """Begin with nothing known."""
        super().__init__()
        self._mended: list[str] = []
        self._findings: list[dict[str, str]] = []

    def mended(self, sentences: Iterable[str]) -> None:
        """Keep what was mended."""
        self._mended = [mask(sentence) for sentence in sentences]

    def add(self, check: Check, finding: Finding) -> None:
        """Keep what a check found, with the words of its pitfall."""
        super().add(check, finding)
        pitfall = find_pitfall(finding.slug)
        said = {"check": check.name, **asdict(finding), **(asdict(pitfall) if pitfall else {})}
        self._findings.append({name: mask(text) for name, text in said.items()})

    def end(self) -> int:
        """Print all, and return the exit status."""
        status = super().end()
        document = {
            "status": status,
            "counts": {outcome.value: self._counts[outcome] for outcome in Outcome},
            "mended": self._mended,
            "findings": self._findings,
        }
        print(json.dumps(document, indent=2))
        return status


def _say(outcome: Outcome, words: str) -> None:
    text = " ".join(words.split())
    indent = f"  {outcome:<8} "
    _print(_filled(text, indent))


def _explain(finding: Finding) -> None:
    for name, text in (("tried", finding.tried), ("from", finding.source)):
        if text:
            _print(_filled(text, f"{'':<11}{name:<8}"))
    if finding.command:  # in one line, to be copied
        _print(f"{'':<11}{'next':<8}{finding.command}")
    if finding.slug:
        pitfall = find_pitfall(finding.slug)
        title = f": {pitfall.title}" if pitfall else ""
        _print(f"{'':<11}{'pitfall':<8}{finding.slug}{title}")
        if pitfall:
            _print(_filled(f"{pitfall.cure} More: {pitfall.read_on}", INDENT))


def _filled(text: str, indent: str) -> str:
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=" " * len(indent),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _print(text: str) -> None:
    print(mask(text), flush=True)


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
