"""The server of the backend: `uv run serve`, in production `uv run --no-dev serve`.

BACKEND_HOST and BACKEND_PORT in the environment say where it listens (127.0.0.1 and 8000).
"""

import argparse
import os
import sys
from contextlib import suppress
from typing import Any

import uvicorn

from kit.errors import StartupError
from kit.http.request_log import log_config
from kit.people.identity import LOOPBACK
from kit.settings import BACKEND, ENV_FILE, get_settings, read_port

SHUTDOWN_SECONDS = 5
"""How long answers that are still being written may go on after a stop."""


def main() -> None:
    """Serve until stopped; exit with 2 when the environment is wrong."""
    argparse.ArgumentParser(prog="serve", description="Serve the backend.").parse_args()
    prepare_process()
    try:
        config = make_config(timeout_graceful_shutdown=SHUTDOWN_SECONDS)
        from kit.backend import check_settings  # slow to import

        check_settings()
    except StartupError as error:
        print(error, file=sys.stderr)
        sys.exit(2)

    server = uvicorn.Server(config)
    try:
        server.run()
    except StartupError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:  # Ctrl-C, after uvicorn has ended in order
        sys.exit(130)
    if not server.started:
        sys.exit(1)


def prepare_process() -> None:
    """Let relative paths mean the same wherever the command is typed, and connections be many."""
    os.chdir(BACKEND)
    if sys.platform == "win32":
        return
    import resource

    # Each connection has a file: the usual limit is 1024, and may be raised.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # macOS says that there is no limit, and has one
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def make_config(**options: Any) -> uvicorn.Config:
    """Return how uvicorn serves the app, with more options of uvicorn's.

    Raises:
        StartupError: the address is wrong, or one that other machines reach in development.
    """
    return uvicorn.Config(
        "app.main:app",
        host=_host(),
        port=read_port("BACKEND_PORT", 8000),
        # As `kit.database.engine.loop_factory`; elsewhere uvicorn takes the fastest.
        loop="asyncio:SelectorEventLoop" if sys.platform == "win32" else "auto",
        log_config=log_config(),
        access_log=False,  # kit.http.request_log writes a line for each request
        proxy_headers=True,
        forwarded_allow_ips=get_settings().trusted_proxies or None,
        **options,
    )


def _host() -> str:
    host = os.environ.get("BACKEND_HOST") or "127.0.0.1"
    if host not in LOOPBACK and get_settings().app_env == "development":
        raise StartupError(
            f"BACKEND_HOST={host} would let other machines in, and in development the backend "
            f"believes everybody. Set APP_ENV=production, here or in {ENV_FILE}."
        )
    return host


if __name__ == "__main__":
    main()
