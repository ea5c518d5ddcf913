"""Tokens of an OpenID Connect provider, checked with its public keys.

Set OIDC_ISSUER and OIDC_AUDIENCE for the backend and for the front end. Then people who sign in
with your provider see their conversations on all of their devices.
"""

import asyncio
import json
import math
import ssl
import threading
import time
from contextlib import suppress
from functools import cache
from typing import Any
from urllib.request import urlopen

import httpx2
import jwt
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from kit.errors import RefusedError, explain_certificate
from kit.settings import get_settings

ALGORITHMS = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", None)),
    **{"ES256": ("EC", "P-256"), "ES384": ("EC", "P-384"), "ES512": ("EC", "P-521")},
    **dict.fromkeys(("EdDSA", "Ed25519"), ("OKP", "Ed25519")),
}
"""The accepted algorithms, each with the `kty` and `crv` of its keys.

All of them use public keys. With a symmetric algorithm, anybody who knows the key could sign.
"""

KINDS: dict[str, type[RSAAlgorithm | ECAlgorithm | OKPAlgorithm]] = {
    "RSA": RSAAlgorithm,
    "EC": ECAlgorithm,
    "OKP": OKPAlgorithm,
}

# PyJWT only knows this algorithm by its older name `EdDSA`. If this module is loaded again, the
# name is registered already, which raises ValueError.
with suppress(ValueError):
    jwt.register_algorithm("Ed25519", OKPAlgorithm())

MAX_SUBJECT = 200
"""The maximum length in characters, so that the owner fits into its column."""

LEEWAY_SECONDS = 5
"""How much the clocks of two machines may differ."""

TIMEOUT_SECONDS = 10

LIFE_SECONDS = 300
"""How long the provider's keys are cached."""

COOLDOWN_SECONDS = 5
"""The minimum time between two requests for the keys.

Tokens with unknown keys cause such requests, and anybody can make such tokens.
"""


async def owner_of(token: str) -> str:
    """Return the owner that a provider's token names: `oidc:` followed by its subject.

    Raises:
        RefusedError: the token is not valid (401), or the provider does not answer (503).
    """
    # This may fetch the keys, which would block the event loop.
    return await asyncio.to_thread(_owner_of, token)


def _owner_of(token: str) -> str:
    settings = get_settings()
    try:
        claims = jwt.decode(
            token,
            _key_of(token),
            algorithms=list(ALGORITHMS),
            audience=settings.oidc_audience,
            issuer=settings.oidc_issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "sub", "iss", "aud"]},
        )
    except (
        jwt.PyJWKClientError,
        jwt.InvalidKeyError,
        OSError,
        LookupError,
        ValueError,
        TypeError,
    ) as error:
        raise RefusedError(
            503,
            "Nobody can sign in at the moment: the login provider does not answer.",
            inside=f"The keys of {settings.oidc_issuer} cannot be fetched: {error!r} "
            + (explain_certificate(error) or ""),
        ) from None
    except jwt.PyJWTError as error:
        message = "Not signed in: the token is refused."
        raise RefusedError(401, message, inside=f"{error}.") from None
    subject = claims["sub"]
    if not subject or len(subject) > MAX_SUBJECT:
        message = (
            f"Not signed in: the token's subject is empty or longer than {MAX_SUBJECT} characters."
        )
        raise RefusedError(401, message)
    return f"oidc:{subject}"


def _key_of(token: str) -> Any:
    header = jwt.get_unverified_header(token)
    if header.get("alg") not in ALGORITHMS:
        raise jwt.InvalidAlgorithmError("Its algorithm is none of those with a public key")
    fitting = _keys().fitting(header)
    if len(fitting) != 1:
        raise jwt.InvalidTokenError(f"{len(fitting)} of the provider's keys fit it")
    return KINDS[fitting[0]["kty"]].from_jwk(fitting[0])


class _ProviderKeys:
    """Fetches and caches the keys that a provider publishes.

    The keys are fetched again for a token that fits none of them. For a token without a key id they
    are fetched more often, because such a token does not show that the provider changed its key.
    """

    def __init__(self, url: str) -> None:
        self._client = jwt.PyJWKClient(
            url, timeout=TIMEOUT_SECONDS, cache_jwk_set=False, ssl_context=_trust()
        )
        self._lock = threading.Lock()
        self._published: list[dict[str, Any]] = []
        self._fetched = -math.inf

    def fitting(self, header: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the keys that may have signed a token with this header.

        Raises:
            jwt.PyJWKClientError: the provider does not answer, or not with JSON.
            LookupError: the provider's answer contains no keys.
        """
        with self._lock:
            self._fetch(LIFE_SECONDS if "kid" in header else COOLDOWN_SECONDS)
            fitting = [key for key in self._published if _fits(key, header)]
            if not fitting and self._fetch(COOLDOWN_SECONDS):
                fitting = [key for key in self._published if _fits(key, header)]
            return fitting

    def _fetch(self, age: float) -> bool:
        """Fetch the keys if they are older than `age` seconds; return whether they were fetched."""
        if time.monotonic() - self._fetched < age:
            return False
        published = self._client.fetch_data()["keys"]
        self._published = [key for key in published if isinstance(key, dict)]
        self._fetched = time.monotonic()
        return True


def _fits(key: dict[str, Any], header: dict[str, Any]) -> bool:
    """Whether a key may have signed a token, by the same rules as jose in the page's server.

    A field that the key does not have is not compared.
    """
    kind, curve = ALGORITHMS[header["alg"]]
    return (
        key.get("kty") == kind
        and curve in (None, key.get("crv"))
        and key.get("alg", header["alg"]) == header["alg"]
        and key.get("use", "sig") == "sig"
        and "verify" in key.get("key_ops", ["verify"])
        and ("kid" not in header or key.get("kid") == header["kid"])
    )


@cache
def _keys() -> _ProviderKeys:
    settings = get_settings()
    url = settings.oidc_jwks_url
    if url is None:
        issuer = (settings.oidc_issuer or "").rstrip("/")
        address = f"{issuer}/.well-known/openid-configuration"
        with urlopen(address, timeout=TIMEOUT_SECONDS, context=_trust()) as answer:
            url = str(json.load(answer)["jwks_uri"])
    return _ProviderKeys(url)


@cache
def _trust() -> ssl.SSLContext:
    """Return what the model's server is trusted by, too: on macOS and Windows the system's store.

    Python's own context knows nothing of the store of macOS.
    """
    return httpx2.create_ssl_context()
