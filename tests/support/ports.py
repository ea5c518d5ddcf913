"""Ports: free ones, and who listens on the others."""

from collections.abc import Iterator
from contextlib import suppress

import psutil
from contract.chat import free_port as free_port


def listens(port: int) -> bool:
    """Whether a process of this person listens on a port."""
    return next(_servers_of(port), None) is not None


def server_of(port: int) -> psutil.Process:
    """Return the process that listens on a port; the oldest, if several share it."""
    return next(_servers_of(port))


def _servers_of(port: int) -> Iterator[psutil.Process]:
    # By each process: on macOS only root may ask for the connections of all.
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            for connection in process.net_connections("tcp"):
                if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
                    yield process
                    break


def kill_server(port: int) -> None:
    """End what listens on a port with SIGKILL."""
    server_of(port).kill()
