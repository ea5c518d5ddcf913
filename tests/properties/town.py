"""A backend with a database and files of its own, and the people at it."""

import json
import secrets
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
from contract.chat import PATIENCE, SignedHeaders
from support.backend import Backend, run_backend
from support.projects import Project, clean_environment

from properties.person import Person
from properties.world import World

IDLE_SECONDS = 1
"""How long a connection waits for another request, as at the page's server.

The backend closes it after five seconds, which is when httpx2 stops using it by itself: a request
sent in that moment gets no answer.
"""

# In the Python of a project, whose own tests know how to make a database of its kind.
KEEP_DATABASE = """
import json, sys
from pathlib import Path
from contract.serving import alembic, empty_database, environment, run_sql

with empty_database(Path(sys.argv[1])) as url:
    alembic("upgrade", "head", env=environment(url)).check_returncode()
    print(url.render_as_string(hide_password=False), flush=True)
    for statement in sys.stdin:
        print(json.dumps(run_sql(url, statement)), flush=True)
"""


@dataclass
class Database:
    """A migrated database, and somebody who can look into it."""

    process: subprocess.Popen[str]

    def answer(self) -> str:
        assert self.process.stdout
        answer = self.process.stdout.readline().strip()
        assert answer, "the process that keeps the database has ended"
        return answer

    def sql(self, statement: str) -> list[list[str]]:
        """Return the rows of a statement."""
        assert self.process.stdin
        print(statement, file=self.process.stdin, flush=True)
        rows: list[list[str]] = json.loads(self.answer())
        return rows


@contextmanager
def run_database(project: Project, folder: Path) -> Iterator[Database]:
    process = subprocess.Popen(
        [project.python, "-c", KEEP_DATABASE, folder],
        cwd=project.path / "backend" / "tests",
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    try:
        yield Database(process)
    finally:
        process.communicate(timeout=PATIENCE)


class Town:
    """A running backend, and a stranger whom nobody else's doings may touch."""

    def __init__(
        self, backend: Backend, client: httpx2.Client, database: Database, files: Path, secret: str
    ) -> None:
        self._backend, self._client, self._secret = backend, client, secret
        self._database, self._files = database, files
        self.stranger = self._person(World())

    def newcomer(self) -> Person:
        """Let somebody in."""
        return self._person(self.stranger.world)

    def _person(self, stranger: World) -> Person:
        headers = SignedHeaders(self._secret, sub=secrets.token_hex(8))
        return Person(self._backend, self._client, headers, stranger)

    def check(self, people: Sequence[Person]) -> None:
        """Check that the stranger has what they had, and that all feedback and files are there."""
        assert self.stranger.look(9, "asc") == self.stranger.world.view(9, "asc")
        people = [*people, self.stranger]
        threads = set[str]().union(*(person.seen_threads for person in people))
        rows = self._database.sql("SELECT conversation_id, message_id, kind FROM feedback")
        assert {(row[0], row[1]): row[2] for row in rows if row[0] in threads} == {
            place: kind
            for person in people
            for place, kind in person.world.feedback.items()
            if person.world.item(*place)
        }
        seen = set[str]().union(*(person.seen_files for person in people))
        wanted = {
            file_id
            for person in people
            for file_id, file in person.world.files.items()
            if file.content is not None
        }

        stored = {file.name for file in self._files.iterdir()}
        assert seen & stored == wanted


@contextmanager
def run_town(project: Project, folder: Path) -> Iterator[Town]:
    """Run a backend of the project until the end of the block."""
    files, secret = folder / "files", secrets.token_urlsafe(32)
    limits = httpx2.Limits(keepalive_expiry=IDLE_SECONDS)
    with (
        run_database(project, folder) as database,
        httpx2.Client(timeout=60, limits=limits) as client,
    ):
        settings = {
            "DATABASE_URL": database.answer(),
            "ATTACHMENTS_URL": str(files),
            "CHATKIT_SECRET": secret,
            "OPENAI_API_KEY": "",
        }
        with run_backend(project, folder / "backend.log", **settings) as backend:
            yield Town(backend, client, database, files, secret)
