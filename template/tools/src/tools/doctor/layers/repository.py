"""The last layer: git, without which the template brings no updates."""

import re
import subprocess

from tools import ROOT
from tools.doctor.checks import Check, Finding, failed, passed, warned

COMMIT = 'git add . && git commit -m "Before the update"'
QUOTING = ":(exclude)docs/pitfalls.md"
"""It has such lines, to be found by them."""

SECRET_FILES = ("backend/.env.local", "frontend/.env.local")


def committed() -> Finding:
    """Find out whether the project was ever committed."""
    if _git("--version").returncode:
        return _not_tracked("git is not installed", "git --version")
    if _git("rev-parse", "--is-inside-work-tree").returncode:
        return _not_tracked("the project is no git repository", "git rev-parse")
    if _git("cat-file", "-e", "HEAD:./pyproject.toml").returncode:
        return _not_tracked("the project was never committed", "git cat-file HEAD:./pyproject.toml")
    return passed("the project is committed")


def _not_tracked(problem: str, tried: str) -> Finding:
    return warned(
        f"{problem}, and `copier update` works with git only",
        tried=tried,
        command='git init && git add . && git commit -m "Start"',
        slug="not-a-git-repository",
    )


def clean() -> Finding | None:
    """Find out whether Copier would refuse to update."""
    changes = _git("status", "--porcelain", "--", ".")
    if changes.returncode:
        return None
    files = [line[3:] for line in changes.stdout.splitlines()]
    if not files:
        return passed("nothing is uncommitted, so `uvx copier update` can begin")
    more = f" and {len(files) - 3} more" if len(files) > 3 else ""
    return warned(
        f"`copier update` would refuse, since {', '.join(files[:3])}{more} is not committed",
        tried="git status --porcelain",
        command=COMMIT,
        slug="update-refused-dirty",
    )


def conflicts() -> Finding | None:
    """Look for what an update could not merge."""
    found = _git("grep", "--untracked", "-I", "-n", "-E", "^(<<<<<<<|>>>>>>>) ", "--", ".", QUOTING)
    if found.returncode > 1:
        return None
    places = [re.sub(r"^(.*?):(\d+):.*", r"\1 line \2", line) for line in found.stdout.splitlines()]
    if not places:
        return passed("no conflict of an update is left")
    return failed(
        f"an update left conflicts: {', '.join(places[:4])}",
        tried="git grep -n '<<<<<<<'",
        source=places[0],
        command='git grep -n "<<<<<<<"',
        slug="conflicts-on-update",
    )


def untracked_secrets() -> Finding | None:
    """Find out whether git keeps a file with secrets."""
    tracked = _git("ls-files", "--", *SECRET_FILES)
    if tracked.returncode:
        return None
    files = tracked.stdout.split()
    if not files:
        return _ignored_secrets()
    return failed(
        f"git keeps {' and '.join(files)}, which has secrets in it",
        tried=f"git ls-files {' '.join(SECRET_FILES)}",
        source=files[0],
        command=f"git rm --cached {' '.join(files)}",
        slug="secrets-in-answers",
    )


def _ignored_secrets() -> Finding:
    """Find out whether git would keep one with the next commit."""
    ignored = _git("check-ignore", *SECRET_FILES).stdout.split()
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


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["git", *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=20,
            check=False,
        )
    except FileNotFoundError:
        return subprocess.CompletedProcess(arguments, 127, "", "git is not installed")


CHECKS = (
    Check("repository.committed", committed),
    Check("repository.clean", clean),
    Check("repository.conflicts", conflicts),
    Check("repository.secrets", untracked_secrets),
)
