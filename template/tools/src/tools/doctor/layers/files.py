"""The second layer: both .env.local, what the shell says besides, what was answered."""

import os
from collections.abc import Iterator
from pathlib import Path

from kit.env_files import PREVIOUS, SECRET
from kit.people.identity import SECRET_CHARACTERS, check_secret
from kit.settings import get_settings
from tools import ROOT
from tools.doctor.checks import Check, Finding, failed, passed, warned
from tools.settings import (
    FILES,
    SHELL,
    Value,
    find_mismatch,
    in_files,
    lines_of,
    place_of,
    recorded_answers,
    value_of,
)

SIDES = ("backend", "frontend")
MEND = "uv run doctor --fix"


def backend_env() -> Finding:
    """Find the backend's settings."""
    return _find_env_file("backend")


def frontend_env() -> Finding:
    """Find the front end's settings."""
    return _find_env_file("frontend")


def _find_env_file(side: str) -> Finding:
    name = f"{side}/.env.local"
    if (ROOT / name).exists():
        return passed(f"{name} is there")
    if SECRET in os.environ:
        return passed(f"without {name}, since the environment has the settings")
    return failed(
        f"{name} is missing, and git does not keep it",
        tried=f"a search for {name}",
        command=MEND,
        slug="env-file-lost",
    )


def settings() -> Finding:
    """Read the settings of the backend as it does when it starts."""
    environment = get_settings().app_env
    return passed(f"valid, for {environment}", source=place_of("backend", "APP_ENV"))


def secrets() -> Finding:
    """Compare the secrets of both sides."""
    backend, frontend = values = [value_of(side, SECRET) for side in SIDES]
    previous = [value_of(side, PREVIOUS) for side in SIDES]
    if problem := _problem_of(backend, frontend, previous[0]):
        return failed(
            problem,
            tried=f"a comparison of {SECRET} of both sides",
            source=" and ".join(dict.fromkeys(value.source for value in values)),
            command=MEND,
            slug="env-file-lost",
        )
    check_secret(get_settings())
    if change := _unfinished_change(*values, *previous):
        return warned(
            change,
            tried=f"a comparison of {SECRET} and {PREVIOUS} of both sides",
            source=" and ".join(dict.fromkeys(value.source for value in (*values, *previous))),
            command="Edit frontend/.env.local and backend/.env.local, or the environment",
        )
    return passed("both sides have the same secret")


def _unfinished_change(
    backend: Value, frontend: Value, backend_previous: Value, frontend_previous: Value
) -> str:
    if backend.text != frontend.text:
        return (
            f"the front end still signs with what is {PREVIOUS} of the backend: give both sides "
            "the same two"
        )
    if backend_previous.text != frontend_previous.text:
        return f"{PREVIOUS} differs between the two sides. Give both the same, or take it away"
    return ""


def _problem_of(backend: Value, frontend: Value, backend_previous: Value) -> str:
    if not (backend.is_set and frontend.is_set):
        return f"{SECRET} is empty on one side at least"
    if frontend.text not in (backend.text, backend_previous.text):
        return f"{SECRET} differs between the two sides. Empty the wrong one: it is then copied"
    if len(frontend.text) < SECRET_CHARACTERS:
        return (
            f"{SECRET} is shorter than {SECRET_CHARACTERS} characters. Empty it on both sides: a "
            "new one is then made"
        )
    return ""


def shell() -> Finding:
    """Look for what is set in the shell and in a file, and not to the same value."""
    beaten = list(_beaten_by_the_shell())
    if not beaten:
        return passed("nothing in the shell contradicts the files")
    names = ", ".join(name for name, _ in beaten)
    places = ", ".join(place for _, place in beaten)
    return warned(
        f"{names}: the shell has another value than the file, and the shell wins",
        tried="a comparison of the environment with the files",
        source=f"{SHELL}, against {places}",
        command=f"unset {names.replace(',', '')}"
        if os.name == "posix"
        else f"Remove-Item {', '.join(f'Env:{name}' for name, _ in beaten)}",
        slug="shell-beats-env-file",
    )


def _beaten_by_the_shell() -> Iterator[tuple[str, str]]:
    seen = set()
    for side in SIDES:
        for name in {name: None for file in FILES[side] for name in lines_of(file)}:
            line = in_files(side, name)
            differs = line and line.is_set and os.environ.get(name, line.text) != line.text
            if line and differs and name not in seen:
                seen.add(name)
                yield name, line.source


def answers() -> Finding:
    """Compare the kind of the database with the one that the project was made for."""
    answered = recorded_answers()
    if not {"framework", "database"} <= answered.keys():
        return warned(
            ".copier-answers.yml is missing or has no answers, and `copier update` needs them",
            tried="a look at .copier-answers.yml",
            command="git checkout -- .copier-answers.yml",
        )
    if mismatch := find_mismatch():
        return warned(
            f"{mismatch.problem}. Or keep it: {mismatch.change_the_answer}",
            tried="a comparison of DATABASE_URL with the recorded answer",
            source=f"{mismatch.address.source}, against .copier-answers.yml",
            command=mismatch.use_the_answer,
        )
    return passed(f"{answered['framework']}, {answered['database']}", source=".copier-answers.yml")


def line_ends() -> Finding:
    """Look for scripts that Linux would not run."""
    if scripts := scripts_with_crlf():
        return failed(
            f"{', '.join(scripts)} has line ends of Windows, which Linux takes for part of a name",
            tried="a look at every file that begins with #! or whose name ends in .sh",
            source=scripts[0],
            command=MEND,
            slug="crlf-scripts",
        )
    attributes = ROOT / ".gitattributes"
    if not attributes.exists() or "eol=lf" not in attributes.read_text(encoding="utf-8"):
        return warned(
            "nothing keeps git from writing scripts with line ends of Windows",
            tried="a look for eol=lf in .gitattributes",
            source=".gitattributes",
            command="git checkout -- .gitattributes",
            slug="crlf-scripts",
        )
    return passed("no script has line ends of Windows")


CHECKS = (
    Check("files.backend", backend_env),
    Check("files.frontend", frontend_env),
    Check("files.settings", settings, needs=("files.backend",)),
    Check("files.secrets", secrets, needs=("files.settings", "files.frontend")),
    Check("files.shell", shell),
    Check("files.answers", answers),
    Check("files.line-ends", line_ends),
)


OTHERS = {".git", ".venv", "node_modules", ".next", ".postgres", ".attachments", "__pycache__"}
"""Folders whose files are not the project's own."""


def scripts_with_crlf() -> list[str]:
    """Return the scripts of the project with such line ends, by their paths in it."""
    return [path.relative_to(ROOT).as_posix() for path in _scripts() if b"\r\n" in _read(path)]


def mend_line_ends() -> list[str]:
    """Give those scripts the line ends of Linux, and return what was done."""
    names = scripts_with_crlf()
    for name in names:
        path = ROOT / name
        path.write_bytes(_read(path).replace(b"\r\n", b"\n"))
    return [f"Took the line ends of Windows out of {name}." for name in names]


def _scripts() -> Iterator[Path]:
    for folder, folders, files in os.walk(ROOT):
        folders[:] = sorted(set(folders) - OTHERS)
        for path in (Path(folder, name) for name in sorted(files)):
            if path.is_file() and (path.suffix == ".sh" or _read(path, 2) == b"#!"):
                yield path


def _read(path: Path, size: int = -1) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError:  # not for our eyes
        return b""
