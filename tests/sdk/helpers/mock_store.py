"""The project's store, by the name of a module that the SDK's source distribution lacks.

A plugin of pytest too: it empties the database for each of the SDK's tests.
"""
# mypy: disable-error-code="import-not-found, misc"
# Only where a project is installed can its modules be found.

from collections.abc import AsyncIterator

import pytest
from kit.database import engine as database_module
from kit.database.chatkit_store import ChatKitStore
from kit.database.engine import create_engine
from kit.database.tables import Base
from sqlalchemy import delete
from sqlalchemy.engine import URL

pytest_plugins = ["conftest"]  # the one of the project's tests: it makes a migrated `database`


class SQLiteStore(ChatKitStore):
    """The project's store, on whichever database the project has."""

    def __init__(self, db_path: str) -> None:
        """Keep the path: the SDK's tests make a second store on the same data by it."""
        self.db_path = db_path


@pytest.fixture(autouse=True)
async def empty_database(database: URL, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Empty the database, and connect to it in the event loop of the test."""
    engine = create_engine(database)
    async with engine.begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            await connection.execute(delete(table))
    monkeypatch.setattr(database_module, "get_engine", lambda: engine)
    yield
    await engine.dispose()
