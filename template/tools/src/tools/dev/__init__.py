"""`uv run dev`: installs, migrates, starts both sides, prints one address."""

import sys

from kit.errors import StartupError
from tools.dev.processes import Stopped, ignore_signals, raise_when_stopped


def main() -> None:
    """Run both sides until one stops or somebody stops them, and leave no process behind.

    Exits with 128 and the signal's number when it was stopped (130 after Ctrl-C), as shells expect,
    and with 1 when something failed.
    """
    raise_when_stopped()
    status = 1
    failure = ""
    try:
        failure = _run()
    except StartupError as error:
        failure = str(error)
    except Stopped as stopped:
        status = stopped.exit_status
    except BrokenPipeError:  # whoever read the output is gone: nobody reads why, either
        pass
    finally:
        ignore_signals()
    if failure:
        print(f"\n{failure}", file=sys.stderr)
    sys.exit(status)


def _run() -> str:
    # Slow to import, and Ctrl-C may come at once.
    from tools.dev.processes import Family
    from tools.dev.steps import run

    family = Family()
    try:
        return run(family)
    finally:
        ignore_signals()
        family.end(patience=3)
