"""Signs who is asking, as the page's server does."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import jwt

LIFE_SECONDS = 300
"""The longest that is believed."""


def sign(secret: str, **claims: Any) -> str:
    """Return a token, with other claims than usual where some are given; of None there is none."""
    now = int(time.time())
    usual = {
        "sub": "ada",
        "iss": "chatkit-frontend",
        "aud": "chatkit-backend",
        "iat": now,
        "exp": now + LIFE_SECONDS,
    }
    said = {name: value for name, value in (usual | claims).items() if value is not None}
    return jwt.encode(said, secret, algorithm="HS256")


class SignedHeaders(Mapping[str, str]):
    """The headers of a person, signed anew for each request."""

    def __init__(self, secret: str, **claims: Any) -> None:
        self._secret, self._claims = secret, claims

    def __getitem__(self, name: str) -> str:
        if name != "Authorization":
            raise KeyError(name)
        return f"Bearer {sign(self._secret, **self._claims)}"

    def __iter__(self) -> Iterator[str]:
        yield "Authorization"

    def __len__(self) -> int:
        return 1
