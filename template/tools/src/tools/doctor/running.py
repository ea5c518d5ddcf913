"""The running project: where both sides are, and how to ask them as the page and a browser do."""

import secrets
import ssl
import time
from collections.abc import Mapping
from functools import cache
from urllib.parse import urlsplit

import httpx2
import jwt

from kit.env_files import SECRET
from kit.people.identity import ALGORITHM, AUDIENCE, ISSUER
from kit.settings import read_port
from tools.dev import ports
from tools.dev.steps import BACKEND_PORT, FRONTEND_PORT
from tools.settings import backend_url, place_of, value_of

SECONDS = 5
"""How long an answer may take."""

MAKING_SECONDS = 30
"""How long the page may take: in development it is made when it is first asked for."""

START = "uv run dev"


def backend_port() -> int:
    """Return the port on which `uv run dev` starts the backend."""
    return read_port("BACKEND_PORT", BACKEND_PORT)


def page_port() -> int:
    """Return the port on which `uv run dev` starts the page."""
    return read_port("FRONTEND_PORT", FRONTEND_PORT)


def source_of_port(variable: str) -> str:
    """Return who says which port it is."""
    return place_of("backend", variable)


@cache
def backend_address() -> str:
    """Return where the backend is: as `uv run dev` starts it, or else where the page looks."""
    usual = f"http://127.0.0.1:{backend_port()}"
    other = backend_url().text
    if not ports.answers("127.0.0.1", backend_port()) and listens(other):
        return other
    return usual


def page_address() -> str:
    """Return where the page is."""
    return f"http://127.0.0.1:{page_port()}"


def listens(url: str) -> bool:
    """Whether somebody takes connections at an address."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:  # not an address
        return False
    return bool(parts.hostname) and ports.answers(str(parts.hostname), port)


@cache
def document() -> httpx2.Response:
    """Return the document of the page, as a browser gets it that was never here.

    Raises:
        httpx2.TransportError: there is none.
    """
    return get(page_address(), MAKING_SECONDS)


def get(
    url: str, seconds: float = SECONDS, headers: Mapping[str, str] | None = None
) -> httpx2.Response:
    """Fetch something of the running project.

    Raises:
        httpx2.TransportError: there was no answer.
    """
    return httpx2.get(url, headers=headers, timeout=seconds, trust_env=False, verify=tls())


def post(
    url: str,
    body: object,
    headers: Mapping[str, str] | None = None,
    seconds: float = SECONDS,
) -> httpx2.Response:
    """Send JSON to the running project.

    Raises:
        httpx2.TransportError: there was no answer.
    """
    return httpx2.post(
        url, json=body, headers=headers, timeout=seconds, trust_env=False, verify=tls()
    )


@cache
def tls() -> ssl.SSLContext:
    """Return what all requests share: loading the certificates takes longer than most answers."""
    return ssl.create_default_context()


def stranger() -> str:
    """Return the name of a person whom nobody has met."""
    return f"doctor_{secrets.token_hex(16)}"


def signed(owner: str) -> dict[str, str]:
    """Return the headers of a person, for a minute, as the page's server signs them."""
    now = int(time.time())
    claims = {"sub": owner, "iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 60}
    token = jwt.encode(claims, value_of("frontend", SECRET).text, algorithm=ALGORITHM)
    return {"Authorization": f"Bearer {token}"}


def guest(page: httpx2.Response) -> dict[str, str]:
    """Return the headers of the guest that a document of the page has made."""
    cookies = "; ".join(f"{name}={value}" for name, value in page.cookies.items())
    return {"Cookie": cookies, "Origin": page_address()}


def words_of(answer: httpx2.Response) -> str:
    """Return what an answer says to a person: its message, or how it begins."""
    body = json_of(answer)
    if isinstance(body, dict) and isinstance(body.get("message"), str):
        return str(body["message"])
    text = " ".join(answer.text.split())
    return text if len(text) <= 200 else f"{text[:200]} ..."


def json_of(answer: httpx2.Response) -> object:
    """Return the JSON of an answer, or None if it is none."""
    try:
        return answer.json()
    except ValueError:
        return None
