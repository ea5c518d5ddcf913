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


def require_free_ports(**ports: int) -> None:
    """Make sure that ports can be had.

    Args:
        ports: the ports by the environment variables that choose others.

    Raises:
        StartupError: one is taken or forbidden; names what holds it, and how to take another.
    """
    problems = {name: _problem_of(port) for name, port in ports.items() if not is_port_free(port)}
    if not problems:
        return
    wanted = {name: ports[name] for name in problems}
    another = "another port" if len(wanted) == 1 else "other ports"
    raise StartupError(
        f"{' '.join(problems.values())} End what holds it, or choose {another}:\n\n"
        f"    {with_other_ports(**wanted)}"
    )


def _problem_of(port: int) -> str:
    if is_port_forbidden(port):
        return why_forbidden(port)
    return f"Port {port} is taken{by_whom(port)}."


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
            command = " ".join(" ".join(process.cmdline()).split())  # Next.js pads its own
        except psutil.Error:
            command = ""
        return f" by {name}, process {process.pid}{_folder_of(process)}" + (
            f" ({command[:120]})" if command else ""
        )
    if is_wsl() and wsl_networking() != "nat":
        return (
            f" by a program of another user, or by Windows: `{on_windows(port)}` shows by which, "
            f"and `netsh.exe {RESERVED}` what is reserved there"
        )
    return " by a program of another user"


def _folder_of(process: psutil.Process) -> str:
    """Return the words for where a program runs, which tells two projects apart."""
    try:
        return f" in {process.cwd()}"
    except psutil.Error:
        return ""


def with_other_ports(**taken: int) -> str:
    """Return the command that starts both sides with other ports, the next ones that are free.

    The ports of both sides are left out, though nobody listens there yet. A port that is set for
    the other side stays set.

    Args:
        taken: the ports that cannot be had, by their environment variables.
    """
    both = ("BACKEND_PORT", "FRONTEND_PORT")
    set_here = {name: os.environ.get(name, "").strip() for name in both}
    ours = {*set_here.values(), str(BACKEND_PORT), str(FRONTEND_PORT)}
    chosen = {name: port for name, port in set_here.items() if port and name not in taken}
    for name, port in taken.items():
        candidates = (str(other) for other in range(port + 1, 65536) if str(other) not in ours)
        chosen[name] = next((one for one in candidates if is_port_free(int(one))), str(port))
        ours.add(chosen[name])
    command = "uv run dev"
    for name, text in reversed(chosen.items()):
        command = with_variable(name, text, command)
    return command
