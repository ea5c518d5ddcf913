"""What the doctor finds in a project that does not run: each failure is made for real."""

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from contract.serving import SECRET, free_port

from internals.tools.patient import Patient, fails, warns
from internals.tools.systems import port_of_root, unavailable, without

posix = pytest.mark.skipif(os.name != "posix", reason="the stand-ins are shell scripts")


# --- tools


@posix
def test_a_missing_node(patient: Patient, tmp_path: Path) -> None:
    found = patient.examine("tools", PATH=str(tmp_path))
    assert "Node.js is missing" in found["tools.node"]["words"]
    assert found.status == 1


def test_uv_that_the_shell_does_not_find(patient: Patient, tmp_path: Path) -> None:
    """As after `pip install --user`: it runs as a module of Python alone."""
    found = warns(patient.examine("tools.uv", PATH=str(tmp_path), UV="uv"), "tools.uv", "")
    assert "-m uv in place of uv" in found["words"]
    assert "astral" in found["command"]


def test_dependency_drift_is_named(patient: Patient) -> None:
    patient.change("pyproject.toml", '"sniffio==', '"sniffio>=')
    found = warns(patient.examine("tools"), "tools.python-packages", "dependency-drift")
    assert found["source"].startswith("pyproject.toml line ")


def test_other_versions_than_the_tested_ones_are_named(patient: Patient) -> None:
    patient.change("pyproject.toml", '"sniffio==', '"sniffio==0.')
    examination = patient.examine("tools")
    found = fails(examination, "tools.python-packages", "dependency-drift")
    assert "sniffio" in found["words"]
    assert found["command"] == "uv sync"


def test_missing_greenlet_is_named(patient: Patient) -> None:
    patient.change("backend/pyproject.toml", "sqlalchemy[asyncio]", "sqlalchemy")
    warns(patient.examine("tools"), "tools.greenlet", "missing-greenlet")


def test_lock_file_of_one_platform_is_named(patient: Patient) -> None:
    file = patient.path("frontend/package-lock.json")
    lock = json.loads(file.read_text(encoding="utf-8"))
    others = [name for name in lock["packages"] if name.endswith("win32-x64-msvc")]
    assert others
    for name in others:
        del lock["packages"][name]
    file.write_text(json.dumps(lock), encoding="utf-8")
    examination = patient.examine("tools")
    found = fails(examination, "tools.lock-file", "lock-file-of-one-platform")
    assert "win32-x64-msvc" in found["words"]


# --- files


@pytest.mark.parametrize("side", ["backend", "frontend"])
def test_env_file_lost_is_one_failure(patient: Patient, side: str) -> None:
    patient.path(f"{side}/.env.local").unlink()
    found = fails(patient.examine("files"), f"files.{side}", "env-file-lost")
    assert found["command"] == "uv run doctor --fix"
    assert patient.mend("files").status == 0


@pytest.mark.parametrize("side", ["backend", "frontend"])
def test_a_folder_in_place_of_an_env_file_is_named(patient: Patient, side: str) -> None:
    name = f"{side}/.env.local"
    patient.path(name).unlink()
    patient.path(name).mkdir()
    for examination in (patient.examine("files"), patient.mend("files")):
        found = fails(examination, f"files.{side}", "")
        assert f"{name} is a folder" in found["words"]
        assert found["by_hand"] == f"Remove the folder {name}"


@pytest.mark.parametrize("side", ["backend", "frontend"])
def test_an_env_file_that_may_not_be_read_is_named(patient: Patient, side: str) -> None:
    name = f"{side}/.env.local"
    patient.path(name).chmod(0)
    examination = patient.examine_behind(without("dac_override", "dac_read_search"), "files")
    found = fails(examination, f"files.{side}", "")
    assert found["words"] == f"{name} is there, and cannot be read: Permission denied"
    assert found["by_hand"].startswith(f"Set the owner and the permissions of {name}")


@pytest.mark.parametrize("name", ["backend/.env.local", "frontend/.env", ".gitignore"])
def test_nul_bytes_of_a_crash_are_not_called_utf_16(patient: Patient, name: str) -> None:
    """Nothing mends them, so nobody is sent to `--fix`."""
    path = patient.path(name)
    path.write_bytes((path.read_bytes() if path.exists() else b"") + bytes(64))
    side = name.partition("/")[0]
    check = f"files.{side}" if side in ("backend", "frontend") else "files.encoding"
    for examination in (patient.examine("files"), patient.mend("files")):
        found = fails(examination, check, "")
        assert found["by_hand"].startswith(f"Edit {name}: take the NUL characters")
        assert "UTF-16" not in found["words"]
        assert found["source"] == name


APPENDED = "# Grüße\r\nOPENAI_MODEL=llama3.2\r\n".encode("utf-16-le")
"""By `>>` of Windows PowerShell."""


@pytest.mark.parametrize(
    "name",
    [
        "backend/.env.example",
        "backend/.env.local",
        "frontend/.env",
        "frontend/.env.development.local",
        "frontend/.env.local",
    ],
)
def test_env_file_in_utf_16_is_named_and_converted(patient: Patient, name: str) -> None:
    path = patient.path(name)
    was = path.read_bytes() if path.exists() else b""
    path.write_bytes(was + APPENDED)
    side = name.partition("/")[0]
    found = fails(patient.examine("files"), f"files.{side}", "env-file-in-utf-16")
    assert found["source"] == name
    assert found["command"] == "uv run doctor --fix"

    mended = patient.mend("files")

    assert mended.status == 0
    assert f"Converted {name} to UTF-8." in " ".join(mended.document["mended"])
    text = was.decode() + "# Grüße\nOPENAI_MODEL=llama3.2\n"
    assert path.read_text(encoding="utf-8").startswith(text)
    kept = f"{name}.utf-16.local"
    assert patient.path(kept).read_bytes() == was + APPENDED
    patient.git("check-ignore", kept)


@pytest.mark.parametrize(
    "name",
    [".copier-answers.yml", ".gitignore", "backend/src/app/tables.py", "frontend/package.json"],
)
def test_env_file_in_utf_16_other_files_are_named_too(patient: Patient, name: str) -> None:
    text = patient.path(name).read_bytes()
    patient.path(name).write_bytes(text + "\r\n".encode("utf-16-le"))
    found = fails(patient.examine("files", "database"), "files.encoding", "env-file-in-utf-16")
    assert found["source"] == name
    assert patient.mend("files").status == 0
    assert patient.path(name).read_bytes() == text + b"\r\n"


@pytest.mark.parametrize(
    ("secret", "words"), [("another", "differs"), ("", "is empty"), (None, "shorter than 32")]
)
def test_secrets_that_cannot_work_are_named(
    patient: Patient, secret: str | None, words: str
) -> None:
    if secret is None:
        patient.set("backend", "CHATKIT_SECRET", "short")
    place = patient.set("frontend", "CHATKIT_SECRET", "short" if secret is None else secret)
    found = fails(patient.examine("files"), "files.secrets", "env-file-lost")
    assert words in found["words"]
    assert place in found["source"]


def test_a_secret_that_is_changed_on_one_side_is_named(patient: Patient) -> None:
    """Slug: secret-rotation-loses-guests."""
    old, new = SECRET, "a-new-secret-of-more-than-32-characters"
    patient.set("backend", "CHATKIT_SECRET_PREVIOUS", old)
    found = warns(patient.examine("files"), "files.secrets", "")
    assert found["words"].startswith("CHATKIT_SECRET_PREVIOUS differs")
    place = patient.set("backend", "CHATKIT_SECRET", new)
    found = warns(patient.examine("files"), "files.secrets", "")
    assert found["words"].startswith("the front end still signs with what is CHATKIT_SECRET_PREV")
    assert place in found["source"]
    patient.set("frontend", "CHATKIT_SECRET", new)
    patient.set("frontend", "CHATKIT_SECRET_PREVIOUS", old)
    assert "files.secrets" in patient.examine("files").slugs("PASS")


def test_a_wrong_setting_is_one_failure(patient: Patient) -> None:
    place = patient.set("backend", "HISTORY_ITEMS", "many")
    found = fails(patient.examine("database.text"), "files.settings", "")
    assert "HISTORY_ITEMS" in found["words"]
    assert found["source"] == f"HISTORY_ITEMS in {place}"
    found = fails(patient.examine("files", HISTORY_ITEMS="few"), "files.settings", "")
    assert found["source"] == "HISTORY_ITEMS in the shell"


def test_shell_beats_env_file(patient: Patient) -> None:
    place = patient.set("backend", "OPENAI_API_KEY", "sk-of-the-file")
    examination = patient.examine("files", OPENAI_API_KEY="sk-of-the-shell")
    found = warns(examination, "files.shell", "shell-beats-env-file")
    assert found["words"].startswith("OPENAI_API_KEY: the shell has another value")
    assert place in found["source"]
    assert "OPENAI_API_KEY" in found["command"]


def test_a_database_that_was_not_answered_is_named(patient: Patient) -> None:
    answered = patient.path(".copier-answers.yml").read_text(encoding="utf-8")
    other = "mysql" if "database: sqlite" in answered else "sqlite"
    place = patient.set("backend", "DATABASE_URL", f"{other}://ada@127.0.0.1:1/chat")
    found = warns(patient.examine("files"), "files.answers", "")
    assert place in found["source"]
    assert f"uvx copier update --data database={other}" in found["words"]
    words = shlex.split(found["command"])
    assert words[:2] == ["uv", "run"]
    subprocess.run([sys.executable, "-m", *words[2:]], cwd=patient.root, check=True)
    assert patient.examine("files")["files.answers"]["outcome"] == "PASS"


def test_scripts_with_crlf_are_named(patient: Patient) -> None:
    patient.path("bin").mkdir()
    patient.path("bin/deploy.sh").write_bytes(b"echo\r\n")
    found = fails(patient.examine("files"), "files.line-ends", "crlf-scripts")
    assert "bin/deploy.sh" in found["words"]
    assert patient.mend("files").status == 0


def test_crlf_scripts_a_lost_gitattributes_is_named(patient: Patient) -> None:
    patient.path(".gitattributes").unlink()
    warns(patient.examine("files"), "files.line-ends", "crlf-scripts")


# --- network


def test_localhost_is_named(patient: Patient) -> None:
    place = patient.set("frontend", "BACKEND_URL", f"http://localhost:{free_port()}")
    examination = patient.examine("network")
    found = warns(examination, "network.localhost", "localhost-is-not-one-place")
    assert place in found["source"]
    patient.mend("network")
    assert patient.examine("network")["network.localhost"]["outcome"] == "PASS"


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody else has at ::1."""
    with socket.socket(socket.AF_INET6) as listener:
        try:
            listener.bind(("::1", 0))
        except OSError:
            unavailable("this machine has no ::1")
        listener.listen()
        yield listener.getsockname()[1]


@pytest.mark.parametrize("variable", ["BACKEND_PORT", "FRONTEND_PORT"])
def test_localhost_is_not_one_place_who_is_at_the_other_is_named(
    patient: Patient, taken: int, variable: str
) -> None:
    examination = patient.examine("network", **{variable: str(taken)})
    check = f"network.{'backend' if variable == 'BACKEND_PORT' else 'page'}-port"
    found = fails(examination, check, "localhost-is-not-one-place")
    assert f"process {os.getpid()}" in found["words"]
    assert f"{variable}=" in found["command"]


@pytest.mark.parametrize("variable", ["BACKEND_PORT", "FRONTEND_PORT"])
def test_reserved_port_is_named(patient: Patient, variable: str) -> None:
    port, without_privilege = port_of_root()
    examination = patient.examine_behind(without_privilege, "network", **{variable: str(port)})
    check = f"network.{'backend' if variable == 'BACKEND_PORT' else 'page'}-port"
    found = fails(examination, check, "reserved-port")
    assert f"Only root may use port {port}" in found["words"]
    assert f"{variable}={port + 1} " in found["command"]


# --- page and model, as far as they need nobody who runs


def test_a_placeholder_for_the_domain_key_is_named(patient: Patient) -> None:
    assert patient.examine("page")["page.domain-key"]["outcome"] == "PASS", "good for this machine"
    patient.set("backend", "APP_ENV", "production")
    found = patient.examine("page")["page.domain-key"]
    assert (found["outcome"], found["slug"]) == ("WARN", "domain-key")
    assert "https://platform.openai.com/" in found["by_hand"]
    patient.set("frontend", "NEXT_PUBLIC_CHATKIT_DOMAIN_KEY", "domain_pk_of_mine")
    assert patient.examine("page")["page.domain-key"]["outcome"] == "PASS"


def test_the_basic_chat_needs_nothing_of_openai(patient: Patient) -> None:
    patient.set("frontend", "NEXT_PUBLIC_CHAT", "basic")
    examination = patient.examine("page")
    for check in ("page.domain-key", "page.script"):
        assert examination[check]["outcome"] == "PASS"
        assert "basic chat" in examination[check]["words"]


def test_studio_config_not_applied_is_named(patient: Patient) -> None:
    element = "frontend/src/components/chat/chat-client.tsx"
    patient.change(element, 'import { chatkitConfig } from "@/chatkit.config";\n', "")
    found = warns(patient.examine("page"), "page.studio-config", "studio-config-not-applied")
    assert element in found["source"]


def test_google_fonts_are_named(patient: Patient) -> None:
    layout = patient.path("frontend/src/app/layout.tsx")
    text = layout.read_text(encoding="utf-8")
    layout.write_text(f'import {{ Geist }} from "next/font/google";\n{text}', encoding="utf-8")
    found = warns(patient.examine("page"), "page.fonts", "google-fonts")
    assert found["source"] == "frontend/src/app/layout.tsx"


def test_no_key_no_answer_the_demo_passes(patient: Patient) -> None:
    examination = patient.examine("model")
    assert examination.status == 0
    assert "demo" in examination["model.key"]["words"]


# --- repository


def test_not_a_git_repository(patient: Patient) -> None:
    shutil.rmtree(patient.path(".git"))
    found = warns(patient.examine("repository"), "repository.committed", "not-a-git-repository")
    assert found["command"].startswith("git init && ")


def test_not_a_git_repository_without_a_commit(patient: Patient) -> None:
    shutil.rmtree(patient.path(".git"))
    patient.git("init", "--quiet")
    examination = patient.examine("repository")
    warns(examination, "repository.committed", "not-a-git-repository")


def test_update_refused_dirty(patient: Patient) -> None:
    patient.path("new.txt").write_text("new", encoding="utf-8")
    found = patient.examine("repository")["repository.clean"]
    assert found["words"] == "before the next `uvx copier update`, commit your work: new.txt"


def test_conflicts_on_update(patient: Patient) -> None:
    marks = [mark * 7 for mark in "<=>"]
    text = f"{marks[0]} before updating\nmine\n{marks[1]}\ntheirs\n{marks[2]} after updating\n"
    patient.path("backend/alembic.ini").write_text(text, encoding="utf-8")
    examination = patient.examine("repository")
    found = fails(examination, "repository.conflicts", "conflicts-on-update")
    assert found["source"] == "backend/alembic.ini line 1"


def test_secrets_in_answers_a_tracked_env_file_is_named(patient: Patient) -> None:
    patient.git("add", "--force", "backend/.env.local")
    examination = patient.examine("repository")
    found = fails(examination, "repository.secrets", "secrets-in-answers")
    assert found["command"] == "git rm --cached backend/.env.local"


def test_secrets_in_answers_before_they_are_there(patient: Patient) -> None:
    patient.change(".gitignore", ".env*.local\n", "")
    patient.change(".gitignore", ".env.local\n", "")
    examination = patient.examine("repository")
    found = fails(examination, "repository.secrets", "secrets-in-answers")
    assert "backend/.env.local and frontend/.env.local" in found["words"]


def test_a_clean_repository_passes(patient: Patient) -> None:
    assert patient.examine("repository").slugs("PASS").keys() == {
        "repository.committed",
        "repository.clean",
        "repository.conflicts",
        "repository.secrets",
    }
