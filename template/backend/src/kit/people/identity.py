"""Who is asking."""

import re
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

import jwt
from pydantic import SecretStr

from kit.errors import RefusedError, StartupError
from kit.people import oidc
from kit.settings import ENV_FILE, Settings

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""What a machine calls itself, and no other one."""


class Headers(Protocol):
    """What every framework's headers can do."""

    def get(self, name: str, /) -> str | None:
        """Return the first header of that name, which is written in lower case."""


def is_loopback(address: str) -> bool:
    """Whether an address such as `http://127.0.0.1:3000` or `//localhost` is of this machine."""
    try:
        return urlsplit(address).hostname in LOOPBACK
    except ValueError:
        return False


ISSUER = "chatkit-frontend"
AUDIENCE = "chatkit-backend"
ALGORITHM = "HS256"
LOCAL_OWNER = "local"
"""Who a request without a token is, in development."""

LONGEST_LIFE_SECONDS = 300
"""How long a token of the page's server is believed, whatever it says itself."""

OWNER_CHARACTERS = 255
NOT_KEPT = re.compile(r"[\0\ud800-\udfff\ufffd]| $")
"""What not every database tells apart from other names, or takes at all."""

SECRET_CHARACTERS = 32
DEFAULT_SECRETS = ("change", "secret", "example", "default", "your-")
"""What secrets begin with that were copied from somewhere."""


@dataclass(frozen=True)
class Identity:
    """Somebody who may ask."""

    owner: str
    """Whose conversations these are: an opaque name of 255 characters at most."""
    page_origin: str | None = None
    """Where their browser sees the page, such as `https://chat.example.com`."""
    address: str | None = None
    """The network address of their browser, if it is known; of IPv6 the network of a site (/64)."""

    def __post_init__(self) -> None:
        """Refuse a name that could be taken for another's.

        Raises:
            RefusedError: it is too long, or has signs that not every database keeps (401).
        """
        if len(self.owner) > OWNER_CHARACTERS or NOT_KEPT.search(self.owner):
            raise RefusedError(401, "Not signed in: the owner's name cannot be kept.")


Identify = Callable[[Headers], Awaitable[Identity]]
"""What tells by the headers of a request who sends it, or refuses."""


@dataclass(frozen=True)
class RequestContext:
    """Who sends the request that is served, for every layer."""

    owner: str
    """Whose conversations these are."""
    request_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Ties what the person sees to the log."""
    attachments_url: str = "http://127.0.0.1:8000/attachments"
    """Where the person's browser sends files to."""
    address: str | None = None
    """The network address of the person's browser, if it is known."""


def check_secret(settings: Settings) -> None:
    """Refuse to run outside development without a real secret.

    Raises:
        StartupError: CHATKIT_SECRET, or the one before it, is missing, short, or not random.
    """
    if settings.app_env == "development":
        return
    if problem := _problem_of(settings.chatkit_secret):
        raise StartupError(
            f"CHATKIT_SECRET {problem}. Make one with: "
            'python3 -c "import secrets; print(secrets.token_urlsafe(32))"\n'
            f"and set it for both sides, here in the environment or in {ENV_FILE}."
        )
    previous = settings.chatkit_secret_previous
    if previous and (problem := _problem_of(previous)):
        raise StartupError(
            f"CHATKIT_SECRET_PREVIOUS {problem}. Unset it, or set the whole secret that was "
            f"CHATKIT_SECRET before, here in the environment or in {ENV_FILE}."
        )


def _problem_of(setting: SecretStr) -> str | None:
    secret = setting.get_secret_value()
    if not secret:
        return "is missing"
    if len(secret) < SECRET_CHARACTERS:
        return f"is shorter than {SECRET_CHARACTERS} characters"
    if secret.lower().startswith(DEFAULT_SECRETS) or len(set(secret)) < SECRET_CHARACTERS // 4:
        return "is not random"
    return None


def check_local(headers: Headers) -> None:
    """Refuse what another site makes a browser send: a form, say, or to a name that it rebinds.

    Raises:
        RefusedError: the request comes from another site, or to another name (403).
    """
    host, origin = headers.get("host") or "", headers.get("origin")
    if not is_loopback(f"//{host}"):
        raise RefusedError(
            403,
            "Without a token this backend answers in development only at 127.0.0.1, localhost and "
            f"[::1], and was asked as {host or 'nobody'}.",
        )
    is_foreign = origin is not None and not is_loopback(origin)
    if is_foreign or headers.get("sec-fetch-site") == "cross-site":
        raise RefusedError(403, "Without a token this backend answers no page of another site.")


def is_of_the_page(token: str) -> bool:
    """Whether a token is one of the page's server, and not of a login provider."""
    try:
        return jwt.get_unverified_header(token).get("alg") == ALGORITHM
    except jwt.InvalidTokenError:
        return True  # which tells what is wrong with it


def of_the_page(token: str, settings: Settings) -> Identity:
    """Return whom a token of the page's server names.

    Raises:
        RefusedError: the token is not valid (401).
    """
    try:
        claims = _claims_of(token, settings)
        if int(claims["exp"]) - int(claims["iat"]) > LONGEST_LIFE_SECONDS:
            raise jwt.InvalidTokenError(f"It is for more than {LONGEST_LIFE_SECONDS} s")
    except jwt.InvalidTokenError as error:
        raise RefusedError(
            401,
            "Not signed in: the token is refused.",
            inside=f"{error}. CHATKIT_SECRET must be the same on both sides: in the environment, "
            "or in frontend/.env.local and backend/.env.local.",
        ) from None
    return Identity(claims["sub"], claims.get("origin"), claims.get("address"))


def _claims_of(token: str, settings: Settings) -> dict[str, Any]:
    for secret in filter(None, (settings.chatkit_secret, settings.chatkit_secret_previous)):
        with suppress(jwt.InvalidSignatureError):
            return jwt.decode(
                token,
                secret.get_secret_value(),
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                leeway=oidc.LEEWAY_SECONDS,
                options={"require": ["exp", "iat", "sub"]},
            )
    raise jwt.InvalidSignatureError("It is signed with another secret")
