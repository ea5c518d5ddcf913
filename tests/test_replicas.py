"""No answer is lost: replicas of a project's backend die, deploy and lose their database."""

import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2
import pytest
from conftest import Install, Installed
from contract.chat import HTTP, Chat, Json, message, wait_until
from hypothesis import given
from properties import fleet as properties
from properties.examples import examples
from properties.fleet import Step, steps
from support.backend import Start, forked_backends
from support.deployed import migrate, production_database, served_page, visitor
from support.forked import PROJECT_PYTHON
from support.projects import Project, render_committed
from support.relay import Relay, relay
from support.replicas import SECRET, Fleet, Replica, Seen, fleet, front, pgbouncer, replica
from support.variants import DEFAULT, Variant

ASSISTANT = PROJECT_PYTHON / "counting_assistant.py"
SQLITE = Variant("fastapi", "sqlite", wsl=False)
POSTGRESQL = Variant("fastapi", "postgresql", wsl=False)
MYSQL = Variant("fastapi", "mysql", wsl=False)

AWAY_SECONDS = 20
PEOPLE = 3


@dataclass(frozen=True)
class Deployment:
    """A project with its database, which can be cut off."""

    project: Project
    database: str
    relay: Relay | None
    """What is between a project and the server of its database, if it has one."""
    start: Start

    def fleet(self, folder: Path, count: int = 2, **settings: str) -> AbstractContextManager[Fleet]:
        """Run replicas behind nginx."""
        return fleet(self.project, self.database, folder, count, self.start, **settings)

    def replica(self, log: Path, **settings: str) -> AbstractContextManager[Replica]:
        """Run a backend."""
        return replica(self.project, self.database, log, settings, self.start)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Cut the database off for the duration of the block."""
        assert self.relay
        self.relay.cut()
        try:
            yield
        finally:
            self.relay.restore()


@pytest.fixture(scope="module")
def deployment(
    request: pytest.FixtureRequest, install: Install, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """SQLite, PostgreSQL behind PgBouncer in transaction mode, or MariaDB."""
    folder = tmp_path_factory.mktemp("deployment")
    project = install(render_committed(folder / "my-chat", request.param))
    shutil.copy(ASSISTANT, project.path / "backend" / "src" / "app" / "assistant.py")
    with ExitStack() as stack:
        database = stack.enter_context(production_database(project))
        migrate(project, {"DATABASE_URL": database})
        between = None
        if request.param == POSTGRESQL:
            database = stack.enter_context(pgbouncer(database, folder / "pgbouncer"))
        if request.param != SQLITE:
            url = urlsplit(database)
            user = url.netloc.rpartition("@")[0]
            between = stack.enter_context(relay(url.hostname or "", url.port or 0))
            database = url._replace(netloc=f"{user}@127.0.0.1:{between.port}").geturl()
        backends = stack.enter_context(forked_backends(project))
        yield Deployment(project, database, between, backends.start)


def on(*variants: Variant) -> pytest.MarkDecorator:
    """Run a test on deployments with these databases."""
    return pytest.mark.parametrize(
        "deployment", variants, ids=attrgetter("database"), indirect=True, scope="module"
    )


def ask(chat: Chat, text: str) -> Seen:
    """Ask in a new conversation, and return what came of it."""
    seen = Seen(chat)
    seen.begin(text)
    return seen


@contextmanager
def asking(chats: Sequence[Chat], text: str) -> Iterator[list[Seen]]:
    """Let everybody ask at the same time. At the end of the block all answers are over."""
    with ThreadPoolExecutor(len(chats)) as threads:
        everybody = [Seen(chat) for chat in chats]
        running = [threads.submit(one.begin, text) for one in everybody]
        yield everybody
        for one in running:
            one.result()


def stop(everybody: Sequence[Seen]) -> None:
    """Let everybody press Stop."""
    for one in everybody:
        one.chat.ask("kit.stop", thread_id=one.thread_id)


def have_words(everybody: Sequence[Seen], count: int) -> Callable[[], bool]:
    """Return whether everybody has read so many words."""
    return lambda: all(len(one.words.split()) >= count for one in everybody)


@on(POSTGRESQL, MYSQL)
def test_finished_answer_lost(deployment: Deployment, tmp_path: Path) -> None:
    """Slug: finished-answer-lost. The database is away when the answers end."""
    with deployment.fleet(tmp_path) as servers:
        chats = [servers.chat(f"ada-{number}") for number in range(20)]
        with asking(chats, "30 0.1") as everybody:
            wait_until(have_words(everybody, 20))
            with deployment.away():
                time.sleep(AWAY_SECONDS)
        for one in everybody:
            assert one.is_whole, one.events[-3:]
            said = [event["text"] for event in one.events if event["type"] == "progress_update"]
            assert said
            assert "saved as soon as" in said[0]
            assert one.stored(one.chat) == ["30 0.1", one.words]
            assert one.chat.ask("kit.turn", thread_id=one.thread_id)["outcome"] == "answered"


@on(POSTGRESQL, MYSQL)
def test_a_network_that_loses_connections_loses_no_turn(
    deployment: Deployment, tmp_path: Path
) -> None:
    """The database answers no longer on the connections that are open, and nobody closes them."""
    assert deployment.relay
    with (
        # Each lost connection costs some seconds once, so there are few.
        deployment.replica(tmp_path / "log", DATABASE_POOL_SIZE="2") as server,
        asking([server.chat("eve")], "1000 0.1") as [eve],
    ):
        wait_until(have_words([eve], 10))
        deployment.relay.lose()
        with deployment.replica(tmp_path / "other") as other:
            eve_there = other.chat("eve")
            wait_until(lambda: "are not renewed" in server.log.read_text(encoding="utf-8"))
            words = len(eve.words)
            wait_until(lambda: len(eve.stored(eve_there)[-1]) > words)
            turn = {"thread_id": eve.thread_id}
            wait_until(lambda: eve_there.ask("kit.turn", **turn)["outcome"] == "running")
            asked = {"thread_id": eve.thread_id, "input": message("1 0")}
            assert eve_there.post("threads.add_user_message", **asked).status_code == 409
            assert eve_there.ask("kit.stop", thread_id=eve.thread_id) == {"stopped": True}
    assert not eve.errors


@on(POSTGRESQL)
def test_what_cannot_be_saved_is_said(deployment: Deployment, tmp_path: Path) -> None:
    with deployment.replica(tmp_path / "log") as server:
        with ExitStack() as away, asking([server.chat("bob")], "20 0.1") as [bob]:
            wait_until(have_words([bob], 10))
            away.enter_context(deployment.away())
        [error] = bob.errors
        assert "could not be saved" in error
        assert "could not be saved" in server.log.read_text(encoding="utf-8")


@on(POSTGRESQL, MYSQL)
def test_deploy_cuts_turns(deployment: Deployment, built: Installed, tmp_path: Path) -> None:
    """Slug: deploy-cuts-turns. One of two replicas is told to stop in the middle of 50 answers.

    Those who come then are at the page, whose server asks until a replica takes them.
    """
    with (
        deployment.fleet(tmp_path, DRAIN_SECONDS="15") as servers,
        page(built(DEFAULT), servers.address, tmp_path / "page.log") as address,
    ):
        short = [servers.chat(f"short-{number}") for number in range(25)]
        long = [servers.chat(f"long-{number}") for number in range(25)]
        late = [visitor(address, f"10.0.0.{number}") for number in range(20)]
        first, _ = servers.replicas
        with asking(short, "25 0.2") as of_short, asking(long, "3000 0.2") as of_long:
            wait_until(have_words([*of_short, *of_long], 3))
            first.process.send_signal(signal.SIGTERM)
            with ThreadPoolExecutor(4) as threads:
                of_late = list(threads.map(partial(ask, text="5 0.1"), late))
            first.process.wait()
            of_first = [one for one in of_long if one.errors]
            stop([one for one in of_long if one not in of_first])
        assert 5 < len(of_first) < 20, "the proxy gave all to one replica"
        assert all(one.is_whole for one in [*of_short, *of_late])
        for one in of_first:
            assert "restarted while it answered" in one.errors[0]
            assert one.stored(one.chat) == ["3000 0.2", one.words]
            assert one.chat.ask("kit.turn", thread_id=one.thread_id)["outcome"] == "interrupted"
        assert '"outcome": "interrupted"' in first.log.read_text(encoding="utf-8")


@on(POSTGRESQL, MYSQL)
def test_half_answer_lost_in_a_crash(deployment: Deployment, tmp_path: Path) -> None:
    """Slug: half-answer-lost-in-a-crash. All conversations go on at another replica."""
    with deployment.fleet(tmp_path, count=3) as servers:
        chats = [servers.chat(f"cleo-{number}") for number in range(60)]
        with asking(chats, "3000 0.1") as everybody:
            wait_until(have_words(everybody, 60))
            servers.replicas[0].process.kill()
            wait_until(lambda: sum(one.is_broken for one in everybody) == 20)
            victims = [one for one in everybody if one.is_broken]
            stop([one for one in everybody if one not in victims])
        for one in victims:
            question, answer = one.stored(one.chat)
            assert question == "3000 0.1"
            assert one.words.startswith(answer)
            missing = len(one.words.split()) - len(answer.split())
            assert missing <= 10 * 5, "more than the last seconds are missing"

        def go_on(one: Seen) -> Json:
            return one.chat.say("3 0", one.thread_id)[-1]

        with ThreadPoolExecutor(20) as threads:
            assert all(last["type"] == "thread.item.done" for last in threads.map(go_on, victims))


@on(POSTGRESQL)
def test_many_answers_at_once_are_whole(
    deployment: Deployment, built: Installed, tmp_path: Path
) -> None:
    """300 people at two servers of the page, with two replicas behind them.

    On a slow machine they wait for longer than a pool does by default.
    """
    with (
        deployment.fleet(tmp_path, DATABASE_POOL_SECONDS="60") as servers,
        ExitStack() as stack,
    ):
        pages = [
            stack.enter_context(page(built(DEFAULT), servers.address, tmp_path / f"page-{number}"))
            for number in range(2)
        ]
        address = stack.enter_context(front(pages, tmp_path / "front"))
        chats = [visitor(address, f"10.0.{number // 100}.{number % 100}") for number in range(300)]
        with asking(chats, "10 0.5") as everybody:
            pass
        with ThreadPoolExecutor(8) as threads:
            stored = list(threads.map(lambda one: one.stored(one.chat), everybody))
    assert [one.status for one in everybody if not one.is_whole] == []
    assert stored == [["10 0.5", one.words] for one in everybody]


def page(project: Project, backend: str, log: Path) -> AbstractContextManager[str]:
    """Run a page's server in front of backends."""
    return served_page(project, backend, SECRET, log)


REVISION = """
import sqlalchemy as sa
from alembic import op

revision = "newer"
down_revision = "{head}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table("newer", sa.Column("id", sa.Integer, primary_key=True))


def downgrade() -> None:
    op.drop_table("newer")
"""


@on(POSTGRESQL, MYSQL)
def test_old_code_is_unhealthy(deployment: Deployment, tmp_path: Path) -> None:
    """Slug: old-code-is-unhealthy. A newer version migrates while the old one serves."""
    project, database = deployment.project, deployment.database
    versions = project.path / "backend" / "src" / "kit" / "database" / "migrations"
    head = max(file.name for file in versions.glob("0*.py"))[:4]
    newer = versions / "9999_newer.py"
    with deployment.replica(tmp_path / "1.log") as old:
        newer.write_text(REVISION.format(head=f"chatkit_{head}"), encoding="utf-8")
        try:
            migrate(project, {"DATABASE_URL": database})
            newer.unlink()
            assert httpx2.get(f"{old.address}/health/ready", **HTTP).json() == {"status": "ok"}
            assert ask(old.chat("dora"), "3 0").is_whole
            # The newer version is rolled back. Its migration stays.
            with deployment.replica(tmp_path / "2.log") as again:
                assert ask(again.chat("dora"), "3 0").is_whole
        finally:
            newer.write_text(REVISION.format(head=f"chatkit_{head}"), encoding="utf-8")
            downgrade = ("uv", "run", "alembic", "downgrade", f"chatkit_{head}")
            project.run(*downgrade, cwd="backend", env={"DATABASE_URL": database})
            newer.unlink()


@pytest.fixture(scope="module")
def town(
    deployment: Deployment, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[properties.Fleet]:
    """Two replicas, or one with SQLite, which can die."""
    folder = tmp_path_factory.mktemp("town")

    def run(_number: int) -> AbstractContextManager[Replica]:
        return deployment.replica(folder / f"{uuid4().hex}.log", DRAIN_SECONDS="1")

    count = 1 if deployment.project.variant == SQLITE else 2
    town = properties.Fleet(run, count)
    yield town
    town.close()


@on(SQLITE, POSTGRESQL, MYSQL)
@examples(6)
@given(story=steps(PEOPLE, 2))
def test_what_people_saw_is_kept_whatever_ends(town: properties.Fleet, story: list[Step]) -> None:
    """Replicas die and are deployed while several people ask, stop, leave and come back.

    Slugs: half-answer-lost-in-a-crash, deploy-cuts-turns, reload-ends-the-turn,
    retry-on-another-replica.
    """
    town.play(story, [f"person-{uuid4().hex}" for _ in range(PEOPLE)])
