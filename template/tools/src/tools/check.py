"""`uv run check`: lint, types and tests of both sides, and of the page in a browser."""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from shutil import which

from rich.console import Console
from rich.text import Text

from kit.env_files import complete_env_files, expect_utf_8, texts
from kit.errors import StartupError
from kit.settings import BACKEND
from tools import FRONTEND, ROOT, terminal
from tools.node import Node, find_node, install_packages

AT_ONCE = max(2, (os.cpu_count() or 2) // 2)
"""How many steps, and how many processes of the backend's tests, run at the same time."""

BUILD = "frontend: build"
WITHOUT_BROWSER = "The tests of the page are skipped"
STYLES = {"passed": "green", "FAILED": "bold red", "skipped": "yellow"}


@dataclass(frozen=True)
class Step:
    """A command that has to end with 0."""

    name: str
    command: list[str]
    folder: Path
    needs: str = ""
    """The step that has to pass before."""
    skips_with: str = ""
    """The sentence by which it says that it has tried nothing."""


@dataclass(frozen=True)
class Result:
    """How a step ended."""

    name: str
    verdict: str
    seconds: float = 0
    reason: str = ""
    said: Text = field(default_factory=Text)
    """What it has printed."""


def main() -> None:
    """Run every step that can be run; exit with 1 if one fails."""
    parser = argparse.ArgumentParser(
        prog="check", description="Run the linters, the type checkers and the tests of both sides."
    )
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="also print the output of steps that pass"
    )
    options = parser.parse_args()
    try:
        sys.exit(_run(terminal(), verbose=options.verbose))
    except KeyboardInterrupt:
        sys.exit(130)


def _run(console: Console, *, verbose: bool) -> int:
    began = time.monotonic()
    # The page is built to be tested here, where ChatKit needs no key.
    environment = os.environ | {
        "NEXT_TELEMETRY_DISABLED": "1",
        "ALLOW_PLACEHOLDER_DOMAIN_KEY": "1",
        "PYTHONIOENCODING": "utf-8",  # as Ruff and Node.js write everywhere
    }
    # The steps start Python dozens of times: each would compile all that it imports.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    if console.color_system:
        environment["FORCE_COLOR"] = "1"
    results: list[Result] = []
    try:
        expect_utf_8(*texts(ROOT))
        for sentence in complete_env_files(ROOT):
            console.print(sentence)
    except StartupError as error:
        results.append(_failed("settings", error))
    node = None
    try:
        node = find_node()
        install_packages(FRONTEND, node, environment)
    except StartupError as error:
        node = None
        results.append(_failed("frontend: packages", error))
    results += run_steps(list(steps(node)), environment, console, verbose=verbose)

    console.print("\n== Summary")
    for result in results:
        line = Text.assemble(
            (f"{result.verdict:<8}", STYLES[result.verdict]),
            f"{result.seconds:6.1f} s  {result.name}",
            f", since {result.reason}" if result.reason else "",
        )
        console.print(line)
    console.print(f"{'':<8}{time.monotonic() - began:6.1f} s  in all, {AT_ONCE} steps at a time")
    return 1 if any(result.verdict == "FAILED" for result in results) else 0


def steps(node: Node | None) -> Iterator[Step]:
    """Yield the steps: first those of a moment, then those that others wait for or that are long.

    Args:
        node: runs those of the front end, if it is there.
    """
    python = [sys.executable, "-m"]
    code = [".", "../tools"]

    def npx(script: str, *arguments: str) -> list[str]:
        return [node.node if node else "", f"node_modules/{script}", *arguments]

    yield Step("backend: lint", [*python, "ruff", "check", *code], BACKEND)
    yield Step("backend: format", [*python, "ruff", "format", "--check", *code], BACKEND)
    # By its whole name, which ends in .exe on Windows.
    lint_imports = which("lint-imports", path=Path(sys.executable).parent) or "lint-imports"
    yield Step("backend: imports", [lint_imports], BACKEND)
    if node:
        yield Step("frontend: lint", npx("@biomejs/biome/bin/biome", "check"), FRONTEND)
        # Next builds beside what `uv run dev` makes, which is in a folder of its own.
        yield Step(BUILD, npx("next/dist/bin/next", "build"), FRONTEND)
    # By file: what the tests of one file share, such as a server, starts once. Two processes on two
    # cores, too: half of the time the tests wait.
    pytest = ["pytest", "-rs", f"--numprocesses={AT_ONCE}", "--dist=loadfile"]
    through_the_page = node and os.environ.get("THROUGH_THE_PAGE")
    yield Step(
        "backend: tests", [*python, *pytest], BACKEND, needs=BUILD if through_the_page else ""
    )
    if node:
        page = npx("@playwright/test/cli.js", "test")
        in_a_browser = "frontend: page in a browser"
        yield Step(in_a_browser, page, FRONTEND, needs=BUILD, skips_with=WITHOUT_BROWSER)
        yield Step("frontend: tests", npx("vitest/vitest.mjs", "run"), FRONTEND, needs=BUILD)
        # The build derives the types of the routes. It checks types too, but not those of tests.
        types = npx("typescript/bin/tsc", "--noEmit")
        yield Step("frontend: types", types, FRONTEND, needs=BUILD)
    yield Step("backend: types", [*python, "mypy"], BACKEND)


def run_steps(
    wanted: Sequence[Step], environment: Mapping[str, str], console: Console, *, verbose: bool
) -> list[Result]:
    """Run the first steps that can be, so many at once, until there are none; skip the others.

    Args:
        wanted: the steps, in their order.
        environment: of each step.
        console: says how each step ends, and what a step has printed that did not pass.
        verbose: whether the console also says what the other steps have printed.
    """
    results: dict[str, Result] = {}
    waiting = list(wanted)
    running: set[Future[Result]] = set()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while waiting or running:
            for step in _ready(waiting, results):
                needed = results.get(step.needs)
                if needed and needed.verdict != "passed":
                    reason = f"{needed.name} did not pass"
                    results[step.name] = Result(step.name, "skipped", reason=reason)
                elif len(running) == AT_ONCE:
                    continue
                else:
                    running.add(pool.submit(_try, step, environment))
                waiting.remove(step)
            if running:
                ended, running = wait(running, return_when=FIRST_COMPLETED)
                for result in (one.result() for one in ended):
                    results[result.name] = result
                    _say(result, console, verbose=verbose)
    return [results[step.name] for step in wanted]


def _ready(waiting: Iterable[Step], results: Mapping[str, Result]) -> list[Step]:
    return [step for step in waiting if not step.needs or step.needs in results]


def _say(result: Result, console: Console, *, verbose: bool) -> None:
    """Print all output of a step at once, since several steps run at the same time."""
    line = f"\n== {result.name}: {result.verdict}, {result.seconds:.1f} s"
    is_told = verbose or result.verdict != "passed"
    text = Text(line, "bold")
    console.print(text.append_text(Text("\n") + result.said) if is_told else text)


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
    seconds = time.monotonic() - began
    said = Text.from_ansi(ended.stdout.decode(errors="replace").rstrip())
    verdict, reason = ("FAILED" if ended.returncode else "passed"), ""
    if not ended.returncode and step.skips_with and step.skips_with in said.plain:
        verdict, reason = "skipped", "there is no browser"
    return Result(step.name, verdict, seconds, reason, said)


def _failed(name: str, error: StartupError) -> Result:
    print(f"\n{error}", file=sys.stderr)
    return Result(name, "FAILED")
