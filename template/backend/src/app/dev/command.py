"""The steps of `uv run dev`, in order."""

import os
import sys
from collections.abc import Mapping

from dotenv import dotenv_values

from app.dev import packages, ports, wsl
from app.dev.node import find_node
from app.dev.paths import FRONTEND, ROOT
from app.dev.processes import Family
from app.dev.readiness import wait_until_ready
from app.dev.sides import Sides
from app.dev.stopping import Stopped, ignore_signals, raise_when_stopped
from app.env_files import complete_env_files
from app.errors import StartupError
from app.ports import read_port
from app.settings import ENV_FILE

BACKEND_PORT = 8000
FRONTEND_PORT = 3000
STOP_SECONDS = 8
SIDE_NAMES = {"backend": "backend", "frontend": "front end"}


def main() -> None:
    """Run both sides until one stops or somebody stops them, and leave no process behind.

    Exits with 128 and the signal's number when it was stopped (130 after Ctrl-C), as shells expect,
    and with 1 when something failed.
    """
    raise_when_stopped()
    family = Family()
    try:
        status = _run(family)
    except StartupError as error:
        print(f"\n{error}", file=sys.stderr, flush=True)
        status = 1
    except Stopped as stopped:
        status = stopped.exit_status
    ignore_signals()
    family.end(patience=3)
    sys.exit(status)


def _run(family: Family) -> int:
    node = find_node()
    for sentence in complete_env_files(ROOT):
        _say(sentence)
    backend_port = read_port("BACKEND_PORT", BACKEND_PORT)
    frontend_port = read_port("FRONTEND_PORT", FRONTEND_PORT)
    if backend_port == frontend_port:
        raise StartupError(f"BACKEND_PORT and FRONTEND_PORT are both {backend_port}: change one.")
    ports.require_free("BACKEND_PORT", backend_port)
    ports.require_free("FRONTEND_PORT", frontend_port)
    packages.install(FRONTEND, node, os.environ | family.mark)

    from app.database import prepare_database  # not before .env.local is there

    _say(prepare_database())
    environment = os.environ | family.mark | wsl.polling(ROOT)
    if wsl.polling(ROOT):
        _say(wsl.advice(ROOT))
    if backend_port != BACKEND_PORT:
        environment["BACKEND_URL"] = f"http://127.0.0.1:{backend_port}"

    sides = Sides(FRONTEND, node, frontend_port, environment)
    try:
        address = f"http://127.0.0.1:{frontend_port}"
        backend = f"http://127.0.0.1:{backend_port}"
        if wait_until_ready(address, backend, sides.are_running, lambda why: _say(_not_ready(why))):
            _say(_ready(address, os.environ))
        sides.wait()
    finally:
        sides.stop(STOP_SECONDS)
    stopped = SIDE_NAMES.get(sides.stopped_first or "", "process that supervises both sides")
    print(f"\nThe {stopped} stopped, so everything was ended.", file=sys.stderr, flush=True)
    return 1


def _ready(address: str, environment: Mapping[str, str]) -> str:
    settings = {**dotenv_values(ENV_FILE), **environment}
    lines = ["", f"  Your chat is ready: {address}", "  Ctrl-C ends it."]
    if not settings.get("OPENAI_API_KEY") and not settings.get("OPENAI_BASE_URL"):
        lines.append("  The demo assistant answers until OPENAI_API_KEY is set in backend/.env.local.")
    return "\n".join([*lines, ""])


def _not_ready(why: str) -> str:
    return f"\n  The chat is not ready yet. {why}\n  Still trying; Ctrl-C ends it.\n"


def _say(text: str) -> None:
    print(text, flush=True)
