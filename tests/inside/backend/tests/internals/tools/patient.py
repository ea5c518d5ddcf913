"""A copy of the project, to be broken, and the doctor that examines it."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from contract.serving import PROCESSES, free_port
from sqlalchemy.engine import URL

from kit.settings import BACKEND

PROJECT = (
    ".copier-answers.yml",
    ".gitattributes",
    ".gitignore",
    "pyproject.toml",
    "backend/.env.example",
    "backend/alembic",
    "backend/alembic.ini",
    "backend/manage.py",
    "backend/pyproject.toml",
    "backend/src",
    "frontend/.env.example",
    "frontend/package.json",
    "frontend/package-lock.json",
    "frontend/src",
    "tools",
)
"""What the doctor looks at."""

GIT = ("git", "-c", "user.name=Tester", "-c", "user.email=tester@example.com")


@dataclass(frozen=True)
class Examination:
    """What the doctor said."""

    status: int
    said: str

    @cached_property
    def document(self) -> dict[str, Any]:
        """What `--json` printed."""
        document: dict[str, Any] = json.loads(self.said)
        return document

    def __getitem__(self, check: str) -> dict[str, str]:
        """Return what a check found."""
        return self.findings[check]

    @cached_property
    def findings(self) -> dict[str, dict[str, str]]:
        """What the checks found, by their names."""
        return {finding["check"]: finding for finding in self.document["findings"]}

    def slugs(self, outcome: str) -> dict[str, str]:
        """Return the checks that ended so, with their slugs; not those that were not tried."""
        return {
            name: finding["slug"]
            for name, finding in self.findings.items()
            if finding["outcome"] == outcome and not finding["because"]
        }


@dataclass
class Patient:
    """A project, and the environment in which its owner types commands."""

    root: Path
    env: dict[str, str]
    database: URL | None = None
    """Where its conversations are, once it is settled."""

    @property
    def url(self) -> URL:
        """The address of the database."""
        assert self.database
        return self.database

    def settle(self, database: URL, secret: str) -> None:
        """Make what git does not keep: settings, and tables in a database, an empty one."""
        for side in ("backend", "frontend"):
            shutil.copy(self.path(f"{side}/.env.example"), self.path(f"{side}/.env.local"))
            self.set(side, "CHATKIT_SECRET", secret)
        if database.get_backend_name() == "sqlite":
            self.set("backend", "DATABASE_URL", "sqlite:///chat.db")
            database = database.set(database=str(self.path("backend/chat.db")))
        else:
            address = database.render_as_string(hide_password=False)
            self.set("backend", "DATABASE_URL", address)
        self.database = database
        self.mend("database.tables")

    def examine(self, *only: str, options: Sequence[str] = (), **env: str) -> Examination:
        """Run `doctor --json`: all checks, or only those named."""
        names = [option for name in only for option in ("--only", name)]
        return self.hear("--json", *names, *options, **env)

    def converse(self, **env: str) -> Examination:
        """Run `doctor --json --round-trip`, no more of it than a conversation needs."""
        return self.examine("round-trip", options=["--round-trip"], **env)

    def mend(self, *only: str) -> Examination:
        """Run `doctor --json --fix`."""
        return self.examine(*only, options=["--fix"])

    def hear(self, *options: str, **env: str) -> Examination:
        """Run `doctor`."""
        outputs = [self.root.parent / name for name in ("said", "complained")]
        work = (self.root, self.env | env, options, outputs)
        process = PROCESSES.Process(target=_examine, args=work)
        process.start()
        process.join(120)
        assert process.exitcode is not None, "the doctor does not end"
        said, complained = (output.read_text(encoding="utf-8") for output in outputs)
        assert not complained
        return Examination(process.exitcode, said)

    def examine_behind(self, command: Sequence[str], *only: str, **env: str) -> Examination:
        """Run `doctor --json` behind a command that lets it see another system, or do less."""
        names = [option for name in only for option in ("--only", name)]
        doctor = [sys.executable, "-c", "from tools.doctor import main; main()", "--json", *names]
        sources = (str(self.path(room)) for room in ("backend/src", "tools/src"))
        ended = subprocess.run(
            [*command, *doctor],
            cwd=self.root,
            env=self.env | {"PYTHONPATH": os.pathsep.join(sources)} | env,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert not ended.stderr
        return Examination(ended.returncode, ended.stdout)

    def copy(self, folder: Path) -> "Patient":
        """Return a copy, to be broken."""
        root = folder / "my-chat"
        shutil.copytree(self.root, root)
        database = self.database
        if database and database.get_backend_name() == "sqlite":
            database = database.set(database=str(root / "backend" / "chat.db"))
        return Patient(root, dict(self.env), database)

    def path(self, name: str) -> Path:
        """Return the path of a file, by its path in the project."""
        return self.root / name

    def change(self, name: str, old: str, new: str) -> None:
        """Replace words in a file, which has them."""
        text = self.path(name).read_text(encoding="utf-8")
        assert old in text
        self.path(name).write_text(text.replace(old, new), encoding="utf-8")

    def set(self, side: str, name: str, value: str) -> str:
        """Set a variable in a side's .env.local, and return its place as the doctor names it."""
        file = self.path(f"{side}/.env.local")
        text = re.sub(rf"(?m)^{name}=.*\n", "", file.read_text(encoding="utf-8"))
        file.write_text(f"{text}{name}={value}\n", encoding="utf-8")
        return f"{side}/.env.local line {text.count(chr(10)) + 1}"

    def git(self, *arguments: str) -> None:
        """Run git."""
        subprocess.run([*GIT, *arguments], cwd=self.root, check=True, capture_output=True)

    def contents(self) -> dict[str, bytes]:
        """Return all files but those of git and of a database."""
        return {
            str(file.relative_to(self.root)): file.read_bytes()
            for file in self.root.rglob("*")
            if file.is_file() and ".git" not in file.parts and not file.name.startswith("chat.db")
        }


def make_patient(folder: Path) -> Patient:
    """Copy the project as a clone is: committed, and without .env.local."""
    root = folder / "my-chat"
    for name in PROJECT:
        source, target = BACKEND.parent / name, root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, target)
    patient = Patient(root, _environment(folder, root))
    patient.git("init", "--quiet")
    patient.git("add", ".")
    patient.git("commit", "--quiet", "-m", "Start")
    return patient


def fails(examination: Examination, check: str, slug: str) -> dict[str, str]:
    """Return the one failure that there is: it names its pitfall, and all else is not tried."""
    assert examination.slugs("FAIL") == {check: slug}
    assert examination.status == 1
    return examination[check]


def warns(examination: Examination, check: str, slug: str) -> dict[str, str]:
    """Return the warning: it names its pitfall, and nothing fails."""
    assert examination.slugs("FAIL") == {}
    assert examination.slugs("WARN")[check] == slug
    return examination[check]


def linux(
    folder: Path, version: str = "6.8.0-45-generic", mounts: str = "", root: str = "ext4"
) -> Path:
    """Return a folder in place of /proc: that of a Linux with this version and these mounts."""
    folder.mkdir(exist_ok=True)
    (folder / "version").write_text(f"Linux version {version} (gcc) #1 SMP\n", encoding="utf-8")
    (folder / "mounts").write_text(f"none / {root} rw 0 0\n{mounts}", encoding="utf-8")
    return folder


def _environment(folder: Path, root: Path) -> dict[str, str]:
    """Return the environment without what would be the project's settings."""
    examples = [root / side / ".env.example" for side in ("backend", "frontend")]
    settings = [
        name
        for file in examples
        for name in re.findall("[A-Z_]+(?==)", file.read_text(encoding="utf-8"))
    ]
    return {name: os.environ[name] for name in os.environ if name not in settings} | {
        "CHATKIT_PROC": str(linux(folder / "proc")),
        # Who else is at the usual ones is nobody's business.
        "BACKEND_PORT": str(free_port()),
        "FRONTEND_PORT": str(free_port()),
        # There is no world outside in tests.
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "https_proxy": "http://127.0.0.1:9",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }


def _examine(
    root: Path, environment: Mapping[str, str], arguments: Sequence[str], outputs: Sequence[Path]
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    # The process has the modules of the project itself already.
    for name in [name for name in sys.modules if name.partition(".")[0] in ("app", "kit", "tools")]:
        del sys.modules[name]
    sys.path[:0] = [str(root / "backend" / "src"), str(root / "tools" / "src")]
    os.chdir(root)
    for output, stream in zip(outputs, (sys.stdout, sys.stderr), strict=True):
        os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream.fileno())
    sys.argv = ["doctor", *arguments]

    from tools.doctor import main

    main()
