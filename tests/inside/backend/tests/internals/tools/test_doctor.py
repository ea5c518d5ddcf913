"""`uv run doctor`: what it says of a healthy project, of secrets, and what it mends."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from contract.serving import DEMO, empty_database, free_port, run_server, run_sql
from sqlalchemy.engine import URL

from internals.tools.patient import Examination, Patient, fails
from kit.settings import BACKEND
from tools.doctor import main, page

KIT = BACKEND.parent / "frontend" / "src" / "kit"

OUTSIDE = {"page.script"}
"""What needs the world outside, which tests do not have."""

REVISION = """
revision = "{name}"
down_revision = "chatkit_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
"""


def of_running(names: set[str]) -> set[str]:
    """Return those names that are about the running page or backend."""
    return {name for name in names if name.startswith(("backend.", "proxy.", "page."))}


def not_passed(examination: Examination, outcome: str) -> set[str]:
    return {name for name, found in examination.findings.items() if found["outcome"] == outcome}


def test_a_stopped_project_fails_in_nothing(healthy: Patient) -> None:
    ports = {"BACKEND_PORT": str(free_port()), "FRONTEND_PORT": str(free_port())}
    examination = healthy.examine(**ports)
    assert examination.slugs("FAIL") == {}
    unknown = not_passed(examination, "UNKNOWN")
    assert unknown == of_running(unknown)
    assert examination.status == 2
    assert examination["backend.health"]["command"] == "uv run dev"
    assert {examination[name]["because"] for name in unknown} == {"", "backend.health"}
    assert re.match(r"\d+ conversations, \d+ messages", examination["database.tables"]["words"])


def test_no_text_is_read_as_the_system_likes(healthy: Patient) -> None:
    """Windows likes another encoding than UTF-8. A warning would be an output that is refused."""
    strict = {"PYTHONWARNDEFAULTENCODING": "1", "PYTHONWARNINGS": "always::EncodingWarning"}
    assert healthy.examine_behind([], **strict).slugs("FAIL") == {}


def test_a_running_backend_passes(healthy: Patient) -> None:
    with run_server(healthy.url, None, **DEMO) as server:
        examination = healthy.examine(BACKEND_PORT=server.port, FRONTEND_PORT=str(free_port()))
    assert examination.slugs("FAIL") == {}
    unknown = not_passed(examination, "UNKNOWN")
    assert not {name for name in unknown if name.startswith("backend.")}
    assert unknown == of_running(unknown)
    assert examination["backend.whose-history"]["words"].startswith("a request without a token")


def test_a_person_is_told_what_to_do(patient: Patient) -> None:
    """What fails stands last, and each command on a line of its own."""
    patient.path("frontend/.env.local").unlink()
    patient.path(".gitattributes").unlink()
    ended = patient.hear("--only", "files")
    assert ended.status == 1
    passed, unknown, warned, failed = re.split(r"\n\n(?=[A-Z]{4})", ended.said)
    assert re.fullmatch(r"PASS     \d+ checks\. `uv run doctor -v` lists what was examined", passed)
    assert unknown == "UNKNOWN  1 check: not tried, since files.frontend did not pass"
    assert warned.startswith("WARN     files.line-ends: git may write scripts with line ends")
    assert "\n\n             git checkout -- .gitattributes" in warned
    assert failed.startswith("FAIL     files.frontend: frontend/.env.local is missing")
    assert "\n\n             uv run doctor --fix\n\n" in failed
    assert "pitfall env-file-lost: " in failed
    assert "docs/pitfalls.md#env-file-lost" in failed
    assert re.search(r"\n\n\d+ passed, 1 warned, 1 failed, 1 unknown\.\n$", failed)


def test_what_passes_is_listed_if_that_is_asked_for(patient: Patient) -> None:
    said = patient.hear("--only", "files", "-v").said
    assert re.search(r"(?m)^PASS     files\.frontend: frontend/\.env\.local is there", said)
    assert "checks. `uv run doctor -v`" not in said


def test_who_names_no_check_is_told_what_there_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["doctor", "--only", "nonsense"])
    with pytest.raises(SystemExit, match="2"):
        main()
    said = capsys.readouterr().err
    assert said.startswith("There is no check named nonsense. The layers are: tools, ")


def test_secrets_that_differ_are_mended(patient: Patient) -> None:
    """Guests keep their conversations: the page's server signs their cookies with its own."""
    theirs = "the-secret-of-the-page-with-32-characters"
    patient.set("frontend", "CHATKIT_SECRET", theirs)
    lines = patient.path("backend/.env.local").read_text(encoding="utf-8").splitlines()
    fails(patient.examine("files"), "files.secrets", "env-file-lost")
    mended = patient.mend("files")
    assert mended.slugs("FAIL") == {}
    sentence = "Copied CHATKIT_SECRET from frontend/.env.local to backend/.env.local."
    assert mended.document["mended"] == [sentence]
    kept = [line for line in lines if not line.startswith("CHATKIT_SECRET=")]
    now = patient.path("backend/.env.local").read_text(encoding="utf-8").splitlines()
    assert len(kept) == len(lines) - 1
    assert sorted(now) == sorted([*kept, f"CHATKIT_SECRET={theirs}"])


def test_a_short_secret_is_mended_once_it_is_emptied(patient: Patient) -> None:
    for side in ("backend", "frontend"):
        patient.set(side, "CHATKIT_SECRET", "short")
    found = fails(patient.examine("files"), "files.secrets", "env-file-lost")
    assert found["by_hand"] == "Empty CHATKIT_SECRET in both .env.local"
    for side in ("backend", "frontend"):
        patient.set(side, "CHATKIT_SECRET", "")
    assert patient.mend("files").slugs("FAIL") == {}


def test_every_slug_has_its_pitfall() -> None:
    text = (KIT / "pitfalls.json").read_text(encoding="utf-8")
    known = {one["slug"] for section in json.loads(text) for one in section["pitfalls"]}
    doctor = BACKEND.parent / "tools" / "src" / "tools" / "doctor"
    sources = [file.read_text(encoding="utf-8") for file in doctor.rglob("*.py")]
    said = set(re.findall(r'slug="([a-z-]+)"', "".join(sources)))
    assert len(said) > 20
    assert said <= known


def test_what_the_page_says_too_is_said_alike() -> None:
    sources = [file.read_text(encoding="utf-8") for file in KIT.rglob("*.ts")]
    for said in (page.SCRIPT, page.ALLOW_LIST, page.PLACEHOLDER):
        assert any(f'"{said}"' in source for source in sources)


def test_a_value_of_the_shell_is_named_as_such(patient: Patient) -> None:
    examination = patient.examine("files", APP_ENV="development")
    assert examination["files.settings"]["source"] == "APP_ENV in the shell"


SECRETS = {
    "OPENAI_API_KEY": "sk-proj-the-key-of-the-shell",
    "CHATKIT_SECRET": "the-secret-of-the-shell-with-32-characters",
    "DATABASE_URL": "postgresql://ada:p%40ss-of-the-shell@127.0.0.1:1/chat?sslmode=disable",
    "MY_OTHER_TOKEN": "a-token-that-is-not-even-ours",
}


@pytest.mark.parametrize("options", [["--json"], []], ids=["json", "text"])
def test_no_secret_is_said(patient: Patient, options: list[str]) -> None:
    patient.set("backend", "OPENAI_API_KEY", "sk-proj-the-key-of-the-file")
    patient.set("backend", "OPENAI_BASE_URL", "http://ada:pass-in-a-url@127.0.0.1:1/v1")
    patient.set("backend", "OPENAI_MODEL", "llama3.2")
    patient.set("frontend", "CHATKIT_SECRET", "the-secret-of-the-page-with-32-characters")
    said = patient.hear(*options, **SECRETS).said
    assert "shell-beats-env-file" in said
    for secret in (*SECRETS.values(), "p@ss", "p%40ss", "of-the-file", "of-the-page", "in-a-url"):
        assert secret not in said
    assert "127.0.0.1:1/v1" in said


@pytest.fixture
def broken(clone: Patient, tmp_path: Path) -> Patient:
    """A clone with everything wrong that can be mended."""
    patient = clone.copy(tmp_path)
    for name in ("yours", "theirs"):
        revision = patient.path(f"backend/alembic/versions/{name}.py")
        revision.parent.mkdir(exist_ok=True)
        revision.write_text(REVISION.format(name=name), encoding="utf-8")
    patient.path("start.sh").write_bytes(b"#!/bin/sh\r\necho started\r\n")
    patient.change("frontend/.env.example", "http://127.0.0.1:8000", "http://localhost:8000")
    return patient


@pytest.fixture
def its_database(broken: Patient, tmp_path: Path) -> Iterator[URL]:
    with empty_database(tmp_path) as url:
        broken.env["DATABASE_URL"] = url.render_as_string(hide_password=False)
        yield url


def test_what_is_mended_is_said_and_mended_once(broken: Patient, its_database: URL) -> None:
    layers = ("files", "database", "network")
    before = broken.examine(*layers)
    assert before.status == 1
    assert before["database.address"]["because"] == "files.backend"

    first = broken.mend(*layers)
    said = " ".join(first.document["mended"])
    for words in (
        "Made backend/.env.local from backend/.env.example.",
        "Made a new CHATKIT_SECRET for both.",
        "Wrote 127.0.0.1 for localhost in BACKEND_URL of frontend/.env.local.",
        "Took the line ends of Windows out of start.sh.",
        "Migrated the database: ",
    ):
        assert words in said
    assert first.slugs("FAIL") == {}
    assert first.status == 0
    assert broken.path("start.sh").read_bytes() == b"#!/bin/sh\necho started\n"
    applied = run_sql(its_database, "SELECT version_num FROM alembic_version")
    assert len(applied) == 3

    contents = broken.contents()
    second = broken.mend(*layers)
    assert second.document["mended"] == []
    assert broken.contents() == contents
    assert second.status == 0


def test_two_heads_are_joined(broken: Patient, its_database: URL) -> None:
    """They are joined where `alembic upgrade head` takes but one. Slug: two-alembic-heads."""
    broken.mend("database.migrations")
    broken.change("backend/alembic/env.py", '("head", "heads")', '("heads",)')
    examination = broken.examine("database.alembic")
    fails(examination, "database.alembic", "two-alembic-heads")
    first = broken.mend("database.alembic")
    assert "Joined the revisions " in first.document["mended"][-1]
    assert first.status == 0
    assert len(run_sql(its_database, "SELECT version_num FROM alembic_version")) == 1
    assert broken.mend("database.migrations").document["mended"] == []


def test_nothing_else_is_touched(patient: Patient) -> None:
    """What OIDC_ISSUER names is a name, and only scripts have to have the line ends of Linux."""
    patient.set("frontend", "OIDC_ISSUER", "http://localhost:9/realm")
    patient.path("notes.txt").write_bytes(b"mine\r\n")
    contents = patient.contents()
    assert patient.mend("files").document["mended"] == []
    assert patient.contents() == contents
