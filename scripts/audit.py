"""Print the pinned packages of all variants and of this repository, as requirements to audit.

python3 scripts/audit.py
"""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PINNED = (ROOT / "pyproject.toml", ROOT / "template" / "pyproject.toml.jinja")


def pins(file: Path) -> list[str]:
    """Return the constraints of a `pyproject.toml`, such as `anyio==4.16.0`, one a line.

    That of the template has conditions of Jinja between them: these are the constraints of all.
    """
    return re.findall(r'(?m)^ +"([^"]+==[^"]+)",$', file.read_text(encoding="utf-8"))


def main() -> None:
    """Print each once."""
    print("\n".join(sorted({pin for file in PINNED for pin in pins(file)})))


if __name__ == "__main__":
    main()
