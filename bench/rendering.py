"""How long `copier copy` of the default project takes, against a template of one file.

Both are whole processes, taken in turn, so that what the machine does besides hits both alike.

    uv run python -m bench.rendering
"""

import subprocess
import tempfile
import time
from pathlib import Path

from bench import ROOT
from bench.report import Figure, conclude

LIMIT = 2.0
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


def make_template_of_one_file(folder: Path) -> Path:
    """Make the smallest template that asks something, under version control as ours is."""
    folder.mkdir()
    (folder / "copier.yml").write_text("project_name: my-chat\n")
    (folder / "README.md.jinja").write_text("# {{ project_name }}\n")
    git = ["git", "-c", "user.name=Bench", "-c", "user.email=bench@example.com"]
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "One file"]):
        subprocess.run([*git, *command], cwd=folder, check=True)
    return folder


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small = make_template_of_one_file(folder / "template")
        ours, one_file = [], []
        for number in range(ROUNDS):
            one_file.append(copy(small, folder / f"small-{number}"))
            ours.append(copy(ROOT, folder / f"ours-{number}"))
    conclude(Figure("rendering", ours, one_file, "s", "one file", at_most=LIMIT))


if __name__ == "__main__":
    main()
