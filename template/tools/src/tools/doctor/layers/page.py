"""The seventh layer: the page, and what it needs of the world outside."""

import re
import socket
from pathlib import Path

import httpx2

from tools import FRONTEND, ROOT
from tools.doctor.checks import Check, Finding, failed, passed, unknown, warned
from tools.doctor.running import document, page_address, page_port
from tools.settings import value_of

SCRIPT = "https://cdn.platform.openai.com/deployments/chatkit/chatkit.js"
"""OpenAI serves the chat's user interface from here; frontend/src loads it."""

HOST = "https://cdn.platform.openai.com"
ALLOW_LIST = "https://platform.openai.com/settings/organization/security/domain-allowlist"
PLACEHOLDER = "domain_pk_localhost_dev"
KEY = "NEXT_PUBLIC_CHATKIT_DOMAIN_KEY"
SECONDS = 3


def chat() -> Finding:
    """Look for the chat in the document of the page."""
    if "<openai-chatkit" in document().text:
        return passed("the page's document has the chat in it")
    return failed(
        "the page's document has no <openai-chatkit>, which is the chat",
        tried=f"GET {page_address()}",
        source="frontend/src/app/page.tsx",
        command="git diff frontend/src",
        slug="blank-screen",
    )


def policy() -> Finding:
    """Look for headers that keep ChatKit's script or frame out."""
    headers = document().headers
    embedder = headers.get("cross-origin-embedder-policy", "unsafe-none")
    csp = headers.get("content-security-policy", "")
    shut = [name for name in ("script-src", "frame-src") if csp and not _allows(csp, name)]
    if embedder == "unsafe-none" and not shut:
        return passed("no policy of the page's server keeps ChatKit out")
    reason = f"{' and '.join(shut)} do not allow {HOST}" if shut else f"COEP is {embedder}"
    return failed(
        f"a header of the page keeps ChatKit out: {reason}",
        tried="a look at Content-Security-Policy and Cross-Origin-Embedder-Policy",
        source="frontend/next.config.ts",
        command="git diff frontend/next.config.ts frontend/src/proxy.ts",
        slug="csp-blocks-chatkit",
    )


def _allows(csp: str, directive: str) -> bool:
    rules = dict(
        re.findall(r"(?:^|;)\s*([a-z-]+)([^;]*)", csp.lower()),
    )
    fallbacks = (directive, "child-src", "default-src")
    sources = next((rules[name] for name in fallbacks if name in rules), "*")
    return bool(
        re.search(rf"{re.escape(HOST)}|(?:^|\s)(?:\*|https:|'strict-dynamic')(?:\s|$)", sources)
    )


def development() -> Finding | None:
    """Find out whether Next.js, in development, lets a page at 127.0.0.1 come alive."""
    if "/_next/static/chunks/" not in document().text or "hmr-client" not in document().text:
        return None
    said = _open_socket("/_next/hmr?id=doctor")
    if said.startswith("HTTP/1.1 101 "):
        return passed("Next.js lets the page at 127.0.0.1 come alive")
    return failed(
        f"Next.js refuses the page at 127.0.0.1 what it needs to come alive: {said}",
        tried=f"a WebSocket to /_next/hmr with the origin {page_address()}",
        source="frontend/next.config.ts",
        command="git diff frontend/next.config.ts",
        slug="dev-origin-blocked",
    )


def _open_socket(path: str) -> str:
    """Return the first line with which the page's server answers a WebSocket of the page."""
    head = (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{page_port()}\r\nOrigin: {page_address()}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: ZG9jdG9yZG9jdG9yZG9jdA==\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", page_port()), timeout=SECONDS) as connection:
        connection.sendall(head.encode())
        answer = connection.recv(256).decode(errors="replace")
    return answer.partition("\r\n")[0]


def domain_key() -> Finding:
    """Look for the key of a domain, without which the chat runs on this machine only."""
    key = value_of("frontend", KEY)
    if key.is_set and key.text != PLACEHOLDER:
        return passed("the key of a domain is set", source=key.source)
    return warned(
        "the placeholder is set, which is good for this machine only: on a domain the chat removes "
        "itself",
        tried=KEY,
        source=key.source,
        command=ALLOW_LIST,
        slug="domain-key",
    )


def script() -> Finding:
    """Fetch the head of OpenAI's script, as browsers fetch the script."""
    tried = f"HEAD {SCRIPT}"
    try:
        answer = httpx2.head(SCRIPT, timeout=SECONDS, follow_redirects=True)
    except (httpx2.TransportError, OSError) as error:
        return unknown(
            f"OpenAI's script cannot be reached from here ({error}); a browser may have other ways",
            tried=tried,
            command=f"curl --head {SCRIPT}",
            slug="script-blocked",
        )
    if answer.status_code == 200:
        return passed("OpenAI's script can be had")
    return failed(
        f"OpenAI's script is answered with {answer.status_code}: is a firewall in the way?",
        tried=tried,
        command=f"curl --head {SCRIPT}",
        slug="script-blocked",
    )


SOURCES = FRONTEND / "src"
STUDIO = SOURCES / "chatkit.config.ts"
FONTS = "next/font/google"


def studio_config() -> Finding | None:
    """Find out whether the page uses the file into which ChatKit Studio's export goes."""
    if not STUDIO.exists():
        return None
    if any("chatkit.config" in text for path, text in _sources() if path != STUDIO):
        return passed("the page uses what chatkit.config.ts says")
    return warned(
        "nothing imports chatkit.config.ts, so the design from ChatKit Studio does not show",
        tried="a search for chatkit.config in frontend/src",
        source="frontend/src/components/chat/chat-client.tsx",
        command="git diff frontend/src/components",
        slug="studio-config-not-applied",
    )


def fonts() -> Finding:
    """Look for fonts that a build would have to fetch from Google."""
    for path, text in _sources():
        if FONTS in text:
            place = path.relative_to(ROOT).as_posix()
            return warned(
                f"{place} takes fonts from Google, and a build fails where Google is not reached",
                tried=f"a search for {FONTS} in frontend/src",
                source=place,
                command=f"git diff {place}",
                slug="google-fonts",
            )
    return passed("a build asks nobody for fonts")


def _sources() -> list[tuple[Path, str]]:
    paths = sorted(path for path in SOURCES.rglob("*") if path.suffix in (".ts", ".tsx"))
    return [(path, path.read_text(encoding="utf-8", errors="replace")) for path in paths]


CHECKS = (
    Check("page.document", chat, needs=("proxy.guest",)),
    Check("page.policy", policy, needs=("page.document",)),
    Check("page.development", development, needs=("page.document",)),
    Check("page.studio-config", studio_config),
    Check("page.fonts", fonts),
    Check("page.domain-key", domain_key),
    Check("page.script", script),
)
