"""What other systems are like, played on this one: ports of root, and the network of WSL."""

import os
import secrets
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from internals.tools.patient import Examination, Patient

PLAYED = "CHATKIT_NAMESPACE"
"""In the environment of a test that runs in a network of its own."""

MAKES_NETWORKS = "+net_admin,+sys_admin"


def unavailable(reason: str) -> NoReturn:
    """Skip the test here, but fail in CI."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def port_of_root() -> tuple[int, list[str]]:
    """Return a port that is only root's, and what stands before a command that is not root's."""
    command = without("net_bind_service")
    first = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text(encoding="utf-8"))
    if not first:
        unavailable("this machine gives root's ports to everybody, as containers do")
    return first - 1, command


def without(*privileges: str) -> list[str]:
    """Return what stands before a command that has none of these privileges of root."""
    if sys.platform != "linux":
        pytest.skip("only Linux has a command that takes them from root")
    taken = ",".join(f"-{privilege}" for privilege in privileges)
    return ["setpriv", f"--bounding-set={taken}"] if os.geteuid() == 0 else []


@dataclass(frozen=True)
class Nat:
    """The network of WSL in NAT mode: 127.0.0.1 is its own, and Windows is the gateway."""

    process: str
    """One that is in it."""
    windows: str
    """The address of the gateway."""

    @property
    def enter(self) -> list[str]:
        """What stands before a command that runs in it."""
        return ["nsenter", f"--target={self.process}", "--net"]

    def examine(self, patient: Patient, *only: str, **env: str) -> Examination:
        """Run `doctor --json` in it."""
        return patient.examine_behind(self.enter, *only, **env)


def play_in_a_network_of_its_own(request: pytest.FixtureRequest, folder: Path) -> bool:
    """Run the test again where it may make networks; return whether this is that run already."""
    if PLAYED in os.environ:
        return True
    if sys.platform != "linux":
        pytest.skip("only Linux has namespaces")
    way = next(filter(_is_open, _ways()), None)
    if way is None:
        tried = "; ".join(shlex.join(one[:3]) for one in _ways())
        unavailable(f"this machine lets nobody make a network: {tried}")
    options = ["-q", "-n0", "-p", "no:cacheprovider", f"--basetemp={folder / 'again'}"]
    ended = subprocess.run(
        [*way, sys.executable, "-m", "pytest", *options, request.node.nodeid],
        cwd=request.config.rootpath,
        env=os.environ | {PLAYED: "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "1 passed" in ended.stdout
    return False


@contextmanager
def behind_nat(proc: Path) -> Iterator[Nat]:
    """Make the network until the end of the block, and show its routes in a folder like /proc.

    This one, which is the test's own, plays Windows.
    """
    inside = subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "echo; exec cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with inside:
        assert inside.stdout
        inside.stdout.readline()  # it is there
        nat = Nat(str(inside.pid), windows="10.0.0.1")
        name = f"wsl{secrets.token_hex(4)}"
        for command in (
            "ip link set lo up",
            f"ip link add {name} type veth peer name eth0 netns {nat.process}",
            f"ip addr add {nat.windows}/24 dev {name}",
            f"ip link set {name} up",
        ):
            _run(shlex.split(command))
        for command in (
            "ip addr add 10.0.0.2/24 dev eth0",
            "ip link set eth0 up",
            "ip link set lo up",
            f"ip route add default via {nat.windows}",
        ):
            _run([*nat.enter, *shlex.split(command)])
        (proc / "net").symlink_to("/proc/self/net")
        yield nat


def _run(command: list[str]) -> None:
    ended = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=30, check=False)
    assert ended.returncode == 0, f"{shlex.join(command)}: {ended.stderr}"


def _ways() -> Iterator[list[str]]:
    """Yield what stands before a command that has a network of its own and may make others."""
    if sys.platform == "win32":
        return
    if os.geteuid() == 0:
        yield ["unshare", "--net"]
    else:
        yield [  # with no more of root's than it needs, so that all files are this person's
            *("sudo", "-n", "unshare", "--net", "setpriv"),
            *(f"--reuid={os.geteuid()}", f"--regid={os.getegid()}", "--clear-groups"),
            *(f"--inh-caps={MAKES_NETWORKS}", f"--ambient-caps={MAKES_NETWORKS}"),
            *("env", *(f"{name}={value}" for name, value in os.environ.items())),
            f"{PLAYED}=1",
        ]
    yield ["unshare", "--map-root-user", "--net"]


def _is_open(way: list[str]) -> bool:
    try:
        made = subprocess.run(
            [*way, "unshare", "--net", "ip", "link"], capture_output=True, timeout=30, check=False
        )
    except OSError:
        return False
    return made.returncode == 0
