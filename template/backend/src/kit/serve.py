"""The server of the backend: `uv run serve`, in production `uv run --no-dev serve`.

It listens on BACKEND_HOST and BACKEND_PORT from the environment, by default 127.0.0.1 and 8000.
"""

import argparse
import os
import sys
from contextlib import suppress
from typing import Any

import uvicorn
from dotenv import dotenv_values

from kit.errors import StartupError
from kit.http.request_log import log_config
from kit.settings import BACKEND, ENV_FILE, LOOPBACK, get_settings, read_port

SHUTDOWN_SECONDS = 5
"""How long running answers may continue after the server is told to stop."""


def main() -> None:
    """Serve until stopped. Exit with status 2 if a setting is wrong."""
    argparse.ArgumentParser(prog="serve", description="Serve the backend.").parse_args()
    prepare_process()
    try:
        config = make_config(timeout_graceful_shutdown=SHUTDOWN_SECONDS)
        share_env_file()
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
    except KeyboardInterrupt:  # Ctrl-C: uvicorn raises it after its shutdown
        sys.exit(130)
    if not server.started:
        sys.exit(1)


def prepare_process() -> None:
    """Change to backend/, where relative paths start, and raise the limit of open files."""
    os.chdir(BACKEND)
    if sys.platform == "win32":
        return
    import resource

    # Each connection takes a file descriptor. The default limit is 1024.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # macOS reports no hard limit, but has one
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def share_env_file() -> None:
    """Set the variables of backend/.env.local in the environment, as Next.js does with its file.

    Libraries look for their keys there. What the environment has already stays as it is. Empty
    values are left out, because many libraries do not take them for the default.

    Raises:
        StartupError: the file cannot be read, or a setting is wrong.
    """
    get_settings()
    for name, value in dotenv_values(ENV_FILE).items():
        if value:
            os.environ.setdefault(name, value)


def make_config(**options: Any) -> uvicorn.Config:
    """Return uvicorn's configuration. `options` are further options of `uvicorn.Config`.

    Raises:
        StartupError: BACKEND_PORT is wrong, or in development other machines can reach
            BACKEND_HOST.
    """
    return uvicorn.Config(
        "app.main:app",
        host=_host(),
        port=read_port("BACKEND_PORT", 8000),
        # The same loop as `kit.database.engine.loop_factory`. "auto" selects the fastest one.
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
            f"accepts requests without a token. Set APP_ENV=production, here or in {ENV_FILE}."
        )
    return host


if __name__ == "__main__":
    main()
