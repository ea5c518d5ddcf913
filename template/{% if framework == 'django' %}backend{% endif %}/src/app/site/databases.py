"""Django's configuration of the chat's database."""

from typing import Any

from sqlalchemy.engine import URL

from kit.database.mysql import tls_context
from kit.database.sqlite import BUSY_TIMEOUT_SECONDS, PrivateConnection


def django_database(url: URL) -> dict[str, Any]:
    """Return the entry of Django's DATABASES for an address of `kit.database.engine`."""
    match url.get_backend_name():
        case "sqlite":
            return _sqlite(url)
        case "postgresql":
            return _postgresql(url)
        case _:
            return _mysql(url)


def _sqlite(url: URL) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": url.database,
        "OPTIONS": {
            "timeout": BUSY_TIMEOUT_SECONDS,
            # As in `kit.database.sqlite`: a transaction that reads first may fail to write later.
            "transaction_mode": "IMMEDIATE",
            "factory": PrivateConnection,
            "init_command": (
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON"
            ),
        },
    }


def _postgresql(url: URL) -> dict[str, Any]:
    _, options = url.get_dialect()().create_connect_args(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": options.pop("dbname"),
        "OPTIONS": options,
        # Server-side cursors fail behind poolers in transaction mode, such as Supabase's.
        "DISABLE_SERVER_SIDE_CURSORS": True,
    }


def _mysql(url: URL) -> dict[str, Any]:
    import pymysql  # installed in projects with MySQL only

    pymysql.install_as_MySQLdb()
    return {
        "ENGINE": "django.db.backends.mysql",
        "NAME": url.database,
        "USER": url.username,
        "PASSWORD": url.password,
        "HOST": url.host,
        "PORT": url.port or "",
        "OPTIONS": {"charset": "utf8mb4", "ssl": tls_context(url)},
    }
