"""The backend in development: a server that starts anew when a file changes."""

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path
from socket import socket
from types import TracebackType

import uvicorn
from uvicorn._subprocess import get_subprocess
from uvicorn.supervisors.watchfilesreload import WatchFilesReload
from watchfiles import watch

from kit.errors import StartupError
from kit.serve import DrainingServer, make_config, prepare_process, share_env_file
from kit.settings import BACKEND

LOOK_AFTER_CHILD_MS = 500
SHUTDOWN_SECONDS = 1
DRAIN_SECONDS = 0
"""After an edit a running answer is interrupted at once."""


def main() -> None:
    """Serve until stopped; exit with 2 when the environment is wrong."""
    prepare_process()
    try:
        config = make_config(
            reload=True,
            reload_dirs=[str(BACKEND / "src")],
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            log_level="warning",  # its other lines name the backend's address and processes
        )
    except StartupError as error:  # of the settings the process that serves says it
        print(error, file=sys.stderr)
        sys.exit(2)
    sys.exit(Reloader(config).serve())


class Reloader(WatchFilesReload):
    """uvicorn's reloader, which also notices when the server dies.

    uvicorn's own goes on waiting for edits then, and its port takes requests that nobody answers.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        """Bind the port; exit with uvicorn's message if it is taken."""
        super().__init__(
            config, target=_Server(config, DRAIN_SECONDS).run, sockets=[config.bind_socket()]
        )
        self.watcher = watch(
            *self.reload_dirs,
            watch_filter=None,
            stop_event=self.should_exit,
            yield_on_timeout=True,
            rust_timeout=LOOK_AFTER_CHILD_MS,
            ignore_permission_denied=True,
        )
        self.edited = False
        self.waits_for_edit = False
        self.status = 0

    def serve(self) -> int:
        """Serve until stopped, and return the exit status: not 0 if the server died."""
        if hasattr(signal, "SIGHUP"):  # a closed terminal
            signal.signal(signal.SIGHUP, self.signal_handler)
        self.run()
        return self.status

    def should_restart(self) -> list[Path] | None:
        """Return the files that changed; look after the server when there are none."""
        changes = super().should_restart()
        if not changes and not self.should_exit.is_set():
            self._look_after_server()
        return changes

    def restart(self) -> None:
        """Start the server anew, with the edited files."""
        # On Windows uvicorn would send Ctrl-C here, which ends the whole console's programs.
        self.process.terminate()
        self.process.join()
        self.edited = True
        self.waits_for_edit = False
        self.process = get_subprocess(self.config, target=self.target, sockets=self.sockets)
        self.process.start()

    def _look_after_server(self) -> None:
        exit_code = self.process.exitcode
        if exit_code is None or self.waits_for_edit:
            return
        if exit_code > 0 and self.edited:
            self.waits_for_edit = True
            self._say("The server does not start, for the reason above. Waiting for an edit.")
            return
        how = f"was killed by signal {-exit_code}" if exit_code < 0 else "stopped"
        self._say(f"The server {how}.")
        self.status = exit_code if exit_code > 0 else 1
        self.should_exit.set()

    def _say(self, sentence: str) -> None:
        print(sentence, file=sys.stderr, flush=True)


class _Server(DrainingServer):
    """The server in the child process."""

    def run(self, sockets: list[socket] | None = None) -> None:
        threading.Thread(target=_end_with_parent, daemon=True).start()
        from kit.backend import check_settings  # slow to import, and not needed to reload

        try:
            share_env_file()
            check_settings()
            super().run(sockets)
        except StartupError as error:
            sys.exit(str(error))
        except Exception as error:
            trace = _without_uvicorn(error.__traceback__, self.config.reload_dirs)
            traceback.print_exception(error.with_traceback(trace))
            sys.exit(1)


def _without_uvicorn(trace: TracebackType | None, folders: Sequence[Path]) -> TracebackType | None:
    """Return a traceback from where it enters these folders; all of it if it never does."""
    part = trace
    while part:
        file = Path(part.tb_frame.f_code.co_filename)
        if any(file.is_relative_to(folder) for folder in folders):
            return part
        part = part.tb_next
    return trace


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        # Killed: nobody else would ever end this process, which holds the port.
        os._exit(1)


if __name__ == "__main__":
    main()
