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
from support.variants import DEFAULT, ROOT, Variant
from support.versions import clone_template, commits, conflicts, git, release_news

pytestmark = pytest.mark.usefixtures("compiled_once")
FIRST, *LATER = commits()
LATEST = LATER[-1]
PUBLISHED = "v0.1.0"
"""The first version that people have."""

TEMPLATE = ROOT / "template"
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
    """Return the files that docs/where.md of a project says are the owner's."""
    document = (project.path / "docs" / "where.md").read_text(encoding="utf-8")
    table = document.split("\n## Your files\n\n")[1].split("\n\n")[0]
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
    project = make_owned(releases, version, tmp_path / "my-chat", variant)
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


ROW = re.compile(r"(?m)^ *\| (\d+\.\d+\.\d+) \| `(uv run alembic downgrade \S+)` \|$")
WAY_BACK = dict(ROW.findall((TEMPLATE / "docs" / "updates.md").read_text(encoding="utf-8")))


def revisions(tag: str) -> list[str]:
    """Return the template's revisions in a version, from the oldest on."""
    listed = git("ls-tree", "-r", "--name-only", commits()[tag], "--", "template/backend/src")
    files = sorted(name for name in listed.splitlines() if "/migrations/0" in name)
    texts = [git("show", f"{commits()[tag]}:{name}") for name in files]
    return [re.findall(r'(?m)^revision = "(\w+)"', text)[0] for text in texts]


def test_the_way_back_is_written_down_for_each_release() -> None:
    """Those that people have: what stands for older ones was never published."""
    folder = TEMPLATE / "backend" / "src" / "kit" / "database" / "migrations"
    newest = [
        re.findall(r'(?m)^revision = "(\w+)"', file.read_text(encoding="utf-8"))[0]
        for file in sorted(folder.glob("0*.py"))
    ]
    expected = {}
    for tag in commits():
        theirs = revisions(tag)
        if tag >= PUBLISHED and theirs != newest:
            command = f"uv run alembic downgrade {newest[len(theirs)]}@{theirs[-1]}"
            expected[tag.removeprefix("v")] = command
    assert expected == WAY_BACK


@pytest.mark.parametrize("database", CONVERSING)
def test_no_way_back(releases: Path, tmp_path: Path, database: str) -> None:
    """The update has migrated, brought files, and the owner has made a revision on top of it."""
    variant = Variant("fastapi", database, False)
    project = make_owned(releases, PUBLISHED, tmp_path / "my-chat", variant)
    with run_backend(project, tmp_path / "old.log", OPENAI_API_KEY="") as backend:
        before = backend.chat.say("What did the old version say?")[0]["thread"]["id"]

    project.run("git", "switch", "--quiet", "-c", "update")
    update(project)
    project.commit("Update")
    add_revision(project, "Later")
    with run_backend(project, tmp_path / "new.log", OPENAI_API_KEY="") as backend:
        backend.chat.say("And the new one?", before)
        since = backend.chat.say("Hello")[0]["thread"]["id"]
        said = [told(backend.chat, thread) for thread in (before, since)]

    project.run(*WAY_BACK[PUBLISHED.removeprefix("v")].split(), cwd="backend")
    project.run("git", "switch", "--quiet", "-")
    assert project.git_status() == [], "nothing of the update stays"
    migrate(project)
    with run_backend(project, tmp_path / "back.log", OPENAI_API_KEY="") as backend:
        assert [told(backend.chat, thread) for thread in (before, since)] == said
        assert len(told(backend.chat, before)) == 4
        assert backend.chat.say("And now?", since)


def make_owned(template: Path, version: str, path: Path, variant: Variant) -> Project:
    """Copy a release, and edit it as an owner does, with a table of their own in the database."""
    project = copy_committed(template, version, path, variant)
    set_database(project)
    owner_edits.edit(project)
    add_revision(project, "Add orders")
    return project


def set_database(project: Project) -> None:
    """Give a project with MySQL a database."""
    if project.variant.database == "mysql":
        settings = owner_edits.env_files(project)[0]
        url = f"DATABASE_URL={mariadb.new_database()}"
        settings.write_text(
            re.sub("(?m)^DATABASE_URL=.*", url, settings.read_text(encoding="utf-8")),
            encoding="utf-8",
        )


def add_revision(project: Project, message: str) -> None:
    """Migrate, make a revision of the owner's for what has changed, and commit and apply it."""
    migrate(project)
    revision = ("alembic", "revision", "--autogenerate", "-m", message)
    project.run("uv", "run", *revision, cwd="backend")
    project.commit(message)
    migrate(project)


def test_uv_add_conflicts(tmp_path: Path) -> None:
    """Packages of the owner, and then newer ranges and newer pins of every one of ours."""
    template = clone_template(tmp_path / "template", "v98")
    project = copy_committed(template, "v98", tmp_path / "my-chat", DEFAULT)
    for options in ((), ("--dev",)):
        project.run("uv", "add", "--quiet", "--no-sync", *options, "humanize>=4", cwd="backend")
    install = ("npm", "install", "--package-lock-only", "--no-audit")
    project.run(*install, "date-fns@4", "zod@4", cwd="frontend")
    project.commit("Add packages")

    backend = template / "template" / "backend" / "pyproject.toml.jinja"
    text = backend.read_text(encoding="utf-8")
    text, ranges = re.subn(r'(?<!multipart)(>=[\d.]+\d)(?=[,;"])', r"\1.1", text)
    assert ranges > 20
    backend.write_text(text, encoding="utf-8")
    lock = template / "template" / "frontend" / "package-lock.json"
    text, pins = re.subn(r'("integrity": "sha512-)\w', r"\1X", lock.read_text(encoding="utf-8"))
    assert pins > 100
    lock.write_text(text, encoding="utf-8")
    release_news(template, "v99")

    update(project, "v99")
    assert set(conflicts(project.path)) <= {"frontend/package-lock.json"}
    packages = (project.path / "backend" / "pyproject.toml").read_text(encoding="utf-8")
    assert packages.count('"humanize>=4"') == 2
    project.run("npm", "install", "--package-lock-only", cwd="frontend")  # as docs/updates.md says
    project.commit("Update")
    assert conflicts(project.path) == []
    project.run("npm", "ci", "--dry-run", cwd="frontend")


def test_the_last_package_never_changes() -> None:
    """Slug: uv-add-conflicts. Owners' packages stand below it, since the first release."""
    path = "template/backend/pyproject.toml.jinja"
    texts = git("show", f"{commits()[PUBLISHED]}:{path}"), (ROOT / path).read_text(encoding="utf-8")
    then, now = (text.split("\n]\n")[0].splitlines()[-2:] for text in texts)
    assert now == then


def test_conflict_search_always_hits(project_of: Installed) -> None:
    """The command that each text names finds nothing in a fresh copy."""
    project = project_of(DEFAULT)
    words = 'git grep -n "^<<<<<<< "'
    texts = (
        ROOT / "hooks" / "after-update.txt",
        ROOT / "docs" / "tutorial.md",
        project.path / "docs" / "updates.md",
        project.path / "docs" / "pitfalls.md",
        project.path / "tools" / "src" / "tools" / "git.py",
    )
    assert [text for text in texts if words not in text.read_text(encoding="utf-8")] == []
    found = project.run("git", "grep", "-n", "^<<<<<<< ", check=False)
    assert (found.returncode, found.stdout) == (1, "")
