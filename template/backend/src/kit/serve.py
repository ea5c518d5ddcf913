"""The server of the backend: `uv run serve`, in production `uv run --no-dev serve`.

It listens on BACKEND_HOST and BACKEND_PORT from the environment, by default 127.0.0.1 and 8000.
"""

import argparse
import logging
import os
import signal
import sys
from contextlib import suppress
from time import monotonic
from types import FrameType
from typing import Any

import uvicorn
from dotenv import dotenv_values

from kit.errors import StartupError
from kit.http.request_log import log_config
from kit.settings import BACKEND, ENV_FILE, LOOPBACK, get_settings, read_port

logger = logging.getLogger("app.serve")

SHUTDOWN_SECONDS = 5
"""How long connections may stay open after the last answer."""


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

    server = DrainingServer(config, get_settings().drain_seconds)
    try:
        server.run()
    except StartupError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:  # Ctrl-C: uvicorn raises it after its shutdown
        sys.exit(130)
    if not server.started:
        sys.exit(1)


LINGER_SECONDS = 1.5
"""How long the server answers requests after its last turn.

Meanwhile it asks for all connections to be closed. The page's server keeps an idle one for a
second: a message would be lost that comes over it just when this server closes it.
"""


class DrainingServer(uvicorn.Server):
    """A server that lets running answers end before it stops.

    Meanwhile it takes no new turns, and `/health/ready` says so. Answers that take too long are
    interrupted, and the person is told. A second signal interrupts them at once. Ctrl-C without a
    running answer ends the server at once.
    """

    def __init__(self, config: uvicorn.Config, drain_seconds: float) -> None:
        """Create the server.

        Args:
            config: uvicorn's configuration.
            drain_seconds: how long answers may go on after the signal to stop.
        """
        super().__init__(config)
        self._drain_seconds = drain_seconds
        self._until: float | None = None
        self._lingers_until = 0.0
        self._signal = 0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain. uvicorn calls this for signals that stop the server."""
        if self.should_exit:
            super().handle_exit(sig, frame)
        elif self._until is None:
            self._signal, self._until = sig, monotonic() + self._drain_seconds
        else:
            self._until = monotonic()

    async def on_tick(self, counter: int) -> bool:
        """Return whether the server stops now. uvicorn calls this ten times a second."""
        if self._until is not None and not self.should_exit:
            from kit.chat.running_turns import here

            if not here.is_draining:
                here.is_draining = True
                self.config.encoded_headers.append((b"connection", b"close"))
                counter = 0  # which makes uvicorn take over the header
                if here:
                    logger.info("%s answers may go on for %s s", len(here), self._drain_seconds)
            if here or (not self._lingers_until and self._signal != signal.SIGINT):
                self._lingers_until = monotonic() + LINGER_SECONDS
            is_over = not here and monotonic() >= self._lingers_until
            if is_over or monotonic() >= self._until:
                await here.interrupt_all()
                super().handle_exit(self._signal, None)
        return await super().on_tick(counter)


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
