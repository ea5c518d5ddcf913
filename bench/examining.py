"""How long `uv run doctor` takes in a healthy project that runs.

Beside it stands what everybody waits for who runs anything of the project: an interpreter that
imports the app. A doctor that takes less than five seconds takes a few of those.

    uv run python -m bench.examining
"""

import tempfile
import time
from pathlib import Path

from support.dev import dev
from support.projects import Project, render
from support.variants import DEFAULT

from bench.report import Figure, conclude

RUNS = 7
LIMIT = 3.0

IMPORT = ("python", "-c", "import app.main")


def seconds(project: Project, *command: str, **env: str) -> float:
    """Return how long a command takes; of the doctor's checks none may fail."""
    began = time.monotonic()
    ended = project.run("uv", "run", *command, cwd="backend", env=env, check=False)
    assert ended.returncode != 1, ended.stdout + ended.stderr
    return time.monotonic() - began


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        project = render(Path(folder) / "my-chat", DEFAULT)
        with dev(project) as running:
            running.wait_for_address()
            ports = {
                "BACKEND_PORT": str(running.backend_port),
                "FRONTEND_PORT": str(running.frontend_port),
            }
            seconds(project, "doctor", **ports)  # the page is made when it is first asked for
            both = [
                (seconds(project, "doctor", **ports), seconds(project, *IMPORT))
                for _ in range(RUNS)
            ]
    conclude(
        Figure(
            "the doctor",
            [doctor for doctor, _ in both],
            [imported for _, imported in both],
            "s",
            "the import of the app",
            at_most=LIMIT,
        )
    )


if __name__ == "__main__":
    main()
