"""Programs that tests need, and that Python does not bring."""

import os
import shutil

import pytest

# Debian keeps servers where only root looks.
PATH = os.pathsep.join([os.environ["PATH"], "/usr/sbin"])


def require(*names: str) -> str:
    """Return where a program is that has one of these names; without it skip, but fail in CI."""
    for name in names:
        if path := shutil.which(name, path=PATH):
            return path
    reason = f"{names[0]} is not installed"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
