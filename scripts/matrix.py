"""Print the jobs that CI makes of the questions in copier.yml, as JSON for a workflow's matrix.

uv run scripts/matrix.py           every combination of answers
uv run scripts/matrix.py sqlite    one for each framework, with that database
"""

import itertools
import json
import sys
from pathlib import Path

import yaml

QUESTIONS = yaml.safe_load(
    (Path(__file__).parent.parent / "copier.yml").read_text(encoding="utf-8")
)


FRAMEWORKS = list(QUESTIONS["frameworks"]["default"])
DATABASES = list(QUESTIONS["database"]["choices"].values())


def jobs(databases: list[str], wsl: list[bool]) -> list[dict[str, str]]:
    """Return a job for each combination: its name, and the tests that pytest selects for it."""
    return [
        {
            "name": f"{framework}-{database}{'-wsl' if in_wsl else ''}",
            "tests": f"{framework}-{database} and {'wsl' if in_wsl else 'not wsl'}",
        }
        for framework, database, in_wsl in itertools.product(FRAMEWORKS, databases, wsl)
    ]


def main(arguments: list[str]) -> None:
    """Print the jobs."""
    every = jobs(DATABASES, [False, True])
    print(json.dumps(jobs(arguments, [False]) if arguments else every))


if __name__ == "__main__":
    main(sys.argv[1:])
