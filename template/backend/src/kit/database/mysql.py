"""MySQL and MariaDB."""

import logging
import ssl
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from sqlalchemy import Table
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from kit.errors import StartupError


def normalize(url: URL) -> URL:
    """Return the address with uniform parameters for TLS, and without any other parameters.

    Raises:
        StartupError: the TLS mode is unknown.
    """
    return normalize_tls(url.set(drivername="mysql+asyncmy"))


def make_engine(url: URL, for_servers: Mapping[str, Any]) -> AsyncEngine:
    """Create an engine that can store all of Unicode.

    Raises:
        StartupError: the file with certificates cannot be read.
    """
    # asyncmy would log every warning of the server, which may quote what people wrote.
    logging.getLogger("asyncmy").setLevel(logging.ERROR)
    return create_async_engine(
        url.set(query={}),
        # After waiting for a lock, a transaction sees what the previous one wrote, as it does
        # on PostgreSQL.
        isolation_level="READ COMMITTED",
        connect_args={"charset": "utf8mb4", "ssl": tls_context(url)},
        **for_servers,
    )


def describe(url: URL) -> str:
    """Return a description of the server for a person."""
    return f"MySQL at {url.host}"


async def count_on(_connection: AsyncConnection, _tables: Iterable[Table]) -> None:
    """Do nothing: MySQL numbers a new row after the highest existing number."""


def overwrite_deleted(_url: URL) -> None:
    """Do nothing: the files belong to the server, which reuses the space over time."""


MODE = "ssl-mode"
CA = "ssl-ca"
PLAIN = ("DISABLED", "PREFERRED")
MODES = (*PLAIN, "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY")
"""The TLS modes, by the names of MySQL's own programs."""

OTHER_WORDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "sslaccept": {"strict": "VERIFY_IDENTITY", "accept_invalid_certs": "REQUIRED"},
        "ssl": {
            "true": "VERIFY_IDENTITY",
            '{"rejectunauthorized":true}': "VERIFY_IDENTITY",
            '{"rejectunauthorized":false}': "REQUIRED",
            "false": "DISABLED",
        },
        "tls": {"true": "VERIFY_IDENTITY", "skip-verify": "REQUIRED", "false": "DISABLED"},
        "ssl-verify-identity": {"true": "VERIFY_IDENTITY", "false": "REQUIRED"},
        "ssl-verify-cert": {"true": "VERIFY_IDENTITY", "false": "REQUIRED"},
    }
)
"""The same modes by the parameters of Prisma, Node.js and Go drivers, and mysqlclient."""


def normalize_tls(url: URL) -> URL:
    """Return the address with `ssl-mode` and `ssl-ca` as its only parameters.

    Raises:
        StartupError: the TLS mode is unknown.
    """
    given = {
        name.lower().replace("_", "-"): value
        for name, value in url.query.items()
        if isinstance(value, str)
    }
    query: dict[str, str] = {}
    if ca := given.get(CA):
        query = {MODE: "VERIFY_CA", CA: ca}
    for name, words in OTHER_WORDS.items():
        value = given.get(name, "").replace(" ", "").lower()
        if mode := words.get(value):
            query[MODE] = mode
            break
    if mode := given.get(MODE) or given.get("sslmode"):
        query[MODE] = _mode(mode)
    return url.set(query=query)


def _mode(text: str) -> str:
    mode = text.upper().replace("-", "_")
    if mode not in MODES:
        raise StartupError(
            f"DATABASE_URL has the unknown {MODE} {text}. It is one of: {', '.join(MODES)}."
        )
    return mode


def tls_context(url: URL) -> ssl.SSLContext | None:
    """Return the TLS context for a normalized address; None for no encryption.

    Raises:
        StartupError: the file that `ssl-ca` names cannot be read.
    """
    mode = url.query.get(MODE, "DISABLED")
    if mode in PLAIN:
        return None
    ca = url.query.get(CA)
    try:
        context = ssl.create_default_context(cafile=ca if isinstance(ca, str) else None)
    except OSError as error:
        raise StartupError(
            f"DATABASE_URL names the {CA} {ca}, which cannot be read: {error}"
        ) from None
    context.check_hostname = mode == "VERIFY_IDENTITY"
    if mode == "REQUIRED":
        context.verify_mode = ssl.CERT_NONE
    return context
