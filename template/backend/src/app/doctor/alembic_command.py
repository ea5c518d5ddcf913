"""Alembic's own command line, which knows less than `uv run dev`."""

import os
import subprocess
import sys
import sysconfig

from app.database import database_url
from app.doctor.finding import Finding, failed, passed, warned
from app.settings import BACKEND

# Without `site`, the installed packages are there and the project, which is not a copy among them,
# is not: so it is for an Alembic of another environment.
ALONE = """
import sys
sys.path.append(sys.argv.pop(1))
from alembic.config import main
main(prog="alembic")
"""

CANNOT_IMPORT = "No module named 'app'"
TWO_HEADS = "Multiple head revisions"


def command_line() -> Finding:
    """Have `alembic upgrade head` print what it would do, in an environment of its own."""
    said = run_alone("upgrade", "head", "--sql")
    tried = "alembic upgrade head --sql in backend/, without the project installed"
    if said.returncode == 0:
        return passed("`alembic upgrade head` works wherever it is called")
    words = said.stderr.strip().rpartition("\n")[2]
    if CANNOT_IMPORT in said.stderr:
        return failed(
            f"Alembic cannot import the models: {words}",
            tried=tried,
            source="backend/alembic/env.py",
            command="git diff backend/alembic/env.py",
            slug="alembic-cannot-import",
        )
    if TWO_HEADS in said.stderr:
        return failed(
            "there are two newest revisions, and `alembic upgrade head` does not take both",
            tried=tried,
            source="backend/alembic/env.py",
            command="uv run doctor --fix",
            slug="two-alembic-heads",
        )
    return warned(f"Alembic does not print what it would do: {words}", tried=tried)


def run_alone(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Alembic's command line on the project's database, without the project installed."""
    packages = sysconfig.get_path("purelib")
    # The database's server is found already, and need not be looked for again.
    address = database_url().render_as_string(hide_password=False)
    return subprocess.run(
        [sys.executable, "-S", "-c", ALONE, packages, *arguments],
        cwd=BACKEND,
        env=os.environ | {"DATABASE_URL": address},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
