"""Tokens of an OpenID Connect provider, checked with its public keys.

Set OIDC_ISSUER and OIDC_AUDIENCE, here and for the front end, and whoever is signed in with your
provider owns their conversations, on every device of theirs.
"""

import asyncio
import json
from functools import cache
from typing import Any
from urllib.request import urlopen

import jwt

from app.errors import RefusedError
from app.settings import get_settings

ALGORITHMS = [
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
]
"""Those with a public key. With the others whoever knows that key could sign."""

MAX_SUBJECT = 200
"""Characters, so that the owner fits into its column."""

LEEWAY_SECONDS = 5
"""How far the clocks of two machines may be apart."""

TIMEOUT_SECONDS = 10
COOLDOWN_SECONDS = 5
"""How often tokens of unknown keys, which anybody can make, have the keys fetched anew."""


async def owner_of(token: str) -> str:
    """Return the owner whom a provider's token names: `oidc:` and its subject.

    Raises:
        RefusedError: the token is not a valid one (401), or the provider does not answer (503).
    """
    # The keys are fetched when they are not known yet, and that must not hold up anybody else.
    return await asyncio.to_thread(_owner_of, token)


def _owner_of(token: str) -> str:
    settings = get_settings()
    try:
        claims = jwt.decode(
            token,
            _key_of(token),
            algorithms=ALGORITHMS,
            audience=settings.oidc_audience,
            issuer=settings.oidc_issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "sub", "iss", "aud"]},
        )
    except (
        jwt.PyJWKClientConnectionError,
        jwt.PyJWKSetError,
        OSError,
        LookupError,
        ValueError,
    ) as error:
        raise RefusedError(
            503,
            "Nobody can sign in now: the login does not answer.",
            inside=f"The keys of {settings.oidc_issuer} cannot be had: {error!r}",
        ) from None
    except (jwt.PyJWTError, TypeError) as error:  # TypeError: a key of another kind
        message = "Not signed in: the token is refused."
        raise RefusedError(401, message, inside=f"{error}.") from None
    subject = claims["sub"]
    if not subject or len(subject) > MAX_SUBJECT:
        message = (
            f"Not signed in: the token names nobody, or in more than {MAX_SUBJECT} characters."
        )
        raise RefusedError(401, message)
    return f"oidc:{subject}"


def _key_of(token: str) -> Any:
    header = jwt.get_unverified_header(token)
    if "kid" in header:
        return _keys().get_signing_key(header["kid"]).key
    fitting = [
        key.key
        for key in _keys().get_jwk_set().keys
        if key.algorithm_name == header.get("alg") and key.public_key_use in ("sig", None)
    ]
    if len(fitting) != 1:
        raise jwt.InvalidTokenError(f"It names no key, and {len(fitting)} would fit")
    return fitting[0]


@cache
def _keys() -> jwt.PyJWKClient:
    """Return the provider's keys: kept for a while, and fetched anew for an unknown one."""
    settings = get_settings()
    url = settings.oidc_jwks_url
    if url is None:
        issuer = (settings.oidc_issuer or "").rstrip("/")
        address = f"{issuer}/.well-known/openid-configuration"
        with urlopen(address, timeout=TIMEOUT_SECONDS) as answer:
            url = str(json.load(answer)["jwks_uri"])
    return jwt.PyJWKClient(url, timeout=TIMEOUT_SECONDS, cooldown_duration=COOLDOWN_SECONDS)
