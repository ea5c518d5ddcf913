# /// script
# requires-python = ">=3.11"
# dependencies = ["cosmic-ray==8.7.0"]
# ///
"""Make careless edits in a project, one at a time, and print those that no test notices.

    uv run scripts/mutants.py --list           the modules and the number of their edits
    uv run scripts/mutants.py people/limits    all edits of a module
    uv run scripts/mutants.py --most 30        30 edits of each, by chance, but always the same

docs/mutation-testing.md tells what comes of it.
"""

import argparse
import os
import random
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from cosmic_ray.commands import init
from cosmic_ray.mutating import mutate_and_test
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import TestOutcome, WorkItem

ROOT = Path(__file__).resolve().parent.parent
MODULES = {
    "attachments/attachment_store": ("limits", "attachments"),
    "chat/turns": ("requests", "errors", "conversations", "model"),
    "chat/request_checks": ("requests", "files", "limits", "attachments"),
    "database/chatkit_store": ("store", "conversations", "attachments"),
    "people/identity": ("identity", "people"),
    "people/limits": ("people", "limits"),
}
"""The kit's core, and the tests that ask each of its modules."""

OF_TYPES = "core/ReplaceBinaryOperator_BitOr_"
"""Edits of types such as `str | None`: with them nothing can be imported."""

UV = os.environ.get("UV", "uv")
SECONDS = 300
"""When tests that go on are ended. The edit is noticed then: without it they end."""


def main() -> None:
    """Render a project, edit its modules and ask its tests.

    Raises:
        SystemExit: the tests fail without an edit, or one could not be made.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("modules", nargs="*", metavar="module", help=", ".join(MODULES))
    parser.add_argument("--most", type=int, help="how many edits of each module")
    parser.add_argument("--list", action="store_true", help="count the edits and make none")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        backend = render(Path(folder) / "project")
        os.chdir(backend)  # where pytest finds its settings
        for name in said.modules or MODULES:
            edits = edits_of(backend / "src" / "kit" / f"{name}.py", Path(folder) / "edits.sqlite")
            if said.list:
                print(f"{name}: {len(edits)} edits")
                continue
            chosen = random.Random(name).sample(edits, min(said.most or len(edits), len(edits)))
            count = noticed(chosen, pytest(backend, name))
            print(f"{name}: {count} of {len(chosen)} edits noticed, {len(edits)} could be made")


def render(project: Path) -> Path:
    """Make the default project, with the tests of its insides too, and return its backend."""
    clean = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    copy = ("copier", "copy", "--quiet", "--defaults", "--vcs-ref=HEAD", ROOT, project)
    subprocess.run([UV, "run", "--directory", ROOT, *copy], env=clean, check=True)
    backend = project / "backend"
    shutil.copytree(ROOT / "tests" / "inside", project, dirs_exist_ok=True)
    subprocess.run([UV, "sync", "--quiet"], cwd=backend, env=clean, check=True)
    return backend


def edits_of(module: Path, database: Path) -> list[WorkItem]:
    """Return what can be edited in a module, always in the same order."""
    with use_db(database, WorkDB.Mode.create) as made:
        init([module], made, {})
        edits = [one for one in made.work_items if not _what(one)[0].startswith(OF_TYPES)]
    return sorted(edits, key=_what)


def _what(edit: WorkItem) -> tuple[str, int]:
    [mutation] = edit.mutations
    return mutation.operator_name, mutation.occurrence


def pytest(backend: Path, name: str) -> str:
    """Return the command that asks the tests of a module.

    Raises:
        SystemExit: they fail, though nothing is edited.
    """
    files = [file for test in MODULES[name] for file in backend.glob(f"tests/**/test_{test}.py")]
    command = [UV, "run", "--quiet", "--no-sync", "pytest", "-q", "-x", *map(str, files)]
    if subprocess.run(command, check=False).returncode:
        sys.exit(f"The tests of {name} fail without any edit.")
    return shlex.join(command)


def noticed(edits: list[WorkItem], command: str) -> int:
    """Return how many edits the tests notice, and print the others.

    Raises:
        SystemExit: an edit could not be made.
    """
    count = 0
    for edit in edits:
        result = mutate_and_test(edit.mutations, command, SECONDS)
        match result.test_outcome:
            case TestOutcome.KILLED:
                count += 1
            case TestOutcome.SURVIVED:
                print(result.diff, end="\n\n")
            case _:
                sys.exit(f"{_what(edit)} could not be made: {result.output}")
    return count


if __name__ == "__main__":
    main()
