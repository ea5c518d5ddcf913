"""The pictures of the documents show what is: docs/pictures, made by scripts/pictures.py."""

import json
import re
import shutil
import subprocess

import pytest
from pictures import DIGESTS, FOLDER, SOURCES, digests
from support.variants import ROOT

LARGEST = 150_000
RENEW = "uv run --with pyte scripts/pictures.py"


DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))


@pytest.mark.parametrize("picture", SOURCES)
def test_a_picture_shows_what_its_sources_say(picture: str) -> None:
    recorded = json.loads(DIGESTS.read_text(encoding="utf-8"))
    assert recorded[picture] == digests()[picture], f"{picture} is old: {RENEW}"


def test_the_pictures_are_those_of_the_script_and_small() -> None:
    sizes = {file.name: file.stat().st_size for file in FOLDER.iterdir() if file != DIGESTS}
    assert set(sizes) == set(SOURCES)
    assert [name for name, size in sizes.items() if size > LARGEST] == []


SHOWN = re.compile(r'!\[(.+?)\]\((\S+)\)|<img src="(\S+)" .*alt="(.+)">')


def test_the_documents_show_every_picture_and_say_what_is_on_it() -> None:
    places = [
        file.parent / (shown[2] or shown[3])
        for file in DOCUMENTS
        for shown in SHOWN.finditer(file.read_text(encoding="utf-8"))
    ]
    pictures = {FOLDER / name for name in SOURCES if not name.endswith(".cast")}
    assert set(places) == pictures


def test_a_drawing_shows_parts_that_are_there() -> None:
    """Those of how-it-works.md name files of a project."""
    text = (ROOT / "docs" / "how-it-works.md").read_text(encoding="utf-8")
    drawings = "".join(re.findall(r"(?ms)^```mermaid\n(.*?)^```$", text))
    named = re.findall(r"[\w./-]+\.(?:tsx|ts|py)\b", drawings)
    files = subprocess.check_output(
        [shutil.which("git") or "git", "ls-files", "template"], cwd=ROOT, encoding="utf-8"
    ).splitlines()
    assert named
    assert [
        name for name in named if not any(f"/{one}".endswith(f"/{name}") for one in files)
    ] == []
