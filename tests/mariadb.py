"""A MariaDB server for projects that store their conversations in MySQL."""

import atexit
import getpass
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from uuid import uuid4

from ports import free_port
from required import require
from wait import wait_until


def new_database() -> str:
    """Return the address of an empty database, as `DATABASE_URL` takes it."""
    name = f"chatkit_{uuid4().hex}"
    port = _start()
    _run(port, f"CREATE DATABASE {name}")
    return f"mysql://root@127.0.0.1:{port}/{name}"


def _run(port: int, statement: str) -> None:
    server = ("--protocol=tcp", f"--port={port}", "--user=root")
    client = (require("mariadb"), "--no-defaults", *server)
    subprocess.run([*client, "--execute", statement], check=True, capture_output=True)


@cache
def _start() -> int:
    """Start the server of this run of the tests, which ends with it, and return its port."""
    folder = Path(tempfile.mkdtemp(prefix="mariadb-"))
    data, log, port = folder / "data", folder / "log", free_port()
    user = f"--user={getpass.getuser()}"
    subprocess.run(
        [
            require("mariadb-install-db"),
            "--no-defaults",
            f"--datadir={data}",
            user,
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ],
        check=True,
        capture_output=True,
    )
    with log.open("wb") as output:
        server = subprocess.Popen(
            [
                require("mariadbd"),
                "--no-defaults",
                f"--datadir={data}",
                user,
                "--bind-address=127.0.0.1",
                f"--port={port}",
                f"--socket={folder / 'socket'}",
                "--max-connections=500",
            ],
            stdout=output,
            stderr=output,
        )

    def stop() -> None:
        server.terminate()
        server.wait()
        shutil.rmtree(folder)

    atexit.register(stop)
    wait_until(lambda: _answers(server, port, log), seconds=60)
    return port


def _answers(server: subprocess.Popen[bytes], port: int, log: Path) -> bool:
    assert server.poll() is None, log.read_text()
    try:
        _run(port, "SELECT 1")
    except subprocess.CalledProcessError:
        return False
    return True
