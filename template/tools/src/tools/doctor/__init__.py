"""`uv run doctor`: says, layer by layer, what is wrong with the project, and mends what it can."""

import argparse
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper


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
        help="first mend what is safe to mend: missing settings and secrets, localhost in place of "
        "127.0.0.1, line ends of scripts, migrations",
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
    parser.add_argument("--json", action="store_true", help="for machines and for bug reports")
    options = parser.parse_args()
    if isinstance(sys.stdout, TextIOWrapper):  # there are signs that Windows cannot print
        sys.stdout.reconfigure(errors="replace")
    try:
        status = _run(
            fix=options.fix,
            round_trip=options.round_trip,
            as_json=options.json,
            only=options.only or [],
        )
    except KeyboardInterrupt:
        status = 130
    except BrokenPipeError:  # whoever read the output has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    sys.exit(status)


def _run(*, fix: bool, round_trip: bool, as_json: bool, only: Sequence[str]) -> int:
    # Slow to import, and whoever asks for --help does not want to wait.
    from kit.database import postgresql
    from tools.doctor.checks import examine, named
    from tools.doctor.fixes import mend
    from tools.doctor.layers import CHECKS, ROUND_TRIP
    from tools.doctor.report import JsonReport, TextReport

    report = JsonReport() if as_json else TextReport()
    every = [*CHECKS, *ROUND_TRIP] if round_trip else CHECKS
    checks = named(only, every) if only else every
    if not checks:
        print(f"There is no check named {' or '.join(only)}.", file=sys.stderr)
        return 2
    try:
        if fix:
            report.mended(mend())
        for check, finding in examine(checks):
            report.add(check, finding)
        return report.end()
    finally:
        postgresql.leave_own_server()
