"""The page's server, which hands requests on to the backend, and the page with its chat."""

import json
import re
import socket
from pathlib import Path

import httpx2

from kit.env_files import SECRET
from kit.errors import INSPECTED, StartupError, explain_certificate
from tools import FRONTEND, ROOT
from tools.doctor.checks import Check, Finding, failed, passed, unknown, warned
from tools.doctor.running import (
    LIST,
    MAKING_SECONDS,
    START,
    backend_address,
    document,
    get,
    guest,
    is_stopped,
    is_told_by_dev,
    json_of,
    listens,
    page_address,
    page_origin,
    page_port,
    post,
    signed,
    source_of_port,
    stranger,
    words_of,
)
from tools.ports import by_whom, with_other_ports
from tools.settings import BASE_PATH, backend_url, base_path, place_of, value_of
from tools.shell import fetch, quoted

SLUGS = {
    SECRET: "env-file-lost",
    "No answer from the backend": "backend-down",
    "is not trusted here": "tls-inspected",
    "cookie": "not-signed-in",
}
"""The pitfalls by what the page's server says."""

ON_THE_SERVER = re.compile("only available in Client Components|useRef")
"""What Next.js and React say of a component that needs a browser."""

OF_NEXT = re.compile(r'"((?:/[\w.~-]+)*)/_next/static/')
"""An address of a file of Next.js, with the path below which its app is."""

ROUTE = "frontend/src/app/api/chatkit/route.ts"

SCRIPT = "https://cdn.platform.openai.com/deployments/chatkit/chatkit.js"
"""OpenAI serves the chat's user interface from here; frontend/src loads it."""

CDN = "https://cdn.platform.openai.com"
ALLOW_LIST = "https://platform.openai.com/settings/organization/security/domain-allowlist"
PLACEHOLDER = "domain_pk_localhost_dev"
DOMAIN_KEY = "NEXT_PUBLIC_CHATKIT_DOMAIN_KEY"
CHAT = "NEXT_PUBLIC_CHAT"
BASIC = "the page shows the basic chat, which needs nothing of OpenAI"
WORLD_SECONDS = 3
"""How long somebody outside may take."""

SOURCES = FRONTEND / "src"
STUDIO = SOURCES / "chatkit.config.ts"
IMPORT_OF_STUDIO = re.compile(r"""/chatkit\.config(\.ts)?["']""")
FONTS = "next/font/google"


def backend_setting() -> Finding:
    """Compare where the page's server looks for the backend with where it is."""
    setting = backend_url()
    if is_told_by_dev():
        return passed("`uv run dev` tells the page where the backend is", source="BACKEND_PORT")
    if not listens(setting.text):
        return failed(
            f"the page looks for the backend at {setting.text}, and nobody answers there: it is at "
            f"{backend_address()}",
            tried=f"a connection to {setting.text}",
            source=setting.source,
            by_hand=f"Set BACKEND_URL={backend_address()} in frontend/.env.local",
            command=START,
            slug="backend-down",
        )
    other = value_of("frontend", "NEXT_PUBLIC_BACKEND_URL")
    if other.is_set and other.text.strip().rstrip("/") != setting.text:
        return warned(
            f"NEXT_PUBLIC_BACKEND_URL, {other.text}, has no effect beside BACKEND_URL",
            tried="a comparison of the two settings",
            source=f"{other.source}, against {setting.source}",
            by_hand="Remove NEXT_PUBLIC_BACKEND_URL there",
            slug="backend-url-baked-in",
        )
    return passed(f"the page looks for the backend at {setting.text}", source=setting.source)


def server() -> Finding:
    """Ask the page's server for the page."""
    try:
        tried = f"GET {page_address()}"
    except StartupError as error:
        return failed(
            str(error),
            tried=BASE_PATH,
            source=place_of("frontend", BASE_PATH),
            by_hand=f"Set {BASE_PATH}=/chat in frontend/.env.local",
            command=START,
            slug="sub-path",
        )
    try:
        answer = document()
    except httpx2.ConnectError:
        if is_stopped():
            return unknown("the project is not running", because="backend.health")
        return unknown(
            "the page's server is not running, or not on this port",
            tried=tried,
            source=source_of_port("FRONTEND_PORT"),
            command=START,
        )
    except httpx2.TimeoutException:
        return unknown(
            f"the page's server gives no answer within {MAKING_SECONDS} seconds; it may be busy",
            tried=tried,
            source=source_of_port("FRONTEND_PORT"),
            command=fetch(page_address()),
        )
    except httpx2.TransportError as error:
        port = page_port()
        return failed(
            f"the page's server gives no answer ({type(error).__name__}: {error}): port {port} is "
            f"taken{by_whom(port)}",
            tried=tried,
            source=source_of_port("FRONTEND_PORT"),
            command=with_other_ports(FRONTEND_PORT=port),
        )
    elsewhere = OF_NEXT.search(answer.text)
    if answer.status_code == 404 and elsewhere and elsewhere[1] != base_path():
        return failed(
            f"the page is not at {page_address()} but at {page_origin()}{elsewhere[1]}: its server "
            "was started or built with another path. End it",
            tried=tried,
            source=place_of("frontend", BASE_PATH),
            command=START,
            slug="sub-path",
        )
    if answer.status_code != 200:
        return failed(
            f"the page cannot be made (status {answer.status_code}): {_reason(answer)}",
            tried=tried,
            source="frontend/src/app/page.tsx",
            command="uv run check",
            slug="server-component" if ON_THE_SERVER.search(answer.text) else "blank-screen",
        )
    return passed(f"the page's server answers at {page_address()}")


def _reason(answer: httpx2.Response) -> str:
    """Return what Next.js says in development of a page that it cannot make."""
    found = re.search(r'"err":\{.*?"message":("(?:[^"\\]|\\.)*")', answer.text)
    if found is None:
        return "its log says why" if "<html" in answer.text else words_of(answer)
    message = str(json.loads(found[1]))
    return " ".join(message.split())[:300]


def cookie() -> Finding:
    """Look for the cookie that makes a guest of whoever opens the page."""
    if _guests_are_turned_away():
        return passed("no guests: people sign in with the provider that OIDC_ISSUER names")
    if any("chatkit_guest_" in name for name in document().cookies):
        return passed("the page makes a guest of whoever opens it")
    return failed(
        "the page comes without a guest's cookie",
        tried=f"GET {page_address()}",
        source="frontend/src/proxy.ts",
        command="git diff frontend/src/proxy.ts",
        slug="two-guests-in-one-browser",
    )


def status() -> Finding | None:
    """Ask the page's server whether it reaches the backend."""
    if _guests_are_turned_away():
        return None
    url = f"{page_address()}/api/status"
    answer = get(url, MAKING_SECONDS, guest(document()))
    said = json_of(answer)
    if answer.status_code == 404 or not isinstance(said, dict):
        return None  # the owner's page has no such question
    if answer.status_code == 200:
        return passed("the page's server reaches the backend")
    slug, setting = str(said.get("slug", "")), backend_url()
    # The backend answers, and so does what the settings name: both were asked before. Outside of
    # development the page's server names no address, and nobody knows which it asks.
    words = words_of(answer)
    if slug == "backend-down" and "://" in words and _expected_address() not in words:
        return failed(
            f"the page's server does not ask {_expected_address()}, where its settings say "
            f"that the backend is: {words}",
            tried=f"GET {url}",
            source=f"{setting.source}, read when the page's server was started or built",
            command=START,
            slug="backend-url-baked-in",
        )
    return failed(
        f"the page's server says: {words}",
        tried=f"GET {url}",
        source=setting.source,
        command=START,
        slug=slug,
    )


def _expected_address() -> str:
    """Return where the page's server has to look for the backend."""
    return backend_address() if is_told_by_dev() else backend_url().text


def threads() -> Finding:
    """List conversations through the page's server, as ChatKit does in a browser."""
    if _guests_are_turned_away():
        return unknown("only people who have signed in with their provider can ask")
    url = _url()
    tried = f"POST {url} with threads.list and a guest's cookie"
    answer = post(url, LIST, guest(document()), MAKING_SECONDS)
    body = json_of(answer)
    if answer.status_code == 200 and isinstance(body, dict) and "data" in body:
        return _unbuffered(answer)
    if answer.status_code == 404 or answer.status_code == 405:
        return failed(
            f"the page has no route to the backend: {url} ends with {answer.status_code}",
            tried=tried,
            source=ROUTE,
            command="git checkout -- frontend/src/app/api",
            slug="no-proxy-route",
        )
    words, slug = words_of(answer), body.get("slug") if isinstance(body, dict) else None
    return failed(
        f"the page's server answers a request with {answer.status_code}: {words}",
        tried=tried,
        source=backend_url().source,
        command=START,
        slug=slug
        or next((slug for known, slug in SLUGS.items() if known in words), "proxy-hides-the-cause"),
    )


def _unbuffered(answer: httpx2.Response) -> Finding:
    """Look whether what is on the way to the browser is forbidden to collect the answer."""
    control = answer.headers.get("cache-control", "")
    if "no-transform" in control and answer.headers.get("x-accel-buffering") == "no":
        return passed("a chat request passes, and no server on the way may collect the answer")
    return failed(
        "a chat request passes, but servers on the way may collect the answer before they pass it "
        f"on: cache-control is {control or 'missing'}",
        tried="a look for no-transform and x-accel-buffering: no in the headers of the answer",
        source=ROUTE,
        command="git diff frontend/src frontend/next.config.ts",
        slug="proxy-buffers",
    )


def errors() -> Finding | None:
    """Ask for a conversation that is not there: what the backend says has to reach the person."""
    if _guests_are_turned_away():
        return None
    body = {"type": "threads.get_by_id", "params": {"thread_id": "thr_doctor"}}
    there, here = post(_url(), body, guest(document())), _words_of_the_backend(body)
    if words_of(there) == here:
        return passed("the page hands on the words in which the backend refuses")
    return failed(
        f'the backend says "{here}", and the page says "{words_of(there)}", with '
        f"{there.status_code}",
        tried=f"POST {_url()} with a conversation that is not there",
        source="frontend/src/kit/server/proxy.ts",
        command="git diff frontend/src",
        slug="proxy-hides-the-cause",
    )


def _words_of_the_backend(body: object) -> str:
    return words_of(post(f"{backend_address()}/chatkit", body, signed(stranger())))


def headers() -> Finding | None:
    """Send a header that is none of the backend's business."""
    if _guests_are_turned_away():
        return None
    strange = {"Authorization": "Bearer of-the-doctor"}
    answer = post(_url(), LIST, guest(document()) | strange)
    if answer.status_code == 200:
        return passed("headers of the browser go no further than they have to")
    return failed(
        f"the page hands on what browsers send: after a header that means nothing to it, it "
        f"answers {answer.status_code}, {words_of(answer)}",
        tried=f"POST {_url()} with an Authorization of the doctor's",
        source="frontend/src/kit/server/backend.ts",
        command="git diff frontend/src",
        slug="proxy-forwards-everything",
    )


def _url() -> str:
    return f"{page_address()}/api/chatkit"


def _guests_are_turned_away() -> bool:
    return value_of("frontend", "OIDC_ISSUER").is_set


def chat() -> Finding:
    """Look for the chat in the document of the page."""
    if re.search(r"<openai-chatkit|data-chat=", document().text):
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
    if _is_basic():
        return passed(BASIC, source=CHAT)
    headers = document().headers
    embedder = headers.get("cross-origin-embedder-policy", "unsafe-none")
    csp = headers.get("content-security-policy", "")
    shut = [name for name in ("script-src", "frame-src") if csp and not _allows(csp, name)]
    if embedder == "unsafe-none" and not shut:
        return passed("no policy of the page's server keeps ChatKit out")
    reason = f"{' and '.join(shut)} do not allow {CDN}" if shut else f"COEP is {embedder}"
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
        re.search(rf"{re.escape(CDN)}|(?:^|\s)(?:\*|https:|'strict-dynamic')(?:\s|$)", sources)
    )


def development() -> Finding | None:
    """Find out whether Next.js, in development, lets the scripts of a page at 127.0.0.1 in."""
    if "/_next/static/chunks/" not in document().text or "hmr-client" not in document().text:
        return None
    said = _open_socket(f"{base_path()}/_next/hmr?id=doctor")
    if said.startswith("HTTP/1.1 101 "):
        return passed("Next.js lets the page at 127.0.0.1 load its scripts")
    return failed(
        f"Next.js refuses the page at 127.0.0.1 its scripts: {said}",
        tried=f"a WebSocket to /_next/hmr with the origin {page_origin()}",
        source="frontend/next.config.ts",
        command="git diff frontend/next.config.ts",
        slug="dev-origin-blocked",
    )


def _open_socket(path: str) -> str:
    """Return the first line with which the page's server answers a WebSocket of the page."""
    head = (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{page_port()}\r\nOrigin: {page_origin()}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: ZG9jdG9yZG9jdG9yZG9jdA==\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", page_port()), timeout=WORLD_SECONDS) as connection:
        connection.sendall(head.encode())
        answer = connection.recv(256).decode(errors="replace")
    return answer.partition("\r\n")[0]


def _is_basic() -> bool:
    return value_of("frontend", CHAT).text.strip() == "basic"


def domain_key() -> Finding:
    """Look for the key of a domain, without which the chat runs on this machine only."""
    if _is_basic():
        return passed(BASIC, source=CHAT)
    key = value_of("frontend", DOMAIN_KEY)
    if key.is_set and key.text != PLACEHOLDER:
        return passed("the key of a domain is set", source=key.source)
    if value_of("backend", "APP_ENV").text == "development":
        return passed("the placeholder is set, which is good for this machine", source=key.source)
    return warned(
        "the placeholder is set, which is good for this machine only: on a domain the chat removes "
        "itself",
        tried=DOMAIN_KEY,
        source=key.source,
        by_hand=f"Get a key at {ALLOW_LIST}",
        slug="domain-key",
    )


def script() -> Finding:
    """Fetch the head of OpenAI's script, as browsers fetch the script."""
    if _is_basic():
        return passed(BASIC, source=CHAT)
    tried = f"HEAD {SCRIPT}"
    try:
        answer = httpx2.head(SCRIPT, timeout=WORLD_SECONDS, follow_redirects=True)
    except (httpx2.TransportError, OSError) as error:
        if refusal := explain_certificate(error):
            return unknown(
                f"this machine does not get OpenAI's script, a browser may. {refusal}",
                tried=tried,
                command=fetch(SCRIPT, "--head"),
                slug="tls-inspected" if INSPECTED in refusal else "script-blocked",
            )
        return unknown(
            f"this machine cannot reach OpenAI's script ({error}); a browser may have other ways",
            tried=tried,
            command=fetch(SCRIPT, "--head"),
            slug="script-blocked",
        )
    if answer.status_code == 200:
        return passed("OpenAI's server sends the script")
    return failed(
        f"OpenAI's server answers {answer.status_code} for the script. Is a firewall in the way?",
        tried=tried,
        command=fetch(SCRIPT, "--head"),
        slug="script-blocked",
    )


def studio_config() -> Finding | None:
    """Find out whether the page uses the file into which ChatKit Studio's export goes."""
    if not STUDIO.exists():
        return None
    if any(IMPORT_OF_STUDIO.search(text) for _, text in _sources()):
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
                command=f"git diff {quoted(place)}",
                slug="google-fonts",
            )
    return passed("a build asks nobody for fonts")


def _sources() -> list[tuple[Path, str]]:
    paths = sorted(path for path in SOURCES.rglob("*") if path.suffix in (".ts", ".tsx"))
    return [(path, path.read_text(encoding="utf-8", errors="replace")) for path in paths]


CHECKS = (
    Check("proxy.backend-url", backend_setting, needs=("backend.health",)),
    Check("proxy.page-server", server),
    Check("proxy.guest", cookie, needs=("proxy.page-server", "files.secrets")),
    Check("proxy.status", status, needs=("backend.threads", "proxy.backend-url", "proxy.guest")),
    Check("proxy.threads", threads, needs=("proxy.status",)),
    Check("proxy.errors", errors, needs=("proxy.threads", "backend.not-found")),
    Check("proxy.headers", headers, needs=("proxy.threads",)),
    Check("page.document", chat, needs=("proxy.guest",)),
    Check("page.policy", policy, needs=("page.document",)),
    Check("page.development", development, needs=("page.document",)),
    Check("page.studio-config", studio_config),
    Check("page.fonts", fonts),
    Check("page.domain-key", domain_key),
    Check("page.script", script),
)
