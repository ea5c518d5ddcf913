"""Processes that serve the backend as `uv run serve` does.

They are forked from one that has imported ChatKit already, which takes longer than all else. (Not
all of the app: some of it reads the settings as it is imported.) Windows cannot fork.
"""

import importlib
import multiprocessing
import os
import sys
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path

if sys.platform == "win32":
    PROCESSES = multiprocessing.get_context("spawn")
else:
    PROCESSES = multiprocessing.get_context("forkserver")
    PROCESSES.set_forkserver_preload(["chatkit.agents", "kit.attachments.attachment_store"])


ASSISTANT = "TEST_ASSISTANT"
"""The variable that names a module of the tests which answers in place of app.assistant."""


def start_serving(environment: Mapping[str, str], log: Path | None) -> BaseProcess:
    """Start a server with this environment; what it logs goes to a file if one is given."""
    process = PROCESSES.Process(target=_serve, args=(dict(environment), log))
    process.start()
    return process


def _serve(environment: dict[str, str], log: Path | None) -> None:
    os.environ.clear()
    os.environ.update(environment)
    if log:
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), sys.stderr.fileno())
    sys.argv = ["serve"]
    if assistant := environment.get(ASSISTANT):
        sys.modules["app.assistant"] = importlib.import_module(assistant)

    from kit.serve import main

    main()
