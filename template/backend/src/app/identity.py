"""Who is asking: this file is yours to change, for a login of your own (docs/login.md)."""

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
    """Return who sends a request: the place to plug in a login of your own.

    The page's server signs a token that says so, with a life of a minute. Where OIDC_ISSUER is set,
    a token of that provider is believed too. In development a request without a token, such as a
    bare `curl`, is the owner "local".

    Args:
        headers: those of the request.

    Raises:
        RefusedError: there is no token, or it is not a valid one (401); or it needs one, since it
            may be another site that makes a browser send it (403).
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
