"""Signs who is asking, as the page's server does, but for a day: `tokens.py OWNER SECRET`."""

import sys
import time

import jwt


def sign(owner: str, secret: str) -> str:
    """Return a token that the backend believes."""
    claims = {
        "sub": owner,
        "iss": "chatkit-frontend",
        "aud": "chatkit-backend",
        "exp": int(time.time()) + 24 * 60 * 60,
    }
    return jwt.encode(claims, secret, algorithm="HS256")


if __name__ == "__main__":
    print(sign(*sys.argv[1:]))
