"""The packages that only those need who work on the project."""

import sys
from importlib.util import find_spec

SOME_OF_THEM = ("httpx2", "psutil", "pytest")


def require_dev_group(command: str) -> None:
    """Exit with 2 and a sentence where they are left out, as by `uv run --no-dev`."""
    if not all(map(find_spec, SOME_OF_THEM)):
        print(
            f"`{command}` needs the packages of the dev group, which --no-dev leaves out. "
            f"Run it as: uv run {command}",
            file=sys.stderr,
        )
        sys.exit(2)
