"""Lock files of npm that install everywhere.

npm leaves a platform's optional package out of a lock file, without a word, when its registry does
not have it (yet), and `npm ci` then fails on that platform. A package of which that is true is
held at the version that was locked before.
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Lock = dict[str, Any]
RESOLVE = (
    "npm",
    "install",
    "--package-lock-only",
    "--omit-lockfile-registry-resolved",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
)


def pin(folder: Path) -> None:
    """Write package-lock.json anew, with the newest versions within the ranges of package.json.

    Raises:
        SystemExit: a package that is new has optional ones that are not to be had.
        subprocess.CalledProcessError: there is no solution; npm says why.
    """
    manifest = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    before = versions(json.loads((folder / "package-lock.json").read_text(encoding="utf-8")))
    held: dict[str, str] = {}
    lock = resolve(manifest, None)
    while incomplete := packages_with_holes(lock):
        if hopeless := sorted(name for name in incomplete if name in held or name not in before):
            raise SystemExit(
                f"{folder}: {', '.join(hopeless)} cannot be locked for every platform."
            )
        held |= {name: before[name] for name in incomplete}
        lock = resolve(holding(manifest, held), None)
    if held:  # The versions stay, and the lock file says what package.json does.
        lock = resolve(manifest, lock)
    (folder / "package-lock.json").write_text(
        json.dumps(lock, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def resolve(manifest: Mapping[str, Any], lock: Lock | None) -> Lock:
    """Return the lock file that npm makes of a package.json, starting from a lock file."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "package.json").write_text(json.dumps(manifest), encoding="utf-8")
        if lock:
            (folder / "package-lock.json").write_text(json.dumps(lock), encoding="utf-8")
        npm = shutil.which(RESOLVE[0]) or RESOLVE[0]
        subprocess.run([npm, *RESOLVE[1:]], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        made: Lock = json.loads((folder / "package-lock.json").read_text(encoding="utf-8"))
        return made


def holding(manifest: Mapping[str, Any], held: Mapping[str, str]) -> dict[str, Any]:
    """Return a package.json that wants packages in exactly these versions, however they come."""
    changed = {
        kind: {name: held.get(name, wanted) for name, wanted in manifest.get(kind, {}).items()}
        for kind in ("dependencies", "devDependencies")
    }
    return {**manifest, **changed, "overrides": dict(held)}


def versions(lock: Lock) -> dict[str, str]:
    """Return the version of each package that a lock file has at the top."""
    return {
        path.removeprefix("node_modules/"): package["version"]
        for path, package in lock["packages"].items()
        if path.startswith("node_modules/") and path.count("node_modules/") == 1
    }


def packages_with_holes(lock: Lock) -> set[str]:
    """Return the packages of whose optional ones a lock file lacks some."""
    packages = lock["packages"]
    return {
        path.rpartition("node_modules/")[2]
        for path, package in packages.items()
        for name in package.get("optionalDependencies", {})
        if not any(f"{place}node_modules/{name}" in packages for place in _places(path))
    }


def _places(path: str) -> list[str]:
    """Return where Node looks for what the package at a path needs, as prefixes of paths."""
    folders = path.split("/node_modules/")
    below = ["/node_modules/".join(folders[:end]) + "/" for end in range(len(folders), 0, -1)]
    return [*below, ""]
