"""The steps of `uv run dev`, in order."""

import os
import time

from kit.env_files import complete_env_files
from kit.errors import StartupError
from kit.settings import get_settings, read_port
from tools import FRONTEND, ROOT
from tools.dev import ports, wsl
from tools.dev.node import find_node, install_packages
from tools.dev.processes import Family
from tools.dev.sides import Sides, wait_until_ready

BACKEND_PORT = 8000
FRONTEND_PORT = 3000
STOP_SECONDS = 8
"""How long both sides may take to end: longer than the backend gives to open conversations."""

SENTENCES = {
    "backend": "The backend stopped",
    "frontend": "The front end stopped",
    "concurrently": "The process that runs both sides (concurrently) stopped",
}


def run(family: Family) -> str:
    """Run both sides until one stops, and return the sentence that says which.

    Args:
        family: to which all processes are to belong.

    Raises:
        StartupError: something is missing or taken that both sides need.
    """
    node = find_node()
    backend_port = read_port("BACKEND_PORT", BACKEND_PORT)
    frontend_port = read_port("FRONTEND_PORT", FRONTEND_PORT)
    if backend_port == frontend_port:
        raise StartupError(f"BACKEND_PORT and FRONTEND_PORT are both {backend_port}: change one.")
    ports.require_free("BACKEND_PORT", backend_port)
    ports.require_free("FRONTEND_PORT", frontend_port)
    for sentence in complete_env_files(ROOT):
        _say(sentence)
    install_packages(FRONTEND, node, os.environ | family.mark)

    # Slow to import, and Node is missing more often.
    from kit.database.engine import MissingDriverError, prepare_database
    from tools.settings import find_mismatch

    mismatch = find_mismatch()  # before what follows writes the address into the environment
    try:
        _say(prepare_database())
    except MissingDriverError as error:
        raise StartupError(str(mismatch or error)) from None
    if mismatch:
        _say(str(mismatch))
    environment = os.environ | family.mark | wsl.polling(ROOT)
    if wsl.polling(ROOT):
        _say(wsl.advice(ROOT))
    backend = f"http://127.0.0.1:{backend_port}"
    page = f"http://127.0.0.1:{frontend_port}"
    if backend_port != BACKEND_PORT:
        environment["BACKEND_URL"] = backend

    sides = Sides(FRONTEND, node, frontend_port, environment)
    try:
        if wait_until_ready(page, backend, lambda: not sides.stopped(), _complain):
            time.sleep(0.3)  # the log lines of that request come first
            _say(_ready(page))
        while not (stopped := sides.stopped()):
            time.sleep(0.3)
    finally:
        sides.stop(STOP_SECONDS)
    return f"{SENTENCES[stopped]}, so everything was ended."


def _ready(page: str) -> str:
    lines = ["", f"  Your chat is ready: {page}", "  Ctrl-C ends it."]
    if get_settings().is_demo:
        lines.append("  The demo assistant answers until backend/.env.local has OPENAI_API_KEY.")
    return "\n".join([*lines, ""])


def _complain(why: str) -> None:
    _say(f"\n  The chat is not ready yet. {why}\n  Still trying; Ctrl-C ends it.\n")


def _say(text: str) -> None:
    print(text, flush=True)
