"""Node.js, and the packages of the front end."""

import hashlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from kit.errors import INSPECTED, SERVERS_OWN, StartupError
from tools.progress import step
from tools.shell import quoted
from tools.wsl import is_windows_drive, is_wsl

OLDEST_NODE = (20, 9)


@dataclass(frozen=True)
class Node:
    """The programs of Node.js, with their paths."""

    node: str
    npm: str


def find_node() -> Node:
    """Find Node.js and npm.

    Raises:
        StartupError: one is missing, too old, or does not run; names the cure.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if is_wsl():
        for found in (node or shutil.which("node.exe"), npm):
            if found and is_windows_drive(found):
                raise StartupError(
                    f"{found} is the Node.js of Windows. It cannot serve a project in WSL. "
                    + _get_node()
                )
    if node is None:
        raise StartupError(f"Node.js is missing: no node on the PATH. {_get_node()}")
    version = node_version(node)
    if version < OLDEST_NODE:
        raise StartupError(f"Node.js {dotted(version)} at {node} is too old. {_get_node()}")
    if npm is None:
        raise StartupError(f"npm is missing, though {node} is there. {_get_node()}")
    return Node(node, npm)


def node_version(node: str) -> tuple[int, ...]:
    """Ask Node.js for its version.

    Raises:
        StartupError: it does not run, or does not tell.
    """
    try:
        answer = ask_version(node)
    except (OSError, subprocess.TimeoutExpired) as error:
        answer = str(error)
    match = re.match(r"v(\d+)\.(\d+)\.(\d+)", answer)
    if match is None:
        raise StartupError(f"{node} --version tells no version, but: {answer}\n{_get_node()}")
    return tuple(int(part) for part in match.groups())


def ask_version(program: str) -> str:
    """Return what a program says of its version.

    Raises:
        OSError: it does not run.
        subprocess.TimeoutExpired: it says nothing in 20 seconds.
    """
    said = subprocess.run(
        [program, "--version"],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=20,
        check=False,
    )
    return said.stdout.strip() or said.stderr.strip()


def dotted(version: tuple[int, ...]) -> str:
    """Return a version as people write it."""
    return ".".join(str(part) for part in version)


def _get_node() -> str:
    if sys.platform == "win32":
        command = "winget install OpenJS.NodeJS.LTS"
    elif sys.platform == "darwin":
        command = "brew install node"
    else:
        command = "nvm install --lts (https://github.com/nvm-sh/nvm)"
    return (
        f"Get {dotted(OLDEST_NODE)} or newer with: {command}, or from https://nodejs.org. "
        "Then open a new terminal."
    )


STAMP = ".installed"


def install_packages(frontend: Path, node: Node, environment: Mapping[str, str]) -> bool:
    """Install exactly what package-lock.json says, unless that is there already.

    Returns:
        Whether anything had to be installed.

    Raises:
        StartupError: npm failed; its own words are on the screen.
    """
    with installing_packages(frontend, node, environment) as anything:
        return anything


@contextmanager
def installing_packages(
    frontend: Path, node: Node, environment: Mapping[str, str]
) -> Iterator[bool]:
    """Do the same while the body of the `with` runs, which ends when both have ended.

    An error in the body ends npm at once; the next start installs again.

    Returns:
        Whether anything has to be installed.

    Raises:
        StartupError: npm failed; its own words are on the screen.
    """
    if are_packages_installed(frontend):
        yield False
        return
    # npm's log says more than its output, which is shown only if it fails.
    with tempfile.TemporaryDirectory(prefix="npm-", ignore_cleanup_errors=True) as folder:
        logs, output = Path(folder), Path(folder, "output")
        command = [node.npm, "ci", *OPTIONS, f"--logs-dir={logs}"]
        with (
            step("Installing the front end's packages (npm ci)", "Installed npm's packages"),
            output.open("wb") as said,
            subprocess.Popen(
                command, cwd=frontend, env=environment, stdout=said, stderr=subprocess.STDOUT
            ) as npm,
        ):
            try:
                yield True
                status = _wait(npm, logs, lambda: _is_silent(frontend, node, environment))
            except BaseException:
                npm.kill()  # else `with` waits for it
                raise
        if status:
            log = _log(logs)
            if failure := re.search(rf"error (?:code )?{UNREACHABLE.pattern}", log):
                raise StartupError(_unreachable(failure[1]))
            print(output.read_text(encoding="utf-8", errors="replace"), file=sys.stderr)
            raise StartupError(
                f"npm ci failed in {frontend} (exit status {status}), for the reason above. "
                + _advice(log)
            )
    _stamp(frontend).write_text(_fingerprint(frontend), encoding="utf-8")


OPTIONS = (
    "--include=dev",
    "--no-audit",
    "--no-fund",
    "--no-progress",
    # By default npm waits for more than a minute before it gives up.
    "--fetch-retry-mintimeout=1000",
    "--fetch-retry-maxtimeout=3000",
)

SILENCE_SECONDS = 15
"""How often its registry is asked whether it answers, while npm runs."""

PING_SECONDS = 10

TIMEOUT = "network timeout"
UNREACHABLE = re.compile(
    r"\b(EAI_AGAIN|ECONNREFUSED|ECONNRESET|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|ETIMEDOUT"
    rf"|ERR_SOCKET_TIMEOUT|{TIMEOUT})\b"
)
"""How npm names what keeps it from reaching its registry."""


def _wait(npm: subprocess.Popen[bytes], logs: Path, is_silent: Callable[[], bool]) -> int:
    """Return the exit status of npm, which may wait for an answer for minutes.

    Raises:
        StartupError: npm gets on with nothing, and its registry does not answer.
    """
    while True:
        with suppress(subprocess.TimeoutExpired):
            return npm.wait(SILENCE_SECONDS)
        before = _log(logs)
        if is_silent() and _log(logs) == before and npm.poll() is None:
            raise StartupError(_unreachable(TIMEOUT))


def _is_silent(frontend: Path, node: Node, environment: Mapping[str, str]) -> bool:
    """Ask npm's registry, and return whether it lets the time pass without an answer."""
    command = [node.npm, "ping", "--fetch-retries=0", f"--fetch-timeout={PING_SECONDS}000"]
    ended = subprocess.run(
        command,
        cwd=frontend,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    return TIMEOUT in ended.stderr


def _unreachable(code: str) -> str:
    return (
        f"The server with npm's packages cannot be reached ({code}). `npm config get registry` "
        "shows its address. Look at the network of this machine, and at its proxy: "
        "`npm config get proxy` and HTTPS_PROXY. Then start again."
    )


def _log(logs: Path) -> str:
    return "".join(log.read_text(encoding="utf-8", errors="replace") for log in logs.glob("*.log"))


CERTIFICATE = re.compile(r"error code (\w*(?:CERT|VERIFY)\w*)")
"""How npm names what is wrong with a certificate, such as SELF_SIGNED_CERT_IN_CHAIN."""

NOT_VALID = ("CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID", "ERR_TLS_CERT_ALTNAME_INVALID")
"""What is wrong with a certificate that nobody makes valid by trusting more."""


def _advice(log: str) -> str:
    """Return what to do about what npm has written into its log."""
    if refused := CERTIFICATE.search(log):
        code = refused[1]
        what, advice = ("valid", SERVERS_OWN) if code in NOT_VALID else ("trusted", INSPECTED)
        return (
            f"The certificate of the server with npm's packages is not {what} here ({code}). "
            + advice
        )
    return (
        "If it says that package.json and package-lock.json disagree, run npm install there. If "
        "the network failed, start again."
    )


def are_packages_installed(frontend: Path) -> bool:
    """Whether what package-lock.json says is installed.

    Raises:
        StartupError: package.json or package-lock.json is missing.
    """
    stamp = _stamp(frontend)
    wanted = _fingerprint(frontend)
    return stamp.exists() and stamp.read_text(encoding="utf-8") == wanted


def _stamp(frontend: Path) -> Path:
    # npm removes node_modules first: a stamp in it means that the installation ended well.
    return frontend / "node_modules" / STAMP


CONFLICT = re.compile(rb"^<<<<<<< ", re.MULTILINE)


def _fingerprint(frontend: Path) -> str:
    """Of what is installed, and of the system, since some packages differ between systems."""
    digest = hashlib.sha256(f"{sys.platform} {platform.machine()}".encode())
    for name in ("package.json", "package-lock.json"):
        file = frontend / name
        if not file.exists():
            raise StartupError(
                f"{file} is missing. Bring it back with: git checkout -- {quoted(file)}"
            )
        content = file.read_bytes()
        if CONFLICT.search(content):
            anew = ". npm makes it anew: npm install --package-lock-only --prefix frontend"
            raise StartupError(
                f"{file} has conflicts of an update, between <<<<<<< and >>>>>>>"
                + (anew if name == "package-lock.json" else ". Choose what stays, and start again.")
            )
        digest.update(content)
    return digest.hexdigest()
