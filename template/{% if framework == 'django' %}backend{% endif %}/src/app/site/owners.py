"""Owners of conversations: users of Django, and guests."""

import asyncio
from dataclasses import replace

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import DatabaseError, connections
from django.http import HttpRequest

from app.identity import identify
from kit.disclosure import explain_database_error
from kit.errors import RefusedError
from kit.people.identity import Headers, Identify, Identity

USER = "user:"
"""The prefix of owners who are users. No guest has it."""

LOOKUPS = 5
"""How many logins are looked up at once: each needs a connection of its own."""

_lookups = asyncio.Semaphore(LOOKUPS)


def owner_of(user: AbstractBaseUser) -> str:
    """Return the owner of a user's conversations."""
    return f"{USER}{user.pk}"


def user_key_of(owner: str) -> str | None:
    """Return the primary key of the user who is an owner; None for a guest."""
    return owner.removeprefix(USER) if owner.startswith(USER) else None


def user_or_guest(request: HttpRequest) -> Identify:
    """Return the function that identifies the sender of a request.

    The sender is the user of the session; without a session, the person in the token of the page's
    server. Outside development the token is required in both cases, since a browser sends the
    session's cookie with requests of other sites, too.
    """

    async def tell(headers: Headers) -> Identity:
        identity = await identify(headers)
        owner = await _logged_in(request)
        return replace(identity, owner=owner) if owner else identity

    return tell


async def _logged_in(request: HttpRequest) -> str | None:
    if settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return None
    async with _lookups:
        try:
            user = await request.auser()
        except DatabaseError as error:
            why = explain_database_error(error)
            migrate = (
                "Django's tables are made by `uv run manage.py migrate`, in production by "
                "`uv run --no-dev manage.py migrate`."
            )
            raise RefusedError(503, why, inside=migrate) from None
        finally:
            # Closed here, and not at the end of the request as Django does: an answer may take
            # minutes.
            await sync_to_async(connections.close_all)()
    return owner_of(user) if user.is_authenticated else None
