"""Who is believed, and who is not."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from chat import Chat
from conftest import SECRET, Server, environment, run_server
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import RSAAlgorithm
from serving import start_serving
from sqlalchemy.engine import URL
from wait import wait_until

AUDIENCE = "the-client-id"


def claims(**others: Any) -> dict[str, Any]:
    """Return what the page's server says of a person."""
    return {
        "sub": "ada",
        "iss": "chatkit-frontend",
        "aud": "chatkit-backend",
        "exp": int(time.time()) + 60,
    } | others


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 1},
        {"iss": "somebody"},
        {"aud": "somebody"},
        {"sub": None},
        {"exp": None},
        {"secret": "another secret of 32 characters, or more"},
    ],
    ids=str,
)
def test_a_wrong_token_is_refused(server: Server, changes: dict[str, Any]) -> None:
    said = {key: value for key, value in claims(**changes).items() if value is not None}
    chat = server.chat(jwt.encode(said, said.pop("secret", SECRET), algorithm="HS256"))
    for response in (chat.post("threads.list"), chat.download("atc_none")):
        assert response.status_code == 401
        assert "CHATKIT_SECRET" in response.json()["message"]


@pytest.mark.parametrize("authorization", ["", "Basic YTpi", "Bearer", "Bearer x.y.z"])
def test_what_is_no_token_is_refused(server: Server, authorization: str) -> None:
    chat = Chat(server.chat().url, {"Authorization": authorization})
    assert chat.post("threads.list").status_code == 401


def test_an_unsigned_token_is_refused(server: Server) -> None:
    unsigned = jwt.encode(claims(), "", algorithm="none")
    assert server.chat(unsigned).post("threads.list").status_code == 401


def test_production_believes_nobody_without_a_token(database: URL, tmp_path: Path) -> None:
    with run_server(database, tmp_path / "log", APP_ENV="production") as server:
        chat = server.chat()
        for response in (
            chat.post("threads.list"),
            chat.upload("a.txt", b"Hello", "text/plain"),
            chat.download("atc_none"),
        ):
            assert response.status_code == 401
            assert "Not signed in" in response.json()["message"]
        assert server.someone().ask("threads.list")["data"] == []


@pytest.mark.parametrize(
    ("secret", "problem"),
    [
        ("", "missing or shorter"),
        ("short", "missing or shorter"),
        ("change-me-change-me-change-me-change-me", "not random"),
        ("x" * 40, "not random"),
    ],
)
def test_production_does_not_start_without_a_real_secret(
    database: URL, tmp_path: Path, secret: str, problem: str
) -> None:
    log = tmp_path / "log"
    settings = environment(database, APP_ENV="production", CHATKIT_SECRET=secret)
    process = start_serving(settings, log)
    process.join(120)
    assert process.exitcode == 2
    said = log.read_text()
    assert f"CHATKIT_SECRET is {problem}" in said
    assert "secrets.token_urlsafe" in said
    assert "Traceback" not in said


class Provider:
    """A login of somebody else's: it signs tokens, and publishes its keys."""

    def __init__(self) -> None:
        self.keys: dict[str, rsa.RSAPrivateKey] = {}
        self.rotate("first")
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answers = {
                    "/.well-known/openid-configuration": {"jwks_uri": f"{provider.issuer}/keys"},
                    "/keys": {"keys": [provider.public(name) for name in provider.keys]},
                }
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(answers[self.path]).encode())

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"

    def rotate(self, name: str) -> None:
        """Sign with a new key from now on."""
        self.keys = {name: rsa.generate_private_key(public_exponent=65537, key_size=2048)}

    def public(self, name: str) -> dict[str, Any]:
        key = RSAAlgorithm.to_jwk(self.keys[name].public_key(), as_dict=True)
        return key | {"kid": name, "alg": "RS256", "use": "sig"}

    def token(self, **changes: Any) -> str:
        """Return a token of the newest key."""
        [name] = self.keys
        said = claims(iss=self.issuer, aud=AUDIENCE) | changes
        return jwt.encode(said, self.keys[name], algorithm="RS256", headers={"kid": name})


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    provider = Provider()
    threading.Thread(target=provider.server.serve_forever, daemon=True).start()
    yield provider
    provider.server.shutdown()
    provider.server.server_close()


@pytest.fixture(scope="module")
def with_login(database: URL, provider: Provider) -> Iterator[Server]:
    """A server that believes the provider too."""
    login = {"OIDC_ISSUER": provider.issuer, "OIDC_AUDIENCE": AUDIENCE}
    with run_server(database, None, APP_ENV="production", **login) as running:
        yield running


def test_a_login_of_a_provider_owns_its_conversations(
    with_login: Server, provider: Provider
) -> None:
    """On every device, by the page or without it, and when the provider has changed its keys."""
    subject = provider.issuer[-5:]
    ada = with_login.chat(provider.token(sub=subject))
    thread_id = ada.say("notice")[0]["thread"]["id"]
    query = f"SELECT owner FROM conversations WHERE id = '{thread_id}'"
    assert with_login.sql(query) == [(f"oidc:{subject}",)]
    by_the_page = with_login.someone(f"oidc:{subject}")
    assert [thread["id"] for thread in by_the_page.ask("threads.list")["data"]] == [thread_id]
    assert with_login.chat(provider.token(sub="bob")).ask("threads.list")["data"] == []
    provider.rotate("second")
    again = with_login.chat(provider.token(sub=subject))
    wait_until(lambda: again.post("threads.list").status_code == 200)
    assert again.items(thread_id)


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "another app"},
        {"iss": "https://somebody.example"},
        {"exp": 1},
        {"sub": ""},
        {"sub": "x" * 201},
    ],
)
def test_a_wrong_token_of_a_provider_is_refused(
    with_login: Server, provider: Provider, changes: dict[str, Any]
) -> None:
    response = with_login.chat(provider.token(**changes)).post("threads.list")
    assert response.status_code == 401
    assert "Not signed in" in response.json()["message"]


def test_a_forged_token_of_a_provider_is_refused(with_login: Server, provider: Provider) -> None:
    """Signed by a stranger's key, of the same name or another, or with a secret."""
    [name] = provider.keys
    said = claims(iss=provider.issuer, aud=AUDIENCE)
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    curve = ec.generate_private_key(ec.SECP256R1())
    for token in (
        jwt.encode(said, stranger, algorithm="RS256", headers={"kid": name}),
        jwt.encode(said, "x" * 64, algorithm="HS512", headers={"kid": name}),
        jwt.encode(said, stranger, algorithm="RS256", headers={"kid": "unknown"}),
        jwt.encode(said, curve, algorithm="ES256", headers={"kid": name}),
    ):
        assert with_login.chat(token).post("threads.list").status_code == 401


def test_a_login_that_does_not_answer_is_said(database: URL, tmp_path: Path) -> None:
    settings = {"OIDC_ISSUER": "http://127.0.0.1:1", "OIDC_AUDIENCE": AUDIENCE}
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    token = jwt.encode(claims(), key, algorithm="RS256", headers={"kid": "a"})
    with run_server(database, tmp_path / "log", **settings) as server:
        response = server.chat(token).post("threads.list")
    assert response.status_code == 503
    assert "the login does not answer" in response.json()["message"]
    assert token not in (tmp_path / "log").read_text()
