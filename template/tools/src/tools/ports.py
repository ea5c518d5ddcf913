"""The ports of both sides: whether they are free, who holds one, and how to take another."""

import os
import socket
import sys

import psutil

from kit.errors import StartupError
from tools.shell import with_variable
from tools.wsl import is_wsl, on_windows, wsl_networking

BACKEND_PORT = 8000
FRONTEND_PORT = 3000

UNPRIVILEGED = 1024
"""The first port that is not only root's."""

RESERVED = "interface ipv4 show excludedportrange protocol=tcp"
"""What `netsh` has to be told to list the ports that Windows gives nobody."""


def require_free_port(variable: str, port: int) -> None:
    """Make sure that a port can be had.

    Args:
        variable: the environment variable that chooses another port.
        port: the port's number.

    Raises:
        StartupError: it is taken or forbidden; names what holds it, and how to take another.
    """
    if is_port_free(port):
        return
    if is_port_forbidden(port):
        problem = f"{why_forbidden(port)} Choose another port"
    else:
        problem = f"Port {port} is taken{by_whom(port)}. End that program, or choose another port"
    raise StartupError(f"{problem}: {with_another_port(variable, port)}")


def is_port_free(port: int) -> bool:
    """Whether a side can have the port.

    A program that listens on all addresses, or on ::1 alone, counts: `localhost` may mean either.
    """
    # In this order, since where nobody listens Windows takes its time to say so.
    return _refusal(port) is None and not _is_answered(port)


def is_port_forbidden(port: int) -> bool:
    """Whether the system refuses the port to this program, though nobody listens there."""
    return isinstance(_refusal(port), PermissionError) and not _is_answered(port)


def why_forbidden(port: int) -> str:
    """Return the words that say why the system refuses a port, and how to look."""
    if sys.platform == "win32":
        return (
            f"Windows has reserved port {port}, as it reserves ranges of ports for Hyper-V, WSL "
            f"and Docker. `netsh {RESERVED}` lists them."
        )
    if port < UNPRIVILEGED:
        return f"Only root may use port {port} on this machine, and other ports below 1024."
    return f"This machine does not let you use port {port}."


def _is_answered(port: int) -> bool:
    return answers("127.0.0.1", port) or answers("::1", port)


def answers(host: str, port: int) -> bool:
    """Whether a program takes connections to the port at this address."""
    try:
        with socket.create_connection((host, port), timeout=0.3):
            return True
    except OSError:
        return False


def _refusal(port: int) -> OSError | None:
    """Return the error with which the system refuses the port; None if it does not.

    Windows refuses a reserved port with 10013, which is a `PermissionError`, too.
    """
    with socket.socket() as probe:
        if sys.platform != "win32":  # else a port that was in use a minute ago counts as taken
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return error
    return None


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
    if is_wsl() and wsl_networking() != "nat":
        return (
            f" by a program of another user, or by Windows: `{on_windows(port)}` shows by which, "
            f"and `netsh.exe {RESERVED}` what is reserved there"
        )
    return " by a program of another user"


def with_another_port(variable: str, taken: int) -> str:
    """Return the command that starts both sides with another port, the next one that is free.

    The ports of both sides are left out, though nobody listens there yet.
    """
    set_here = {os.environ.get(name, "").strip() for name in ("BACKEND_PORT", "FRONTEND_PORT")}
    ours = set_here | {str(BACKEND_PORT), str(FRONTEND_PORT)}
    candidates = (port for port in range(taken + 1, 65536) if str(port) not in ours)
    port = next(filter(is_port_free, candidates), FRONTEND_PORT)
    return with_variable(variable, str(port), "uv run dev")
