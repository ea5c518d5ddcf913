"""Ports: free ones, and who listens on the others."""

import socket

import psutil


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def listens(port: int) -> bool:
    """Whether a process of this machine listens on a port."""
    return any(
        connection.laddr and connection.laddr.port == port and connection.status == "LISTEN"
        for connection in psutil.net_connections("tcp")
    )


def server_of(port: int) -> psutil.Process:
    """Return the process that listens on a port."""
    (pid,) = {
        connection.pid
        for connection in psutil.net_connections("tcp")
        if connection.laddr and connection.laddr.port == port and connection.status == "LISTEN"
    }
    return psutil.Process(pid)


def kill_server(port: int) -> None:
    """End what listens on a port with SIGKILL."""
    server_of(port).kill()
