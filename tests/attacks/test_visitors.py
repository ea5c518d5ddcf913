"""Who somebody is: no other site speaks for them, and no change of secrets loses them."""

import re
import secrets
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
from conftest import Installed
from contract.chat import HTTP, Chat, visit
from support.deployed import commands, migrate, serving
from support.ports import free_port
from support.variants import DEFAULT

from attacks.conftest import DeployedOf

BEHIND_TLS = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "chat.example.com"}


def open_page(page: str, **headers: str) -> dict[str, str]:
    """Open the page and return the cookies that it sets."""
    answer = httpx2.get(page, headers=headers, **HTTP)
    assert answer.status_code == 200
    return dict(answer.cookies.items())


@pytest.mark.parametrize("path", ["/", "/none", "/_global-error", "/_not-found", "/index.html"])
def test_nobody_else_gets_a_guests_cookie(deployed_of: DeployedOf, path: str) -> None:
    """Slug: planted-guest. Some documents are made by the build, to be kept for a year."""
    answer = httpx2.get(deployed_of(DEFAULT).page + path, headers=BEHIND_TLS, **HTTP)
    if "set-cookie" in answer.headers:
        assert "no-store" in answer.headers["cache-control"]
        assert "s-maxage" not in answer.headers["cache-control"]


def test_a_form_of_another_site_takes_no_guest_away(deployed_of: DeployedOf) -> None:
    """Slug: planted-guest. The browser sends it without the cookie."""
    answer = httpx2.post(deployed_of(DEFAULT).page, data={"a": "b"}, headers=BEHIND_TLS, **HTTP)
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", ["chatkit", "attachments", "attachments/atc_1"])
def test_another_page_changes_nothing_in_a_persons_name(deployed_of: DeployedOf, path: str) -> None:
    """Slug: cross-site-post."""
    site = deployed_of(DEFAULT)
    person = site.visit()
    host = site.page.removeprefix("http://")

    def post(**headers: str) -> httpx2.Response:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"{site.page}/api/{path}"
        return httpx2.post(url, content=b"{}", headers={**person.headers, **sent}, **HTTP)

    theirs = [
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site", "Origin": f"http://{host}"},
        {"Origin": "https://evil.example"},
        {"Origin": f"http://{host}.evil.example"},
        {"Origin": "null"},
    ]
    for headers in theirs:
        answer = post(**headers)
        assert answer.status_code == 403, headers
        assert "another page" in answer.json()["message"]
    ours = [{}, {"Sec_Fetch_Site": "same-origin"}, {"Origin": f"https://{host}"}]
    for headers in ours:
        assert post(**headers).status_code not in (401, 403), headers


def test_a_sibling_domain_plants_no_history(deployed_of: DeployedOf) -> None:
    """Slug: planted-guest. By a cookie of a name that it may set, or by one beside the person's."""
    site = deployed_of(DEFAULT)
    chat = f"{site.page}/api/chatkit"
    ((name, value),) = open_page(site.page, **BEHIND_TLS).items()
    assert name.startswith("__Host-")
    person = Chat(chat, {"Cookie": f"{name}={value}", **BEHIND_TLS})
    person.say("Mine")

    attacker = site.visit()  # who has told us that the page is at http
    attacker.say("Of the attacker")
    planted = attacker.headers["Cookie"]
    for cookie in (planted, f"__Host-{planted}"):
        alone = Chat(chat, {"Cookie": cookie, **BEHIND_TLS})
        assert alone.post("threads.list").status_code == 401, cookie
    beside = Chat(chat, {"Cookie": f"{planted}; {name}={value}; {planted}", **BEHIND_TLS})
    assert [thread["title"] for thread in beside.ask("threads.list")["data"]] == ["Mine"]

    twice = f"{planted}; {site.visit().headers['Cookie']}"
    refused = Chat(chat, {"Cookie": twice}).post("threads.list")
    assert refused.status_code == 401
    assert "two cookies" in refused.json()["message"]
    assert open_page(site.page, Cookie=twice) == {}


def test_a_secret_is_changed_half_by_half(built: Installed, tmp_path: Path) -> None:
    """Slug: secret-rotation-loses-guests. With a page open, as docs/settings.md says."""
    project = built(DEFAULT)
    backend_command, page_command = commands(project)
    backend_port, page_port = free_port(), free_port()
    backend_url, page_url = (f"http://127.0.0.1:{port}" for port in (backend_port, page_port))
    old, new = ({"CHATKIT_SECRET": secrets.token_urlsafe(32)} for _ in range(2))
    both = new | {"CHATKIT_SECRET_PREVIOUS": old["CHATKIT_SECRET"]}
    of_backend = {
        "APP_ENV": "production",
        "BACKEND_PORT": str(backend_port),
        "DATABASE_URL": f"sqlite:///{tmp_path}/chat.db",
        "ATTACHMENTS_URL": str(tmp_path / "attachments"),
        "ASSISTANT": "demo",
    }
    of_page = {"BACKEND_URL": backend_url, "PORT": str(page_port)}

    with ExitStack() as backend, ExitStack() as page:

        def start_backend(signing: dict[str, str]) -> None:
            backend.close()
            env, health = of_backend | signing, f"{backend_url}/health"
            backend.enter_context(serving(project, backend_command, "backend", env, health))

        def start_page(signing: dict[str, str]) -> None:
            page.close()
            env = of_page | signing
            page.enter_context(serving(project, page_command, "frontend", env, page_url))

        migrate(project, of_backend | old)
        start_backend(old)
        start_page(old)
        guest = visit(page_url)
        thread_id = guest.say("Remember me")[0]["thread"]["id"]

        start_backend(both)
        guest.say("The backend knows the new secret", thread_id)
        start_page(both)
        guest.say("And so does the page", thread_id)
        items = guest.items(thread_id)
        assert len(items) == 6
        assert visit(page_url).ask("threads.list")["data"] == []

        cookies = open_page(page_url, Cookie=guest.headers["Cookie"])
        ((name, value),) = cookies.items()
        assert re.fullmatch(r"chatkit_guest_[0-9a-f]{8}_http", name)
        again = Chat(guest.url, {"Cookie": f"{name}={value}"})
        start_backend(new)
        start_page(new)
        assert again.items(thread_id) == items
        assert guest.post("threads.list").status_code == 401
