"""A MariaDB server for projects that store their conversations in MySQL.

With MYSQL_SERVER in the environment (mysql://root:password@127.0.0.1:3306) it is that one.
"""

import atexit
import getpass
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pymysql
from contract.chat import wait_until

from support.ports import free_port
from support.programs import require


def new_database() -> str:
    """Return the address of an empty database, as `DATABASE_URL` takes it."""
    name = f"chatkit_{uuid4().hex}"
    server = os.environ.get("MYSQL_SERVER") or _start()
    _run(server, f"CREATE DATABASE {name}")
    return f"{server}/{name}"


def _run(server: str, statement: str) -> None:
    url = urlsplit(server)
    connection = pymysql.connect(
        host=url.hostname, port=url.port or 3306, user=url.username, password=url.password or ""
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(statement)


@cache
def _start() -> str:
    """Start the server of this run of the tests, which ends with it, and return its address."""
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
                *_certificate(folder),
            ],
            stdout=output,
            stderr=output,
        )

    def stop() -> None:
        server.terminate()
        server.wait()
        shutil.rmtree(folder)

    atexit.register(stop)
    address = f"mysql://root@127.0.0.1:{port}"
    wait_until(lambda: _answers(server, address, log))
    return address


def _certificate(folder: Path) -> list[str]:
    """Make a certificate that nobody knows, and return the options with which it is used."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [
            *(require("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return [f"--ssl-key={key}", f"--ssl-cert={certificate}"]


def _answers(server: subprocess.Popen[bytes], address: str, log: Path) -> bool:
    assert server.poll() is None, log.read_text(encoding="utf-8")
    try:
        _run(address, "SELECT 1")
    except pymysql.OperationalError:
        return False
    return True
