"""How long `copier copy` of the default project takes, against a template of the same files, empty.

Copier itself takes its time for each file, 5 ms with 9.19.1: it renders every part of every path,
and asks git about every file that it writes. So what the other template takes is Copier's. The rest
is ours: the paths of the variants that were not chosen, the questions, and what is in the files.
Both are whole processes, taken in turn, so that what the machine does besides hits both alike.

    uv run python -m bench.rendering
"""

import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from bench import ROOT
from bench.report import Figure, conclude

LIMIT = 1.5
ROUNDS = 7


def copy(template: Path, target: Path) -> float:
    """Return the seconds that a copy takes."""
    start = time.perf_counter()
    subprocess.run(
        ["copier", "copy", "--quiet", "--defaults", "--vcs-ref=HEAD", template, target],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - start


def make_template(folder: Path, names: Iterable[str]) -> Path:
    """Make a template of empty files, under version control as ours is."""
    for name in names:
        file = folder / "template" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    (folder / "copier.yml").write_text(
        "_subdirectory: template\nproject_name: my-chat\n", encoding="utf-8"
    )
    git = ["git", "-c", "user.name=Bench", "-c", "user.email=bench@example.com"]
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "Empty files"]):
        subprocess.run([*git, *command], cwd=folder, check=True)
    return folder


def names_of_files(project: Path) -> list[str]:
    """Return the paths of all files of a project."""
    return [str(file.relative_to(project)) for file in project.rglob("*") if file.is_file()]


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy(ROOT, folder / "project")
        names = names_of_files(folder / "project")
        empty = make_template(folder / "empty", names)
        ours, others = [], []
        for number in range(ROUNDS):
            others.append(copy(empty, folder / f"empty-{number}"))
            ours.append(copy(ROOT, folder / f"ours-{number}"))
    against = f"{len(names)} empty files"
    conclude(Figure("rendering", ours, others, "s", against, at_most=LIMIT))


if __name__ == "__main__":
    main()
