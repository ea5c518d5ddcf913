"""What a silent stream costs in memory, on both sides.

Our page's server, in front of our backend, holds streams whose assistant has said a word and then
is silent. Beside them stands the least that does the same work: the shortest route that hands a
stream on, in front of the bare SDK. Being on the same Next and the same uvicorn, it leaves out what
those need for any stream, and tells what is ours. What a server needs once is left out too: each
has held other streams before.

    uv run python -m bench.idle
"""

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from itertools import count
from pathlib import Path

from contract.chat import Chat, is_delta, visit

from bench.report import Figure, conclude
from bench.serving import Server, backend, bare_sdk, install, page

STREAMS = 400
WARM_UP = 100
STEP = 50
LIMIT = 1.25


def open_streams(chat: Chat, stack: ExitStack) -> None:
    """Open streams that say a word and then nothing for an hour."""
    for _ in range(STEP):
        events = stack.enter_context(chat.say_slowly("2 3600"))
        next(filter(is_delta, events))


def growth(newcomers: list[Callable[[], Chat]], servers: list[Server]) -> list[float]:
    """Return by how many KiB a server grows with a stream.

    The sides open theirs in turn. Each step is another person's, of another network: one person may
    have 100 streams at once, and one network 300.
    """
    with ExitStack() as stack:
        for already in range(0, WARM_UP + STREAMS, STEP):
            if already == WARM_UP:
                before = [server.memory for server in servers]
            for newcomer in newcomers:
                open_streams(newcomer(), stack)
        after = [server.memory for server in servers]
    return [(now - then) / STREAMS for now, then in zip(after, before, strict=True)]


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        project = install(Path(folder), page=True)
        ours = stack.enter_context(backend(project))
        bare = stack.enter_context(bare_sdk(project))
        our_page = stack.enter_context(page(project, ours))
        bare_page = stack.enter_context(page(project, bare))
        numbers = count(1)

        def newcomer() -> Chat:
            guest = visit(our_page.address)
            network = {"X-Forwarded-For": f"203.0.113.{next(numbers)}"}
            return replace(guest, headers={**guest.headers, **network})

        newcomers = [newcomer, lambda: Chat(f"{bare_page.address}/api/bare")]
        grown = growth(newcomers, [ours, bare, our_page, bare_page])
    conclude(
        Figure(
            "an idle stream in the backend",
            grown[:1],
            grown[1:2],
            "KiB",
            "the bare SDK",
            at_most=LIMIT,
        ),
        Figure(
            "an idle stream in the page's server",
            grown[2:3],
            grown[3:],
            "KiB",
            "a bare route",
            at_most=LIMIT,
        ),
    )


if __name__ == "__main__":
    main()
