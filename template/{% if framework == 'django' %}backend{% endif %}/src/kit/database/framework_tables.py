"""Django's own tables in the database of the chat. Django's migrations create them."""

import os

import django
from django.core.management import call_command
from django.db import Error, connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from kit.errors import StartupError

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "app.site.settings")
django.setup()


def names() -> set[str]:
    """Return the names of Django's tables, which Alembic must not change."""
    bookkeeping = MigrationRecorder.Migration._meta.db_table
    return {bookkeeping, *connection.introspection.django_table_names(include_views=False)}


def missing() -> list[str]:
    """Return the migrations that the database lacks, such as `auth.0001_initial`.

    Raises:
        StartupError: the database cannot be read.
    """
    try:
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except Error as error:
        raise StartupError(f"Django's tables cannot be looked at: {error}") from None
    finally:
        connections.close_all()
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def migrate() -> None:
    """Run `manage.py migrate`.

    Raises:
        StartupError: the database refuses the migration.
    """
    try:
        call_command("migrate", interactive=False, verbosity=0)
    except Error as error:
        raise StartupError(f"Django's tables cannot be migrated: {error}") from None
    finally:
        connections.close_all()
