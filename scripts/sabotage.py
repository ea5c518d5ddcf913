"""Write docs/sabotage.md: who notices which pitfall when it is put back into a project.

    uv run scripts/sabotage.py

It is made of tests/sabotage/slugs.toml and of the names of the tests.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "sabotage.md"
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "template" / "backend" / "tests")]

from support.sabotage_list import Sabotage, read_table  # noqa: E402

HEAD = """\
# Who notices a pitfall

The suite puts each pitfall back into a healthy project, by a small patch (`tests/sabotage`). Then
the project's own test of it must fail, and the doctor must name it and nothing else as the cause
(`tests/test_sabotage.py`). What a patch cannot bring about, such as a database that is down, a test
of the project brings about, which wants the doctor or a panel of the page to name it; that test
stands here in their place. The tests in `internals/` are the template's (`tests/inside`), laid into
the project; all others are the project's own. A dash means that nothing can be put back, or that
nobody can see it: why, stands below.

"""


def page() -> str:
    """Return the text of the page."""
    table = read_table()
    lines = ["| pitfall | caught by | named by |", "|---|---|---|"]
    lines += [
        f"| [{one.slug}](pitfalls/{one.slug}.md) | {_test(one)} | {_name(one)} |" for one in table
    ]
    untested = [f"- `{one.slug}`: {one.untested}." for one in table if one.untested]
    silent = [f"- `{one.slug}`: {one.silent}." for one in table if one.silent]
    parts = [
        "\n".join(lines),
        "## Why no test of a project fails",
        "\n".join(untested),
        "## Why nobody names it",
        "\n".join(silent),
    ]
    return HEAD + "\n\n".join(parts) + "\n"


def _test(one: Sabotage) -> str:
    return "-" if one.untested else f"`{one.tests[0].removeprefix('tests/')}`"


def _name(one: Sabotage) -> str:
    if one.doctor:
        return f"`doctor`, {one.doctor}"
    return f"`{one.shown.removeprefix('tests/')}`" if one.shown else "-"


def main() -> None:
    """Write it."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
