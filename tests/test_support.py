"""What tests share, where Linux does not show by itself that it works on other systems."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from support.ports import free_port
from support.processes import interrupt, kill_tree
from support.projects import Project, clean_environment, found
from support.variants import DEFAULT


@pytest.mark.parametrize("place", ["bin/python", "Scripts/python.exe"])
def test_the_interpreter_of_a_project_is_found(tmp_path: Path, place: str) -> None:
    python = tmp_path / ".venv" / place
    python.parent.mkdir(parents=True)
    python.touch()
    assert Project(tmp_path, DEFAULT).python == python


def test_a_program_is_found_with_its_ending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows starts `npm.cmd` only by its whole name."""
    npm = tmp_path / "npm.cmd"
    npm.touch(mode=0o755)
    monkeypatch.setattr("shutil.which", lambda name, path: f"{path}/{name}.cmd")
    assert found(["npm", "ci"], {"PATH": str(tmp_path)}) == [str(npm), "ci"]


def test_no_free_port_is_one_that_the_system_gives_to_others() -> None:
    """As it gives one to each connection, while a server has not yet begun to listen there."""
    known = Path("/proc/sys/net/ipv4/ip_local_port_range")
    first = int(known.read_text(encoding="utf-8").split()[0]) if known.exists() else 49152
    if first < 32_000:
        pytest.skip("this machine gives away other ports than usual")
    assert max(free_port() for _ in range(50)) < first


def test_no_free_port_is_given_twice() -> None:
    """A server may not have begun to listen on it, as the second of a project may ask for one."""
    ports = [free_port() for _ in range(2000)]
    assert len(set(ports)) == len(ports)


LAUNCHER = """
import subprocess, sys
sys.exit(subprocess.call([sys.executable, "-c", "print('up', flush=True); input()"]))
"""
"""A Python that starts the real one, as that of a project does on Windows."""


def test_behind_a_launcher_the_real_program_is_killed_too() -> None:
    launcher = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER],
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert launcher.stdout
    assert launcher.stdout.readline().strip() == b"up"
    [real] = psutil.Process(launcher.pid).children()
    kill_tree(launcher.pid)
    launcher.communicate()
    assert not real.is_running()


def test_a_process_that_ends_meanwhile_is_not_interrupted() -> None:
    """The one that a test has killed may be gone before it is asked to end."""
    ended = subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.DEVNULL)
    process = psutil.Process(ended.pid)
    ended.wait()
    interrupt(process)
