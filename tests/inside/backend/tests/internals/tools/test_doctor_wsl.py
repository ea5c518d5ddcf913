"""What the doctor finds in WSL, which is played here: none of it was ever run in Windows.

A folder stands in for /proc and a script for wslinfo; the network behind NAT is a real one, of a
namespace of Linux, from which this machine is as far away as Windows is from WSL.
"""

import os
import shlex
import socket
import sys
from pathlib import Path

import pytest
from contract.serving import DEMO, free_port, run_server

from internals.tools.patient import Patient, fails, linux, warns
from internals.tools.systems import behind_nat, play_in_a_network_of_its_own
from kit.database.postgresql import data_folder_at_home

posix = pytest.mark.skipif(os.name != "posix", reason="the stand-ins are shell scripts")

WSL = "5.15.167.4-microsoft-standard-WSL2"


def in_wsl(
    patient: Patient,
    folder: Path,
    mode: str,
    mounts: str = "",
    gateway: str | None = "127.0.0.2",
) -> dict[str, str]:
    """Return the environment of a WSL that says it is in this mode, and where Windows is."""
    patient.change(".copier-answers.yml", "wsl: ", "wsl: true\nwas: ")
    proc = linux(folder / "wsl", WSL, mounts)
    if gateway:
        (proc / "net").mkdir()
        number = int.from_bytes(socket.inet_aton(gateway), sys.byteorder)
        routes = f"Iface\tDestination\tGateway\n\neth0\neth0\t00000000\t{number:08X}\n"
        (proc / "net" / "route").write_text(routes, encoding="utf-8")
    script(folder / "wslinfo", f"echo {mode}")
    path = os.pathsep.join([str(folder), os.environ["PATH"]])
    return {"CHATKIT_PROC": str(folder / "wsl"), "PATH": path, "BACKEND_PORT": str(free_port())}


def script(file: Path, line: str) -> None:
    """Write a program that stands in for one of Windows or WSL."""
    file.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
    file.chmod(0o755)


@posix
@pytest.mark.parametrize(
    ("mode", "words"),
    [("nat", "Windows is at 127.0.0.2"), ("mirrored", "127.0.0.1 is the same in Windows")],
)
def test_wsl_two_worlds(patient: Patient, tmp_path: Path, mode: str, words: str) -> None:
    """In WSL people are told the mode, and where Windows is."""
    examination = patient.examine("network", **in_wsl(patient, tmp_path, mode))
    assert examination.slugs("FAIL") == {}
    assert words in examination["network.wsl"]["words"]


@posix
@pytest.mark.parametrize("line", ["echo", "echo Usage: wslinfo; exit 1"], ids=["nothing", "usage"])
def test_wsl_two_worlds_a_mode_that_is_not_told_is_unknown(
    patient: Patient, tmp_path: Path, line: str
) -> None:
    env = in_wsl(patient, tmp_path, "nat")
    script(tmp_path / "wslinfo", line)
    examination = patient.examine("network", **env)
    assert examination["network.wsl"]["outcome"] == "UNKNOWN"
    assert examination.status == 2


def test_wsl_two_worlds_a_backend_in_windows_is_found(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """It is not at 127.0.0.1; with the address that the doctor tells it is reached."""
    if not play_in_a_network_of_its_own(request, tmp_path):
        return
    patient: Patient = request.getfixturevalue("patient")
    env = in_wsl(patient, tmp_path, "nat", gateway=None)
    settings = DEMO | {"ASSISTANT": "demo", "APP_ENV": "production"}
    with (
        behind_nat(tmp_path / "wsl") as nat,
        run_server(patient.url, None, **settings, BACKEND_HOST=nat.windows) as server,
    ):
        examination = nat.examine(patient, "network", **env | {"BACKEND_PORT": server.port})
        found = fails(examination, "network.wsl", "wsl-two-worlds")
        address = f"BACKEND_URL={server.address}"
        assert found["by_hand"] == f"Set {address} in frontend/.env.local"
        cured = env | dict([address.split("=")])
        examination = nat.examine(patient, "backend.threads", **cured)
    assert examination["backend.threads"]["outcome"] == "PASS"


@pytest.mark.parametrize("answered", ["true", "false"])
def test_wsl_two_worlds_the_answer_to_the_question_is_compared(
    patient: Patient, tmp_path: Path, answered: str
) -> None:
    patient.change(".copier-answers.yml", "wsl: ", f"wsl: {answered}\nwas: ")
    proc = linux(tmp_path / "other", WSL if answered == "false" else "6.8.0-generic")
    examination = patient.examine("network", CHATKIT_PROC=str(proc))
    found = warns(examination, "network.wsl", "wsl-two-worlds")
    opposite = "false" if answered == "true" else "true"
    assert found["command"] == f"uvx copier update --data wsl={opposite}"


@posix
@pytest.mark.parametrize(
    ("settings", "outcome"),
    [
        (None, "PASS"),
        (b"[wsl2]\r\nmemory=4GB\r\n", "PASS"),
        (b"[wsl2]\r\nlocalhostforwarding = False\r\n", "WARN"),
        ("[wsl2]\nlocalhostForwarding=false".encode("utf-16"), "WARN"),
        (b"[wsl2]\n# localhostForwarding=false\n[other]\nlocalhostForwarding=false", "PASS"),
    ],
    ids=["none", "others", "off", "off-in-utf-16", "not-off"],
)
def test_wsl_two_worlds_localhost_that_is_not_forwarded_is_named(
    patient: Patient, tmp_path: Path, settings: bytes | None, outcome: str
) -> None:
    env = in_wsl(patient, tmp_path, "nat")
    home = tmp_path / "Zoë"
    home.mkdir()
    if settings is not None:
        (home / ".wslconfig").write_bytes(settings)
    (tmp_path / "told").write_bytes("C:\\Users\\Zoë\r\n".encode("utf-16-le"))
    script(tmp_path / "cmd.exe", f'[ "$4" = "echo %USERPROFILE%" ] && cat {tmp_path}/told')
    script(tmp_path / "wslpath", f"[ \"$2\" = 'C:\\Users\\Zoë' ] && echo {home}")
    found = patient.examine("network.wsl", **env)["network.wsl"]
    assert found["outcome"] == outcome
    assert ("localhostForwarding=false" in found["words"]) == (outcome == "WARN")


@posix
def test_wsl_two_worlds_what_windows_does_not_tell_is_said(
    patient: Patient, tmp_path: Path
) -> None:
    examination = patient.examine("network.wsl", **in_wsl(patient, tmp_path, "nat"))
    words = examination["network.wsl"]["words"]
    assert f"netstat.exe -ano | findstr.exe :{patient.env['FRONTEND_PORT']}`" in words
    assert ".wslconfig says localhostForwarding=false, which is not seen from here" in words


@posix
def test_wsl_mnt_c_is_named(
    patient: Patient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mount = f"C:\\134 {patient.root.parent} 9p rw,aname=drvfs 0 0\n"
    env = in_wsl(patient, tmp_path, "mirrored", mount)
    found = warns(patient.examine("network", **env), "network.drive", "wsl-mnt-c")
    move = ["mv", str(patient.root), "~/my-chat"]
    assert shlex.split(found["command"]) == move

    # What PostgreSQL could not keep there comes along: it is found by the path of the project.
    monkeypatch.setenv("HOME", str(tmp_path))
    data = data_folder_at_home(patient.root)
    data.mkdir(parents=True)
    (data / "PG_VERSION").touch()
    examination = patient.examine("network", **env, HOME=str(tmp_path))
    found = warns(examination, "network.drive", "wsl-mnt-c")
    assert shlex.split(found["command"]) == [
        *move,
        "&&",
        "mv",
        str(data),
        "~/my-chat/backend/.postgres",
    ]
