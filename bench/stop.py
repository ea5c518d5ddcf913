"""How soon a turn is over after Stop, with every framework, through the page's server.

The assistant is silent when its reader leaves: no word that cannot be sent tells of it. A turn is
over when the last of it is stored, the note for the model that it was stopped.

    uv run python -m bench.stop
"""

import sqlite3
import statistics
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from contract.chat import Chat, is_delta, visit, wait_until
from support.projects import Project
from support.variants import DEFAULT, FRAMEWORKS, Variant

from bench.serving import backend, install, page

STOPS = 20
SECONDS = 1.0
"""How long a turn may go on, at most."""

SILENCE = 60
NOTE = "SELECT 1 FROM messages WHERE conversation_id = ? AND type = 'sdk_hidden_context'"


def stop(chat: Chat, database: sqlite3.Connection) -> float:
    """Leave after the first word, and return for how many seconds the turn goes on."""
    with chat.say_slowly(f"2 {SILENCE}") as events:
        thread_id = next(events)["thread"]["id"]
        next(filter(is_delta, events))
        start = time.perf_counter()
    wait_until(lambda: database.execute(NOTE, [thread_id]).fetchone(), SILENCE)
    return time.perf_counter() - start


def measure(project: Project, front: Project) -> list[float]:
    """Return how long turns of a project go on, behind the page of another one."""
    with (
        backend(project) as server,
        page(front, server) as before,
        closing(sqlite3.connect(project.path / "measured.db")) as database,
    ):
        chat = visit(before.address)
        return [stop(chat, database) for _ in range(STOPS)]


def main() -> None:
    """Measure and print."""
    longest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        front = install(Path(folder) / "front", page=True)
        for framework in FRAMEWORKS:
            variant = Variant(framework, DEFAULT.database, DEFAULT.wsl)
            seconds = measure(install(Path(folder) / framework, variant), front)
            longest = max(longest, *seconds)
            print(
                f"{framework}: over {statistics.median(seconds):.2f} s after Stop, "
                f"{max(seconds):.2f} s at most (of {STOPS})",
                flush=True,
            )
    print(f"a turn is over within {SECONDS} s of Stop: {'yes' if longest <= SECONDS else 'NO'}")
    sys.exit(longest > SECONDS)


if __name__ == "__main__":
    main()
