"""Runs a project's pytest as often as it is told to, in processes that have its packages already.

Importing them takes longer than most tests. Each line of the input is a JSON object with the
`arguments` of pytest, its `environment` and the `log` for what it prints; when it is over, its
status is printed. The project's own code is imported anew each time, as it is then.
"""

import atexit
import contextlib
import importlib
import json
import multiprocessing
import os
import sys
import traceback
from multiprocessing import forkserver

PACKAGES = (
    "aiosqlite",
    "alembic.command",
    "alembic.config",
    "asyncmy",
    "chatkit.agents",
    "chatkit.server",
    "django",
    "fastapi",
    "httpx2",
    "jwt",
    "litestar",
    "obstore.store",
    "PIL.Image",
    "psycopg",
    "pydantic_settings",
    "quart",
    "sqlalchemy.dialects.mysql.asyncmy",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.aiosqlite",
    "sqlalchemy.ext.asyncio",
    "starlette.applications",
    "uvicorn.protocols.http.httptools_impl",
    "uvloop",
)
"""Those that are not installed here are left out."""


def main() -> None:
    """Serve until the input ends."""
    multiprocessing.get_context("forkserver").set_forkserver_preload(import_packages())
    forkserver.ensure_running()
    import pytest  # noqa: F401  # for those that are forked

    for line in sys.stdin:
        job = json.loads(line)
        child = os.fork()
        if child == 0:
            os.environ.update(job["environment"])
            _run(job["arguments"], job["log"])
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def import_packages() -> list[str]:
    """Import what is installed of the packages, and return their names."""
    installed = []
    for name in PACKAGES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
            installed.append(name)
    return installed


def _run(arguments: list[str], log: str) -> None:
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    # The server that forks belongs to the parent; it is there, and that is all that matters.
    forkserver._forkserver.ensure_running = lambda: None  # type: ignore[method-assign]
    import pytest

    status = 70
    try:
        status = int(pytest.main(arguments))
        atexit._run_exitfuncs()  # one of them ends a server of PostgreSQL
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
