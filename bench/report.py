"""What a measurement says in the end."""

import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn


@dataclass(frozen=True)
class Figure:
    """A ratio between the medians of two sides that were measured in turn."""

    name: str
    ours: Sequence[float]
    other: Sequence[float]
    unit: str
    against: str
    """What the other side is."""
    at_most: float | None = None
    at_least: float | None = None

    @property
    def ratio(self) -> float:
        """Ours against the other side."""
        return statistics.median(self.ours) / statistics.median(self.other)

    @property
    def holds(self) -> bool:
        """Whether the ratio keeps within its limit."""
        if self.at_most is not None and self.ratio > self.at_most:
            return False
        return self.at_least is None or self.ratio >= self.at_least

    def __str__(self) -> str:
        """Return a line for a person."""
        ours, other = statistics.median(self.ours), statistics.median(self.other)
        limit = f"at least {self.at_least}" if self.at_least else f"at most {self.at_most}"
        return (
            f"{self.name}: {ours:,.2f} {self.unit}, {self.against} {other:,.2f} {self.unit}, "
            f"ratio {self.ratio:.2f} ({limit}){'' if self.holds else ': MISSED'}"
        )


def conclude(*figures: Figure) -> NoReturn:
    """Print the figures and exit: with 1 when one is missed."""
    for figure in figures:
        print(figure)
    sys.exit(not all(figure.holds for figure in figures))
