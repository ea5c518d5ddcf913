"""nginx, as people put it in front of servers."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from contract.chat import PATIENCE, wait_until

from support.ports import free_port, listens
from support.programs import require
from support.projects import clean_environment

NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 2048; }}
http {{
  access_log off;
  client_body_temp_path {folder}/bodies;
  proxy_temp_path {folder}/answers;
  fastcgi_temp_path {folder}/fastcgi;
  scgi_temp_path {folder}/scgi;
  uwsgi_temp_path {folder}/uwsgi;
  upstream servers {{ {servers} }}
  server {{
    listen 127.0.0.1:{port};
    location {path} {{
      proxy_pass http://servers;
      proxy_http_version 1.1;
      {settings}
    }}
  }}
}}
"""


@contextmanager
def nginx(
    addresses: Sequence[str],
    folder: Path,
    settings: str,
    connections: str = "",
    path: str = "/",
) -> Iterator[str]:
    """Run nginx in front of servers until the end of the block, and return its address.

    Args:
        addresses: the servers.
        folder: for its files.
        settings: how it passes requests on.
        connections: how it uses its connections to the servers.
        path: which requests it passes on.
    """
    folder.mkdir(exist_ok=True)
    port = free_port()
    servers = [f"server {urlsplit(one).netloc} max_fails=0;" for one in addresses]
    text = NGINX.format(
        folder=folder,
        servers=" ".join([*servers, connections]),
        port=port,
        settings=settings,
        path=path,
    )
    config = folder / "nginx.conf"
    config.write_text(text, encoding="utf-8")
    command = [require("nginx"), "-c", str(config), "-e", f"{folder}/error.log"]
    with running(command, port):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def running(command: Sequence[str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the end of the block, from when it listens."""
    process = subprocess.Popen(command, env=clean_environment())
    try:
        wait_until(lambda: process.poll() is not None or listens(port))
        assert process.poll() is None, f"{command[0]} ended"
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE)
