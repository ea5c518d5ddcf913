"""What a check is, and what it finds."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from kit.errors import StartupError


class Outcome(StrEnum):
    """How a check ended."""

    PASS = "PASS"
    WARN = "WARN"
    FAIL = "FAIL"
    UNKNOWN = "UNKNOWN"
    """It could not be tried, which is no good sign and no bad one."""


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
        return unknown(words, command=self.command, because=because)


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
