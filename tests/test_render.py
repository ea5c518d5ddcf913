"""What Copier asks, refuses, writes and records."""

import re
import subprocess
import tomllib
from collections import Counter
from pathlib import Path

import copier
import pytest
import yaml
from audit import pins
from conftest import Installed
from pytest_copie.plugin import Copie
from support.projects import render
from support.variants import DEFAULT, ROOT, RUN, VARIANTS, Variant

TEMPLATE = ROOT / "template"
each_variant = pytest.mark.parametrize("variant", VARIANTS, ids=str)


def files(folder: Path) -> list[Path]:
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return [folder / line for line in tracked.stdout.splitlines()]


@each_variant
def test_nothing_of_jinja_is_left(project_of: Installed, variant: Variant) -> None:
    for file in files(project_of(variant).path):
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".html":  # Django's own templates
            continue
        assert "{%" not in text, file
        if file.suffix not in {".ts", ".tsx", ".py", ".mako", ".mjs"}:
            assert "{{" not in text, file
        assert "{{" not in str(file), file


@each_variant
def test_the_answers_are_recorded(project_of: Installed, variant: Variant) -> None:
    recorded = yaml.safe_load(
        (project_of(variant).path / ".copier-answers.yml").read_text(encoding="utf-8")
    )
    answers = {key: value for key, value in recorded.items() if not key.startswith("_")}
    assert answers == {"project_name": "my-chat", **variant.answers}


def names(settings: Path) -> list[str]:
    return re.findall("(?m)^[A-Z_]+(?==)", settings.read_text(encoding="utf-8"))


@each_variant
def test_both_sides_have_their_settings(project_of: Installed, variant: Variant) -> None:
    """Slugs: localhost-is-not-one-place, secrets-in-answers."""
    project = project_of(variant).path
    for side in ("backend", "frontend"):
        local, example = project / side / ".env.local", project / side / ".env.example"
        assert re.search(r"^CHATKIT_SECRET=", local.read_text(encoding="utf-8"), re.MULTILINE)
        assert names(example) == names(local)
        assert "http://localhost" not in local.read_text(encoding="utf-8")
    assert "127.0.0.1" in (project / "frontend" / ".env.local").read_text(encoding="utf-8")
    tracked = [str(file) for file in files(project)]
    assert not [name for name in tracked if name.endswith(".env.local")]


def contents(project: Path) -> set[tuple[str, bytes]]:
    listed = subprocess.check_output(["git", "ls-files"], cwd=project, encoding="utf-8")
    return {(name, (project / name).read_bytes()) for name in listed.splitlines()}


def may_differ(one: Variant, other: Variant) -> tuple[str, ...]:
    """Return the files, or folders, in which two variants may differ, as the documentation says."""
    documentation = (ROOT / "docs" / "how-it-works.md").read_text(encoding="utf-8")
    table = documentation.split("## What differs")[1].split("\n## ")[0]
    named = [".copier-answers.yml"]
    for question, of_django, cell in re.findall(r"\| `(\w+)`(,[^|]*)? \| (.*) \|", table):
        frameworks = {one.framework, other.framework}
        if one.answers[question] != other.answers[question] and (
            not of_django or "django" in frameworks
        ):
            named += re.findall("`(.+?)`", cell)
    return tuple(named)


@each_variant
def test_variants_differ_only_where_the_documentation_says(
    project_of: Installed, variant: Variant
) -> None:
    """Each against the default, so any two of them in the files of both differences at most."""
    different = {
        name for name, _ in contents(project_of(DEFAULT).path) ^ contents(project_of(variant).path)
    }
    named = may_differ(DEFAULT, variant)
    assert not [name for name in different if not name.startswith(named)]
    assert bool(different) == (variant != DEFAULT)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_wsl_is_spoken_of_only_where_it_was_asked_for(
    project_of: Installed, variant: Variant
) -> None:
    for name in ("README.md", "frontend/.env.example"):
        text = (project_of(variant).path / name).read_text(encoding="utf-8")
        assert ("WSL" in text) == variant.wsl, name


def test_the_template_stays_small_and_plain(project_of: Installed) -> None:
    """Slug: quotes-in-filenames."""
    names = [str(file.relative_to(TEMPLATE)) for file in files(TEMPLATE)]
    jinja = [name for name in names if name.endswith(".jinja")]
    assert len(jinja) <= 15
    assert not [name for name in jinja if Path(name).suffixes[-2:-1] in ([".py"], [".ts"])]
    assert not [name for name in names if '"' in name]


ROOMS = {
    "yours": (
        "README.md",
        "backend/alembic/",
        "backend/src/app/",
        "backend/tests/",
        "frontend/src/",
    ),
    "the kit": (
        "backend/src/kit/",
        "backend/tests/contract/",
        "frontend/src/kit/",
        "frontend/tests/",
    ),
    "the tools": ("tools/",),
    "settings": ("", "backend/", "frontend/"),
}
"""Where the files of a project are; of two places the longer one counts."""

NAMED = re.compile(r"(?<![\w/.-])(?:backend|frontend|tools|docs)/[\w./\[\]-]*[\w]")
"""A file or a folder, as documents name it."""

MADE = (
    "backend/.postgres",
    "backend/chat.db",
    "backend/alembic/versions",
    "backend/src/app/support.py",
    "frontend/src/app/support/page.tsx",
    "frontend/test-results",
)
"""What only commands make, or an owner as docs/kit.md tells."""


@each_variant
def test_documents_name_files_that_are_there(project_of: Installed, variant: Variant) -> None:
    project = project_of(variant).path
    documents = [file for file in files(project) if file.suffix in {".md", ".example"}]
    assert len(documents) > 10
    for document in documents:
        named = set(NAMED.findall(document.read_text(encoding="utf-8"))) - set(MADE)
        assert not [name for name in named if not (project / name).exists()], document


FILES = 241
"""Some forty of them are the basic chat, which is the kit's."""

SOURCE_FILES = 15


def room_of(name: str) -> str:
    """Return the room whose place is the longest beginning of a file's path."""
    places = [(place, room) for room, places in ROOMS.items() for place in places]
    return max((len(place), room) for place, room in places if name.startswith(place))[1]


def test_a_project_has_three_rooms(project_of: Installed) -> None:
    """Small enough to be owned: few files, few in a folder, each in one room."""
    names = contents_of_git(project_of(DEFAULT).path)
    rooms = Counter(map(room_of, names))
    assert rooms["yours"] <= 50
    assert len(names) <= FILES
    sources = Counter(str(Path(name).parent) for name in names if "/src/" in name)
    assert max(sources.values()) <= SOURCE_FILES
    readmes = ("backend/src/app", "backend/src/kit", "frontend/src", "tools")
    assert {f"{room}/README.md" for room in readmes} <= set(names)


def contents_of_git(project: Path) -> list[str]:
    """Return the paths of a project's files."""
    return subprocess.check_output(["git", "ls-files"], cwd=project, encoding="utf-8").splitlines()


@pytest.mark.parametrize("name", ["", "-chat", "a/b", "my\nchat", "x" * 64, "{{ 1 }}", 'a"b'])
def test_a_bad_name_is_refused_in_words(tmp_path: Path, name: str) -> None:
    words = "63 characters at most" if len(name) > 63 else "letter or a digit"
    with pytest.raises(ValueError, match=words):
        render(tmp_path / "project", DEFAULT, project_name=name)


def test_the_messages_of_copier_fit_a_terminal() -> None:
    """Lines with a name or an address in them are as long as these."""
    lines = [
        line
        for file in sorted((ROOT / "hooks").glob("*.txt"))
        for line in re.sub("{%.*?%}", "", file.read_text(encoding="utf-8")).splitlines()
        if "{{" not in line and "{#" not in line
    ]
    questions = (ROOT / "copier.yml").read_text(encoding="utf-8")
    (validator,) = re.findall(r"validator: >-\n(.*?endif %})", questions, re.DOTALL)
    lines += re.sub("{%.*?%}", "", validator).strip().splitlines()
    assert len(lines) > 30
    assert [line for line in lines if len(line.strip()) > 80] == []


@pytest.mark.parametrize("name", ["my-chat", "My Chat 2", "a", "7.of_9", "0-chats"])
def test_a_good_name_makes_a_package(tmp_path: Path, name: str) -> None:
    project = render(tmp_path / "project", DEFAULT, project_name=name)
    project.run("uv", "lock", "--quiet")


@pytest.mark.parametrize("question", ["framework", "database", "wsl"])
def test_typo_in_an_answer(tmp_path: Path, question: str) -> None:
    with pytest.raises(ValueError, match=r"[Ii]nvalid"):
        render(tmp_path / "project", DEFAULT, **{question: "mongodb"})


def test_it_says_the_next_commands(
    tmp_path: Path, copie: Copie, capfd: pytest.CaptureFixture[str]
) -> None:
    result = copie.copy(extra_answers={"project_name": "Adas chat"})
    assert result.exception is None
    assert result.exit_code == 0
    printed = capfd.readouterr().err
    for words in ("uv run dev", "git init", 'git commit -m "Start Adas chat"', "fastapi", "sqlite"):
        assert words in printed


def test_trust_needed(tmp_path: Path) -> None:
    """Copier copies without `--trust`, and so can update."""
    template = copier.run_copy(
        str(ROOT), tmp_path / "project", defaults=True, quiet=True, unsafe=False, vcs_ref="HEAD"
    ).template
    assert not template.tasks
    assert not template.jinja_extensions
    assert not template.config_data.get("migrations")


@pytest.mark.parametrize("variant", RUN, ids=str)
def test_every_python_package_is_pinned(installed: Installed, variant: Variant) -> None:
    """Slug: dependency-drift."""
    project = installed(variant)
    pinned = (project.path / "pyproject.toml").read_text(encoding="utf-8")
    freeze = project.run("uv", "pip", "freeze", "--exclude-editable").stdout.split()
    assert freeze
    assert not [package for package in freeze if f'"{package.lower()}"' not in pinned]


@pytest.mark.parametrize("variant", RUN, ids=str)
def test_only_packages_that_the_project_uses_are_pinned(
    installed: Installed, variant: Variant
) -> None:
    project = installed(variant).path
    lock = tomllib.loads((project / "uv.lock").read_text(encoding="utf-8"))
    used = {f"{package['name']}=={package['version']}" for package in lock["package"]}
    assert not set(pins(project / "pyproject.toml")) - used
