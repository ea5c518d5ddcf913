"""`uv run check`: lint, types and tests of both sides at once, and of the page in a browser."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from kit.env_files import complete_env_files
from kit.errors import StartupError
from kit.settings import BACKEND
from tools import FRONTEND, ROOT
from tools.dev.machine import Node, find_node, install_packages


@dataclass(frozen=True)
class Step:
    """A command that has to end with 0."""

    name: str
    command: list[str]
    folder: Path


@dataclass(frozen=True)
class Result:
    """How a step ended."""

    name: str
    passed: bool
    seconds: float


def main() -> None:
    """Run every step, whatever the one before said; exit with 1 if any failed."""
    try:
        sys.exit(_run())
    except KeyboardInterrupt:
        sys.exit(130)


def _run() -> int:
    began = time.monotonic()
    # The page is built to be tested here, where ChatKit needs no key.
    environment = os.environ | {
        "NEXT_TELEMETRY_DISABLED": "1",
        "ALLOW_PLACEHOLDER_DOMAIN_KEY": "1",
    }
    if sys.stdout.isatty():
        environment["FORCE_COLOR"] = "1"
    results: list[Result] = []
    sides = [list(_backend_steps())]
    try:
        for sentence in complete_env_files(ROOT):
            print(sentence)
    except StartupError as error:
        results.append(_failed("settings", error))
    try:
        node = find_node()
        install_packages(FRONTEND, node, environment)
        sides.append(list(_frontend_steps(node)))
    except StartupError as error:
        results.append(_failed("frontend: packages", error))
    with ThreadPoolExecutor(len(sides)) as pool:
        for side in pool.map(lambda steps: [_try(step, environment) for step in steps], sides):
            results += side

    print("\n== Summary")
    for result in results:
        verdict = "passed" if result.passed else "FAILED"
        print(f"{verdict}  {result.seconds:6.1f} s  {result.name}")
    print(f"        {time.monotonic() - began:6.1f} s  in all, both sides at once")
    return 0 if all(result.passed for result in results) else 1


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


def _try(step: Step, environment: Mapping[str, str]) -> Result:
    began = time.monotonic()
    ended = subprocess.run(
        step.command,
        cwd=step.folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    # All at once, since both sides speak at the same time.
    said = ended.stdout.decode(errors="replace").rstrip()
    print(f"\n== {step.name}\n{said}", flush=True)
    return Result(step.name, ended.returncode == 0, time.monotonic() - began)


def _failed(name: str, error: StartupError) -> Result:
    print(f"\n{error}", file=sys.stderr)
    return Result(name, passed=False, seconds=0)
