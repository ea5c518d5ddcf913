"""Starts a project's backend as often as it is told to, in processes that have its packages.

Importing them takes longer than most that a backend does in a test. Each line of the input is a
JSON object with the `environment` of a backend and the `log` for what it prints; the id of its
process is printed.
"""

import json
import os
import runpy
import signal
import sys

from forking import import_packages


def main() -> None:
    """Start backends until the input ends."""
    import_packages()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits here for those that have ended
    for line in sys.stdin:
        job = json.loads(line)
        child = os.fork()
        if child == 0:
            _serve(job["environment"], job["log"])
        print(child, flush=True)


def _serve(environment: dict[str, str], log: str) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(environment)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for source, target in ((os.open(os.devnull, os.O_RDONLY), 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    try:
        runpy.run_module("kit.serve", run_name="__main__")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)


if __name__ == "__main__":
    main()
