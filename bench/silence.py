"""Whether a stream survives six minutes of silence, through the page's server. It does or does not.

Hosts give up on a connection after 30 to 60 seconds without a byte, and Next's own `fetch` after
300 seconds, whatever comes: so a heartbeat is needed, and another client than `fetch`.

    uv run python -m bench.silence
"""

import json
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import httpx2
from contract.chat import Chat, message, text_of, visit

from bench.serving import backend, install, page

SECONDS = 360
PAUSE = SECONDS + 2
"""What the assistant sleeps: the first word may be on its way for a while."""

LONGEST_PAUSE = 25.0
"""Seconds without a byte that every host bears."""

HEARTBEAT = ": ping"
DELTA = "assistant_message.content_part.text_delta"


def listen(chat: Chat) -> tuple[list[str], list[float]]:
    """Return the lines of a turn that is silent between its two words, and when each one came."""
    request = {"type": "threads.create", "params": {"input": message(f"2 {PAUSE}")}}
    lines, times = [], []
    with httpx2.stream(
        "POST", chat.url, json=request, headers=chat.headers, timeout=LONGEST_PAUSE
    ) as response:
        for line in response.iter_lines():
            lines.append(line)
            times.append(time.monotonic())
    return lines, times


def main() -> None:
    """Listen and judge."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        project = install(Path(folder), page=True)
        ours = stack.enter_context(backend(project))
        chat = visit(stack.enter_context(page(project, ours)).address)
        lines, times = listen(chat)
        events = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
        thread_id = events[0]["thread"]["id"]
        stored = text_of(chat.items(thread_id)[-1])
    first, last = (number for number, line in enumerate(lines) if DELTA in line)
    silence = times[last] - times[first]
    pulse = lines[first:last].count(HEARTBEAT)
    heard = text_of(events[-1]["item"])
    whole = silence >= SECONDS and heard == stored == "word " * 2
    print(
        f"silence: {silence:.0f} s with {pulse} heartbeats, then the rest came and was stored: "
        f"{'yes' if whole else 'NO'}"
    )
    sys.exit(not whole)


if __name__ == "__main__":
    main()
