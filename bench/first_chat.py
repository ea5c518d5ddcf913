"""How long it takes from `copier copy` to the first answered chat, with warm caches.

Against the bare `uv sync`, `npm ci` and start of `next dev` of the same project, in turn.

    uv run python -m bench.first_chat
"""

import subprocess
import tempfile
import time
from pathlib import Path

from contract.chat import visit, wait_until
from support.dev import Dev
from support.ports import free_port
from support.processes import kill_tree
from support.projects import clean_environment, render
from support.variants import DEFAULT

from bench.report import Figure, conclude
from bench.serving import answers

LIMIT = 1.3
ROUNDS = 3


def until_a_chat_is_answered(folder: Path) -> float:
    """Return the seconds that the template needs from nothing to an answer's first word."""
    start = time.perf_counter()
    running = Dev(render(folder, DEFAULT).path)
    try:
        with visit(running.wait_for_address()).say_slowly("Hello") as events:
            next(event for event in events if event["type"] == "thread.item.updated")
            return time.perf_counter() - start
    finally:
        running.stop()


def until_the_bare_page_is_there(folder: Path) -> float:
    """Return the seconds that the tools need by themselves until the page is served."""
    project = render(folder, DEFAULT).path
    port = free_port()
    env = clean_environment() | {"CHATKIT_SECRET": "x" * 32}
    start = time.perf_counter()
    subprocess.run(["uv", "sync", "--quiet"], cwd=project, env=env, check=True)
    frontend = project / "frontend"
    npm = ["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(npm, cwd=frontend, env=env, check=True, stdout=subprocess.DEVNULL)
    server = subprocess.Popen(
        ["node", "node_modules/next/dist/bin/next", "dev", "-H", "127.0.0.1", "-p", str(port)],
        cwd=frontend,
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/"))
        return time.perf_counter() - start
    finally:
        kill_tree(server.pid)
        server.wait()


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        until_the_bare_page_is_there(folder / "warm-up")
        ours, bare = [], []
        for number in range(ROUNDS):
            bare.append(until_the_bare_page_is_there(folder / f"bare-{number}"))
            ours.append(until_a_chat_is_answered(folder / f"ours-{number}"))
    conclude(Figure("first chat", ours, bare, "s", "bare tools", at_most=LIMIT))


if __name__ == "__main__":
    main()
