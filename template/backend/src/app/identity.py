"""The sender of a request: this file is yours to change, for your own login (docs/login.md)."""

from kit.errors import RefusedError
from kit.people import oidc
from kit.people.identity import (
    LOCAL_OWNER,
    Headers,
    Identity,
    check_local,
    is_of_the_page,
    of_the_page,
)
from kit.settings import get_settings


async def identify(headers: Headers) -> Identity:
    """Return the sender of a request. Add your own login here.

    The page's server sends a signed token that names the person and is valid for a minute. If
    OIDC_ISSUER is set, a token of that provider is accepted, too. In development, the owner of a
    request without a token, such as one from `curl`, is "local".

    Args:
        headers: the headers of the request.

    Raises:
        RefusedError: the token is missing or not valid (401); or, in development, another site may
            have made a browser send the request without a token (403).
    """
    settings = get_settings()
    authorization = headers.get("authorization")
    if authorization is None:
        if settings.app_env == "development":
            check_local(headers)
            return Identity(LOCAL_OWNER)
        raise RefusedError(401, "Not signed in: the request carries no token.")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        message = "Not signed in: the Authorization header carries no Bearer token."
        raise RefusedError(401, message)
    if settings.oidc_issuer and not is_of_the_page(token):
        return Identity(await oidc.owner_of(token))
    return of_the_page(token, settings)
