"""A relay between a backend and its database, which can be cut as a network is."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from support.ports import free_port

PIECE = 65536


class Relay:
    """Passes connections on to a server, from `restore` to `cut`."""

    def __init__(self, host: str, port: int) -> None:
        """Pass on to a server, at once."""
        self.port = free_port()
        self._server = (host, port)
        self._listener: socket.socket | None = None
        self._open = set[socket.socket]()
        self._lost = set[socket.socket]()
        self._lock = threading.Lock()
        self.restore()

    def restore(self) -> None:
        """Take connections."""
        listener = socket.create_server(("127.0.0.1", self.port))
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def cut(self) -> None:
        """Refuse new connections, and break those that are open."""
        if self._listener:
            with suppress(OSError):  # so that `accept` returns
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        with self._lock:
            broken, self._open = self._open, set()
        for one in broken:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def lose(self) -> None:
        """Pass nothing on any more over the open connections, and close none. New ones pass."""
        with self._lock:
            self._lost |= self._open

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._server)
            except OSError:
                client.close()
                continue
            with self._lock:
                self._open |= {client, server}
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(PIECE):
                if source not in self._lost:
                    target.sendall(piece)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)
        with self._lock:
            self._open.discard(source)


@contextmanager
def relay(host: str, port: int) -> Iterator[Relay]:
    """Relay to a server until the end of the block."""
    made = Relay(host, port)
    try:
        yield made
    finally:
        made.cut()
