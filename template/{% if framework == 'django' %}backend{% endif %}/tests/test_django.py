"""Django's side: logins that own chats, the admin, and two kinds of migrations in one database."""

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
from contract.chat import HTTP, Chat, wait_until
from contract.serving import (
    SECRET,
    Server,
    alembic,
    empty_database,
    environment,
    run_server,
    run_sql,
    start_serving,
)
from sqlalchemy.engine import URL

from app.site.environment import DjangoSettings
from kit.settings import BACKEND, Settings

PASSWORD = secrets.token_urlsafe(16)
TABLES = {
    "alembic_version",
    "conversations",
    "messages",
    "feedback",
    "attachments",
    "locks",
    "turns",
}


def manage(*arguments: str, database: URL, **settings: str) -> str:
    """Run a command of Django's, and return what it prints."""
    result = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=BACKEND,
        env=environment(database, DJANGO_SUPERUSER_PASSWORD=PASSWORD, **settings),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


MAKE_USERS = f"""
from django.contrib.auth.models import User
for name in ("ada", "bob", "clerk"):
    User.objects.create_user(name, password={PASSWORD!r}, is_staff=name == "clerk")
"""


@pytest.fixture(scope="module")
def site(database: URL) -> Iterator[Server]:
    """A server with users: ada and bob, clerk of the staff, who may do nothing yet, and a chief."""
    manage("migrate", database=database)
    manage("shell", "-c", MAKE_USERS, database=database)
    manage("createsuperuser", "--noinput", "--username=chief", "--email=", database=database)
    with run_server(database, None, LOGIN_FAILURES="2") as running:
        yield running


def page_in_admin(kind: str, key: str, action: str = "change") -> str:
    """Return the address of something's page, as the admin's own links write it.

    In an address it reads some `_` with two digits as another character.
    """
    return f"/admin/chats/{kind}/{key.replace('_', '_5F')}/{action}/"


@dataclass
class Browser:
    """A browser that keeps its cookies."""

    site: Server
    cookies: httpx2.Cookies = field(default_factory=httpx2.Cookies)

    def get(self, path: str, query: str = "") -> httpx2.Response:
        """Open a page."""
        return self._keep(
            httpx2.get(self.site.address + path, params={"q": query}, cookies=self.cookies, **HTTP)
        )

    def send(self, path: str, **fields: str) -> httpx2.Response:
        """Send a form of a page that was opened before."""
        token = {"csrfmiddlewaretoken": self.cookies["csrftoken"]}
        return self._keep(
            httpx2.post(self.site.address + path, data=fields | token, cookies=self.cookies, **HTTP)
        )

    def _keep(self, answer: httpx2.Response) -> httpx2.Response:
        self.cookies.update(answer.cookies)
        return answer


def log_in(site: Server, name: str, path: str = "/accounts/login/") -> Browser:
    """Return a browser with a session."""
    browser = Browser(site)
    browser.get(path)
    answer = browser.send(path, username=name, password=PASSWORD)
    assert answer.status_code == 302, answer.text
    return browser


@pytest.fixture(scope="module")
def ada(site: Server) -> Browser:
    """The browser in which a user is logged in."""
    return log_in(site, "ada")


@pytest.fixture(scope="module")
def chief(site: Server) -> Browser:
    """The browser in which a superuser is logged in to the admin."""
    return log_in(site, "chief", "/admin/login/")


def with_session(person: Chat, browser: Browser) -> Chat:
    """Return the person at the page, who is logged in to Django too."""
    cookie = {"Cookie": f"sessionid={browser.cookies['sessionid']}"}
    return Chat(person.url, {**person.headers, **cookie})


def threads(person: Chat) -> list[str]:
    return [thread["id"] for thread in person.ask("threads.list")["data"]]


def test_a_logged_in_user_owns_their_chats(site: Server, ada: Browser) -> None:
    guest = site.someone()
    user = with_session(guest, ada)
    thread_id = user.say("Hello")[0]["thread"]["id"]
    uploaded = user.upload("a.txt", b"Hello", "text/plain").json()["id"]

    [(owner,)] = site.sql(f"SELECT owner FROM conversations WHERE id = '{thread_id}'")
    [(key,)] = site.sql("SELECT id FROM auth_user WHERE username = 'ada'")
    assert owner == f"user:{key}"
    assert threads(guest) == []
    assert guest.download(uploaded).status_code == 404
    bob = with_session(guest, log_in(site, "bob"))
    assert threads(bob) == []
    assert bob.post("threads.get_by_id", thread_id=thread_id).status_code == 404

    elsewhere = with_session(site.someone(), log_in(site, "ada"))
    assert thread_id in threads(elsewhere)
    assert elsewhere.download(uploaded).content == b"Hello"


def test_who_logs_out_is_a_guest_again(site: Server) -> None:
    browser = log_in(site, "bob")
    bob = with_session(site.someone(), browser)
    bob.say("Hello")
    assert "logged in as bob" in browser.get("/accounts/login/").text
    forged = httpx2.post(f"{site.address}/accounts/logout/", cookies=browser.cookies, **HTTP)
    assert forged.status_code == 403, "any site could send that"
    assert threads(bob)
    assert browser.send("/accounts/logout/").status_code == 302
    assert threads(bob) == []


def test_a_forged_session_is_nobody(site: Server) -> None:
    guest = site.someone()
    thread_id = guest.say("Hello")[0]["thread"]["id"]
    forged = Chat(guest.url, {**guest.headers, "Cookie": "sessionid=forged"})
    assert threads(forged) == [thread_id]


def test_many_answers_hold_no_connection_of_django(site: Server, ada: Browser) -> None:
    """Slug: session-held-while-streaming."""
    user = with_session(site.someone(), ada)
    before, pool = connections(site), 10
    with ExitStack() as stack:
        streams = [stack.enter_context(user.say_slowly("a long answer")) for _ in range(12)]
        for events in streams:
            next(events)
        wait_until(lambda: connections(site) <= before + pool)


def connections(site: Server) -> int:
    """Return how many connections the database has, to other servers of the tests too."""
    if site.database.get_backend_name() != "postgresql":
        return 0
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    return int(str(site.sql(query)[0][0]))


@pytest.fixture(scope="module")
def in_production(database: URL) -> Iterator[Server]:
    with run_server(database, APP_ENV="production") as running:
        yield running


def test_a_session_alone_is_not_believed(in_production: Server, ada: Browser) -> None:
    """Another site can make a browser send its cookies, but not the page's token."""
    alone = with_session(in_production.chat(), ada)
    assert alone.post("threads.list").status_code == 401
    assert alone.upload("a.txt", b"Hello", "text/plain").status_code == 401
    user = with_session(in_production.someone(), ada)
    assert user.post("threads.get_by_id", thread_id="thr_none").status_code == 404


def test_a_refusal_is_one_line_of_the_log(database: URL, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with run_server(database, log, APP_ENV="production") as server:
        answer = server.someone().post("threads.get_by_id", thread_id="thr_none")
    assert answer.status_code == 404
    kinds = [json.loads(line).get("kind") for line in log.read_text(encoding="utf-8").splitlines()]
    assert kinds.count("threads.get_by_id") == 1


def test_cookies_are_safe_in_production(in_production: Server, site: Server) -> None:
    browser = Browser(in_production)
    token = browser.get("/accounts/login/").cookies["csrftoken"]
    browser.cookies = httpx2.Cookies({"csrftoken": token})  # as if it had come over TLS
    answer = browser.send("/accounts/login/", username="ada", password=PASSWORD)
    assert answer.headers["location"] == "/"
    cookies = answer.headers.get_list("set-cookie")
    [session] = [cookie for cookie in cookies if cookie.startswith("__Host-sessionid=")]
    for word in ("HttpOnly", "SameSite=Lax", "Secure", "Path=/"):
        assert word in session
    assert "Domain" not in session


def test_a_session_planted_by_another_site_of_the_domain_is_nobodys(
    in_production: Server, site: Server, ada: Browser
) -> None:
    """Slug: planted-guest. It can set a cookie of the old name alone."""
    planted = with_session(in_production.someone(), ada)
    thread_id = planted.say("Hello")[0]["thread"]["id"]
    [(owner,)] = site.sql(f"SELECT owner FROM conversations WHERE id = '{thread_id}'")
    assert not str(owner).startswith("user:")


def test_what_the_admin_looks_like_is_served_in_production(in_production: Server) -> None:
    style = httpx2.get(f"{in_production.address}/static/admin/css/base.css", **HTTP)
    assert style.is_success
    assert style.headers["content-type"].startswith("text/css")


def test_a_browser_sees_errors_as_pages(in_production: Server) -> None:
    answer = httpx2.get(
        f"{in_production.address}/none", headers={"Accept": "text/html, */*;q=0.8"}, **HTTP
    )
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")


def test_the_names_of_hosts_can_be_limited(database: URL) -> None:
    with run_server(database, APP_ENV="production", ALLOWED_HOSTS="127.0.0.1, backend") as server:
        for host, status in (("backend:8000", 200), ("another", 400)):
            person = server.someone()
            headers = {**person.headers, "Host": host}
            assert Chat(person.url, headers).post("threads.list").status_code == status


def test_other_names_of_hosts_are_refused_at_first(in_production: Server) -> None:
    person = in_production.someone()
    for host, status in (("localhost:8000", 200), ("rebound.example", 400)):
        headers = {**person.headers, "Host": host}
        assert Chat(person.url, headers).post("threads.list").status_code == status


def test_other_machines_are_let_in_by_name_only(database: URL, tmp_path: Path) -> None:
    log = tmp_path / "log"
    settings = {"BACKEND_HOST": "0.0.0.0", "APP_ENV": "production"}
    process = start_serving(environment(database, **settings), log)
    process.join(120)
    assert process.exitcode == 1
    assert "ALLOWED_HOSTS is not set" in log.read_text(encoding="utf-8")
    assert "Traceback" not in log.read_text(encoding="utf-8")


def try_login(
    site: Server, name: str, password: str, path: str = "/accounts/login/", **headers: str
) -> httpx2.Response:
    """Return what a browser of its own is answered that fills in a form."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    with httpx2.Client(base_url=site.address, headers=sent, **HTTP) as browser:
        token = browser.get(path).cookies["csrftoken"]
        # Of production's cookies a client says nothing that has no TLS itself.
        cookies = {"Cookie": f"csrftoken={token}"}
        fields = {"username": name, "password": password, "csrfmiddlewaretoken": token}
        return browser.post(path, data=fields, headers=cookies)


@pytest.mark.parametrize(
    ("path", "name"), [("/accounts/login/", "bob"), ("/admin/login/", "clerk")]
)
def test_passwords_cannot_be_guessed(site: Server, path: str, name: str) -> None:
    """Slug: login-without-a-throttle. A name is locked for the address that fails, alone."""
    here = {"X_Forwarded_For": "192.0.2.1"}

    def attempt(password: str, **headers: str) -> httpx2.Response:
        return try_login(site, name, password, path, **{**here, "Accept": "text/html", **headers})

    assert [attempt("wrong").status_code for _ in range(2)] == [200, 429]
    for accept, kind in (("text/html", "text/html"), ("application/json", "application/json")):
        answer = attempt(PASSWORD, Accept=accept)
        assert answer.status_code == 429
        assert 0 < int(answer.headers["Retry-After"]) <= 15 * 60
        assert answer.headers["content-type"].startswith(kind)
        assert "Too many logins have failed. Try again in 15 minutes." in answer.text
    assert attempt(PASSWORD, X_Forwarded_For="192.0.2.99").status_code == 302
    assert try_login(site, "ada", PASSWORD, **here).status_code == 302


@pytest.fixture(scope="module")
def behind_tls(database: URL) -> Iterator[Server]:
    """A server behind a proxy that sends the headers of these tests, as nginx does."""
    hosts = {"ALLOWED_HOSTS": "chat.example.com, backend", "TRUSTED_PROXIES": "127.0.0.0/8"}
    origins = {"CSRF_TRUSTED_ORIGINS": "https://elsewhere.example.com"}
    with run_server(database, None, APP_ENV="production", **hosts, **origins) as running:
        yield running


TLS_PROXY = {"X_Forwarded_Proto": "https", "X_Forwarded_For": "192.0.2.7"}
BY_BROWSER = {"Host": "chat.example.com", "Origin": "https://chat.example.com"}


def test_a_login_works_behind_tls(site: Server, behind_tls: Server) -> None:
    """Slug: django-behind-tls. A form of another site does not."""
    answer = try_login(behind_tls, "ada", PASSWORD, **TLS_PROXY, **BY_BROWSER)
    assert answer.status_code == 302, answer.text
    [session] = [one for one in answer.headers.get_list("set-cookie") if "sessionid=" in one]
    assert "Secure" in session
    other_name = {"Host": "backend", "Origin": "https://elsewhere.example.com"}
    assert try_login(behind_tls, "ada", PASSWORD, **TLS_PROXY, **other_name).status_code == 302
    forged = BY_BROWSER | {"Origin": "https://evil.example"}
    assert try_login(behind_tls, "ada", PASSWORD, **TLS_PROXY, **forged).status_code == 403


def test_a_proxy_that_nobody_named_is_not_believed(database: URL) -> None:
    """It says that a browser came over TLS, and from where."""
    settings = {"ALLOWED_HOSTS": "chat.example.com, 127.0.0.1", "TRUSTED_PROXIES": "192.0.2.1"}
    settings |= {"APP_ENV": "production", "LOGIN_FAILURES": "2"}
    with run_server(database, None, **settings) as server:
        assert try_login(server, "ada", PASSWORD, **TLS_PROXY, **BY_BROWSER).status_code == 403
        for number in range(2):
            headers = {"X_Forwarded_For": f"192.0.2.{number}"}
            answer = try_login(server, "nobody", "wrong", **headers)
        assert answer.status_code == 429


def test_who_is_logged_in_stays_so_with_another_secret(site: Server) -> None:
    """Slug: secret-rotation-loses-guests."""
    ada = log_in(site, "ada")
    new = {"CHATKIT_SECRET": secrets.token_urlsafe(32), "CHATKIT_SECRET_PREVIOUS": SECRET}
    with run_server(site.database, None, **new) as changed:
        page = httpx2.get(f"{changed.address}/accounts/login/", cookies=ada.cookies, **HTTP)
    assert "logged in as ada" in page.text


def test_the_admin_is_for_staff(site: Server, ada: Browser, chief: Browser) -> None:
    path = "/admin/chats/conversation/"
    for stranger in (Browser(site), ada):
        assert stranger.get(path).headers["location"].startswith("/admin/login/")
    assert log_in(site, "clerk").get(path).status_code == 403
    assert chief.get(path).is_success


def test_staff_reads_conversations(site: Server, ada: Browser, chief: Browser) -> None:
    user = with_session(site.someone(), ada)
    thread_id = user.say("Grüße 👋 <b>rhubarb</b>")[0]["thread"]["id"]
    user.upload("notes.txt", b"Hello", "text/plain")
    item = user.items(thread_id)[-1]["id"]
    user.ask("items.feedback", thread_id=thread_id, item_ids=[item], kind="negative")

    shown = "Grüße 👋 &lt;b&gt;rhubarb&lt;/b&gt;"
    link = page_in_admin("conversation", thread_id)
    page = chief.get(link).text
    assert page.count(shown) > 1, "the title and the message"
    assert "assistant_message" in page
    assert 'name="_save"' not in page
    [(owner,)] = site.sql(f"SELECT owner FROM conversations WHERE id = '{thread_id}'")
    for query in ("ada", thread_id, str(owner), "rhubarb"):
        assert link in chief.get("/admin/chats/conversation/", query).text, query
    assert link not in chief.get("/admin/chats/conversation/", "nothing of it").text
    messages = chief.get("/admin/chats/message/", thread_id).text
    assert messages.count('<th class="field-beginning">') == 2
    assert shown in messages
    assert chief.get(page_in_admin("message", item)).is_success
    assert "negative" in chief.get("/admin/chats/feedback/").text
    assert "notes.txt" in chief.get("/admin/chats/attachment/", str(owner)).text


def test_staff_changes_nothing(site: Server, chief: Browser) -> None:
    thread_id = site.someone().say("Hello")[0]["thread"]["id"]
    chief.get("/admin/")
    pages = [page_in_admin("conversation", thread_id, action) for action in ("change", "delete")]
    for address in ("/admin/chats/conversation/add/", *pages):
        assert chief.send(address, title="Another", post="yes").status_code == 403
    assert site.sql(f"SELECT title FROM conversations WHERE id = '{thread_id}'") == [("Hello",)]


COUNT_QUERIES = """
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext, setup_test_environment

setup_test_environment()
client = Client()
client.force_login(User.objects.filter(is_superuser=True).first())
for model in ("conversation", "message", "attachment", "feedback"):
    with CaptureQueriesContext(connection) as queries:
        assert client.get(f"/admin/chats/{model}/").status_code == 200
    print(len(queries))
"""


def test_a_longer_list_asks_no_more_of_the_database(site: Server, chief: Browser) -> None:
    counts = []
    for _ in range(2):
        person = site.someone()
        thread_id = person.say("notice")[0]["thread"]["id"]
        feedback = {"item_ids": [person.items(thread_id)[-1]["id"]], "kind": "positive"}
        person.ask("items.feedback", thread_id=thread_id, **feedback)
        person.upload("a.txt", b"Hello", "text/plain")
        counts.append(manage("shell", "-v0", "-c", COUNT_QUERIES, database=site.database))
    assert counts[0] == counts[1]


def tables(url: URL) -> set[object]:
    query = (
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        if url.get_backend_name() == "sqlite"
        else "SELECT table_name FROM information_schema.tables WHERE table_schema IN"
        f" ('public', '{url.database}')"
    )
    return {name for (name,) in run_sql(url, query)}


def test_neither_side_touches_the_tables_of_the_other(tmp_path: Path) -> None:
    with empty_database(tmp_path) as url:
        env = environment(url)
        assert alembic("upgrade", "head", env=env).returncode == 0
        assert tables(url) == TABLES
        manage("migrate", database=url)
        assert tables(url) > TABLES | {"auth_user", "django_session", "django_admin_log"}

        assert "No changes detected" in manage("makemigrations", "--check", database=url)
        assert "No new upgrade operations" in alembic("check", env=env).stdout
        assert alembic("downgrade", "base", env=env).returncode == 0
        assert "auth_user" in tables(url)
        assert alembic("upgrade", "head", env=env).returncode == 0
        manage("migrate", "auth", "zero", database=url)
        assert "auth_user" not in tables(url)
        assert tables(url) > TABLES


def test_migrations_not_run_of_django(tmp_path: Path) -> None:
    """Guests can chat, and a login says what is missing."""
    with empty_database(tmp_path) as url:
        assert alembic("upgrade", "head", env=environment(url)).returncode == 0
        with run_server(url) as server:
            guest = server.someone()
            assert guest.say("Hello")[-1]["type"] == "thread.item.done"
            person = Chat(guest.url, {**guest.headers, "Cookie": "sessionid=" + "x" * 32})
            refused = person.post("threads.list")
            assert refused.status_code == 503
            assert "manage.py migrate" in refused.json()["message"]
            manage("migrate", database=url)
            assert person.post("threads.list").is_success


def test_what_signs_sessions_is_not_what_signs_owners(database: URL) -> None:
    code = "from django.conf import settings; print(settings.SECRET_KEY)"
    key = manage("shell", "-v0", "-c", code, database=database).strip()
    assert len(key) > 50
    assert SECRET not in key


def test_production_passes_the_checks_of_django(database: URL) -> None:
    arguments = ("check", "--deploy", "--fail-level=WARNING")
    manage(*arguments, database=database, APP_ENV="production")


def test_every_setting_of_django_is_described() -> None:
    text = (BACKEND.parent / "docs" / "settings.md").read_text(encoding="utf-8")
    own = DjangoSettings.model_fields.keys() - Settings.model_fields.keys()
    assert [name for name in own if f"`{name.upper()}`" not in text] == []


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("DATABASE_URL", "mongodb://host/db", "DATABASE_URL names"),
        ("LOGIN_FAILURES", "abc", 'LOGIN_FAILURES is "abc": set a whole number, 0 for no limit.'),
        (
            "LOGIN_COOLOFF_MINUTES",
            "0",
            'LOGIN_COOLOFF_MINUTES is "0": set a whole number from 1 on.',
        ),
    ],
)
def test_a_wrong_setting_is_named_without_a_traceback(
    database: URL, tmp_path: Path, name: str, value: str, words: str
) -> None:
    env = environment(database) | {name: value}
    command = [sys.executable, "manage.py", "check"]
    result = subprocess.run(
        command, cwd=BACKEND, env=env, capture_output=True, encoding="utf-8", check=False
    )
    log = tmp_path / "log"
    process = start_serving(env, log)
    process.join(120)
    for code, said in [
        (result.returncode, result.stderr),
        (process.exitcode, log.read_text(encoding="utf-8")),
    ]:
        assert code in (1, 2)
        assert words in said
        assert "Traceback" not in said
