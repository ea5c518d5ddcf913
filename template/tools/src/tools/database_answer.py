"""DATABASE_URL against the answer that the project was made with: an update can change the answer.

Nothing changes DATABASE_URL then, as it may be where the conversations are.
"""

import os
from dataclasses import dataclass

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from kit.database.kinds import KINDS
from tools.doctor.values import SHELL, Value, lines_of, recorded_answers, value_of

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
            return f"unset {NAME}" if os.name == "posix" else f"Remove-Item Env:{NAME}"
        example = lines_of("backend/.env.example").get(NAME)
        return (
            f'uv run dotenv -f backend/.env.local set {NAME} "{example.value if example else ""}"'
        )

    @property
    def change_the_answer(self) -> str:
        """The command after which the project is made for the kind that DATABASE_URL names."""
        return f"uvx copier update --data database={self.named}"

    def __str__(self) -> str:
        """Return it with both ways out, for a person in the project's folder."""
        return (
            f"{self.problem} (.copier-answers.yml), but {self.address.source} still has the other."
            f"\nTo use {self.answered}: {self.use_the_answer}"
            f"\nREADME.md tells under Update how its conversations come along."
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
