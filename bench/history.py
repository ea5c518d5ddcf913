"""How long the history takes to open with a million stored messages, against a thousand.

Over HTTP from a backend in production, on each kind of database. Everybody has the same number of
conversations and messages in both; whoever asks is chosen at random.

    uv run python -m bench.history
"""

import json
import os
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
from support.projects import Project, clean_environment
from support.variants import BY_DATABASE, Variant

from bench.report import Figure, conclude
from bench.serving import IN_PROJECT, backend, install, python, signed

SMALL, LARGE = 1_000, 1_000_000
LIMIT = 1.5
REQUESTS = {
    "threads.list": "list the history",
    "threads.get_by_id": "open a thread",
    "items.list": "read its last page",
}


@contextmanager
def filled_databases(project: Project) -> Iterator[list[dict[str, Any]]]:
    """Fill a database for each size, and keep both until the end of the block."""
    tests = project.path / "backend" / "tests"
    keeper = subprocess.Popen(
        [python(project), str(IN_PROJECT / "fill.py"), str(SMALL), str(LARGE)],
        cwd=project.path / "backend",
        env=clean_environment()
        | {"APP_ENV": "development", "PYTHONPATH": os.pathsep.join([str(IN_PROJECT), str(tests)])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    assert keeper.stdout
    try:
        yield [json.loads(keeper.stdout.readline()) for _ in (SMALL, LARGE)]
    finally:
        keeper.communicate("")


class Visitor:
    """Somebody who opens the page, and takes the time."""

    def __init__(self, address: str) -> None:
        """Keep one connection, as a browser does."""
        self._client = httpx2.Client(base_url=address, timeout=30)
        self.milliseconds: defaultdict[str, list[float]] = defaultdict(list)

    def ask(self, owner: str, kind: str, **params: Any) -> dict[str, Any]:
        """Return the answer to a request."""
        headers = dict(signed(owner))
        start = time.perf_counter()
        response = self._client.post(
            "/chatkit", json={"type": kind, "params": params}, headers=headers
        )
        self.milliseconds[kind].append((time.perf_counter() - start) * 1000)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def visit(self, owner: str, thread_id: str) -> None:
        """Look at the history, open a conversation and read it to its end."""
        assert self.ask(owner, "threads.list", limit=9999)["data"]
        first = self.ask(owner, "threads.get_by_id", thread_id=thread_id)["items"]
        last = self.ask(owner, "items.list", thread_id=thread_id, order="asc", after=first["after"])
        assert last["data"]
        assert not last["has_more"]


def measure(variant: Variant, folder: Path) -> Iterator[Figure]:
    """Return the figures of a kind of database."""
    project = install(folder, variant)
    with ExitStack() as stack:
        databases = stack.enter_context(filled_databases(project))
        visitors = [
            Visitor(stack.enter_context(backend(project, database["url"])).address)
            for database in databases
        ]
        for visits in zip(*(database["visits"] for database in databases), strict=True):
            for visitor, visit in zip(visitors, visits, strict=True):
                visitor.visit(*visit)
    small, large = (visitor.milliseconds for visitor in visitors)
    for kind, words in REQUESTS.items():
        name = f"{variant.database}, {words}, {LARGE:,} messages"
        yield Figure(name, large[kind], small[kind], "ms", f"{SMALL:,}", at_most=LIMIT)


def main() -> None:
    """Measure and print."""
    figures: list[Figure] = []
    for variant in BY_DATABASE:
        with tempfile.TemporaryDirectory() as folder:
            figures += measure(variant, Path(folder))
    conclude(*figures)


if __name__ == "__main__":
    main()
