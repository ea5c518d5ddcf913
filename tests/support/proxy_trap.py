"""Notices what a process asks of other machines: a proxy that refuses, and remembers."""

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class ProxyTrap:
    """What a process is given that must not leave this machine, and where it tried to go."""

    environment: dict[str, str]
    hosts: list[str] = field(default_factory=list)


@contextmanager
def run_proxy_trap(reachable: Iterable[str] = ()) -> Iterator[ProxyTrap]:
    """Listen until the end of the block.

    Args:
        reachable: the hosts that a process may ask, as it may ask this machine.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            trap.hosts.append(self.path)
            self.send_error(403)

        do_GET = do_POST = do_CONNECT  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        address = f"http://127.0.0.1:{server.server_port}"
        names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        lower = {} if os.name == "nt" else {name.lower(): address for name in names}
        away = dict.fromkeys(names, address) | lower
        direct = ",".join(["127.0.0.1", *reachable])
        trap = ProxyTrap(away | {"NO_PROXY": direct, "no_proxy": direct})
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield trap
        server.shutdown()
