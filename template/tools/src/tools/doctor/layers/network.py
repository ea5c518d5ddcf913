"""The fifth layer: which address is whose, WSL and Windows, where the project lies."""

import socket
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

from tools import ROOT
from tools.dev import ports, wsl
from tools.doctor.checks import Check, Finding, failed, passed, unknown, warned
from tools.doctor.running import backend_port, page_port, source_of_port
from tools.settings import Value, backend_url, recorded_answers, value_of

MEND = "uv run doctor --fix"

ADDRESSES = {
    "backend": ("DATABASE_URL", "OPENAI_BASE_URL"),
    "frontend": ("BACKEND_URL", "NEXT_PUBLIC_BACKEND_URL"),
}
"""The settings of each side that name a place to connect to."""


def localhost() -> Finding:
    """Look for `localhost` in the settings, and for where it leads."""
    named = list(_settings_with_localhost())
    if not named:
        return passed(f"no setting names localhost, which is {_meaning()} here")
    names = ", ".join(name for name, _ in named)
    dead = [value for _, value in named if _leads_elsewhere(value)]
    problem = failed if dead else warned
    return problem(
        f"{names} names localhost, which is {_meaning()} here"
        + (", and only 127.0.0.1 answers" if dead else ""),
        tried="a look at the settings, and connections to localhost and 127.0.0.1",
        source=", ".join(value.source for _, value in named),
        command=MEND
        if all(".env.local" in value.source for _, value in named)
        else f"unset {names}",
        slug="localhost-is-not-one-place",
    )


def _settings_with_localhost() -> Iterator[tuple[str, Value]]:
    for side, names in ADDRESSES.items():
        for name in names:
            value = value_of(side, name)
            if _host_and_port(value)[0] == "localhost":
                yield name, value


def _leads_elsewhere(value: Value) -> bool:
    """Whether the first address that localhost stands for is silent, and 127.0.0.1 is not."""
    _, port = _host_and_port(value)
    first = _addresses_of_localhost()[:1]
    return (
        bool(port and first)
        and not ports.answers(first[0], port)
        and ports.answers("127.0.0.1", port)
    )


def _host_and_port(value: Value) -> tuple[str | None, int]:
    try:
        parts = urlsplit(value.text.strip())
        return parts.hostname, parts.port or 0
    except ValueError:
        return None, 0


def _meaning() -> str:
    return " and ".join(_addresses_of_localhost()) or "nothing"


def _addresses_of_localhost() -> list[str]:
    try:
        found = socket.getaddrinfo("localhost", None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def backend_at() -> Finding:
    """Find out at which addresses the backend's port answers."""
    return _who_answers("BACKEND_PORT", backend_port())


def page_at() -> Finding:
    """Find out at which addresses the page's port answers."""
    return _who_answers("FRONTEND_PORT", page_port())


def _who_answers(variable: str, port: int) -> Finding:
    here, other = ports.answers("127.0.0.1", port), ports.answers("::1", port)
    if other and not here:
        return failed(
            f"port {port} answers at ::1 and not at 127.0.0.1: it is taken{ports.by_whom(port)}",
            tried=f"connections to 127.0.0.1:{port} and [::1]:{port}",
            source=source_of_port(variable),
            command=ports.with_another_port(variable, port),
            slug="localhost-is-not-one-place",
        )
    if other:
        return passed(f"port {port} answers at 127.0.0.1 and at ::1")
    return passed(f"port {port} answers at 127.0.0.1" if here else f"port {port} is free")


def windows() -> Finding:
    """Compare the answer to the question of WSL with where the project runs."""
    runs_there = wsl.is_wsl()
    answer = recorded_answers().get("wsl")
    if answer in ("true", "false") and (answer == "true") != runs_there:
        here = "in WSL" if runs_there else f"on {sys.platform}, not in WSL"
        return warned(
            f"the project runs {here}, and the question of WSL was answered with {answer}: "
            "README.md and the comments in .env.example speak of the other",
            tried=f"a look at {wsl.PROC / 'version'}",
            source=".copier-answers.yml",
            command=f"uvx copier update --data wsl={str(runs_there).lower()}",
            slug="wsl-two-worlds",
        )
    if not runs_there:
        return passed("not in WSL, so this machine has one 127.0.0.1")
    return _between_the_worlds()


def _between_the_worlds() -> Finding:
    mode = wsl.networking()
    tried = "wslinfo --networking-mode"
    if mode is None:
        return unknown(
            "in WSL, whose network may be one with that of Windows or another",
            tried=tried,
            command="wsl.exe --update",
            slug="wsl-two-worlds",
        )
    if mode == "mirrored":
        return passed("in WSL, in mirrored mode: 127.0.0.1 is the same in Windows")
    if mode == "nat":
        return _behind_nat(wsl.windows_address())
    return passed(f"in WSL, in the mode {mode}")


def _behind_nat(windows: str | None) -> Finding:
    port = backend_port()
    if windows and not ports.answers("127.0.0.1", port) and ports.answers(windows, port):
        return failed(
            f"in WSL, in NAT mode: what listens on port {port} does so in Windows, which is at "
            f"{windows} and not at 127.0.0.1",
            tried=f"connections to 127.0.0.1:{port} and {windows}:{port}",
            source=backend_url().source,
            command=f"BACKEND_URL=http://{windows}:{port} in frontend/.env.local",
            slug="wsl-two-worlds",
        )
    where = windows or "the address that `ip route show default` tells"
    return passed(
        "in WSL, in NAT mode: a browser in Windows finds the page at 127.0.0.1, but seen from here "
        f"Windows is at {where}"
    )


def drive() -> Finding:
    """Find out whether the project lies on a drive of Windows."""
    if not wsl.polling(ROOT):
        return passed(f"the project lies on a drive that announces changes: {ROOT}")
    return warned(
        f"the project lies on a drive of Windows, {ROOT}: everything is slow, edits are found by "
        "looking once a second, and SQLite may be locked",
        tried=f"a look at {wsl.PROC / 'mounts'}",
        source=str(ROOT),
        command=wsl.move(ROOT),
        slug="wsl-mnt-c",
    )


CHECKS = (
    Check("network.localhost", localhost),
    Check("network.backend-port", backend_at),
    Check("network.page-port", page_at),
    Check("network.wsl", windows),
    Check("network.drive", drive),
)
