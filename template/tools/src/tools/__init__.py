"""What is typed while one works on the project: dev, check, doctor, copy-database, usage."""

import sys
from functools import cache
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

# Found without the kit: `uv run dev` has nothing slow to import before it hears of Ctrl-C.
ROOT = Path(__file__).resolve().parents[3]
FRONTEND = ROOT / "frontend"


def start_server() -> str:
    """Return the command that starts the database server of compose.yaml; empty without one."""
    return "docker compose up --wait" if (ROOT / "compose.yaml").exists() else ""


def print_any_sign() -> None:
    """Let no sign be an error that the output cannot show: in a pipe Windows has few of them."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


@cache
def terminal() -> "Console":
    """Return the output: coloured if it is a terminal, and every line whole, to be copied."""
    from rich.console import Console  # slow to import

    print_any_sign()
    return Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
