"""What a check is, and what it finds."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial


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
