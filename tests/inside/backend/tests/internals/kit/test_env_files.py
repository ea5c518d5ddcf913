"""Both .env.local files come from their examples, and share one secret."""

import os
import stat
from pathlib import Path

import pytest
from dotenv import dotenv_values

from kit.env_files import EnvFileError, complete_env_files

BACKEND_EXAMPLE = """\
# Settings of one machine.

# Where this runs.
APP_ENV=development

# Shared with the front end.
# Longer than one line.
CHATKIT_SECRET=

OPENAI_API_KEY=
"""
FRONTEND_EXAMPLE = """\
# Shared with the backend.
CHATKIT_SECRET=

BACKEND_URL=http://127.0.0.1:8000
"""
OLD_SECRET = "an-old-secret-of-more-than-32-characters"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for side, example in (("backend", BACKEND_EXAMPLE), ("frontend", FRONTEND_EXAMPLE)):
        (tmp_path / side).mkdir()
        (tmp_path / side / ".env.example").write_text(example)
    return tmp_path


def write(root: Path, side: str, content: bytes) -> Path:
    path = root / side / ".env.local"
    path.write_bytes(content)
    return path


def secret(root: Path, side: str) -> str:
    return dotenv_values(root / side / ".env.local")["CHATKIT_SECRET"] or ""


def test_env_file_lost_in_a_clone_both_are_made(root: Path) -> None:
    sentences = complete_env_files(root)

    assert secret(root, "backend") == secret(root, "frontend")
    assert len(secret(root, "backend")) >= 32
    made = (root / "backend" / ".env.local").read_text()
    assert made.replace(secret(root, "backend"), "") == BACKEND_EXAMPLE
    assert "lose" not in " ".join(sentences)  # nobody can have been here before


def test_a_second_run_does_nothing(root: Path) -> None:
    complete_env_files(root)
    before = [(root / side / ".env.local").read_bytes() for side in ("backend", "frontend")]

    assert complete_env_files(root) == []
    assert before == [(root / side / ".env.local").read_bytes() for side in ("backend", "frontend")]


def test_two_projects_never_share_a_secret(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    for side in ("backend", "frontend"):
        (other / side).mkdir()
        (other / side / ".env.example").write_text("CHATKIT_SECRET=\n")
    complete_env_files(root)
    complete_env_files(other)
    assert secret(root, "backend") != secret(other, "backend")


@pytest.mark.skipif(os.name != "posix", reason="Windows has no file modes")
def test_only_the_owner_reads_a_new_file(root: Path) -> None:
    complete_env_files(root)
    assert stat.S_IMODE((root / "backend" / ".env.local").stat().st_mode) == 0o600


@pytest.mark.parametrize(("kept", "lost"), [("backend", "frontend"), ("frontend", "backend")])
def test_env_file_lost_on_one_side_gets_the_others_secret(root: Path, kept: str, lost: str) -> None:
    complete_env_files(root)
    old = secret(root, kept)
    (root / lost / ".env.local").unlink()

    sentences = complete_env_files(root)

    assert secret(root, lost) == secret(root, kept) == old
    assert f"Copied CHATKIT_SECRET from {kept}/.env.local to {lost}/.env.local." in sentences


def test_env_file_lost_with_the_only_secret_says_what_it_costs(root: Path) -> None:
    write(root, "backend", b"CHATKIT_SECRET=\nOPENAI_API_KEY=mine\n")
    assert "guests lose their cookie" in " ".join(complete_env_files(root))


@pytest.mark.parametrize(
    ("empty", "filled"),
    [
        ("CHATKIT_SECRET=", f"CHATKIT_SECRET={OLD_SECRET}"),
        ("CHATKIT_SECRET", f"CHATKIT_SECRET={OLD_SECRET}"),
        ('CHATKIT_SECRET=""', f"CHATKIT_SECRET={OLD_SECRET}"),
        ("CHATKIT_SECRET = ''", f"CHATKIT_SECRET={OLD_SECRET}"),
        ("export CHATKIT_SECRET=", f"export CHATKIT_SECRET={OLD_SECRET}"),
        ("CHATKIT_SECRET=  # why", f"CHATKIT_SECRET={OLD_SECRET}  # why"),
    ],
)
def test_an_empty_secret_is_filled_and_nothing_else_changes(
    root: Path, empty: str, filled: str
) -> None:
    before = "# mine\r\nAPP_ENV='development' # yes\r\n\r\nOPENAI_API_KEY=\"k # k\"\r\n{}\r\nZ=1"
    path = write(root, "backend", before.format(empty).encode())
    write(root, "frontend", f"BACKEND_URL=\nCHATKIT_SECRET={OLD_SECRET}\n".encode())

    complete_env_files(root)

    assert path.read_bytes() == before.format(filled).encode()
    assert secret(root, "backend") == OLD_SECRET


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_missing_keys_are_added_with_their_comments(root: Path, newline: bytes) -> None:
    mine = b"\xef\xbb\xbfOPENAI_API_KEY=k\xe9y" + newline + b"MINE=1"  # Notepad's mark, no UTF-8
    path = write(root, "backend", mine)

    sentences = complete_env_files(root)

    lines = path.read_bytes().split(newline)
    assert path.read_bytes().startswith(mine + newline)
    assert b"\n".join(lines).count(b"\n") == len(lines) - 1  # one kind of line end
    assert lines[2:8] == [
        b"",
        b"# Where this runs.",
        b"APP_ENV=development",
        b"",
        b"# Shared with the front end.",
        b"# Longer than one line.",
    ]
    assert "Added APP_ENV, CHATKIT_SECRET to backend/.env.local." in sentences


def test_secrets_that_differ_are_named_and_nothing_changes(root: Path) -> None:
    backend = write(root, "backend", b"\n# mine\nCHATKIT_SECRET=one-secret\n")
    frontend = write(root, "frontend", b"CHATKIT_SECRET=x\nCHATKIT_SECRET='another-secret'\n")
    before = backend.read_bytes(), frontend.read_bytes()

    with pytest.raises(EnvFileError) as caught:
        complete_env_files(root)

    assert "backend/.env.local line 3" in str(caught.value)
    assert "frontend/.env.local line 2" in str(caught.value)  # the last one counts
    assert "one-secret" not in str(caught.value)
    assert "another-secret" not in str(caught.value)
    assert (backend.read_bytes(), frontend.read_bytes()) == before


def test_a_secret_that_is_being_changed_is_no_mistake(root: Path) -> None:
    """Slug: secret-rotation-loses-guests. The backend believes the old one too; not the page."""
    both = f"CHATKIT_SECRET=a-new-one\nCHATKIT_SECRET_PREVIOUS={OLD_SECRET}\n".encode()
    backend = write(root, "backend", both)
    write(root, "frontend", f"CHATKIT_SECRET={OLD_SECRET}\n".encode())
    complete_env_files(root)
    assert backend.read_bytes().startswith(both)
    assert (secret(root, "backend"), secret(root, "frontend")) == ("a-new-one", OLD_SECRET)
    write(root, "frontend", both)
    write(root, "backend", f"CHATKIT_SECRET={OLD_SECRET}\n".encode())
    with pytest.raises(EnvFileError, match="CHATKIT_SECRET differs"):
        complete_env_files(root)


def test_a_missing_example_is_named_with_its_cure(root: Path) -> None:
    (root / "frontend" / ".env.example").unlink()
    with pytest.raises(EnvFileError, match=r"git checkout -- frontend/\.env\.example"):
        complete_env_files(root)
    assert not (root / "backend" / ".env.local").exists()
