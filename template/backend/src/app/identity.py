"""Who is asking."""

import uuid
from dataclasses import dataclass, field

import jwt

from app.errors import StartupError
from app.settings import ENV_FILE, Settings, get_settings

ISSUER = "chatkit-frontend"
AUDIENCE = "chatkit-backend"
LOCAL_OWNER = "local"
"""Who a request without a token is, in development."""

SECRET_CHARACTERS = 32


class UnauthorizedError(Exception):
    """Nobody who may ask. The message is shown to the person."""


@dataclass(frozen=True)
class RequestContext:
    """What every layer knows of the request that it serves."""

    owner: str
    """Whose conversations these are: an opaque name of 255 characters at most."""
    request_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Ties what the person sees to the log."""


def check_secret(settings: Settings) -> None:
    """Refuse to run outside development without a real secret.

    Raises:
        StartupError: CHATKIT_SECRET is missing or short.
    """
    if settings.app_env == "development":
        return
    if len(settings.chatkit_secret.get_secret_value()) < SECRET_CHARACTERS:
        raise StartupError(
            f"CHATKIT_SECRET is missing or shorter than {SECRET_CHARACTERS} characters. Make one "
            'with: python3 -c "import secrets; print(secrets.token_urlsafe(32))"\n'
            f"and set it for both sides, here in the environment or in {ENV_FILE}."
        )


def identify(authorization: str | None) -> str:
    """Return whose conversations a request is about: the place to plug in a login of your own.

    The page's server signs a token that says so, with a life of a minute. In development a request
    without a token, such as a bare `curl`, is the owner "local".

    Raises:
        UnauthorizedError: there is no token, or it is not a valid one.
    """
    settings = get_settings()
    if authorization is None:
        if settings.app_env == "development":
            return LOCAL_OWNER
        raise UnauthorizedError("Not signed in: the request carries no token.")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise UnauthorizedError("Not signed in: the Authorization header carries no Bearer token.")
    try:
        claims = jwt.decode(
            token,
            settings.chatkit_secret.get_secret_value(),
            algorithms=["HS256"],
            audience=AUDIENCE,
            issuer=ISSUER,
            leeway=5,
            options={"require": ["exp", "sub"]},
        )
    except jwt.InvalidTokenError as error:
        raise UnauthorizedError(
            f"Not signed in: the token is refused ({error}). "
            "CHATKIT_SECRET must be the same in frontend/.env.local and backend/.env.local."
        ) from None
    return str(claims["sub"])
