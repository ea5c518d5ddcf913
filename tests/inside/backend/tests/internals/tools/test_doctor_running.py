"""What the doctor finds in a project that runs: on the real backend, with errors in between."""

import json
import os
import secrets
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from contract.chat import Json
from contract.serving import DEMO, Server, empty_database, free_port, run_server

from internals.tools.between import Between
from internals.tools.patient import Examination, Patient, fails


def through(
    patient: Patient, backend: Server, page: Between, *only: str, **env: str
) -> Examination:
    """Examine a project whose page's server is the one given."""
    ports = {"BACKEND_PORT": backend.port, "FRONTEND_PORT": page.port}
    return patient.examine(*only, **(ports | env))


# --- backend


def test_proxy_hides_the_cause_a_stranger_on_the_port_is_named(healthy: Patient) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as stranger:
        threading.Thread(target=stranger.handle_request).start()
        examination = healthy.examine("backend", BACKEND_PORT=str(stranger.server_port))
    found = fails(examination, "backend.health", "proxy-hides-the-cause")
    assert f"process {os.getpid()}" in found["words"]
    assert "BACKEND_PORT=" in found["command"]


def test_a_backend_that_may_be_starting_is_no_failure(healthy: Patient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        examination = healthy.examine("backend.health", BACKEND_PORT=str(silent.getsockname()[1]))
    assert "gives no answer within 5 seconds" in examination["backend.health"]["words"]
    assert examination.status == 2


def test_migrations_not_run_in_the_database_of_the_backend(
    healthy: Patient, tmp_path: Path
) -> None:
    """The doctor's shell names one database, that of the backend another."""
    with empty_database(tmp_path) as url, run_server(url, None, **DEMO) as server:
        examination = healthy.examine("backend", BACKEND_PORT=server.port)
    fails(examination, "backend.health", "migrations-not-run")


def test_env_file_lost_the_backend_has_another_secret(healthy: Patient) -> None:
    with run_server(healthy.url, None, **DEMO, CHATKIT_SECRET=secrets.token_urlsafe(32)) as server:
        examination = healthy.examine("backend", BACKEND_PORT=server.port)
    fails(examination, "backend.threads", "env-file-lost")
    assert examination["backend.not-found"]["because"] == "backend.threads"


def bytes_as_text(request: Json, answer: Any) -> Any:
    return json.dumps(answer) if request["type"] == "threads.list" else answer


def test_json_in_json_is_named(healthy: Patient, between: Between) -> None:
    between.change_answer = bytes_as_text
    examination = healthy.examine("backend", BACKEND_PORT=between.port)
    fails(examination, "backend.threads", "json-of-bytes")


@pytest.mark.parametrize(
    ("check", "slug", "is_it"),
    [
        ("wrong-field", "wrong-request-field", lambda request: "method" in request),
        ("not-found", "not-found-is-500", lambda request: request["type"] == "threads.get_by_id"),
        (
            "failing-stream",
            "errors-multiply-threads",
            lambda request: request["type"] == "threads.add_user_message",
        ),
    ],
)
def test_a_500_in_place_of_words_is_named(
    healthy: Patient, between: Between, check: str, slug: str, is_it: Callable[[Json], bool]
) -> None:
    between.change_status = lambda request, status: 500 if is_it(request) else status
    examination = healthy.examine("backend", BACKEND_PORT=between.port)
    fails(examination, f"backend.{check}", slug)


def test_production_shows_nothing_to_a_bare_curl(healthy: Patient) -> None:
    settings = DEMO | {"ASSISTANT": "demo", "APP_ENV": "production"}
    with run_server(healthy.url, None, **settings) as server:
        examination = healthy.examine("backend", BACKEND_PORT=server.port)
    assert examination.status == 0
    assert "is refused" in examination["backend.whose-history"]["words"]


# --- proxy and page


def test_a_page_that_is_well_passes(healthy: Patient, backend: Server, between: Between) -> None:
    between.status = (200, {"status": "ok"})
    examination = through(healthy, backend, between, "proxy", "page")
    assert examination.slugs("FAIL") == {}
    assert examination.slugs("UNKNOWN") == {"page.script": "script-blocked"}
    assert examination["proxy.status"]["outcome"] == "PASS"


def without_route(page: Between) -> None:
    page.has_route = False


def hide_the_cause(page: Between) -> None:
    page.change_answer = lambda request, answer: (
        {"message": "Failed to connect to ChatKit backend"}
        if request["type"] == "threads.get_by_id"
        else answer
    )


def look_elsewhere(page: Between) -> None:
    words = "No answer from the backend at http://127.0.0.1:1/health (ECONNREFUSED)."
    page.status = (502, {"message": words, "slug": "backend-down"})


def hand_on_everything(page: Between) -> None:
    page.hands_on_everything = True


def without_cookie(page: Between) -> None:
    page.has_cookie = False


def collected_on_the_way(page: Between) -> None:
    page.answer_headers = {"Cache-Control": "public"}


def without_chat(page: Between) -> None:
    page.document = "<html><body><main></main></body></html>"


def failing_document(page: Between) -> None:
    error = {"name": "Error", "message": "This API is only available in Client Components."}
    data = json.dumps({"page": "/_error", "err": error})
    page.document = f'<html><script id="__NEXT_DATA__">{data}</script></html>'
    page.document_status = 500


def with_policy(page: Between) -> None:
    page.document_headers = {"Content-Security-Policy": "default-src 'self'; connect-src *"}


def with_embedder_policy(page: Between) -> None:
    page.document_headers = {"Cross-Origin-Embedder-Policy": "require-corp"}


def in_development_that_refuses(page: Between) -> None:
    page.document += '<script src="/_next/static/chunks/hmr-client.js"></script>'


def that_says_why(page: Between) -> None:
    page.status = (502, {"message": "The database does not answer.", "slug": "database-down"})


def without_backend_and_words(page: Between) -> None:
    words = "The chat is not available at the moment. Try again in a minute. (request r)"
    page.status = (502, {"message": words, "slug": "backend-down"})


def that_says_only_the_slug(page: Between) -> None:
    page.change_status = lambda *_: 502
    page.change_answer = lambda *_: {"message": "Try again in a minute.", "slug": "env-file-lost"}


def without_backend(page: Between) -> None:
    page.change_status = lambda *_: 502
    page.change_answer = lambda *_: {"message": "No answer from the backend at http://…"}


@pytest.mark.parametrize(
    ("check", "slug", "break_it"),
    [
        ("proxy.threads", "no-proxy-route", without_route),
        ("proxy.threads", "proxy-buffers", collected_on_the_way),
        ("proxy.errors", "proxy-hides-the-cause", hide_the_cause),
        ("proxy.headers", "proxy-forwards-everything", hand_on_everything),
        ("proxy.status", "backend-url-baked-in", look_elsewhere),
        ("proxy.threads", "backend-down", without_backend),
        ("proxy.status", "backend-down", without_backend_and_words),
        ("proxy.threads", "env-file-lost", that_says_only_the_slug),
        ("proxy.guest", "two-guests-in-one-browser", without_cookie),
        ("proxy.status", "database-down", that_says_why),
        ("page.document", "blank-screen", without_chat),
        ("proxy.page-server", "server-component", failing_document),
        ("page.policy", "csp-blocks-chatkit", with_policy),
        ("page.policy", "csp-blocks-chatkit", with_embedder_policy),
        ("page.development", "dev-origin-blocked", in_development_that_refuses),
    ],
)
def test_what_is_wrong_with_the_page_is_named(
    healthy: Patient,
    backend: Server,
    between: Between,
    check: str,
    slug: str,
    break_it: Callable[[Between], None],
) -> None:
    break_it(between)
    fails(through(healthy, backend, between, check), check, slug)


def test_sub_path_a_page_at_another_path_is_named(
    healthy: Patient, backend: Server, between: Between
) -> None:
    between.document_status = 404
    between.document = '<script src="/chat/_next/static/chunks/a.js"></script>'
    found = fails(through(healthy, backend, between, "proxy"), "proxy.page-server", "sub-path")
    assert f"but at http://127.0.0.1:{between.port}/chat" in found["words"]
    assert found["source"] == "the default of FRONTEND_BASE_PATH"
    between.document = between.document.replace("/chat", "")
    fails(through(healthy, backend, between, "proxy"), "proxy.page-server", "blank-screen")


@pytest.mark.parametrize("path", ["chat", "/chat/", "/gespr\u00e4ch", "https://example.com/chat"])
def test_sub_path_a_path_that_is_none_is_named(
    healthy: Patient, backend: Server, between: Between, path: str
) -> None:
    examination = through(healthy, backend, between, FRONTEND_BASE_PATH=path)
    found = fails(examination, "proxy.page-server", "sub-path")
    assert found["words"].startswith(f'FRONTEND_BASE_PATH in the shell is "{path}".')


def test_a_policy_that_lets_chatkit_in_passes(
    healthy: Patient, backend: Server, between: Between
) -> None:
    host = "https://cdn.platform.openai.com"
    policy = f"default-src 'self'; script-src 'self' {host}; frame-src {host}"
    between.document_headers = {"Content-Security-Policy": policy}
    assert through(healthy, backend, between, "page.policy").status == 0


def test_backend_down_a_wrong_address_is_named_with_its_place(
    healthy: Patient, backend: Server, between: Between
) -> None:
    wrong = f"http://127.0.0.1:{free_port()}"
    examination = through(healthy, backend, between, "proxy", BACKEND_URL=wrong)
    found = fails(examination, "proxy.backend-url", "backend-down")
    assert found["source"] == "BACKEND_URL in the shell"
    assert backend.address in found["by_hand"]


def test_a_second_address_is_named(healthy: Patient, backend: Server, between: Between) -> None:
    urls = {"BACKEND_URL": backend.address, "NEXT_PUBLIC_BACKEND_URL": "http://127.0.0.1:1"}
    examination = through(healthy, backend, between, "proxy", **urls)
    assert examination["proxy.backend-url"]["slug"] == "backend-url-baked-in"


def test_the_backend_is_found_where_the_page_looks_for_it(
    healthy: Patient, backend: Server
) -> None:
    nobody = {"BACKEND_PORT": str(free_port()), "BACKEND_URL": backend.address}
    assert healthy.examine("backend", **nobody).status == 0


def test_no_stranger_is_asked_where_the_backend_was_moved(
    healthy: Patient, backend: Server
) -> None:
    """Then dev tells the page where it is, whatever stands in its file."""
    healthy.set("frontend", "BACKEND_URL", backend.address)
    examination = healthy.examine("backend", BACKEND_PORT=str(free_port()))
    assert examination["backend.health"]["words"].startswith("the project is not running")
    assert examination.slugs("FAIL") == {}
