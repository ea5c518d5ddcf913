"""What the doctor says of this project; the sabotage puts it among the tests of the doctor.

It is written down as it is said: what it should be, the sabotage knows.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contract.fake_model import run_fake_model
from contract.serving import DEMO, PROCESSES, SECRET, empty_database, free_port, run_server
from internals.tools.patient import Examination, Patient, fails
from kit.settings import BACKEND
from sqlalchemy.engine import URL

OF_THE_GUIDE = {
    "json-of-bytes": "backend.threads",
    "assistant-message-not-saved": "round-trip.stored",
    "content-type-not-recognised": "round-trip.stored",
}
"""Those that show while it runs, and the checks that name them."""

# Nothing of the app: it is another one for each pitfall.
PROCESSES.set_forkserver_preload(["chatkit.agents"])

PATIENCE = 60
"""Seconds for the page's server to see a change."""


def test_stopped(healthy: Patient) -> None:
    note(healthy.examine(**of_nobody()))


def test_provider(clone: Patient) -> None:
    """With the address of a database as providers write it."""
    copy_settings(clone)
    clone.set("backend", "DATABASE_URL", "postgres://ada:secret@127.0.0.1/chat?sslmode=require")
    note(clone.examine(**of_nobody()))


def test_example(healthy: Patient, tmp_path: Path) -> None:
    """With settings that are copied by hand, and at a place with a space in it."""
    patient = healthy.copy(tmp_path / "my projects")
    copy_settings(patient)
    note(patient.examine(**of_nobody()))


def test_running(healthy: Patient) -> None:
    note(talk(healthy, healthy.url))


def test_model(patient: Patient) -> None:
    with run_fake_model() as model:
        for name, value in model.settings.items():
            patient.set("backend", name, value)
        note(talk(patient, patient.url, **model.settings, OPENAI_API="chat_completions"))


def test_page(clone: Patient) -> None:
    """Of the project itself, which runs; what was changed in it may take its time to show."""
    ports = {name: os.environ[name] for name in ("BACKEND_PORT", "FRONTEND_PORT")}
    patient = Patient(BACKEND.parent, clone.env | ports)
    deadline = time.monotonic() + PATIENCE
    while True:
        examination = patient.examine()
        failed = [*examination.slugs("FAIL")]
        if failed == [os.environ["EXPECTED"]] or time.monotonic() > deadline:
            return note(examination)


def test_guide(healthy: Patient, tmp_path: Path) -> None:
    """The pitfalls of the guide that depend on framework or database, one after the other."""
    patient = healthy.copy(tmp_path)
    with empty_database(patient.root) as url:
        if url.get_backend_name() == "sqlite":  # the others are there, and have no tables
            Path(url.database or "").touch()
        address = url.render_as_string(hide_password=False)
        examination = patient.examine("database.tables", DATABASE_URL=address)
        fails(examination, "database.migrations", "migrations-not-run")
    with put_back(patient.root, "alembic-cannot-import"):
        examination = patient.examine("database.alembic")
        fails(examination, "database.alembic", "alembic-cannot-import")
    for slug, check in OF_THE_GUIDE.items():
        with put_back(BACKEND.parent, slug), run_server(healthy.url, None, **DEMO) as server:
            ports = of_nobody() | {"BACKEND_PORT": server.port}
            examination = healthy.examine(check, options=["--round-trip"], **ports)
        fails(examination, check, slug)


def copy_settings(patient: Patient) -> None:
    for side in ("backend", "frontend"):
        shutil.copy(patient.path(f"{side}/.env.example"), patient.path(f"{side}/.env.local"))
        patient.set(side, "CHATKIT_SECRET", SECRET)


@contextmanager
def put_back(project: Path, slug: str) -> Iterator[None]:
    patch = ["git", "apply", "--unidiff-zero", f"{os.environ['PATCHES']}/{slug}.patch"]
    subprocess.run(patch, cwd=project, check=True)
    try:
        yield
    finally:
        subprocess.run([*patch, "--reverse"], cwd=project, check=True)


def talk(patient: Patient, database: URL, **settings: str) -> Examination:
    with run_server(database, None, **DEMO | settings) as server:
        ports = of_nobody() | {"BACKEND_PORT": server.port}
        return patient.examine(options=["--round-trip"], **ports)


def of_nobody() -> dict[str, str]:
    return {"BACKEND_PORT": str(free_port()), "FRONTEND_PORT": str(free_port())}


def note(examination: Examination) -> None:
    Path(os.environ["EXAMINATION"]).write_text(examination.said, encoding="utf-8")
