"""Django's tables: they lie beside those of the chat, and Django's own migrations make them."""

import os

import django
from django.core.management import call_command
from django.db import Error, connection, connections
from django.db.migrations.recorder import MigrationRecorder

from app.errors import StartupError

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "app.site.settings")
django.setup()


def names() -> set[str]:
    """Return the names of Django's tables, for Alembic to leave alone."""
    bookkeeping = MigrationRecorder.Migration._meta.db_table
    return {bookkeeping, *connection.introspection.django_table_names(include_views=False)}


def migrate() -> None:
    """Do what `manage.py migrate` does.

    Raises:
        StartupError: the database refuses.
    """
    try:
        call_command("migrate", interactive=False, verbosity=0)
    except Error as error:
        raise StartupError(f"Django's tables cannot be migrated: {error}") from None
    finally:
        connections.close_all()
