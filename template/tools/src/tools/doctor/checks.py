"""What a check is, how checks are run, and what the doctor says of their findings."""

import json
import textwrap
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cache, partial

from rich.console import Console
from rich.text import Text

from kit.errors import StartupError
from tools import FRONTEND
from tools.settings import mask

MEND = "uv run doctor --fix"

PITFALLS = FRONTEND / "src" / "kit" / "pitfalls.json"

WIDTH = 100
"""Characters of a line, if the terminal has as many."""

NARROWEST = 40


class Outcome(StrEnum):
    """How a check ended."""

    PASS = "PASS"
    WARN = "WARN"
    FAIL = "FAIL"
    UNKNOWN = "UNKNOWN"
    """It could not be tried, which is no good sign and no bad one."""


STYLES = {
    Outcome.PASS: "green",
    Outcome.WARN: "yellow",
    Outcome.FAIL: "bold red",
    Outcome.UNKNOWN: "magenta",
}


@dataclass(frozen=True)
class Finding:
    """What a check found."""

    outcome: Outcome
    words: str
    """For a person."""
    tried: str = ""
    """What was done to find out."""
    source: str = ""
    """Where the value comes from: the shell, a file and its line."""
    by_hand: str = ""
    """What to change before the command, in a sentence without its full stop."""
    command: str = ""
    """What to type next."""
    slug: str = ""
    """The pitfall in docs/pitfalls.md."""
    because: str = ""
    """The name of the check that kept it from being tried."""

    @property
    def stands_in_the_way(self) -> bool:
        """Whether what needs this cannot be tried."""
        return self.outcome in (Outcome.FAIL, Outcome.UNKNOWN)

    def keeps_from_trying(self, name: str) -> "Finding":
        """Return what a check finds that needs this one, whose name it is told."""
        because = self.because or name
        words = f"not tried, since {because} did not pass"
        return unknown(words, by_hand=self.by_hand, command=self.command, because=because)


passed = partial(Finding, Outcome.PASS)
warned = partial(Finding, Outcome.WARN)
failed = partial(Finding, Outcome.FAIL)
unknown = partial(Finding, Outcome.UNKNOWN)


@dataclass(frozen=True)
class Check:
    """A question to the project."""

    name: str
    """Its layer, a dot, and its own name."""
    ask: Callable[[], Finding | None]
    """Finds the answer; None if the question makes no sense here."""
    needs: tuple[str, ...] = ()
    """The names of the checks, earlier ones, without which this one cannot be tried."""

    @property
    def layer(self) -> str:
        """What it is about."""
        return self.name.partition(".")[0]

    @property
    def title(self) -> str:
        """Its own name, for a person."""
        return self.name.partition(".")[2].replace("-", " ")


Answer = Future[Finding | None]


def examine(checks: Sequence[Check]) -> Iterator[tuple[Check, Finding]]:
    """Yield what each check finds, in the order of the checks.

    What needs something that fails is not tried: one cause is one failure.
    """
    answers: dict[str, Answer] = {}
    with ThreadPoolExecutor(len(checks)) as pool:  # a thread each, so that all may wait
        for check in checks:
            needed = {name: answers[name] for name in check.needs}
            answers[check.name] = pool.submit(_ask, check, needed)
        for check in checks:
            if finding := answers[check.name].result():
                yield check, finding


def named(names: Collection[str], checks: Sequence[Check]) -> list[Check]:
    """Return the checks of these names, or of layers of these names, and those that they need."""
    wanted = {check.name for check in checks if {check.name, check.layer} & set(names)}
    for check in reversed(checks):
        if check.name in wanted:
            wanted.update(check.needs)
    return [check for check in checks if check.name in wanted]


def mend(fixes: Iterable[Callable[[], list[str]]]) -> list[str]:
    """Mend what is safe to mend, and return what was done, a sentence each.

    What cannot be mended stays as it is: the examination that follows says why.
    """
    done: list[str] = []
    for fix in fixes:
        with suppress(Exception):
            done += fix()
    return done


def _ask(check: Check, needed: Mapping[str, Answer]) -> Finding | None:
    for name, answer in needed.items():
        finding = answer.result()
        if finding and finding.stands_in_the_way:
            return finding.keeps_from_trying(name)
    try:
        return check.ask()
    except StartupError as error:
        return failed(str(error))
    except Exception as error:
        return unknown(f"the doctor itself failed: {type(error).__name__}: {error}")


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
    """Says in a line what passes, and last what fails, where a person looks first."""

    def __init__(self, console: Console, verbose: bool = False) -> None:
        """Begin with nothing said. `verbose` gives each check that passes a line of its own."""
        super().__init__()
        self._console = console
        self._verbose = verbose
        self._width = WIDTH
        if console.is_terminal:
            self._width = max(NARROWEST, min(WIDTH, console.width))
        self._findings: list[tuple[Check, Finding]] = []

    def mended(self, sentences: Iterable[str]) -> None:
        """Say what was mended, a line each."""
        self._print("mended", style="bold")
        for sentence in list(sentences) or ["nothing: nothing is broken that can be mended"]:
            self._fill("  ", sentence)
        self._print()

    def add(self, check: Check, finding: Finding) -> None:
        """Keep what a check found, and say what passed if that was asked for."""
        super().add(check, finding)
        if finding.outcome is not Outcome.PASS:
            self._findings.append((check, finding))
        elif self._verbose:
            source = f" ({finding.source})" if finding.source else ""
            self._say(finding.outcome, f"{check.name}: {finding.words}{source}")

    def end(self) -> int:
        """Say the findings, the failures last, and return the exit status."""
        if not self._verbose and (number := self._counts[Outcome.PASS]):
            words = f"{_checks(number)}. `uv run doctor -v` lists what was examined"
            self._say(Outcome.PASS, words)
        for outcome in (Outcome.UNKNOWN, Outcome.WARN, Outcome.FAIL):
            for check, finding in self._findings:
                if finding.outcome is outcome and not finding.because:
                    self._print()
                    self._say(outcome, f"{check.name}: {finding.words}")
                    self._explain(finding)
            if outcome is Outcome.UNKNOWN:
                self._say_what_was_not_tried()
        passed, warned, failed, unknown = (self._counts[outcome] for outcome in Outcome)
        self._print(f"\n{passed} passed, {warned} warned, {failed} failed, {unknown} unknown.")
        return super().end()

    def _say_what_was_not_tried(self) -> None:
        causes: dict[str, list[str]] = {}
        for check, finding in self._findings:
            if finding.because:
                causes.setdefault(finding.because, []).append(check.name)
        for cause, names in causes.items():
            self._print()
            which = ", ".join(names) if self._verbose else _checks(len(names))
            self._say(Outcome.UNKNOWN, f"{which}: not tried, since {cause} did not pass")

    def _say(self, outcome: Outcome, words: str) -> None:
        self._fill(f"{outcome:<8} ", " ".join(words.split()), style=STYLES[outcome])

    def _explain(self, finding: Finding) -> None:
        for name, text in (("tried", finding.tried), ("from", finding.source)):
            if text:
                self._fill(f"{'':<9}{name:<8}", text)
        if finding.slug:
            pitfall = find_pitfall(finding.slug)
            title = f": {pitfall.title}" if pitfall else ""
            self._print(f"{'':<9}{'pitfall':<8}{finding.slug}{title}")
            if pitfall:
                self._fill(" " * 17, f"{pitfall.cure} More: {pitfall.read_on}")
        if finding.by_hand:
            self._fill(f"{'':<9}{'next':<8}", f"{finding.by_hand}.")
        if finding.command:  # on a line of its own, to be copied
            words = "Then type:" if finding.by_hand else "Type next:"
            self._print(f"{'':<9}{words}\n\n{'':<13}{finding.command}", style="bold")

    def _fill(self, indent: str, text: str, style: str = "") -> None:
        # Not by Rich, which breaks or cuts what is longer than a line: addresses and paths.
        lines = textwrap.fill(
            text,
            self._width,
            initial_indent=indent,
            subsequent_indent=" " * len(indent),
            break_long_words=False,
            break_on_hyphens=False,
        )
        self._print(lines, style, end=len(indent))

    def _print(self, text: str = "", style: str = "", end: int | None = None) -> None:
        line = Text(mask(text))
        line.stylize(style, 0, end)
        self._console.print(line)


def _checks(number: int) -> str:
    return "1 check" if number == 1 else f"{number} checks"


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
        sections = json.loads(PITFALLS.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # an examination without quotations is better than none
        return {}
    return {
        one["slug"]: Pitfall(one["title"], one["cure"], f"docs/pitfalls.md#{one['slug']}")
        for section in sections
        for one in section["pitfalls"]
    }
