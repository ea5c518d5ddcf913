"""The template's own code."""

import ast
import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from support.variants import ROOT, SYSTEMS, VARIANTS

WORKFLOWS = [
    workflow
    for folder in (ROOT, ROOT / "template")
    for workflow in sorted((folder / ".github" / "workflows").glob("*.yml"))
]

REQUESTS = [
    f"httpx2.{name}"
    for name in ("get", "post", "put", "patch", "delete", "head", "request", "stream", "Client")
]


CHECKS = [
    ["ruff", "check"],
    ["ruff", "format", "--check"],
    # What mypy knows of one system is of no use for another.
    *(["mypy", f"--platform={one}", f"--cache-dir=.mypy_cache/{one}"] for one in SYSTEMS),
]


@pytest.mark.parametrize("command", CHECKS, ids=" ".join)
def test_it_is_clean(command: list[str]) -> None:
    result = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_each_request_of_a_test_says_how_long_it_waits() -> None:
    """By itself httpx2 gives up after 5 seconds, which a slow machine may need for an upload."""
    unlimited = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in [*ROOT.glob("tests/**/*.py"), *ROOT.glob("template/*/tests/**/*.py")]
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and any(ast.unparse(part) in REQUESTS for part in [node.func, *node.args])
        and not any(keyword.arg in (None, "timeout") for keyword in node.keywords)
    ]
    assert not unlimited, "give `**HTTP` of contract.chat, or a timeout"


def code() -> list[Path]:
    """Return the Python files of the repository, the template's among them."""
    listed = subprocess.check_output(["git", "ls-files", "-z", "*.py"], cwd=ROOT, encoding="utf-8")
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).exists()]


def test_each_text_is_utf_8() -> None:
    """By itself Windows takes it for something else. Ruff does not see each file, nor pipes."""
    unsaid = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in code()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and (
            getattr(node.func, "attr", None) in ("read_text", "write_text")
            or "text=True" in map(ast.unparse, node.keywords)
        )
        and not any(keyword.arg == "encoding" for keyword in node.keywords)
    ]
    assert not unsaid, 'give `encoding="utf-8"`, in place of `text=True` for a process'


def test_every_system_takes_the_names_of_the_files() -> None:
    listed = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, encoding="utf-8")
    names = listed.rstrip("\0").split("\0")
    parts = {part for name in names for part in name.split("/")}
    devices = ("aux", "con", "nul", "prn")
    assert not [part for part in parts if re.search(r'[<>:"|?*\\\x00-\x1f]|[. ]$', part)]
    assert not [part for part in parts if part.partition(".")[0].casefold() in devices]
    # Neither Windows nor macOS tells small letters from capitals.
    assert len({name.casefold() for name in names}) == len(names)
    assert not [part for part in parts if not part.isascii()], "macOS spells them in its own way"


def test_what_simulates_a_system_is_there() -> None:
    """The table in docs/systems.md names it."""
    text = (ROOT / "docs" / "systems.md").read_text(encoding="utf-8")
    table = text.split("## How a system is simulated")[1].split("\n## ")[0]
    names = re.findall(r"(?<=`)(?:tests|internals)/[\w./]+(?=`)", table)
    insides = [ROOT / "tests" / "inside" / side / "tests" for side in ("backend", "frontend")]
    assert len(names) > 10
    for name in set(names) - {"tests/inside", "tests/internals"}:
        assert any((folder / name).exists() for folder in (ROOT, *insides)), name


def test_the_pages_of_the_pitfalls_are_what_projects_say() -> None:
    """If not: `uv run scripts/pitfalls.py`."""
    pages = runpy.run_path(str(ROOT / "scripts" / "pitfalls.py"))["pages"]()
    folder = ROOT / "docs" / "pitfalls"
    assert {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()} == pages


def jobs(*arguments: str) -> list[dict[str, str]]:
    command = [sys.executable, str(ROOT / "scripts" / "matrix.py"), *arguments]
    found: list[dict[str, str]] = json.loads(subprocess.check_output(command))
    return found


def test_the_workflow_runs_every_combination_of_answers() -> None:
    assert [job["name"] for job in jobs()] == [str(variant) for variant in VARIANTS]
    for job in jobs():
        of_wsl = job["tests"].endswith(" and wsl")
        assert of_wsl == job["name"].endswith("-wsl")
        assert job["tests"].split(" and ")[0] == job["name"].removesuffix("-wsl")
    on_every_system = [str(one) for one in VARIANTS if one.database == "sqlite" and not one.wsl]
    assert [job["name"] for job in jobs("sqlite")] == on_every_system
    workflow = yaml.safe_load(
        (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    )["jobs"]
    commands = workflow["questions"]["steps"][-1]["run"]
    assert '"every=$(python3 -m uv run scripts/matrix.py)"' in commands
    assert '"sqlite=$(python3 -m uv run scripts/matrix.py sqlite)"' in commands
    matrix = workflow["variant"]["strategy"]["matrix"]
    assert matrix == {"include": "${{ fromJSON(needs.questions.outputs.every) }}"}
    names = workflow["elsewhere"]["strategy"]["matrix"]["name"]
    assert names == "${{ fromJSON(needs.questions.outputs.sqlite).*.name }}"


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: str(path.relative_to(ROOT)))
def test_workflows_may_read_and_run_what_is_pinned(workflow: Path) -> None:
    text = workflow.read_text(encoding="utf-8")
    assert yaml.safe_load(text)["permissions"] == {"contents": "read"}
    for action in re.findall(r"uses: ([^.].*)", text):
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action
