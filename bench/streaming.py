"""How fast a turn begins and goes on, against the bare SDK with a store in memory.

Both send the same events, at full speed, from FastAPI on the uvicorn of the project. Ours stores
them in its database, and knows who is asking. The third side is the page's server in front of ours.

    uv run python -m bench.streaming
"""

import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from contract.chat import message, visit

from bench.report import Figure, conclude
from bench.serving import backend, bare_sdk, install, page, signed

ROUNDS = 40
TURNS = 4
"""Short turns of each kind in a round, to one long one."""

DELTAS = 2000
DELTA = b"assistant_message.content_part.text_delta"


@dataclass(frozen=True)
class Turn:
    """What somebody saw of a turn."""

    thread_id: str
    first_delta: float
    """Milliseconds from the question to the first word."""
    deltas_a_second: float
    """Between the first and the last that was read."""


@dataclass(frozen=True)
class Side:
    """A server and somebody who asks it."""

    url: str
    headers: Mapping[str, str]

    def take_turn(self, deltas: int, thread_id: str | None = None) -> Turn:
        """Ask for so many deltas without a pause, and read them as fast as they come."""
        kind = "threads.add_user_message" if thread_id else "threads.create"
        params = {"input": message(f"{deltas} 0"), "thread_id": thread_id}
        body = json.dumps({"type": kind, "params": params})
        url = urlsplit(self.url)
        connection = HTTPConnection(url.netloc, timeout=30)
        connection.connect()
        headers = {"Content-Type": "application/json", **self.headers}
        # Not with httpx2, which needs longer for a chunk than the servers do.
        start = time.perf_counter()
        connection.request("POST", url.path, body, headers)
        response = connection.getresponse()
        assert response.status == 200, response.read()
        first_event = response.readline()
        times: list[float] = []
        counts: list[int] = []
        rest = b""
        while chunk := response.read1(1 << 20):
            chunk = rest + chunk
            rest = chunk[1 - len(DELTA) :]
            if count := chunk.count(DELTA):
                times.append(time.perf_counter())
                counts.append(count)
        connection.close()
        assert sum(counts) == deltas
        rate = sum(counts[1:]) / (times[-1] - times[0]) if len(times) > 1 else 0.0
        thread_id = thread_id or json.loads(first_event.removeprefix(b"data: "))["thread"]["id"]
        return Turn(thread_id, (times[0] - start) * 1000, rate)


def measure(sides: dict[str, Side]) -> dict[tuple[str, str], list[float]]:
    """Return what each side needed, the sides in turn."""
    seen: dict[tuple[str, str], list[float]] = defaultdict(list)
    for _ in range(ROUNDS):
        for name, side in sides.items():
            long = side.take_turn(DELTAS)
            seen[name, "deltas"].append(long.deltas_a_second)
        for name, side in list(sides.items()) * TURNS:
            new = side.take_turn(1)
            seen[name, "new"].append(new.first_delta)
            seen[name, "next"].append(side.take_turn(1, new.thread_id).first_delta)
    return seen


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        project = install(Path(folder), page=True)
        ours = stack.enter_context(backend(project))
        bare = stack.enter_context(bare_sdk(project))
        front = stack.enter_context(page(project, ours))
        guest = visit(front.address)
        sides = {
            "ours": Side(f"{ours.address}/chatkit", signed("ada")),
            "bare": Side(f"{bare.address}/chatkit", {}),
            "page": Side(guest.url, dict(guest.headers)),
        }
        seen = measure(sides)
    ours_and_bare = [
        Figure(
            f"first word of a {kind} conversation",
            seen["ours", kind],
            seen["bare", kind],
            "ms",
            "bare SDK",
            at_most=1.0,
        )
        for kind in ("new", "next")
    ]
    rates = (seen[name, "deltas"] for name in ("ours", "bare", "page"))
    of_ours, of_bare, of_page = rates
    conclude(
        *ours_and_bare,
        Figure("deltas a second", of_ours, of_bare, "", "bare SDK", at_least=0.9),
        Figure("deltas a second through the page", of_page, of_ours, "", "ours", at_least=0.7),
    )


if __name__ == "__main__":
    main()
