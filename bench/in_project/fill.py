"""Fills two databases of the project's kind, a small one and a large one, for bench.history.

    fill.py SMALL LARGE

SMALL and LARGE are numbers of messages. Every owner has as many conversations and messages in both.
Prints what `Filled` is, as JSON, a line a database. They are there until standard input is closed.
"""

import asyncio
import json
import random
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from chatkit.types import (
    AssistantMessageContent,
    AssistantMessageItem,
    InferenceOptions,
    ThreadMetadata,
    UserMessageItem,
    UserMessageTextContent,
)
from contract.serving import alembic, empty_database, environment
from kit.database.chatkit_store import generate_id
from kit.database.engine import create_engine, loop_factory
from kit.database.tables import Conversation, Message
from sqlalchemy import URL, insert, text

THREADS = 5
"""Conversations of an owner."""

ITEMS = 40
"""Messages of a conversation: two of ChatKit's pages."""

VISITS = 200
BATCH = 10_000
START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Filled:
    """A database with messages."""

    url: str
    visits: list[tuple[str, str]]
    """People, each with a conversation of theirs, at random."""


async def fill(database: URL, messages: int) -> Filled:
    """Make the tables and fill them in the order in which time would: all people take turns."""
    env = environment(database)
    done = alembic("upgrade", "head", env=env)
    assert done.returncode == 0, done.stderr
    threads = messages // ITEMS
    owners = [f"guest_{number}" for number in range(threads // THREADS)]
    ids = [generate_id("thread") for _ in range(threads)]
    engine = create_engine(database)
    async with engine.begin() as connection:
        for rows in batches(conversations(ids, owners)):
            await connection.execute(insert(Conversation), rows)
        for rows in batches(items(ids)):
            await connection.execute(insert(Message), rows)
    if engine.dialect.name == "postgresql":  # as its own autovacuum does within a minute
        alone = engine.execution_options(isolation_level="AUTOCOMMIT")
        async with alone.connect() as connection:
            await connection.execute(text("VACUUM ANALYZE"))
    await engine.dispose()
    numbers = random.choices(range(threads), k=VISITS)
    visits = [(owners[number % len(owners)], ids[number]) for number in numbers]
    return Filled(env["DATABASE_URL"], visits)


def conversations(ids: list[str], owners: list[str]) -> Iterator[dict[str, Any]]:
    """Return the rows of conversations."""
    for number, thread_id in enumerate(ids):
        moment = START + timedelta(seconds=number)
        thread = ThreadMetadata(id=thread_id, created_at=moment, title="Why is the sky blue, then?")
        yield {
            "id": thread_id,
            "owner": owners[number % len(owners)],
            "title": thread.title,
            "created_at": moment,
            "document": thread.model_dump_json(),
        }


def items(thread_ids: list[str]) -> Iterator[dict[str, Any]]:
    """Return the rows of messages: each conversation gets its first one, then its second one."""
    question = UserMessageItem(
        id="ITEM",
        thread_id="THREAD",
        created_at=START,
        content=[UserMessageTextContent(text="Why is the sky blue? " * 8)],
        inference_options=InferenceOptions(),
    )
    answer = AssistantMessageItem(
        id="ITEM",
        thread_id="THREAD",
        created_at=START,
        content=[AssistantMessageContent(text="Because of the air, says Lord Rayleigh. " * 20)],
    )
    documents = {item.type: item.model_dump_json() for item in (question, answer)}
    for position in range(1, ITEMS + 1):
        kind = question.type if position % 2 else answer.type
        for thread_id in thread_ids:
            item_id = generate_id("message")
            document = documents[kind].replace("ITEM", item_id).replace("THREAD", thread_id)
            yield {
                "conversation_id": thread_id,
                "id": item_id,
                "position": position,
                "type": kind,
                "created_at": START,
                "document": document,
            }


def batches(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Return the rows in lists of a size that the database takes at once."""
    while batch := list(islice(rows, BATCH)):
        yield batch


def main() -> None:
    """Fill, print and keep."""
    sizes = sys.argv[1:]
    with ExitStack() as stack:
        for size in sizes:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            database = stack.enter_context(empty_database(folder))
            with asyncio.Runner(loop_factory=loop_factory()) as runner:
                filled = runner.run(fill(database, int(size)))
            print(json.dumps(asdict(filled)), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
