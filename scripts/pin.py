"""Pin every package of Python and npm, transitive ones too, to its newest version in the ranges.

    uv run scripts/pin.py && uv run pytest

Writes `constraint-dependencies` into pyproject.toml and template/pyproject.toml, every
package-lock.json, and the Copier that generated projects ask for updates with. uv.lock would pin
Python's packages as well, but it names the host that each one came from.
"""

import itertools
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import copier
import npm_lock
import tomlkit
from matrix import DATABASES, FRAMEWORKS

ROOT = Path(__file__).resolve().parent.parent
NPM = (ROOT / "template" / "frontend", ROOT / "tests" / "model")
ASKS_THE_TEMPLATE = ROOT / "template" / ".github" / "workflows" / "weekly.yml"


def resolve(project: Path) -> set[str]:
    """Return the versions that uv resolves for a project and all of its groups.

    Raises:
        subprocess.CalledProcessError: there is no solution; uv says why.
    """
    write_constraints(project / "pyproject.toml", [])
    subprocess.run(["uv", "lock", "--quiet"], cwd=project, check=True)
    everything = ["--all-packages", "--all-groups", "--no-emit-local"]
    exported = subprocess.run(
        ["uv", "export", "--quiet", "--no-hashes", "--no-header", "--no-annotate", *everything],
        cwd=project,
        check=True,
        capture_output=True,
        text=True,
    )
    return {line.split(";")[0].strip() for line in exported.stdout.splitlines() if "==" in line}


def write_constraints(file: Path, versions: Iterable[str]) -> None:
    """Put versions into a pyproject.toml, one a line.

    Raises:
        SystemExit: they name a package twice: variants or Pythons need different versions of it.
    """
    names = Counter(version.split("==")[0] for version in versions)
    if several := [name for name, count in names.items() if count > 1]:
        raise SystemExit(f"There is no one version of {', '.join(several)} for all.")
    document = tomlkit.parse(file.read_text())
    array = tomlkit.array()
    array.extend(sorted(versions))
    document["tool"]["uv"]["constraint-dependencies"] = array.multiline(True)
    file.write_text(tomlkit.dumps(document))


def write_copier(workflow: Path, version: str) -> None:
    """Let a workflow run this version of Copier."""
    workflow.write_text(re.sub(r"copier@[\w.]+", f"copier@{version}", workflow.read_text()))


def every_choice() -> Iterable[dict[str, str]]:
    """Return every combination of the answers that bring packages."""
    for framework, database in itertools.product(FRAMEWORKS, DATABASES):
        yield {"framework": framework, "database": database}


def main() -> None:
    """Resolve and write."""
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder, "own")
        own.mkdir()
        shutil.copy(ROOT / "pyproject.toml", own)
        (own / "README.md").touch()
        own_versions = resolve(own)
        write_constraints(ROOT / "pyproject.toml", own_versions)
        (tested,) = (one for one in own_versions if one.startswith("copier=="))
        write_copier(ASKS_THE_TEMPLATE, tested.removeprefix("copier=="))

        versions: set[str] = set()
        for number, answers in enumerate(every_choice()):
            project = Path(folder, str(number))
            copier.run_copy(str(ROOT), project, data=answers, defaults=True, quiet=True)
            versions |= resolve(project)
        write_constraints(ROOT / "template" / "pyproject.toml", versions)
    for packages in NPM:
        npm_lock.pin(packages)


if __name__ == "__main__":
    main()
