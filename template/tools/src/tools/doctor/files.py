"""The files of the project: settings, answers and scripts, and what git keeps of them."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from kit.env_files import (
    PREVIOUS,
    SECRET,
    TAKE_OUT,
    complete_env_files,
    convert_to_utf_8,
    explain_utf_16,
    in_utf_16,
    read_text,
    texts,
    without_text,
)
from kit.errors import StartupError
from kit.people.identity import SECRET_CHARACTERS, check_secret
from kit.settings import Settings, check_assistant, get_settings
from tools import ROOT
from tools.doctor.checks import MEND, Check, Finding, failed, passed, warned
from tools.git import FIND_CONFLICTS, conflicts, git
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
from tools.shell import in_turn, unset

SIDES = ("backend", "frontend")

OTHERS = {".git", ".venv", "node_modules", ".next", ".postgres", ".attachments", "__pycache__"}
"""Folders whose files are not the project's own."""

SECRET_FILES = ("backend/.env.local", "frontend/.env.local")


def backend_env() -> Finding:
    """Find the backend's settings."""
    return _find_env_file("backend")


def frontend_env() -> Finding:
    """Find the front end's settings."""
    return _find_env_file("frontend")


def _find_env_file(side: str) -> Finding:
    name = f"{side}/.env.local"
    wide = in_utf_16(path for path in texts(ROOT) if path.match(f"{side}/.env*"))
    if wide:
        return _refused(wide)
    if (ROOT / name).exists():
        return _find_obstacle(name) or passed(f"{name} is there")
    if SECRET in os.environ:
        return passed(f"without {name}, since the environment has the settings")
    return failed(
        f"{name} is missing, and git does not keep it",
        tried=f"a search for {name}",
        command=MEND,
        slug="env-file-lost",
    )


def _find_obstacle(name: str) -> Finding | None:
    if (ROOT / name).is_dir():
        return failed(
            f"{name} is a folder, in place of a file",
            tried=f"a look at {name}",
            source=name,
            by_hand=f"Remove the folder {name}",
            command=MEND,
        )
    try:
        (ROOT / name).open("rb").close()
    except OSError as error:
        return failed(
            f"{name} is there, and cannot be read: {error.strerror}",
            tried=f"opening {name}",
            source=name,
            by_hand=f"Set the owner and the permissions of {name} so that you can read it",
        )
    return None


def encoding() -> Finding:
    """Look for other text that nothing reads."""
    wide = in_utf_16(path for path in texts(ROOT) if not path.match("*/.env*"))
    return _refused(wide) if wide else passed("no file is in UTF-16")


def _refused(wide: list[Path]) -> Finding:
    lost = without_text(wide)
    can_mend = len(lost) < len(wide)
    names = " and ".join(path.relative_to(ROOT).as_posix() for path in lost)
    return failed(
        explain_utf_16(wide),
        tried="a search for NUL bytes and for marks of UTF-16",
        source=wide[0].relative_to(ROOT).as_posix(),
        by_hand="" if can_mend else f"Edit {names}: {TAKE_OUT}",
        command=MEND if can_mend else "",
        slug="env-file-in-utf-16" if can_mend else "",
    )


def settings() -> Finding:
    """Read the settings of the backend as it does when it starts."""
    try:
        read = get_settings()
        check_assistant(read)
    except StartupError as error:
        words = re.findall(r"\b[A-Z][A-Z_]+\b", str(error))
        named = [name for name in words if name.lower() in Settings.model_fields]
        return failed(
            str(error),
            source=" and ".join(place_of("backend", name) for name in dict.fromkeys(named)),
        )
    return passed(f"valid, for {read.app_env}", source=place_of("backend", "APP_ENV"))


def secrets() -> Finding:
    """Compare the secrets of both sides."""
    backend, frontend = values = [value_of(side, SECRET) for side in SIDES]
    previous = [value_of(side, PREVIOUS) for side in SIDES]
    if problem := _problem_of(backend, frontend, previous[0]):
        cure = _cure_of(backend, frontend)
        return failed(
            problem,
            tried=f"a comparison of {SECRET} of both sides",
            source=" and ".join(dict.fromkeys(value.source for value in values)),
            by_hand=cure,
            command="" if SHELL in cure else MEND,
            slug="env-file-lost",
        )
    check_secret(get_settings())
    if change := _unfinished_change(*values, *previous):
        return warned(
            change,
            tried=f"a comparison of {SECRET} and {PREVIOUS} of both sides",
            source=" and ".join(dict.fromkeys(value.source for value in (*values, *previous))),
            by_hand="Edit frontend/.env.local and backend/.env.local, or the environment",
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
        return f"{SECRET} is empty on at least one side"
    if frontend.text not in (backend.text, backend_previous.text):
        return (
            f"{SECRET} differs between the two sides. Guests keep their conversations with the "
            "secret of the front end"
        )
    if len(frontend.text) < SECRET_CHARACTERS:
        return f"{SECRET} is shorter than {SECRET_CHARACTERS} characters"
    return ""


def _cure_of(backend: Value, frontend: Value) -> str:
    """Return what has to be done by hand before `doctor --fix` can mend the secret."""
    if SHELL in (backend.source, frontend.source):
        return f"Set {SECRET} in {SHELL} to {SECRET_CHARACTERS} random characters or more"
    if backend.is_set and backend.text == frontend.text:
        return f"Empty {SECRET} in both .env.local"
    if not frontend.source.startswith(SECRET_FILES[1]) and frontend.is_set:
        return f"Empty {SECRET} in {frontend.source}"
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
        command=unset(*(name for name, _ in beaten)),
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
    if "eol=lf" not in read_text(ROOT / ".gitattributes"):
        return warned(
            "git may write scripts with line ends of Windows",
            tried="a look for eol=lf in .gitattributes",
            source=".gitattributes",
            command="git checkout -- .gitattributes",
            slug="crlf-scripts",
        )
    return passed("no script has line ends of Windows")


def scripts_with_crlf() -> list[str]:
    """Return the scripts of the project with such line ends, by their paths in it."""
    return [path.relative_to(ROOT).as_posix() for path in _scripts() if b"\r\n" in _read(path)]


def convert_texts() -> list[str]:
    """Convert what is in UTF-16, and return what was done."""
    return convert_to_utf_8(ROOT)


def complete_settings() -> list[str]:
    """Make the missing .env.local files and secrets, and return what was done."""
    return complete_env_files(ROOT, mend=True)


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


def committed() -> Finding:
    """Find out whether the project was ever committed."""
    if git("--version").returncode:
        return _not_tracked("git is not installed", "git --version")
    if git("rev-parse", "--is-inside-work-tree").returncode:
        return _not_tracked("the project is no git repository", "git rev-parse")
    if git("cat-file", "-e", "HEAD:./pyproject.toml").returncode:
        return _not_tracked("the project has no commit yet", "git cat-file HEAD:./pyproject.toml")
    return passed("the project is committed")


def _not_tracked(problem: str, tried: str) -> Finding:
    return warned(
        f"{problem}, and `copier update` works with git only",
        tried=tried,
        command=in_turn("git init", "git add .", 'git commit -m "Start"'),
        slug="not-a-git-repository",
    )


def clean() -> Finding | None:
    """Find out whether Copier would refuse to update."""
    changes = git("status", "--porcelain", "--", ".")
    if changes.returncode:
        return None
    files = [line[3:] for line in changes.stdout.splitlines()]
    if not files:
        return passed("nothing is uncommitted, so `uvx copier update` can begin")
    more = f" and {len(files) - 3} more" if len(files) > 3 else ""
    # Whoever works on a project has changes.
    changed = f"{', '.join(files[:3])}{more}"
    return passed(f"before the next `uvx copier update`, commit your work: {changed}")


def unmerged() -> Finding | None:
    """Look for what an update could not merge."""
    places = conflicts()
    if places is None:
        return None
    if not places:
        return passed("no conflict of an update is left")
    return failed(
        f"an update left conflicts: {', '.join(places[:4])}",
        tried=FIND_CONFLICTS,
        source=places[0],
        command=FIND_CONFLICTS,
        slug="conflicts-on-update",
    )


def untracked_secrets() -> Finding | None:
    """Find out whether git keeps a file with secrets."""
    tracked = git("ls-files", "--", *SECRET_FILES)
    if tracked.returncode:
        return None
    files = tracked.stdout.split()
    if not files:
        return _ignored_secrets()
    return failed(
        f"git keeps {' and '.join(files)}, where the secrets are",
        tried=f"git ls-files {' '.join(SECRET_FILES)}",
        source=files[0],
        command=f"git rm --cached {' '.join(files)}",
        slug="secrets-in-answers",
    )


def _ignored_secrets() -> Finding:
    """Find out whether git would keep one with the next commit."""
    ignored = git("check-ignore", *SECRET_FILES).stdout.split()
    files = [name for name in SECRET_FILES if name not in ignored]
    if not files:
        return passed("git keeps no file with secrets")
    return failed(
        f"git does not ignore {' and '.join(files)}, and the next `git add .` would keep the "
        "secrets in it",
        tried=f"git check-ignore {' '.join(SECRET_FILES)}",
        source=".gitignore",
        command="git checkout -- .gitignore",
        slug="secrets-in-answers",
    )


CHECKS = (
    Check("files.backend", backend_env),
    Check("files.frontend", frontend_env),
    Check("files.settings", settings, needs=("files.backend",)),
    Check("files.secrets", secrets, needs=("files.settings", "files.frontend")),
    Check("files.shell", shell),
    Check("files.encoding", encoding),
    Check("files.answers", answers, needs=("files.encoding",)),
    Check("files.line-ends", line_ends),
    Check("repository.committed", committed),
    Check("repository.clean", clean),
    Check("repository.conflicts", unmerged),
    Check("repository.secrets", untracked_secrets),
)

FIXES = (convert_texts, complete_settings, mend_line_ends)
