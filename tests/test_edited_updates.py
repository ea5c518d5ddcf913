"""What `copier update` leaves of the owner's edits and of the conversations of older releases."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from conftest import Installed
from contract.chat import Chat, text_of, visit
from support import mariadb, owner_edits
from support.backend import run_backend
from support.dev import dev
from support.inside import lay
from support.projects import PACKAGES, Project, share
from support.updating import copy_committed, update
from support.variants import DEFAULT, Variant
from support.versions import commits, conflicts

pytestmark = pytest.mark.usefixtures("compiled_once")
FIRST, *LATER = commits()
LATEST = LATER[-1]
OWN_TESTS = (
    "tests/internals/kit/test_store.py",
    "tests/internals/kit/test_migrations.py::test_two_alembic_heads",
    "tests/contract/test_database.py::test_the_models_are_what_the_migrations_make",
)
CONVERSING = {
    "sqlite": (FIRST, Variant("fastapi", "sqlite", False)),
    "postgresql": (FIRST, Variant("fastapi", "postgresql", False)),
    "mysql": ("v0.0.3", Variant("fastapi", "mysql", False)),
}
"""The oldest version that had the database, whose code makes the conversations."""

NEW_HEADS = 2
"""The owner's revision, and what the template has got since each of these versions."""


def files_of_the_owner(project: Project) -> set[str]:
    """Return the files that the README of a project says are the owner's."""
    readme = (project.path / "README.md").read_text(encoding="utf-8")
    table = readme.split("## Where to change what")[1].split("\n\n")[2]
    cells = [row.split(" | ")[1] for row in table.splitlines()[2:]]
    return {name for cell in cells for name in re.findall(r"`([\w./-]+\.tsx?|[\w./-]+\.py)`", cell)}


def test_every_file_that_is_the_owners_is_edited(project_of: Installed) -> None:
    edited = {Path(one.file).name for one in owner_edits.EDITS} | {Path(owner_edits.MAIN).name}
    listed = {Path(name).name for name in files_of_the_owner(project_of(DEFAULT))}
    assert len(listed) > 5
    assert listed <= edited


@pytest.mark.parametrize("version", [LATER[0], LATEST])
def test_edits_are_kept(releases: Path, tmp_path: Path, version: str) -> None:
    """Slug: conflicts-on-update. In v0.0.1 `main.py` and the list of packages ended elsewhere."""
    project = copy_committed(releases, version, tmp_path / "my-chat", DEFAULT)
    owner_edits.edit(project)
    owner_edits.add_packages_and_a_route(project)
    edited = owner_edits.edits_of(project)
    settings = [file.read_bytes() for file in owner_edits.env_files(project)]
    update(project)
    assert conflicts(project.path) == []
    assert owner_edits.lost(project, edited) == []
    assert [file.read_bytes() for file in owner_edits.env_files(project)] == settings
    assert (project.path / owner_edits.MAIN).read_text(encoding="utf-8").endswith(owner_edits.ROUTE)
    backend = tomllib.loads(
        (project.path / "backend" / "pyproject.toml").read_text(encoding="utf-8")
    )["project"]
    assert owner_edits.PYTHON_PACKAGE in backend["dependencies"]
    assert "limits>=5.8,<6" in backend["dependencies"], "the template's own"
    packages = json.loads((project.path / "frontend" / "package.json").read_text(encoding="utf-8"))
    assert "date-fns" in packages["dependencies"]
    assert "@playwright/test" in packages["devDependencies"], "the template's own"
    project.run("npm", "ci", "--dry-run", cwd="frontend")  # asks whether both files agree


@pytest.mark.parametrize("database", CONVERSING)
def test_conversations_are_kept(
    releases: Path, installed: Installed, tmp_path: Path, database: str
) -> None:
    """Slug: two-alembic-heads. A revision of the owner's beside a newer one of the template's."""
    version, variant = CONVERSING[database]
    project = copy_committed(releases, version, tmp_path / "my-chat", variant)
    if database == "mysql":
        settings = owner_edits.env_files(project)[0]
        url = f"DATABASE_URL={mariadb.new_database()}"
        settings.write_text(
            re.sub("(?m)^DATABASE_URL=.*", url, settings.read_text(encoding="utf-8")),
            encoding="utf-8",
        )
    owner_edits.edit(project)
    migrate(project)
    revision = ("alembic", "revision", "--autogenerate", "-m", "Add orders")
    project.run("uv", "run", *revision, cwd="backend")
    project.commit("Add a table")
    migrate(project)
    with run_backend(project, tmp_path / "old.log", OPENAI_API_KEY="") as backend:
        thread_id = backend.chat.say("What did the old version say?")[0]["thread"]["id"]
        said = told(backend.chat, thread_id)
    assert len(said) == 2

    edited = owner_edits.edits_of(project)
    backend_settings, page_settings = owner_edits.env_files(project)
    kept = backend_settings.read_bytes()
    page_settings.unlink()
    update(project)
    assert conflicts(project.path) == []
    assert owner_edits.lost(project, edited) == []
    assert backend_settings.read_bytes() == kept
    assert page_settings.exists(), "a deleted one is made again"

    migrate(project)
    heads = project.run("uv", "run", "alembic", "current", cwd="backend").stdout
    assert heads.count("(head)") == len(heads.splitlines()) == NEW_HEADS
    if database == "sqlite":
        share(installed(DEFAULT), project, PACKAGES)
        with dev(project) as running:
            page = visit(running.wait_for_address())
            assert page.say("Hello")[-1]["item"]["type"] == "assistant_message"
            assert told(Chat(f"http://127.0.0.1:{running.backend_port}/chatkit"), thread_id) == said
        assert owner_edits.SETTINGS["CHATKIT_SECRET"] in page_settings.read_text(encoding="utf-8")
        lay(project, "backend")
        project.run("uv", "run", "pytest", "-n0", *OWN_TESTS, cwd="backend")
        for check in (("ruff", "check"), ("ruff", "format", "--check")):
            project.run("uv", "run", *check, cwd="backend")
    else:
        with run_backend(project, tmp_path / "new.log", OPENAI_API_KEY="") as backend:
            assert told(backend.chat, thread_id) == said
            backend.chat.say("And the new one?", thread_id)
            assert len(told(backend.chat, thread_id)) == 4


def migrate(project: Project) -> None:
    """Install what the project wants, and bring its database to the newest revisions."""
    project.run("uv", "sync", "--quiet")
    project.run("uv", "run", "alembic", "upgrade", "head", cwd="backend")


def told(chat: Chat, thread_id: str) -> list[tuple[str, str, str]]:
    """Return the messages of a conversation."""
    return [(item["id"], item["type"], text_of(item)) for item in chat.items(thread_id)]
