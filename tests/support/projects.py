"""Generated projects, and commands that run in them as their owner would run them."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import copier
from filelock import FileLock

from support import mariadb
from support.variants import ROOT, Variant

GIT = ["git", "-c", "user.name=Tester", "-c", "user.email=tester@example.com"]
PACKAGES = "frontend/node_modules"
BUILD = ("npm", "run", "build")
WITHOUT_KEY = {"ALLOW_PLACEHOLDER_DOMAIN_KEY": "1"}
"""In the environment of a build for this machine alone."""
OF_THE_BUILD = {"NEXT_PUBLIC_BACKEND_URL": "http://127.0.0.1:9"}
"""What only the build is told: the server, when it runs, asks there if it was baked in."""
OURS = (
    "ANTHROPIC_",
    "CHATKIT_",
    "DATABASE_URL",
    "LITELLM_",
    "OPENAI_",
    "PYTEST_",
    "PYTHON",
    "UV_",
    "VIRTUAL_ENV",
)


def clean_environment() -> dict[str, str]:
    """Return this process's environment without what a project would take for its own."""
    environment = {name: os.environ[name] for name in os.environ if not name.startswith(OURS)}
    if "PYTEST_XDIST_WORKER" in os.environ:  # then there is one for each processor already
        environment["PYTEST_XDIST_AUTO_NUM_WORKERS"] = "1"
    # Where tests run by `python3 -m uv`, uv need not be on the PATH.
    uv = Path(environment.pop("UV", "uv")).parent
    return environment | {
        "PATH": os.pathsep.join([environment["PATH"], str(uv)]),
        "PYTEST_DEBUG_TEMPROOT": inner_temporary_folder(),
        "PYTEST_TIMEOUT": "600",  # many tests run at once here
    }


def found(command: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """Return a command with the path of its program: Windows finds no npm, which is npm.cmd."""
    program, *arguments = command
    return [shutil.which(program, path=environment["PATH"]) or program, *arguments]


@cache
def inner_temporary_folder() -> str:
    """Return where the tests of projects put their files.

    A new pytest session closes the folder that all sessions share to other users, and the
    PostgreSQL server of a session that runs as root is one.
    """
    return tempfile.mkdtemp(prefix="chatkit-tests-")


@dataclass(frozen=True)
class Project:
    """A generated project."""

    path: Path
    variant: Variant

    @property
    def python(self) -> Path:
        """Its interpreter. On Windows this one starts the real one, in a process of its own."""
        places = ("bin/python", "Scripts/python.exe")
        return next(path for place in places if (path := self.path / ".venv" / place).exists())

    def run(
        self,
        *command: str,
        cwd: str = ".",
        env: Mapping[str, str] | None = None,
        check: bool = True,
        timeout: float = 900,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in a folder of the project; by default it must succeed."""
        environment = clean_environment() | dict(env or {})
        result = subprocess.run(
            found(command, environment),
            cwd=self.path / cwd,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            errors="replace",  # a Python of Windows writes as that does
            timeout=timeout,
            check=False,
        )
        if check:
            assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
        return result

    def git_status(self) -> list[str]:
        """Return what is not committed, a line each."""
        return self.run("git", "status", "--short").stdout.splitlines()

    def commit(self, message: str) -> None:
        """Commit everything."""
        self.run("git", "add", ".")
        self.run(*GIT, "commit", "--quiet", "-m", message)


def render(path: Path, variant: Variant, **data: Any) -> Project:
    """Copy the template, without trust, as it is in the working tree."""
    copier.run_copy(
        str(ROOT),
        path,
        data=variant.answers | data,
        defaults=True,
        quiet=True,
        unsafe=False,
        vcs_ref="HEAD",
    )
    if variant.database == "mysql":
        settings = path / "backend" / ".env.local"
        url = f"DATABASE_URL={mariadb.new_database()}"
        settings.write_text(
            re.sub("(?m)^DATABASE_URL=.*", url, settings.read_text(encoding="utf-8")),
            encoding="utf-8",
        )
    return Project(path, variant)


def render_committed(path: Path, variant: Variant, **data: Any) -> Project:
    """Copy the template and commit the project, as the message after copying says."""
    project = render(path, variant, **data)
    project.run("git", "init", "--quiet", "--initial-branch=main")
    project.commit("Start")
    return project


def share(source: Project, target: Project, folder: str) -> None:
    """Give a project a folder that another one has made from the same files."""
    shutil.rmtree(target.path / folder, ignore_errors=True)
    shutil.copytree(
        source.path / folder, target.path / folder, symlinks=True, copy_function=os.link
    )


def build_page(project: Project) -> None:
    """Build the page without any network, where the system lets us cut it off.

    Slug: google-fonts.
    """
    alone = ["unshare", "--map-root-user", "--net"]
    can = shutil.which(alone[0]) and not subprocess.run([*alone, "true"], check=False).returncode
    project.run(*(alone if can else []), *BUILD, cwd="frontend", env=WITHOUT_KEY | OF_THE_BUILD)
    assert set(project.git_status()) <= {"?? uv.lock"}


@contextmanager
def types_cache(common: Path, variant: Variant, system: str = "linux") -> Iterator[dict[str, str]]:
    """Let mypy know what it has found in other projects, and nobody else use that meanwhile.

    Django's has a plugin, with which nothing is known from the others.

    Args:
        common: the folder that all processes of this run share.
        variant: of the project.
        system: for which the types are checked; of another one nothing is known.
    """
    kind = "of-django" if variant.framework == "django" else "of-others"
    cache = common / f"types-{kind}-{system}"
    cache.mkdir(exist_ok=True)
    with FileLock(cache / "lock"):
        yield {"MYPY_CACHE_DIR": str(cache)}
