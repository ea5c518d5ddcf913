"""Both .env.local files come from their examples, and share one secret."""

import os
import stat
from pathlib import Path

import pytest
from dotenv import dotenv_values

from kit.env_files import EnvFileError, complete_env_files, convert_to_utf_8

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
        (tmp_path / side / ".env.example").write_text(example, encoding="utf-8")
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
    made = (root / "backend" / ".env.local").read_text(encoding="utf-8")
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
        (other / side / ".env.example").write_text("CHATKIT_SECRET=\n", encoding="utf-8")
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


HEAD = "# Schlüssel\r\nCHATKIT_SECRET=\r\n"
LINE = "OPENAI_API_KEY=sk-中上-new\r\n"
BOTH = f"{HEAD}{LINE}".replace("\r\n", "\n")


def wide(text: str) -> bytes:
    return text.encode("utf-16-le")


ENCODED = {
    "of PowerShell's >": b"\xff\xfe" + wide(HEAD + LINE),
    "of Out-File -Encoding BigEndianUnicode": (HEAD + LINE).encode("utf-16-be"),
    "the same with its mark": b"\xfe\xff" + (HEAD + LINE).encode("utf-16-be"),
    "of Out-File -Encoding utf32": b"\xff\xfe\0\0" + (HEAD + LINE).encode("utf-32-le"),
    "UTF-32 from elsewhere": (HEAD + LINE).encode("utf-32-be"),
    "of PowerShell's >> to UTF-8": HEAD.encode() + wide(LINE),
    "of PowerShell's >> to UTF-8 with a mark": b"\xef\xbb\xbf" + HEAD.encode() + wide(LINE),
    "of PowerShell's >> to a line without an end": HEAD.strip().encode() + wide(LINE),
    "with a mark in the middle": HEAD.encode() + b"\xff\xfe" + wide(LINE),
    "with a mark after a line without an end": HEAD.strip().encode() + b"\xff\xfe" + wide(LINE),
    "to which an editor has appended UTF-8": b"\xff\xfe" + wide(HEAD) + LINE.encode(),
    "with UTF-8 in between": wide("# 中\n中\n") + HEAD.encode() + wide(LINE),
    "without a last new line": b"\xff\xfe" + wide((HEAD + LINE).strip()),
}


@pytest.mark.parametrize("side", ["backend", "frontend"])
@pytest.mark.parametrize("content", ENCODED.values(), ids=ENCODED)
def test_env_file_in_utf_16_is_refused_and_converted(root: Path, content: bytes, side: str) -> None:
    path = write(root, side, content)
    with pytest.raises(EnvFileError, match=r"\.env\.local has text in UTF-16") as refused:
        complete_env_files(root)
    assert str(refused.value).endswith("Convert it with: uv run doctor --fix")
    assert [file.read_bytes() for file in root.rglob(".env.local")] == [content]

    [sentence] = convert_to_utf_8(root)

    assert sentence.startswith(f"Converted {side}/.env.local to UTF-8. As it was, it is in ")
    assert path.with_name(".env.local.utf-16.local").read_bytes() == content
    lines = path.read_bytes().decode().splitlines()
    assert [line for line in lines if line not in ("# 中", "中")] == BOTH.splitlines()
    complete_env_files(root)
    assert dotenv_values(path)["OPENAI_API_KEY"] == "sk-中上-new"
    assert secret(root, "backend") == secret(root, "frontend") != ""
    assert convert_to_utf_8(root) == []


def test_env_file_in_utf_16_with_a_name_twice_says_which_counts(root: Path) -> None:
    write(root, "backend", b"OPENAI_API_KEY=\n" + wide(LINE))
    assert "It sets OPENAI_API_KEY more than once" in convert_to_utf_8(root)[0]


def test_env_file_in_utf_16_an_earlier_copy_stays(root: Path) -> None:
    for line in ("A=1\n", "B=2\n"):
        path = write(root, "backend", wide(line))
        convert_to_utf_8(root)
        assert path.read_text(encoding="utf-8") == line
    copies = [path.with_name(f".env.local.utf-16{number}.local") for number in ("", "-2")]
    assert [copy.read_bytes() for copy in copies] == [wide("A=1\n"), wide("B=2\n")]


@pytest.mark.parametrize("content", [b"A=1\n\0\0\0\0", b"\xff\xfeA", wide("A=1\n") + b"\0\xd8"])
def test_env_file_in_utf_16_what_is_no_text_stays(root: Path, content: bytes) -> None:
    """Such as what a crash has filled with zeros."""
    path = write(root, "backend", content)
    with pytest.raises(EnvFileError, match="in an editor, take the NUL characters") as refused:
        complete_env_files(root)
    assert not {"UTF-16", "--fix"} & set(str(refused.value).split())
    assert convert_to_utf_8(root) == []
    assert path.read_bytes() == content


def test_a_mark_of_utf_8_changes_nothing(root: Path) -> None:
    """As `Set-Content -Encoding utf8` of Windows PowerShell writes it."""
    path = write(root, "backend", b"\xef\xbb\xbfCHATKIT_SECRET=\r\nAPP_ENV=development\r\n")
    complete_env_files(root)
    content = path.read_bytes()
    assert content.startswith(f"\ufeffCHATKIT_SECRET={secret(root, 'frontend')}\r\n".encode())
    assert len(secret(root, "frontend")) >= 32
    assert convert_to_utf_8(root) == []
