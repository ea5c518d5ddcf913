"""What git knows of the project."""

import re
import subprocess

from tools import ROOT

FIND_CONFLICTS = 'git grep -n "^<<<<<<< "'
"""The command that Copier's message and docs/updates.md name, too."""


def git(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run git in the project's folder. Where git is not installed, the exit status is 127."""
    try:
        return subprocess.run(
            ["git", *arguments],
            cwd=ROOT,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=20,
            check=False,
        )
    except FileNotFoundError:
        return subprocess.CompletedProcess(arguments, 127, "", "git is not installed")


def conflicts() -> list[str] | None:
    """Return the places that an update could not merge; None if git cannot tell."""
    found = git("grep", "--untracked", "-I", "-n", "^<<<<<<< ", "--", ".")
    if found.returncode > 1:
        return None
    return [re.sub(r"^(.*?):(\d+):.*", r"\1 line \2", line) for line in found.stdout.splitlines()]
