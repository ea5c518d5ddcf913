"""`uv run doctor`: says, layer by layer, what is wrong with the project, and mends what it can."""

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext

from tools import terminal


def main() -> None:
    """Examine the project; exit with 1 if a check fails, with 2 if one could not be tried."""
    parser = argparse.ArgumentParser(
        prog="doctor",
        description="Find out what is wrong with this project, and how to mend it. The exit status "
        "is 0 if every check passes or warns, 1 if one fails, 2 if one could not be tried.",
    )
    parser.add_argument(
        "--fix",
        action="store_true",
        help="first mend what is safe to mend: text in UTF-16, missing settings and secrets, "
        "localhost in place of 127.0.0.1, line ends of scripts, migrations",
    )
    parser.add_argument(
        "--round-trip",
        action="store_true",
        help="also hold a conversation with the running project, as somebody who is forgotten "
        "afterwards; where a model answers, it costs two short answers",
    )
    parser.add_argument(
        "--only",
        action="append",
        metavar="NAME",
        help="examine one layer, such as database, or one check, such as database.tables, and what "
        "it needs; may be given repeatedly",
    )
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="also list the checks that pass"
    )
    parser.add_argument("--json", action="store_true", help="for machines and for bug reports")
    options = parser.parse_args()
    try:
        status = _run(
            fix=options.fix,
            with_round_trip=options.round_trip,
            as_json=options.json,
            verbose=options.verbose,
            only=options.only or [],
        )
    except KeyboardInterrupt:
        status = 130
    except BrokenPipeError:  # whoever read the output has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    sys.exit(status)


def _run(
    *, fix: bool, with_round_trip: bool, as_json: bool, verbose: bool, only: Sequence[str]
) -> int:
    # Slow to import, and whoever asks for --help does not want to wait.
    from kit.database import postgresql
    from tools.doctor import backend, database, files, machine, page, round_trip
    from tools.doctor.checks import JsonReport, TextReport, examine, mend, named
    from tools.progress import step

    report = JsonReport() if as_json else TextReport(terminal(), verbose)
    # What a check needs stands before it.
    modules = (machine, files, database, backend, page, *([round_trip] if with_round_trip else []))
    every = [check for module in modules for check in module.CHECKS]
    checks = named(only, every) if only else every
    if not checks:
        layers = ", ".join(dict.fromkeys(check.layer for check in every))
        print(
            f"There is no check named {' or '.join(only)}. The layers are: {layers}. "
            "`uv run doctor -v` lists the checks.",
            file=sys.stderr,
        )
        return 2
    try:
        if fix:
            # Settings that are missing are made before what they say is mended.
            report.mended(mend([*files.FIXES, *machine.FIXES, *database.FIXES]))
        with step("Examining the project") if terminal().is_terminal else nullcontext():
            for check, finding in examine(checks):
                report.add(check, finding)
        return report.end()
    finally:
        postgresql.leave_own_server()
