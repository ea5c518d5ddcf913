"""Pin every package of Python and npm, transitive ones too, to its newest version in the ranges.

    uv run scripts/pin.py
    uv run pytest

Writes `constraint-dependencies` into pyproject.toml and template/pyproject.toml.jinja, every
package-lock.json, and the Copier that generated projects ask for updates with. uv.lock would pin
Python's packages as well, but it names the host that each one came from.
"""

import itertools
import re
import shutil
import subprocess
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import copier
import npm_lock
import tomlkit
from matrix import DATABASES, FRAMEWORKS

ROOT = Path(__file__).resolve().parent.parent
NPM = (ROOT / "template" / "frontend", ROOT / "tests" / "model")
QUESTIONS = ("framework", "database")
Choice = tuple[str, str]
"""An answer to each."""

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
        encoding="utf-8",
    )
    return {line.split(";")[0].strip() for line in exported.stdout.splitlines() if "==" in line}


def write_constraints(file: Path, versions: Iterable[str]) -> None:
    """Put versions into a pyproject.toml, one a line.

    Raises:
        SystemExit: they name a package twice: variants or Pythons need different versions of it.
    """
    check_names(versions)
    document = tomlkit.parse(file.read_text(encoding="utf-8"))
    array = tomlkit.array()
    array.extend(sorted(versions))
    document["tool"]["uv"]["constraint-dependencies"] = array.multiline(True)
    file.write_text(tomlkit.dumps(document), encoding="utf-8")


def check_names(versions: Iterable[str]) -> None:
    """Make sure that each package is named once.

    Raises:
        SystemExit: one is not.
    """
    names = Counter(version.split("==")[0] for version in versions)
    if several := [name for name, count in names.items() if count > 1]:
        raise SystemExit(f"There is no one version of {', '.join(several)} for all.")


def write_conditional_constraints(file: Path, users: Mapping[str, Iterable[Choice]]) -> None:
    """Put versions into the template's pyproject.toml, each for the projects that use it.

    Args:
        file: the template.
        users: for each version the choices of answers that bring it.
    """
    by_condition: dict[str, list[str]] = defaultdict(list)
    for version in sorted(users):
        by_condition[condition_of(set(users[version]))].append(f'    "{version}",\n')
    lines = by_condition.pop("", [])
    for condition, conditional in sorted(by_condition.items()):
        lines += [f"{{%- if {condition} %}}\n", *conditional, "{%- endif %}\n"]
    # The first condition takes the line's end before it, the last line gives it back.
    before, rest = file.read_text(encoding="utf-8").split("constraint-dependencies = [\n")
    after = rest.split("\n]", 1)[1]
    file.write_text(
        f"{before}constraint-dependencies = [\n{''.join(lines)}]{after}", encoding="utf-8"
    )


def condition_of(choices: set[Choice]) -> str:
    """Return what Jinja asks of the answers, for them to be one of these; empty for all.

    Raises:
        SystemExit: it is no choice of frameworks and databases, each by themselves.
    """
    chosen = tuple({choice[index] for choice in choices} for index in (0, 1))
    if choices != set(itertools.product(*chosen)):
        raise SystemExit(f"No condition is simple enough for {sorted(choices)}.")
    return " and ".join(
        f"{question} in {sorted(some)}"
        for question, some, every in zip(QUESTIONS, chosen, (FRAMEWORKS, DATABASES), strict=True)
        if some != set(every)
    )


def write_copier(workflow: Path, version: str) -> None:
    """Let a workflow run this version of Copier."""
    workflow.write_text(
        re.sub(r"copier@[\w.]+", f"copier@{version}", workflow.read_text(encoding="utf-8")),
        encoding="utf-8",
    )


def every_choice() -> Iterable[Choice]:
    """Return every combination of the answers that bring packages."""
    return itertools.product(FRAMEWORKS, DATABASES)


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

        users: dict[str, list[Choice]] = defaultdict(list)
        for choice in every_choice():
            project = Path(folder, "-".join(choice))
            answers = dict(zip(QUESTIONS, choice, strict=True))
            copier.run_copy(str(ROOT), project, data=answers, defaults=True, quiet=True)
            for version in resolve(project):
                users[version].append(choice)
        check_names(users)
        write_conditional_constraints(ROOT / "template" / "pyproject.toml.jinja", users)
    for packages in NPM:
        npm_lock.pin(packages)


if __name__ == "__main__":
    main()
