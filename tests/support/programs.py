"""Programs that tests need, and that Python does not bring."""

import os
import shutil

import pytest

# Debian keeps servers where only root looks.
PATH = os.pathsep.join([os.environ["PATH"], "/usr/sbin"])


def require(program: str) -> str:
    """Return where a program is; without it skip here, but fail in CI."""
    path = shutil.which(program, path=PATH)
    if path is not None:
        return path
    reason = f"{program} is not installed"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
