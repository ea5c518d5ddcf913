"""Both sides, from the first step to the last process: `uv run dev`, once it hears of Ctrl-C."""

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.client import HTTPException
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPCookieProcessor, OpenerDirector, ProxyHandler, Request, build_opener

import psutil

from kit.env_files import complete_env_files, expect_utf_8, texts
from kit.errors import StartupError
from kit.settings import get_settings, read_port
from tools import FRONTEND, ROOT, start_server, terminal
from tools.dev import expect_no_signal, ignore_signals
from tools.git import FIND_CONFLICTS, conflicts
from tools.node import Node, find_node, installing_packages
from tools.ports import BACKEND_PORT, FRONTEND_PORT, require_free_ports
from tools.progress import Screen, step
from tools.shell import get_uv, without_uv
from tools.wsl import polling, to_linux

_VARIABLE = "CHATKIT_DEV_RUN"


SHARE_OF_TIME = 0.01
"""How much of its time dev looks for descendants: it has to read all processes of this machine."""


class Family:
    """All processes that were started with this family's mark in their environment.

    macOS hides the environment of some. So descendants are remembered while their parents live:
    nothing else tells whose an orphan is.
    """

    def __init__(self) -> None:
        """Invent the mark."""
        self.mark = {_VARIABLE: uuid.uuid4().hex}
        self._descendants: set[psutil.Process] = set()
        self._next_time = 0.0

    def remember(self, pid: int) -> None:
        """Remember the descendants of a process."""
        self._descendants.update(_descendants(pid))

    def remember_now_and_then(self, pid: int) -> None:
        """Do so unless the last time was a moment ago."""
        started = time.monotonic()
        if started < self._next_time:
            return
        self.remember(pid)
        ended = time.monotonic()
        self._next_time = ended + (ended - started) / SHARE_OF_TIME

    def end(self, patience: float) -> None:
        """End all of them: asked first, killed after `patience` seconds."""
        members = self._members()
        for process in members:
            with suppress(psutil.Error):
                process.terminate()
        psutil.wait_procs(members, timeout=patience)
        members |= self._members()  # some may have been born meanwhile
        for process in members:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(members, timeout=patience)

    def _members(self) -> set[psutil.Process]:
        known = {process for process in self._descendants if _runs(process)}
        for process in list(known):
            known.update(_descendants(process.pid))
        return known | {process for process in psutil.process_iter() if self._has_mark(process)}

    def _has_mark(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get(_VARIABLE) == self.mark[_VARIABLE]
        except (psutil.Error, OSError):
            return False


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


STOP_SECONDS = 8
"""How long both sides may take to end: longer than the backend gives to open conversations."""

SENTENCES = {
    "backend": "The backend stopped",
    "frontend": "The front end stopped",
    "concurrently": "The process that runs both sides (concurrently) stopped",
}


def run(family: Family) -> str:
    """Run both sides until one stops, and return the sentence that says which.

    Args:
        family: to which all processes are to belong.

    Raises:
        StartupError: something is missing or taken that both sides need.
    """
    if drive := polling(ROOT):
        move = to_linux(ROOT)
        _say(
            f"The project lies on a drive of Windows ({ROOT}). Everything is slow there, and dev "
            "looks for changes once a second." + (f"\nMove it to Linux: {move}" if move else "")
        )
    if places := conflicts():
        _say(f"An update left conflicts: {', '.join(places[:4])}. To find all: {FIND_CONFLICTS}")
    node = find_node()
    backend_port = read_port("BACKEND_PORT", BACKEND_PORT)
    frontend_port = read_port("FRONTEND_PORT", FRONTEND_PORT)
    if backend_port == frontend_port:
        raise StartupError(f"BACKEND_PORT and FRONTEND_PORT are both {backend_port}. Change one.")
    require_free_ports(BACKEND_PORT=backend_port, FRONTEND_PORT=frontend_port)
    expect_utf_8(*texts(ROOT))
    for sentence in complete_env_files(ROOT):
        _say(sentence)
    with installing_packages(FRONTEND, node, os.environ | family.mark) as installs:
        # Slow to import, and Node is missing more often.
        from kit.database.engine import (
            MissingDriverError,
            UnusableDatabaseError,
            prepare_database,
        )
        from tools.settings import base_path, find_mismatch

        mismatch = find_mismatch()  # before what follows writes the address into the environment
        try:
            database = prepare_database()
        except MissingDriverError as error:
            raise StartupError(str(mismatch or error)) from None
        except UnusableDatabaseError as error:
            raise StartupError(f"{error}{_with_docker(str(error))}") from None
        compiling = _start_compiling(os.environ | family.mark) if installs else None
    if compiling:  # what is not compiled yet, the backend compiles
        compiling.kill()
        compiling.wait()
    _say(database)
    if mismatch:
        _say(str(mismatch))
    environment = os.environ | family.mark | drive
    backend = f"http://127.0.0.1:{backend_port}"
    page = f"http://127.0.0.1:{frontend_port}{base_path()}"
    if backend_port != BACKEND_PORT:
        environment["BACKEND_URL"] = backend

    started = time.monotonic()
    sides = Sides(FRONTEND, node, frontend_port, environment, family)

    def stopped() -> str | None:
        expect_no_signal()
        return sides.stopped()

    try:
        with step("Starting both sides"):
            is_ready = wait_until_ready(page, backend, lambda: not stopped(), _complain)
            time.sleep(0.3)  # the log lines of that request come first
        sides.screen.is_ready = True
        if is_ready:
            _say(_ready(page, time.monotonic() - started))
        while not (side := stopped()):
            time.sleep(0.3)
    finally:
        ignore_signals()
        sides.stop(STOP_SECONDS)
    return f"{SENTENCES[side]}, so dev ends everything."


def _with_docker(problem: str) -> str:
    """Return how to get a server, if none has answered."""
    command = start_server()
    if "Can't connect" not in problem or not command:
        return ""
    return (
        "\nSet another one there, or start the server of compose.yaml with Docker:"
        f"\n\n    {command}"
    )


def _start_compiling(environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Let Python compile what the backend imports: seconds of work, and npm leaves a core idle.

    What is wrong with the backend's code, the backend says when it starts.
    """
    return subprocess.Popen(
        [sys.executable, "-c", "import app.main"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _ready(page: str, seconds: float) -> str:
    from tools.settings import value_of  # slow to import

    lines = ["", f"  Your chat is ready: {page}", f"  Started in {seconds:.0f} s. Ctrl-C ends it."]
    if get_settings().is_demo:
        lines.append("  The demo assistant answers. ASSISTANT in backend/.env.local changes that.")
    if value_of("frontend", "NEXT_PUBLIC_CHAT").text.strip() != "basic":
        lines += [
            "  ChatKit comes from cdn.platform.openai.com and may tell OpenAI what it sees.",
            "  NEXT_PUBLIC_CHAT=basic in frontend/.env.local shows a chat that asks nobody else.",
        ]
    if words := without_uv():
        lines += ["", f"  {words}", f"  To install it: {get_uv()}"]
    return "\n".join([*lines, ""])


def _complain(why: str) -> None:
    _say(f"\n  The chat is not ready yet. {why}\n  dev tries on; Ctrl-C ends it.\n")


def _say(text: str) -> None:
    terminal().print(text)


START_SECONDS = 60
"""When a side that was never seen counts as stopped; a slow disk needs most of it."""


class Sides:
    """The backend and the front end. When one stops, the other has to be stopped."""

    def __init__(
        self,
        frontend: Path,
        node: Node,
        frontend_port: int,
        environment: Mapping[str, str],
        family: Family,
    ) -> None:
        """Start both, which the family gets to know."""
        # concurrently hands each command to a shell. The programs are found on the PATH, so that no
        # path has to be quoted for it, whatever is in its name; and exec leaves no shell behind.
        python = Path(sys.executable)
        run = "exec " if os.name == "posix" else ""
        self._commands = {
            "backend": f"{run}{python.name} -m tools.dev.reloader",
            "frontend": f"{run}{Path(node.node).name} node_modules/next/dist/bin/next dev"
            f" -H 127.0.0.1 -p {frontend_port}",
        }
        path = [str(python.parent), str(Path(node.node).parent), os.environ.get("PATH", "")]
        # Not with --kill-others: that waits until nobody holds the output of a side, and a side
        # that is killed leaves children behind who do. `stopped` looks at the processes.
        self._process = subprocess.Popen(
            [
                node.node,
                "node_modules/concurrently/dist/bin/concurrently.js",
                f"--names={','.join(self._commands)}",
                "--prefix-colors=cyan,magenta",
                "--pad-prefix",
                *self._commands.values(),
            ],
            cwd=frontend,
            env={
                **environment,
                "PATH": os.pathsep.join(path),
                "NEXT_TELEMETRY_DISABLED": "1",
                "PYTHONUNBUFFERED": "1",  # what your code prints appears at once
                "PYTHONIOENCODING": "utf-8",
                **({"FORCE_COLOR": "1"} if terminal().color_system else {}),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            # Ctrl-C reaches dev alone, which ends both sides in order. (Has no effect on Windows.)
            start_new_session=True,
        )
        self.screen = Screen(self._process)
        self._family = family
        self._started = time.monotonic()
        self._members: dict[str, psutil.Process] = {}

    def stopped(self) -> str | None:
        """Return the name of the side that has stopped, or `concurrently`; None while all run."""
        if self._process.poll() is not None:
            return "concurrently"
        self._family.remember_now_and_then(self._process.pid)
        self._find_members()
        is_late = time.monotonic() - self._started > START_SECONDS
        for name in self._commands:
            member = self._members.get(name)
            if is_late if member is None else not _runs(member):
                return name
        return None

    def stop(self, patience: float) -> None:
        """Ask both to end, and wait for it; without concurrently nobody would pass it on."""
        if self._process.poll() is not None:
            return
        self._family.remember(self._process.pid)
        if os.name == "posix":
            self._process.terminate()
        else:  # Windows can only kill; but if it was Ctrl-C, that has reached all of them
            patience = min(patience, 2)
        psutil.wait_procs(list(self._members.values()), timeout=patience)
        try:
            self._process.wait(1)
        except subprocess.TimeoutExpired:  # an orphan of theirs holds its pipe
            self._process.kill()
            self._process.wait()
        self.screen.end(patience=1)

    def _find_members(self) -> None:
        if len(self._members) == len(self._commands):
            return
        try:
            for child in psutil.Process(self._process.pid).children():
                command = " ".join(child.cmdline())
                if "tools.dev.reloader" in command:
                    self._members["backend"] = child
                elif "next dev" in command:
                    self._members["frontend"] = child
        except psutil.Error:
            return


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


REQUEST_TIMEOUT = 60
ERROR_PATIENCE = 15
SILENCE_PATIENCE = 120
PAUSE = 0.2
PAUSE_AFTER_COMPLAINT = 2.0


class NotReadyError(Exception):
    """No chat yet. The message says what was tried and what came back."""

    def __init__(self, message: str, *, answered: bool) -> None:
        """Keep whether there was an answer at all."""
        super().__init__(message)
        self.answered = answered


def wait_until_ready(
    page: str, backend: str, is_running: Callable[[], bool], complain: Callable[[str], None]
) -> bool:
    """Wait until a chat request passes; the first visitor then waits no more.

    Args:
        page: the page's address.
        backend: the backend's address.
        is_running: whether it is worth to go on.
        complain: takes a sentence when it takes too long; called once.

    Returns:
        Whether it is ready; False when it runs no more.
    """
    browser = build_opener(ProxyHandler({}), HTTPCookieProcessor(CookieJar()))
    # In this order, since the page takes longest, and without a backend its proxy only complains.
    steps: list[Callable[[], object]] = [
        lambda: _open(browser, Request(page)),
        lambda: _open(browser, Request(f"{backend}/health")),
        lambda: list_conversations(browser, page),
    ]
    started = time.monotonic()
    complained = False
    while steps and is_running():
        try:
            steps[0]()
            del steps[0]
        except NotReadyError as error:
            patience = ERROR_PATIENCE if error.answered else SILENCE_PATIENCE
            if not complained and time.monotonic() - started > patience:
                complain(str(error))
                complained = True
            time.sleep(PAUSE_AFTER_COMPLAINT if complained else PAUSE)
    return not steps


def list_conversations(browser: OpenerDirector, page: str) -> None:
    """List the conversations of the guest that the page has made, as ChatKit does.

    Raises:
        NotReadyError: there was no list.
    """
    body = json.dumps({"type": "threads.list", "params": {"limit": 1}}).encode()
    origin = f"http://{urlsplit(page).netloc}"
    headers = {"Content-Type": "application/json", "Origin": origin}
    request = Request(f"{page}/api/chatkit", data=body, headers=headers, method="POST")
    answer = _open(browser, request)
    try:
        is_list = "data" in json.loads(answer)
    except (ValueError, TypeError):
        is_list = False
    if not is_list:
        raise NotReadyError(f"{_name(request)} gave no list: {_shorten(answer)}", answered=True)


def _open(opener: OpenerDirector, request: Request) -> bytes:
    try:
        with opener.open(request, timeout=REQUEST_TIMEOUT) as response:
            content: bytes = response.read()
            return content
    except HTTPError as error:
        with error:
            said = _message(error.read())
        raise NotReadyError(
            f"{_name(request)} answered {error.code}: {said}", answered=True
        ) from error
    except (OSError, HTTPException) as error:
        raise NotReadyError(f"{_name(request)} failed: {error}", answered=False) from error


def _name(request: Request) -> str:
    return f"{request.get_method()} {request.full_url}"


def _message(answer: bytes) -> str:
    try:
        return str(json.loads(answer)["message"])
    except (ValueError, TypeError, KeyError):
        return _shorten(answer)


def _shorten(answer: bytes) -> str:
    text = " ".join(answer.decode(errors="replace").split())
    return text if len(text) <= 300 else f"{text[:300]} ..."
