"""Print what CHANGELOG.md says of the version in pyproject.toml: the notes of its release.

python3 scripts/release_notes.py              the notes
python3 scripts/release_notes.py --version    the version alone
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def version() -> str:
    """Return the version of the template, which stands in pyproject.toml and nowhere else."""
    number: str = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "version"
    ]
    return number


def notes(number: str) -> str:
    """Return the section of a version, without its heading.

    Raises:
        SystemExit: the changelog has no such section; says what to add.
    """
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    for section in re.split(r"(?m)^## ", changelog)[1:]:
        heading, _, text = section.partition("\n")
        if heading.split()[0] == number:
            return text.strip()
    sys.exit(f'CHANGELOG.md has no section "## {number} (YYYY-MM-DD)": write one, then release.')


if __name__ == "__main__":
    print(version() if sys.argv[1:] == ["--version"] else notes(version()))
