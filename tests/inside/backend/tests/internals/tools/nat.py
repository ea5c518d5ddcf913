"""The network of WSL in NAT mode, played by a namespace of Linux.

In it 127.0.0.1 is its own, and this machine, which plays Windows, is the gateway.
"""

import os
import random
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from internals.tools.patient import Examination, Patient


@dataclass(frozen=True)
class Nat:
    """Such a network."""

    name: str
    windows: str
    """The address of the gateway."""

    def examine(self, patient: Patient, *only: str, **env: str) -> Examination:
        """Run `doctor --json` in it."""
        names = [option for name in only for option in ("--only", name)]
        doctor = [sys.executable, "-c", "from tools.doctor import main; main()", "--json", *names]
        sources = (str(patient.path(room)) for room in ("backend/src", "tools/src"))
        ended = subprocess.run(
            ["ip", "netns", "exec", self.name, *doctor],
            cwd=patient.root,
            env=patient.env | {"PYTHONPATH": os.pathsep.join(sources)} | env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not ended.stderr
        return Examination(ended.returncode, ended.stdout)


@contextmanager
def behind_nat(proc: Path) -> Iterator[Nat]:
    """Make such a network until the end of the block, and show its routes in a folder like /proc.

    Only root may, and only on Linux: the test is skipped where it cannot be.
    """
    if sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("ip"):
        pytest.skip("only root can make a network namespace, on Linux, with iproute2")
    name = f"wsl{secrets.token_hex(4)}"
    subnet = f"10.{random.randrange(200, 250)}.{random.randrange(256)}"
    network = Nat(name, windows=f"{subnet}.1")
    if _ip(f"netns add {name}").returncode:
        pytest.skip("this machine does not let root make a network namespace")
    try:
        for command in (
            f"link add {name} type veth peer name eth0 netns {name}",
            f"addr add {network.windows}/24 dev {name}",
            f"link set {name} up",
            f"-n {name} addr add {subnet}.2/24 dev eth0",
            f"-n {name} link set eth0 up",
            f"-n {name} link set lo up",
            f"-n {name} route add default via {network.windows}",
        ):
            _ip(command).check_returncode()
        (proc / "net").symlink_to("/proc/self/net")
        yield network
    finally:
        _ip(f"netns del {name}")


def _ip(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["ip", *command.split()], capture_output=True, text=True, timeout=30, check=False
    )
