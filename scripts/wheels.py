"""Print which pinned packages have no wheel for a system and Python that projects support.

    uv run scripts/wheels.py

Somebody on such a system would need a compiler. docs/systems.md says what happens instead. The
files of each version are in the lock file that uv writes, from whatever index it is set to use.
"""

import re
import subprocess
import tempfile
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jinja2
import tomlkit
from audit import PINNED, pins
from matrix import QUESTIONS
from packaging import tags
from packaging.markers import Marker
from packaging.utils import canonicalize_name, parse_wheel_filename
from pin import every_choice

Project = dict[str, Any]
PYTHONS = ((3, 11), (3, 12), (3, 13), (3, 14))
TEMPLATE = PINNED[1].parent
BUILDS_ANYWHERE = {"pyyaml"}
"""These have sources that are installed without a compiler: slower, but they work."""


@dataclass(frozen=True)
class System:
    """What wheels and markers call a system."""

    sys_platform: str
    machine: str
    tags: tuple[str, ...]


def linux(machine: str) -> System:
    """Return the Linux of glibc 2.28, of 2018, as in Debian 10, Ubuntu 20.04 and RHEL 8."""
    newer = (f"manylinux_2_{minor}_{machine}" for minor in range(28, 4, -1))
    older = (f"manylinux{name}_{machine}" for name in ("2014", "2010", "1"))
    return System("linux", machine, (*newer, *older))


def alpine(machine: str) -> System:
    """Return the Linux of musl 1.2, as in Alpine 3.13."""
    return System("linux", machine, tuple(f"musllinux_1_{minor}_{machine}" for minor in (2, 1, 0)))


def macos(machine: str) -> System:
    """Return macOS 13."""
    return System("darwin", machine, tuple(tags.mac_platforms((13, 0), machine)))


SYSTEMS = {
    "Linux": linux("x86_64"),
    "Linux on ARM": linux("aarch64"),
    "Alpine": alpine("x86_64"),
    "Alpine on ARM": alpine("aarch64"),
    "macOS on Intel": macos("x86_64"),
    "macOS": macos("arm64"),
    "Windows": System("win32", "AMD64", ("win_amd64",)),
    "Windows on ARM": System("win32", "ARM64", ("win_arm64",)),
}


def main() -> None:
    """Print a line for each package."""
    for name, systems in missing().items():
        print(f"{name}: {', '.join(systems)}")


def missing() -> dict[str, list[str]]:
    """Return each pinned package that some systems have no wheel of, with these systems."""
    found: dict[str, set[str]] = defaultdict(set)
    for name, system in [*gaps(own_project()), *gaps(every_project())]:
        found[name].add(system)
    order = list(SYSTEMS)
    return {
        name: sorted(found[name], key=lambda one: order.index(one.split(" (")[0]))
        for name in sorted(found)
    }


def own_project() -> Project:
    """Return a pyproject.toml with what the tests of this repository need."""
    own = tomllib.loads(PINNED[0].read_text(encoding="utf-8"))
    return project_of([own], own["tool"]["uv"])


def every_project() -> Project:
    """Return a pyproject.toml with everything that any answers bring into a project."""
    parts = [tomllib.loads((TEMPLATE / "tools" / "pyproject.toml").read_text(encoding="utf-8"))]
    for framework, database in every_choice():
        answers = {"framework": framework, "database": database}
        parts.append(render(TEMPLATE / "backend" / "pyproject.toml.jinja", answers))
    settings = render(PINNED[1], answers)["tool"]["uv"]
    del settings["workspace"]
    return project_of(parts, settings | {"constraint-dependencies": pins(PINNED[1])})


def render(template: Path, answers: Mapping[str, str]) -> Project:
    """Return a pyproject.toml as Copier makes it."""
    hidden = {"frameworks": QUESTIONS["frameworks"]["default"], "package_name": "every"}
    text = jinja2.Template(template.read_text(encoding="utf-8")).render({**hidden, **answers})
    return tomllib.loads(text)


def project_of(parts: Iterable[Project], settings: Project) -> Project:
    """Return a pyproject.toml that depends on all that others depend on."""
    wanted = {one for part in parts for one in requirements(part)} - {"project-tools"}
    project = {"name": "every", "version": "0", "requires-python": ">=3.11"}
    return {"project": project | {"dependencies": sorted(wanted)}, "tool": {"uv": settings}}


def requirements(project: Project) -> Iterator[str]:
    """Yield what a project depends on, in its groups too."""
    yield from project["project"]["dependencies"]
    for group in project.get("dependency-groups", {}).values():
        yield from group


def gaps(project: Project) -> Iterator[tuple[str, str]]:
    """Yield each package and system for which there is no wheel."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pyproject.toml").write_text(tomlkit.dumps(project), encoding="utf-8")
        run("uv", "lock", "--quiet", cwd=folder)
        lock = tomllib.loads((folder / "uv.lock").read_text(encoding="utf-8"))
        exported = run("uv", "export", "--quiet", "--no-hashes", "--no-annotate", cwd=folder)
    markers = dict(parse(line) for line in exported.splitlines() if "==" in line)
    for package in lock["package"]:
        name = package["name"]
        if name in markers and name not in BUILDS_ANYWHERE:
            yield from ((name, system) for system in without_wheel(package, markers[name]))


def run(*command: str, cwd: Path) -> str:
    """Run a command, and return what it prints."""
    return subprocess.run(
        command, cwd=cwd, check=True, stdout=subprocess.PIPE, encoding="utf-8"
    ).stdout


def parse(line: str) -> tuple[str, str]:
    """Return the name and the marker of an exported requirement."""
    requirement, _, marker = line.partition(";")
    return canonicalize_name(requirement.split("==")[0].strip()), marker.strip()


def without_wheel(package: Mapping[str, Any], marker: str) -> Iterator[str]:
    """Yield the systems that install a package and have no wheel of it."""
    files = [name_of(wheel) for wheel in package.get("wheels", [])]
    offered = {tag for file in files for tag in parse_wheel_filename(file)[3]}
    for name, system in SYSTEMS.items():
        wanting = [python for python in PYTHONS if is_wanted(marker, system, python)]
        lacking = [python for python in wanting if offered.isdisjoint(supported(system, python))]
        if lacking:
            some = ", ".join(f"3.{minor}" for _, minor in lacking)
            yield name if lacking == wanting else f"{name} (Python {some})"


def name_of(wheel: Mapping[str, str]) -> str:
    """Return the file's name of a wheel in a lock file."""
    return unquote(re.split(r"[/\\]", wheel.get("url") or wheel["path"])[-1])


def supported(system: System, python: tuple[int, int]) -> Iterable[tags.Tag]:
    """Yield the tags of the wheels that a Python of a system installs."""
    yield from tags.cpython_tags(python, platforms=system.tags)
    yield from tags.compatible_tags(python, f"cp{python[0]}{python[1]}", system.tags)


def is_wanted(marker: str, system: System, python: tuple[int, int]) -> bool:
    """Whether a marker names a Python of a system."""
    version = ".".join(map(str, python))
    return not marker or Marker(marker).evaluate(
        {
            "sys_platform": system.sys_platform,
            "platform_machine": system.machine,
            "platform_system": {"linux": "Linux", "darwin": "Darwin"}.get(
                system.sys_platform, "Windows"
            ),
            "os_name": "nt" if system.sys_platform == "win32" else "posix",
            "python_version": version,
            "python_full_version": f"{version}.0",
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
        }
    )


if __name__ == "__main__":
    main()
