"""Asks all checks, those at once that do not need each other."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from kit.errors import StartupError
from tools.doctor.finding import Check, Finding, failed, unknown

Answer = Future[Finding | None]


def examine(checks: Sequence[Check]) -> Iterator[tuple[Check, Finding]]:
    """Yield what each check finds, in the order of the checks.

    What needs something that fails is not tried: one cause is one failure.
    """
    answers: dict[str, Answer] = {}
    with ThreadPoolExecutor(len(checks)) as pool:  # a thread each, so that all may wait
        for check in checks:
            needed = {name: answers[name] for name in check.needs}
            answers[check.name] = pool.submit(_ask, check, needed)
        for check in checks:
            if finding := answers[check.name].result():
                yield check, finding


def named(names: Collection[str], checks: Sequence[Check]) -> list[Check]:
    """Return the checks of these names, or of layers of these names, and those that they need."""
    wanted = {check.name for check in checks if {check.name, check.layer} & set(names)}
    for check in reversed(checks):
        if check.name in wanted:
            wanted.update(check.needs)
    return [check for check in checks if check.name in wanted]


def _ask(check: Check, needed: Mapping[str, Answer]) -> Finding | None:
    for name, answer in needed.items():
        finding = answer.result()
        if finding and finding.stands_in_the_way:
            return finding.keeps_from_trying(name)
    try:
        return check.ask()
    except StartupError as error:
        return failed(str(error))
    except Exception as error:
        return unknown(f"the doctor itself failed: {type(error).__name__}: {error}")
