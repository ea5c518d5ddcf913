"""`uv run check`: lint, types and tests of both sides, and of the page in a browser."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from kit.env_files import complete_env_files
from kit.errors import StartupError
from kit.settings import BACKEND
from tools import FRONTEND, ROOT
from tools.dev import node as packages
from tools.dev.node import Node, find_node


@dataclass(frozen=True)
class Step:
    """A command that has to end with 0."""

    name: str
    command: list[str]
    folder: Path


def main() -> None:
    """Run every step, whatever the one before said; exit with 1 if any failed."""
    try:
        sys.exit(_run())
    except KeyboardInterrupt:
        sys.exit(130)


def _run() -> int:
    results: dict[str, bool] = {}
    # The page is built to be tested here, where ChatKit needs no key.
    environment = os.environ | {
        "NEXT_TELEMETRY_DISABLED": "1",
        "ALLOW_PLACEHOLDER_DOMAIN_KEY": "1",
    }
    try:
        for sentence in complete_env_files(ROOT):
            print(sentence)
    except StartupError as error:
        results["backend: settings"] = _failed(error)
    for step in _backend_steps():
        results[step.name] = _passes(step, environment)
    try:
        node = find_node()
        packages.install(FRONTEND, node, environment)
    except StartupError as error:
        results["frontend: packages"] = _failed(error)
    else:
        for step in _frontend_steps(node):
            results[step.name] = _passes(step, environment)

    print("\n== Summary")
    for name, passed in results.items():
        print(f"{'passed' if passed else 'FAILED'}  {name}")
    return 0 if all(results.values()) else 1


def _backend_steps() -> Iterator[Step]:
    python = [sys.executable, "-m"]
    code = [".", "../tools"]
    yield Step("backend: lint", [*python, "ruff", "check", *code], BACKEND)
    yield Step("backend: format", [*python, "ruff", "format", "--check", *code], BACKEND)
    yield Step("backend: imports", [str(Path(sys.executable).with_name("lint-imports"))], BACKEND)
    yield Step("backend: types", [*python, "mypy"], BACKEND)
    # By file: what the tests of one share, such as a server, is started once.
    yield Step(
        "backend: tests", [*python, "pytest", "--numprocesses=auto", "--dist=loadfile"], BACKEND
    )


def _frontend_steps(node: Node) -> Iterator[Step]:
    def run(script: str, *arguments: str) -> list[str]:
        return [node.node, f"node_modules/{script}", *arguments]

    yield Step("frontend: lint", run("@biomejs/biome/bin/biome", "check"), FRONTEND)
    # The compiler needs the types of the routes, which Next derives from the files.
    yield Step("frontend: routes", run("next/dist/bin/next", "typegen"), FRONTEND)
    yield Step("frontend: types", run("typescript/bin/tsc", "--noEmit"), FRONTEND)
    # Beside what `uv run dev` makes: Next keeps that in a folder of its own.
    yield Step("frontend: build", run("next/dist/bin/next", "build"), FRONTEND)
    yield Step("frontend: tests", run("vitest/vitest.mjs", "run"), FRONTEND)
    yield Step("frontend: page", run("@playwright/test/cli.js", "test"), FRONTEND)


def _passes(step: Step, environment: Mapping[str, str]) -> bool:
    print(f"\n== {step.name}", flush=True)
    ended = subprocess.run(step.command, cwd=step.folder, env=environment, check=False)
    return ended.returncode == 0


def _failed(error: StartupError) -> bool:
    print(f"\n{error}", file=sys.stderr)
    return False
