"""The ports of both sides: whether they are free, who holds one, and how to take another."""

import errno
import socket
import sys

import psutil

from kit.errors import StartupError
from tools.shell import with_variable

BACKEND_PORT = 8000
FRONTEND_PORT = 3000


def require_free_port(variable: str, port: int) -> None:
    """Make sure that a port can be had.

    Args:
        variable: the environment variable that chooses another port.
        port: the port's number.

    Raises:
        StartupError: it is taken or forbidden; names what holds it, and how to take another.
    """
    if is_port_taken(port):
        raise StartupError(
            f"Port {port} is taken{by_whom(port)}. End that program, or choose another port: "
            + with_another_port(variable, port)
        )


def is_port_taken(port: int) -> bool:
    """Whether a program listens on the port, or it cannot be had for another reason.

    A program that listens on all addresses, or on ::1 alone, counts: `localhost` may mean either.
    """
    return answers("127.0.0.1", port) or answers("::1", port) or not _can_bind(port)


def answers(host: str, port: int) -> bool:
    """Whether a program takes connections to the port at this address."""
    try:
        with socket.create_connection((host, port), timeout=0.3):
            return True
    except OSError:
        return False


def _can_bind(port: int) -> bool:
    with socket.socket() as probe:
        if sys.platform != "win32":  # else a port that was in use a minute ago counts as taken
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno == errno.EACCES:
                raise StartupError(
                    f"This machine does not let ordinary programs use port {port}. Choose one "
                    "above 1023."
                ) from None
            return False
    return True


def by_whom(port: int) -> str:
    """Return the words that name the program which holds a port."""
    for process in psutil.process_iter():
        try:
            listens = any(
                connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
                for connection in process.net_connections("tcp")
            )
            if not listens:
                continue
            name = process.name()
        except psutil.Error:
            continue
        try:
            command = " ".join(process.cmdline())
        except psutil.Error:
            command = ""
        return f" by {name}, process {process.pid}" + (f" ({command[:120]})" if command else "")
    return " by a program of another user"


def with_another_port(variable: str, taken: int) -> str:
    """Return the command that starts both sides with another port, the next one that is free."""
    candidates = (port for port in range(taken + 1, 65536) if not is_port_taken(port))
    port = next(candidates, FRONTEND_PORT)
    return with_variable(variable, str(port), "uv run dev")
