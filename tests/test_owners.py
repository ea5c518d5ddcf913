"""What `copier update` makes of what owners do to their projects: docs/updates.md promises it."""

import json
import re
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from support import owner_edits
from support.projects import Project, render_committed
from support.updating import (
    OF_THE_OWNER,
    Fresh,
    contents,
    copy,
    copy_committed,
    files_of_the_owner,
    run_copier,
    update,
)
from support.variants import DEFAULT, SETTINGS, Variant
from support.versions import NEWEST, clone_template, commits, conflicts, git, release_news

pytestmark = pytest.mark.usefixtures("compiled_once")
BEFORE_LAST, LATEST = list(commits())[-2:]
NEXT = "v98"
"""What is committed, as a release before the newest."""

MARK = "Of the next release"
BEGINNINGS = {".py": "# ", ".yml": "# ", ".yaml": "# ", ".local": "# ", ".ts": "// ", ".tsx": "// "}
"""Of a comment, by the ends of names."""

ADDED = (
    ".github/workflows/news.yml",
    "backend/src/kit/news.py",
    "backend/tests/contract/test_news.py",
    "frontend/tests/news.test.ts",
)
RANGES = {
    "backend/pyproject.toml.jinja": r'"openai-chatkit>=[\d.]+',
    "frontend/package.json": r'"next": "\^[\d.]+',
}
OF_ONE_PROJECT = {name.removeprefix("/") for name in SETTINGS["_skip_if_exists"]}
"""No update changes these files, and a fresh copy may have others."""

PYTHON_PACKAGES, NPM_PACKAGES = "backend/pyproject.toml", "frontend/package.json"
TITLES = "backend/src/app/thread_titles.py"


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as it is committed, and a release after it that changes most of its files."""
    folder = clone_template(tmp_path_factory.mktemp("next") / "template", NEXT)
    ours = folder / "template"
    for name in git("ls-files", cwd=ours).splitlines():
        file = ours / name
        beginning = BEGINNINGS.get(Path(name.removesuffix(".jinja")).suffix)
        if beginning or file.name.startswith("README.md"):
            text = file.read_text(encoding="utf-8")
            file.write_text(f"{beginning or ''}{MARK}\n{text}", encoding="utf-8")
    for name in ADDED:
        (ours / name).write_text(f"{BEGINNINGS[Path(name).suffix]}{MARK}\n", encoding="utf-8")
    for name, wanted in RANGES.items():
        text, count = re.subn(wanted, r"\g<0>1", (ours / name).read_text(encoding="utf-8"))
        assert count == 1
        (ours / name).write_text(text, encoding="utf-8")
    release_news(folder, NEWEST)
    return folder


@dataclass(frozen=True)
class Step:
    """An update to the newest release."""

    template: Path
    version: str


Make = Callable[[Step, Path], Project]


@pytest.fixture(params=[LATEST, NEXT])
def step(request: pytest.FixtureRequest, releases: Path, template: Path) -> Step:
    """From what people have, and from what they get next."""
    return Step(template if request.param == NEXT else releases, request.param)


@pytest.fixture(scope="session")
def next_step(template: Path) -> Step:
    return Step(template, NEXT)


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Make a project that is committed; each step is rendered once."""

    @cache
    def rendered(step: Step) -> Path:
        path = tmp_path_factory.mktemp("rendered") / "my-chat"
        return copy_committed(step.template, step.version, path, DEFAULT).path

    return lambda step, path: Project(shutil.copytree(rendered(step), path), DEFAULT)


def differing(project: Project, expected: dict[str, bytes]) -> set[str]:
    """Return the files that are not as in a fresh copy, but for those that no update changes."""
    now = contents(project)
    names = {name for name in now | expected if now.get(name) != expected.get(name)}
    return names - OF_ONE_PROJECT


def replace(project: Project, name: str, before: str, after: str) -> None:
    file = project.path / name
    text = file.read_text(encoding="utf-8")
    assert text.count(before) == 1, name
    file.write_text(text.replace(before, after), encoding="utf-8")


def read(project: Project, name: str) -> str:
    return (project.path / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("removed", ["pillow", "openai-chatkit"])
def test_packages_are_added_and_removed(
    next_step: Step, make: Make, fresh: Fresh, tmp_path: Path, removed: str
) -> None:
    """The next release wants a newer `openai-chatkit`: whoever has removed that one is asked."""
    project = make(next_step, tmp_path / "my-chat")
    theirs = files_of_the_owner(project)
    for command in (("add", "humanize>=4"), ("remove", removed), ("remove", "--dev", "mypy")):
        project.run("uv", command[0], "--quiet", "--no-sync", *command[1:], cwd="backend")
    for command in (("install", "date-fns@4"), ("uninstall", "@axe-core/playwright")):
        project.run("npm", *command, "--package-lock-only", "--no-audit", cwd="frontend")
    project.commit("Other packages")
    update(project)

    asked = removed == "openai-chatkit"
    assert conflicts(project.path) == ([PYTHON_PACKAGES] if asked else [])
    if asked:
        project.run("git", "checkout", "--ours", PYTHON_PACKAGES)
    newest = fresh(next_step.template, DEFAULT)
    backend, ours = (
        tomllib.loads(text)
        for text in (read(project, PYTHON_PACKAGES), newest[PYTHON_PACKAGES].decode())
    )
    packages = backend["project"]["dependencies"] + backend["dependency-groups"]["dev"]
    assert "humanize>=4" in packages
    assert not [one for one in packages if one.startswith((removed, "mypy"))]
    assert (ours["project"]["dependencies"][0] in packages) != asked
    page, ours = json.loads(read(project, NPM_PACKAGES)), json.loads(newest[NPM_PACKAGES])
    assert "date-fns" in page["dependencies"]
    assert page["dependencies"]["next"] == ours["dependencies"]["next"]
    assert "@axe-core/playwright" not in page["devDependencies"]
    assert files_of_the_owner(project) == theirs


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("line-length = 100\n", "line-length = 79\n"),
        ("[tool.ruff.lint]\n", '[tool.ruff.format]\nindent-style = "tab"\n\n[tool.ruff.lint]\n'),
    ],
    ids=["narrow", "tabs"],
)
def test_a_style_of_the_owners(
    next_step: Step, make: Make, fresh: Fresh, tmp_path: Path, old: str, new: str
) -> None:
    project = make(next_step, tmp_path / "my-chat")
    replace(project, "backend/pyproject.toml", old, new)
    formats = (sys.executable, "-m", "ruff", "format", "--no-cache", "src/app", "tests")
    project.run(*formats, cwd="backend")
    project.commit("Format")
    formatted = set(project.run("git", "diff", "--name-only", "HEAD^").stdout.splitlines())
    assert len(formatted) > 10
    update(project)
    assert conflicts(project.path) == []
    project.run(*formats, "--check", cwd="backend")
    assert new in read(project, "backend/pyproject.toml")
    assert differing(project, fresh(next_step.template, DEFAULT)) == formatted
    assert all(MARK in read(project, name) for name in formatted if name.endswith(".py"))


def test_a_folder_of_a_repository(next_step: Step, fresh: Fresh, tmp_path: Path) -> None:
    """Two projects beside each other, and the commands typed in one."""
    shop, support = (
        copy(next_step.template, NEXT, tmp_path / name, DEFAULT) for name in ("shop", "support")
    )
    both = Project(tmp_path, DEFAULT)
    both.run("git", "init", "--quiet")
    both.commit("Start")
    layout = "frontend/src/app/layout.tsx"
    replace(shop, layout, 'title: "Chat"', 'title: "Shop"')
    replace(shop, TITLES, '"""The titles of', '"""Our titles of')
    (shop.path / "renovate.json").unlink()
    both.commit("Edit")
    theirs, other = files_of_the_owner(shop), contents(support) | files_of_the_owner(support)

    result = run_copier("update", "--defaults", cwd=shop.path)
    assert result.returncode == 0, result.stderr
    found = shop.run("git", "grep", "-n", "^<<<<<<< ").stdout
    assert found == f"{TITLES}:1:<<<<<<< before updating\n", "the template has changed it too"
    assert differing(shop, fresh(next_step.template, DEFAULT)) == {layout, TITLES, "renovate.json"}
    assert 'title: "Shop"' in read(shop, layout)
    assert MARK in read(shop, layout)
    assert files_of_the_owner(shop) == theirs
    assert contents(support) | files_of_the_owner(support) == other
    assert {line[3:].split("/")[0] for line in both.git_status()} == {"shop"}


def test_other_ports(next_step: Step, tmp_path: Path) -> None:
    variant = Variant("fastapi", "mysql", False)
    project = copy_committed(next_step.template, NEXT, tmp_path / "my-chat", variant)
    edits = {
        "compose.yaml": ("127.0.0.1:3306:3306", "127.0.0.1:3307:3306"),
        "backend/.env.local": ("127.0.0.1:3306", "127.0.0.1:3307"),
        "frontend/.env.local": ("http://127.0.0.1:8000", "http://127.0.0.1:9000"),
        "frontend/package.json": ("next dev -H 127.0.0.1", "next dev -H 127.0.0.1 -p 3100"),
        "backend/src/app/main.py": ("\napp = ", "\nPORT = 9000\n\napp = "),
    }
    for name, (before, after) in edits.items():
        replace(project, name, before, after)
    project.commit("Other ports")
    theirs = files_of_the_owner(project)
    update(project)
    assert conflicts(project.path) == []
    assert files_of_the_owner(project) == theirs
    assert [name for name, (_, after) in edits.items() if after not in read(project, name)] == []
    assert MARK in read(project, "compose.yaml")


OF_A_FRAMEWORK = {"backend/src/app/main.py", "backend/src/app/routes.py"}


@pytest.mark.parametrize(
    ("there", "back"),
    [
        ({"database": "postgresql"}, {"database": "sqlite"}),
        ({"framework": "litestar"}, {"framework": "fastapi"}),
    ],
    ids=str,
)
def test_another_answer_and_back(
    releases: Path, tmp_path: Path, there: dict[str, str], back: dict[str, str]
) -> None:
    project = copy_committed(releases, NEWEST, tmp_path / "my-chat", DEFAULT)
    owner_edits.edit(project)
    edited, theirs = owner_edits.edits_of(project), files_of_the_owner(project)
    before = contents(project)
    update(project, NEWEST, True, **there)
    replaced = OF_A_FRAMEWORK if "framework" in there else set()
    assert set(conflicts(project.path)) <= replaced
    for name in conflicts(project.path):
        project.run("git", "checkout", "--theirs", name)
    project.commit("There")
    update(project, NEWEST, True, **back)
    assert conflicts(project.path) == []
    assert set(owner_edits.lost(project, edited)) <= replaced
    assert differing(project, before) <= replaced
    assert files_of_the_owner(project) == theirs


@pytest.mark.parametrize("kept", [True, False], ids=["attributes", "no-attributes"])
def test_line_ends_of_windows(
    next_step: Step, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    """An editor writes them. `.gitattributes` keeps them out of the commits, as autocrlf would.

    By the command line: in this process Copier's git has the environment of when it was imported.
    """
    config = tmp_path / "gitconfig"
    config.write_text(f"[core]\nautocrlf = {str(kept).lower()}\n", encoding="utf-8")
    project = make(next_step, tmp_path / "my-chat")
    if not kept:
        (project.path / ".gitattributes").unlink()
    owner_edits.edit(project)
    edited = owner_edits.edits_of(project)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    for name in {*OF_THE_OWNER, *owner_edits.OWN_FILES, *(one.file for one in edited)}:
        file = project.path / name
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    if kept:
        project.run("git", "add", ".")
    else:
        project.commit("Other line ends")
    assert project.git_status() == []
    theirs = files_of_the_owner(project)
    assert all(b"\r\n" in text for text in theirs.values())
    result = run_copier("update", "--defaults", cwd=project.path)
    assert result.returncode == 0, result.stderr
    whole = {one.file for one in edited} - {"README.md"}
    assert set(conflicts(project.path)) == (set() if kept else whole)
    assert owner_edits.lost(project, edited) == []
    assert files_of_the_owner(project) == theirs
    if kept:
        changed = project.run("git", "diff", "--numstat", TITLES).stdout.split()
        assert changed == ["1", "0", TITLES]


def test_a_shallow_clone(step: Step, make: Make, fresh: Fresh, tmp_path: Path) -> None:
    first = make(step, tmp_path / "first")
    layout = "frontend/src/app/layout.tsx"
    replace(first, layout, 'title: "Chat"', 'title: "Shop"')
    first.commit("Edit")
    project = Project(tmp_path / "my-chat", DEFAULT)
    git("clone", "--quiet", "--depth=1", first.path.as_uri(), str(project.path))
    assert project.run("git", "rev-list", "--count", "HEAD").stdout == "1\n"
    update(project)
    assert conflicts(project.path) == []
    assert differing(project, fresh(step.template, DEFAULT)) == {layout}
    assert 'title: "Shop"' in read(project, layout)


def test_two_updates_and_one_more(releases: Path, fresh: Fresh, tmp_path: Path) -> None:
    """The last one finds nothing to do, in a project with edits too."""
    project = copy_committed(releases, BEFORE_LAST, tmp_path / "my-chat", DEFAULT)
    theirs = [file.read_bytes() for file in owner_edits.env_files(project)]
    for version in (LATEST, NEWEST):
        update(project, version)
        project.commit(version)
    assert differing(project, fresh(releases, DEFAULT)) == set()
    assert [file.read_bytes() for file in owner_edits.env_files(project)] == theirs
    owner_edits.edit(project)
    update(project)
    assert project.git_status() == []


def test_recopy(next_step: Step, make: Make, fresh: Fresh, tmp_path: Path) -> None:
    """It makes the template's files anew, without the edits, and git has what was there."""
    project = make(next_step, tmp_path / "my-chat")
    owner_edits.edit(project)
    (project.path / "renovate.json").unlink()
    project.commit("Delete")
    theirs = files_of_the_owner(project)
    result = run_copier("recopy", "--defaults", "--overwrite", cwd=project.path)
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    assert files_of_the_owner(project) == theirs
    own = set(owner_edits.OWN_FILES)
    assert differing(project, fresh(next_step.template, DEFAULT)) == own
    changed = project.run("git", "diff", "--name-only").stdout.splitlines()
    assert {one.file for one in owner_edits.edits_of(project)} - {"README.md"} <= set(changed)


def under(names: Iterable[str], folders: tuple[str, ...]) -> set[str]:
    return {name for name in names if name.startswith(folders)}


DELETED = (
    ".github/",
    "backend/tests/",
    "frontend/tests/",
    "backend/src/kit/demo.py",
    "renovate.json",
)


@pytest.mark.parametrize("excluded", [False, True], ids=["not-named", "named"])
def test_what_is_deleted(step: Step, make: Make, tmp_path: Path, excluded: bool) -> None:
    """It does not come back, though the template has changed it. What is new comes.

    From 0.1.0 that is much: the files have moved since. Who names what is gone gets nothing there.
    """
    project = make(step, tmp_path / "my-chat")
    gone = under(contents(project), DELETED)
    project.run("git", "rm", "-r", "--quiet", *gone)
    project.commit("Delete")
    assert not under(contents(project), DELETED)
    options = [f"--exclude={name.rstrip('/')}" for name in DELETED] if excluded else []
    result = run_copier("update", "--defaults", *options, cwd=project.path)
    assert result.returncode == 0, result.stderr
    assert conflicts(project.path) == []
    back = under(contents(project), DELETED)
    assert not back & gone
    if excluded:
        assert back == set()
    elif step.version == NEXT:
        assert back == under(ADDED, DELETED)


def test_a_backend_without_its_demo(tmp_path: Path) -> None:
    """Who answers with an assistant of their own may delete it."""
    project = render_committed(tmp_path / "my-chat", DEFAULT)
    project.run("uv", "sync", "--quiet")
    (project.path / "backend" / "src" / "kit" / "demo.py").unlink()
    uv = ("uv", "run", "--no-sync")
    project.run(*uv, "python", "-c", "import app.main", cwd="backend", env={"ASSISTANT": "own"})
    project.run(*uv, "lint-imports", cwd="backend")
    settings = {"ASSISTANT": "demo", "APP_ENV": "development"}
    ended = project.run(*uv, "serve", cwd="backend", env=settings, check=False)
    assert ended.returncode == 2
    assert "The demo assistant cannot answer, because backend/src/kit/demo.py is" in ended.stderr
    assert "set ASSISTANT=own" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_readme_that_is_deleted(step: Step, make: Make, tmp_path: Path) -> None:
    """It is made again, the newest one. The READMEs of the rooms are the template's."""
    project = make(step, tmp_path / "my-chat")
    (project.path / "README.md").unlink()
    project.commit("Delete")
    update(project)
    newest = copy(step.template, NEWEST, tmp_path / "fresh" / "my-chat", DEFAULT)
    for name in ("README.md", "backend/src/kit/README.md", "tools/README.md"):
        assert read(project, name) == read(newest, name)
