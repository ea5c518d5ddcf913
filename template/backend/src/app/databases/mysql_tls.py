"""TLS for MySQL and MariaDB, which every provider writes into its addresses in another way."""

import ssl
from collections.abc import Mapping
from types import MappingProxyType

from sqlalchemy.engine import URL

from app.errors import StartupError

MODE = "ssl-mode"
CA = "ssl-ca"
PLAIN = ("DISABLED", "PREFERRED")
MODES = (*PLAIN, "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY")
"""What MySQL's own programs call them."""

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
"""What Prisma, Node's and Go's drivers and mysqlclient call the same."""


def normalize_tls(url: URL) -> URL:
    """Return the address with nothing behind its question mark but `ssl-mode` and `ssl-ca`.

    Raises:
        StartupError: it asks for a kind of TLS that is not known.
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
    """Return how to encrypt the connection to a normalized address; None for not at all.

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
