"""Check the default project with the newest release of everything, beyond all ranges.

    uv run scripts/canary.py [FOLDER]

Prints what is newer than in the template, in GitHub's workflow as the job's summary, and exits with
1 when the project cannot be made of it or its own `uv run check` fails. The project stays in FOLDER
for a closer look.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import npm_lock
import tomlkit
from audit import pins
from pin import ROOT, resolve, write_constraints

COPIER = ("uvx", "copier@latest")
KEPT = "@types/node"
"""The types of the oldest Node that projects run on: newer ones are of another Node."""
Versions = dict[str, str]


def python_versions(project: Path) -> Versions:
    """Return the versions that a project, or this repository, pins."""
    return dict(line.split("==") for line in pins(project / "pyproject.toml"))


def npm_versions(project: Path) -> Versions:
    """Return the versions in the lock file of a project's front end."""
    return npm_lock.versions(
        json.loads((project / "frontend" / "package-lock.json").read_text(encoding="utf-8"))
    )


def copy(project: Path) -> str:
    """Copy the template with the newest Copier, and return which that is."""
    version = subprocess.check_output([*COPIER, "--version"], encoding="utf-8").split()[-1]
    subprocess.run(
        [*COPIER, "copy", "--quiet", "--defaults", "--vcs-ref", "HEAD", ROOT, project], check=True
    )
    return version


def lift_ranges(project: Path) -> None:
    """Allow a project every newer version of what it depends on."""
    for part in ("backend", "tools"):
        file = project / part / "pyproject.toml"
        settings = tomlkit.parse(file.read_text(encoding="utf-8"))
        groups = settings.get("dependency-groups", {}).values()
        for wanted in (settings["project"]["dependencies"], *groups):
            for index, requirement in enumerate(wanted):
                versions, semicolon, marker = requirement.partition(";")
                wanted[index] = re.sub(r",?\s*<[^,]*", "", versions) + semicolon + marker
        file.write_text(tomlkit.dumps(settings), encoding="utf-8")

    file = project / "frontend" / "package.json"
    manifest = json.loads(file.read_text(encoding="utf-8"))
    for kind in ("dependencies", "devDependencies"):
        for name, wanted in manifest[kind].items():
            if name != KEPT:
                manifest[kind][name] = re.sub(r"^[~^]?(?=\d)", ">=", wanted)
    file.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def lock(project: Path) -> None:
    """Pin the newest versions, as the template pins those that were tested."""
    write_constraints(project / "pyproject.toml", resolve(project))
    npm_lock.pin(project / "frontend")


def drift(old: Versions, new: Versions) -> list[str]:
    """Return a line of a table for each package that both have, in different versions."""
    return [
        f"| {name} | {old[name]} | {version} |"
        for name, version in sorted(new.items())
        if version != old.get(name, version)
    ]


def report(verdict: str, lines: list[str]) -> None:
    """Say how it ended, in GitHub's workflow as the job's summary too."""
    table = ["| package | template | newest |", "|---|---|---|", *lines]
    text = "\n".join([f"### {verdict}", "", *table, ""])
    print(text)
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(text)


def main(arguments: list[str]) -> None:
    """Make the project, check it and report."""
    project = Path(arguments[0] if arguments else tempfile.mkdtemp(), "my-chat").resolve()
    template = ROOT / "template"
    lines: list[str] = []
    verdict = "The newest releases cannot be installed together"
    try:
        copier = copy(project)
        lines += drift({"Copier": python_versions(ROOT)["copier"]}, {"Copier": copier})
        tested = python_versions(project)
        lift_ranges(project)
        lock(project)
        lines += drift(tested, python_versions(project))
        lines += drift(npm_versions(template), npm_versions(project))
        verdict = "The project fails with the newest releases"
        subprocess.run(["uv", "run", "check"], cwd=project, check=True)
        verdict = "The project passes with the newest releases"
    except subprocess.CalledProcessError as error:
        sys.exit(f"{error.cmd} ended with {error.returncode}")
    finally:
        report(f"{verdict}: {project}", lines)


if __name__ == "__main__":
    main(sys.argv[1:])
