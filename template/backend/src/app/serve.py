"""The server of the backend: `uv run serve`, in production `uv run --no-dev serve`.

BACKEND_HOST and BACKEND_PORT in the environment say where it listens (127.0.0.1 and 8000).
"""

import argparse
import os
import sys
from contextlib import suppress

import uvicorn

from app.errors import StartupError
from app.event_loop import uvicorn_loop
from app.headers import LOOPBACK
from app.ports import read_port
from app.request_log import log_config
from app.settings import BACKEND, ENV_FILE, get_settings

GRACEFUL_SHUTDOWN_SECONDS = 5
"""How long answers that are still being written may go on after a stop, or after an edit."""

RELOAD_SHUTDOWN_SECONDS = 1


def main() -> None:
    """Serve until stopped; exit with 2 when the environment is wrong."""
    parser = argparse.ArgumentParser(prog="serve", description="Serve the backend.")
    parser.add_argument(
        "--reload", action="store_true", help="development: restart when a file below src changes"
    )
    reload: bool = parser.parse_args().reload

    _take_all_files()
    # Relative paths in your code mean the same, wherever the command is typed.
    os.chdir(BACKEND)
    try:
        config = _config(reload)
        if not reload:  # then the process that serves checks them
            from app.lifecycle import check_settings  # slow to import

            check_settings()
    except StartupError as error:
        print(error, file=sys.stderr)
        sys.exit(2)

    if reload:
        from app.reloader import Reloader

        sys.exit(Reloader(config).serve())
    server = uvicorn.Server(config)
    try:
        server.run()
    except StartupError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:  # Ctrl-C, after uvicorn has ended in order
        sys.exit(130)
    if not server.started:
        sys.exit(1)


def _take_all_files() -> None:
    """Let each connection have its file: the usual limit is 1024, and may be raised."""
    if sys.platform == "win32":
        return
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # macOS says that there is no limit, and has one
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _config(reload: bool) -> uvicorn.Config:
    return uvicorn.Config(
        "app.main:app",
        host=_host(),
        port=read_port("BACKEND_PORT", 8000),
        loop=uvicorn_loop(),
        log_config=log_config(),
        access_log=False,  # app.request_log writes a line for each request
        proxy_headers=True,
        forwarded_allow_ips=get_settings().trusted_proxies or None,
        timeout_graceful_shutdown=RELOAD_SHUTDOWN_SECONDS if reload else GRACEFUL_SHUTDOWN_SECONDS,
        reload=reload,
        reload_dirs=[str(BACKEND / "src")] if reload else None,
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
