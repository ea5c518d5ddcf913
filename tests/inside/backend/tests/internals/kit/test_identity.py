"""Who is believed, and who is not."""

import hmac
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from contract.chat import Chat, sign, wait_until
from contract.serving import SECRET, Server, environment, run_server, start_serving
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.utils import base64url_encode
from sqlalchemy.engine import URL

from internals.inspected import WITHOUT, inspected
from kit.settings import BACKEND

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

AUDIENCE = "the-client-id"

MAKE_ONE = 'Make one with: uv run python -c "import secrets; print(secrets.token_urlsafe(32))"'

UNSET_IT = "Unset it, or set the whole secret that was CHATKIT_SECRET before"
CASES = json.loads((BACKEND / "tests" / "oidc-cases.json").read_text(encoding="utf-8"))["cases"]
"""Tokens of a provider, which the page's server judges too."""

STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
"""A key that nobody publishes."""


@pytest.mark.parametrize(
    ("seconds", "status"),
    [
        ({"iat": -60, "exp": -2}, 200),
        ({"iat": 2, "exp": 62}, 200),
        ({"iat": -90, "exp": -30}, 401),
        ({"iat": 30, "exp": 90}, 401),
    ],
    ids=str,
)
def test_clocks_may_be_apart_by_seconds(
    server: Server, seconds: dict[str, int], status: int
) -> None:
    """And no more, or a token that leaks is worth something for longer than its minute."""
    claims = {name: int(time.time()) + apart for name, apart in seconds.items()}
    assert server.chat(sign(SECRET, **claims)).post("threads.list").status_code == status


@pytest.mark.parametrize("end", [" ", "\0", "\ufffd", chr(0xD83D), "a" * 255])
def test_nobody_has_a_name_that_may_be_anothers(server: Server, end: str) -> None:
    """Not every database tells it apart, or takes it at all."""
    response = server.chat(sign(SECRET, sub=f"ada{end}")).post("threads.list")
    assert response.status_code == 401
    assert "Not signed in" in response.json()["message"]


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "localhost:8000"},
        {"host": "[::1]:8000"},
        {"host": "LOCALHOST"},
        {"origin": "http://127.0.0.1:3000", "sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
    ],
    ids=str,
)
def test_this_machine_can_ask_in_development(server: Server, headers: dict[str, str]) -> None:
    chat = Chat(f"{server.address}/chatkit", headers)
    assert chat.post("threads.list").status_code == 200


def test_a_page_with_a_token_is_no_other_site(server: Server) -> None:
    headers = {"origin": "https://chat.example", "sec-fetch-site": "cross-site"}
    person = server.someone("somebody")  # who asks without the page in between
    assert Chat(person.url, {**person.headers, **headers}).post("threads.list").is_success


@pytest.mark.parametrize("authorization", ["", "Basic YTpi", "Bearer", "Bearer x.y.z"])
def test_what_is_no_token_is_refused(server: Server, authorization: str) -> None:
    chat = Chat(server.chat().url, {"Authorization": authorization})
    assert chat.post("threads.list").status_code == 401


@pytest.mark.parametrize(
    ("name", "secret", "problem", "cure"),
    [
        ("CHATKIT_SECRET", "", "missing", MAKE_ONE),
        ("CHATKIT_SECRET", "short", "shorter than 32 characters", MAKE_ONE),
        ("CHATKIT_SECRET", "change-me-change-me-change-me-change-me", "not random", MAKE_ONE),
        ("CHATKIT_SECRET", "x" * 40, "not random", MAKE_ONE),
        ("CHATKIT_SECRET_PREVIOUS", "short", "shorter than 32 characters", UNSET_IT),
        ("CHATKIT_SECRET_PREVIOUS", "x" * 40, "not random", UNSET_IT),
    ],
)
def test_production_does_not_start_without_a_real_secret(
    database: URL, tmp_path: Path, name: str, secret: str, problem: str, cure: str
) -> None:
    log = tmp_path / "log"
    settings = environment(database, APP_ENV="production") | {name: secret}
    process = start_serving(settings, log)
    process.join(120)
    assert process.exitcode == 2
    said = log.read_text(encoding="utf-8")
    assert f"{name} is {problem}. {cure}" in said
    assert "Traceback" not in said


class Provider:
    """A login of somebody else's: it signs tokens, and publishes its keys."""

    def __init__(self) -> None:
        self.keys: dict[str, PrivateKey] = {}
        self.rotate("rsa")
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
        """Have new keys from now on: one of RSA with this name, and others of each kind."""
        self.keys = {
            **{name: new_key("rsa"), "ec": new_key("ec"), "ec-2": new_key("ec")},
            **{"ed": ed25519.Ed25519PrivateKey.generate(), "any": new_key("rsa")},
        }
        self.newest = name

    def public(self, name: str) -> dict[str, Any]:
        key = self.keys[name].public_key()
        if isinstance(key, rsa.RSAPublicKey):
            jwk = RSAAlgorithm.to_jwk(key, as_dict=True)
            return jwk | {"kid": name} | ({} if name == "any" else {"alg": "RS256"})
        if isinstance(key, ed25519.Ed25519PublicKey):
            return OKPAlgorithm.to_jwk(key, as_dict=True) | {"kid": name}
        return ECAlgorithm.to_jwk(key, as_dict=True) | {"kid": name, "alg": "ES256"}

    def token(
        self,
        key: PrivateKey | None = None,
        kid: str | None = "",
        algorithm: str = "RS256",
        **changes: Any,
    ) -> str:
        """Return a token, of the newest key unless another one is given."""
        now = int(time.time())
        usual = {"sub": "ada", "iss": self.issuer, "aud": AUDIENCE, "iat": now, "exp": now + 60}
        said = {name: value for name, value in (usual | changes).items() if value is not None}
        key = key or self.keys[self.newest]
        headers = {} if kid is None else {"kid": kid or self.newest}
        # `jwt.encode` refuses claims that are none.
        signatures = jwt.PyJWS()
        signatures.register_algorithm("Ed25519", OKPAlgorithm())
        return signatures.encode(json.dumps(said).encode(), key, algorithm, headers)


def new_key(kind: str) -> PrivateKey:
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


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


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_token_of_a_provider_is_judged_as_by_the_page(
    with_login: Server, provider: Provider, case: dict[str, Any]
) -> None:
    kid = case.get("kid", "rsa")
    claims = dict(case.get("claims", {}))
    for name in ("exp", "iat", "nbf"):
        if claims.get(name) is not None:
            claims[name] += int(time.time())
    if isinstance(claims.get("aud"), list):
        claims["aud"] = [AUDIENCE if one == "AUDIENCE" else one for one in claims["aud"]]
    keys = provider.keys | {"rsa": provider.keys[provider.newest], "stranger": STRANGER}
    names = {"rsa": provider.newest}
    token = provider.token(
        keys[case.get("key", "rsa")],
        kid and names.get(kid, kid),
        case.get("algorithm", "RS256"),
        **claims,
    )
    response = with_login.chat(token).post("threads.list")
    assert response.status_code == (200 if case["believed"] else 401), response.text
    if not case["believed"]:
        assert "Not signed in" in response.json()["message"]


def test_a_subject_is_no_longer_than_an_owner_may_be(
    with_login: Server, provider: Provider
) -> None:
    assert with_login.chat(provider.token(sub="x" * 200)).post("threads.list").is_success
    refused = with_login.chat(provider.token(sub="x" * 201)).post("threads.list")
    assert refused.status_code == 401


@pytest.mark.parametrize("algorithm", ["HS256", "HS512"])
def test_a_public_key_is_no_secret(with_login: Server, provider: Provider, algorithm: str) -> None:
    """Everybody has the provider's public key, and could sign with it as if it were a secret."""
    public = provider.keys[provider.newest].public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header = {"alg": algorithm, "kid": provider.newest}
    claims = provider.token().split(".")[1]
    said = f"{base64url_encode(json.dumps(header).encode()).decode()}.{claims}"
    # By hand: PyJWT would not do it.
    signature = hmac.digest(pem, said.encode(), f"sha{algorithm[2:]}")
    forged = f"{said}.{base64url_encode(signature).decode()}"
    assert with_login.chat(forged).post("threads.list").status_code == 401


def test_a_key_without_a_name_changes_too(with_login: Server, provider: Provider) -> None:
    """Nothing in its token tells that it has."""
    provider.rotate("third")
    del provider.keys["any"]  # so that one key fits
    chat = with_login.chat(provider.token(kid=None))
    wait_until(lambda: chat.post("threads.list").status_code == 200)


def test_a_login_that_does_not_answer_is_said(database: URL, tmp_path: Path) -> None:
    settings = {"OIDC_ISSUER": "http://127.0.0.1:1", "OIDC_AUDIENCE": AUDIENCE}
    token = jwt.encode({"sub": "ada"}, STRANGER, algorithm="RS256", headers={"kid": "a"})
    with run_server(database, tmp_path / "log", **settings) as server:
        response = server.chat(token).post("threads.list")
    assert response.status_code == 503
    assert "the login provider does not answer" in response.json()["message"]
    assert token not in (tmp_path / "log").read_text(encoding="utf-8")


def test_tls_inspected_is_named_at_a_login(
    database: URL, provider: Provider, tmp_path: Path
) -> None:
    """With the certificate of the network, the login counts."""
    login = {"OIDC_ISSUER": provider.issuer, "OIDC_AUDIENCE": AUDIENCE}
    with inspected(f"{provider.issuer}/keys", tmp_path) as seen:
        settings = login | WITHOUT | {"OIDC_JWKS_URL": seen.address}
        with run_server(database, tmp_path / "log", **settings) as server:
            refused = server.chat(provider.token()).post("threads.list")
        settings["SSL_CERT_FILE"] = seen.certificate
        with run_server(database, tmp_path / "log", **settings) as server:
            believed = server.chat(provider.token()).post("threads.list")
    assert refused.status_code == 503
    assert "Its certificate is not trusted here (" in refused.json()["message"]
    assert believed.status_code == 200
