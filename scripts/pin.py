"""Pin every Python package, transitive ones too, to its newest version within the ranges.

Writes `constraint-dependencies` into pyproject.toml and template/pyproject.toml. uv.lock would pin
them as well, but it names the host that each package came from.

    uv run scripts/pin.py
"""

import itertools
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import copier
import tomlkit
import yaml

ROOT = Path(__file__).resolve().parent.parent


def resolve(project: Path) -> set[str]:
    """Return the requirements that uv resolves for a project and all of its groups.

    Raises:
        subprocess.CalledProcessError: there is no solution; uv says why.
    """
    write_constraints(project / "pyproject.toml", [])
    subprocess.run(["uv", "lock", "--quiet"], cwd=project, check=True)
    exported = subprocess.run(
        ["uv", "export", "--quiet", "--all-packages", "--all-groups", "--no-hashes"]
        + ["--no-emit-workspace", "--no-header", "--no-annotate"],
        cwd=project,
        check=True,
        capture_output=True,
        text=True,
    )
    return {line.strip() for line in exported.stdout.splitlines() if "==" in line}


def write_constraints(file: Path, requirements: Iterable[str]) -> None:
    """Put requirements into a pyproject.toml, one a line."""
    document = tomlkit.parse(file.read_text())
    array = tomlkit.array()
    array.extend(sorted(requirements))
    document["tool"]["uv"]["constraint-dependencies"] = array.multiline(True)  # type: ignore[index]
    file.write_text(tomlkit.dumps(document))


def every_choice() -> Iterable[dict[str, str]]:
    """Return every combination of the questions that have choices."""
    questions = yaml.safe_load((ROOT / "copier.yml").read_text())
    choices = {
        name: question["choices"].values()
        for name, question in questions.items()
        if not name.startswith("_") and "choices" in question
    }
    for combination in itertools.product(*choices.values()):
        yield dict(zip(choices, combination, strict=True))


def main() -> None:
    """Resolve and write."""
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder, "own")
        own.mkdir()
        shutil.copy(ROOT / "pyproject.toml", own)
        (own / "README.md").touch()
        write_constraints(ROOT / "pyproject.toml", resolve(own))

        requirements: set[str] = set()
        for number, answers in enumerate(every_choice()):
            project = Path(folder, str(number))
            copier.run_copy(str(ROOT), project, data=answers, defaults=True, quiet=True)
            requirements |= resolve(project)
        versions = Counter(line.split(";")[0].strip() for line in requirements)
        names = Counter(version.split("==")[0] for version in versions)
        if several := [name for name, count in names.items() if count > 1]:
            raise SystemExit(f"The variants do not agree on the versions of {', '.join(several)}.")
        write_constraints(ROOT / "template" / "pyproject.toml", versions)


if __name__ == "__main__":
    main()
