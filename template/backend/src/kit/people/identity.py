"""Identity: who sends a request, and the tokens that say so."""

import re
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import jwt
from pydantic import SecretStr

from kit.errors import RefusedError, StartupError
from kit.people import oidc
from kit.settings import ENV_FILE, Settings, is_loopback


class Headers(Protocol):
    """The interface that the headers of every framework provide."""

    def get(self, name: str, /) -> str | None:
        """Return the first header with the name, which must be in lower case; None if missing."""


ISSUER = "chatkit-frontend"
AUDIENCE = "chatkit-backend"
ALGORITHM = "HS256"
LOCAL_OWNER = "local"
"""The owner of a request without a token in development."""

LONGEST_LIFE_SECONDS = 300
"""The longest lifetime for which a token of the page's server is accepted."""

OWNER_CHARACTERS = 255
NOT_KEPT = re.compile(r"[\0\ud800-\udfff\ufffd]| $")
"""Characters that some database cannot store, or treats as equal to others."""

SECRET_CHARACTERS = 32
DEFAULT_SECRETS = ("change", "secret", "example", "default", "your-")
"""The prefixes of secrets that were copied from an example."""


@dataclass(frozen=True)
class Identity:
    """The identity of a person who may use the chat."""

    owner: str
    """The owner of the person's conversations: an opaque name of at most 255 characters."""
    page_origin: str | None = None
    """The origin of the page in the person's browser, such as `https://chat.example.com`.

    If the page is below a path (FRONTEND_BASE_PATH), the path follows.
    """
    address: str | None = None
    """The network address of the browser, if known. For IPv6 it is the /64 network."""

    def __post_init__(self) -> None:
        """Check the owner's name: a changed or truncated name could equal another owner's.

        Raises:
            RefusedError: the name is too long, or has characters that some database cannot store
                (401).
        """
        if len(self.owner) > OWNER_CHARACTERS or NOT_KEPT.search(self.owner):
            raise RefusedError(401, "Not signed in: the owner's name cannot be kept.")


Identify = Callable[[Headers], Awaitable[Identity]]
"""A function that returns the sender of a request from its headers, or raises RefusedError."""


@dataclass(frozen=True)
class RequestContext:
    """The sender and the id of the request that is being answered. All layers get it."""

    owner: str
    """The owner of the person's conversations. See `Identity.owner`."""
    request_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    """The id that the log and the error messages for the person share."""
    attachments_url: str = "http://127.0.0.1:8000/attachments"
    """The URL to which the person's browser uploads files."""
    address: str | None = None
    """The network address of the browser, if known. See `Identity.address`."""
    language: str | None = None
    """The person's language as a tag such as `de-CH`, if known. Anybody can write any tag."""
    page: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What the page says about itself, such as which article it shows. Anybody can write any text.

    The names are those in `frontend/src/components/chat/page-context.ts`.
    """
    assistant: str = ""
    """The name of the assistant that is asked; empty for the first one."""


def check_secret(settings: Settings) -> None:
    """Check outside development that the secrets are strong.

    Raises:
        StartupError: CHATKIT_SECRET is missing, or it or CHATKIT_SECRET_PREVIOUS is too short or
            not random.
    """
    if settings.app_env == "development":
        return
    if problem := _problem_of(settings.chatkit_secret):
        raise StartupError(
            f"CHATKIT_SECRET {problem}. Make one with: "
            'uv run python -c "import secrets; print(secrets.token_urlsafe(32))"\n'
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
    """Refuse a request without a token that another site may have made a browser send.

    Such a site can post a form, or point its own DNS name at this machine (DNS rebinding).

    Raises:
        RefusedError: the request comes from another site, or its Host is not this machine (403).
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
    """Whether a token comes from the page's server and not from a login provider."""
    try:
        return jwt.get_unverified_header(token).get("alg") == ALGORITHM
    except jwt.InvalidTokenError:
        return True  # `of_the_page` then reports what is wrong with the token


def of_the_page(token: str, settings: Settings) -> Identity:
    """Return the identity in a token of the page's server.

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
