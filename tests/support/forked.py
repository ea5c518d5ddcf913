"""The pytest of a project, in processes that have its packages already."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.pitfall_tests import Verdict, read_verdict
from support.projects import Project, clean_environment

PROJECT_PYTHON = Path(__file__).parent / "project_python"
EXAMINATION = PROJECT_PYTHON / "examination.py"
AS_TEST = "tests/internals/tools/test_examination.py"
"""What it is called among the tests of a project."""

OPTIONS = (
    "--quiet",
    "-p",
    "no:cacheprovider",
    "-W",
    "ignore::pytest.PytestAssertRewriteWarning",  # of packages that are there already
)


@dataclass(frozen=True)
class Forked:
    """One process of a project from which others are forked."""

    project: Project
    process: subprocess.Popen[str]
    folder: Path

    def run_pytest(self, tests: Sequence[str], **environment: str) -> tuple[Verdict, str]:
        """Run tests of the backend; return what they said, and what the doctor wrote, if asked."""
        report, log = self.folder / "report", self.folder / "log"
        said = self.folder / "examination"
        for file in (report, said):
            file.unlink(missing_ok=True)
        options = [*OPTIONS, f"--junit-xml={report}", f"--basetemp={self.folder / 'temp'}"]
        job = {
            "arguments": [*options, *tests],
            # Most of what is waited for never comes: a pitfall is there.
            "environment": {"PATIENCE": "30"} | environment,
            "log": str(log),
        }
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        status = self.process.stdout.readline()
        assert report.exists(), (
            f"pytest ended with {status}: {log.read_text(errors='replace', encoding='utf-8')}"
        )
        return read_verdict(report), said.read_text(encoding="utf-8") if said.exists() else ""


@contextmanager
def forked_from(project: Project, folder: Path) -> Iterator[Forked]:
    """Start the process of a project, which ends with the block."""
    with subprocess.Popen(
        # Not by `uv run`: it would be one more process, for as long.
        [project.python, PROJECT_PYTHON / "forking.py"],
        cwd=project.path / "backend",
        env=clean_environment() | {"EXAMINATION": str(folder / "examination")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        yield Forked(project, process, folder)
        assert process.stdin
        process.stdin.close()
