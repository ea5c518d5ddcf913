"""What the doctor finds when it asks the model's server for its models."""

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from contract.serving import free_port

from internals.inspected import WITHOUT, inspected
from internals.tools.patient import Patient, fails, warns

KEY = "sk-a-key-that-is-accepted"


class Models(BaseHTTPRequestHandler):
    """Lists a model to whoever has the key."""

    def do_GET(self) -> None:
        is_known = self.headers["Authorization"] == f"Bearer {KEY}"
        self.send_response((200 if self.path == "/v1/models" else 404) if is_known else 401)
        self.end_headers()
        self.wfile.write(json.dumps({"data": [{"id": "llama3.2"}]}).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Be silent."""


@pytest.fixture(scope="module")
def models() -> Iterator[str]:
    """A model's server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Models) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def asking(patient: Patient, models: str) -> Patient:
    """A project that asks that server."""
    patient.set("backend", "OPENAI_BASE_URL", f"{models}/v1")
    patient.set("backend", "OPENAI_MODEL", "llama3.2")
    patient.set("backend", "OPENAI_API_KEY", KEY)
    return patient


def test_a_key_that_is_accepted_passes(asking: Patient) -> None:
    examination = asking.examine("model")
    assert examination.status == 0
    assert "takes the key" in examination["model.key"]["words"]


def test_error_without_words_a_refused_key_is_named_with_its_place(asking: Patient) -> None:
    place = asking.set("backend", "OPENAI_API_KEY", "sk-of-somebody-else")
    examination = asking.examine("model")
    found = fails(examination, "model.key", "error-without-words")
    assert place in found["source"]
    assert "sk-of-somebody-else" not in examination.said


def test_shell_beats_env_file_with_a_refused_key(asking: Patient) -> None:
    examination = asking.examine("model", OPENAI_API_KEY="sk-of-the-shell")
    found = fails(examination, "model.key", "shell-beats-env-file")
    assert found["source"] == "OPENAI_API_KEY in the shell"


def test_a_model_that_is_not_listed_is_named(asking: Patient) -> None:
    asking.set("backend", "OPENAI_MODEL", "llama9")
    found = warns(asking.examine("model"), "model.key", "error-without-words")
    assert "llama9" in found["words"]


def test_an_address_without_v1_is_named(asking: Patient, models: str) -> None:
    asking.set("backend", "OPENAI_BASE_URL", models)
    found = warns(asking.examine("model"), "model.key", "error-without-words")
    assert "/v1" in found["words"]


def test_a_server_here_that_does_not_run_is_a_failure(asking: Patient) -> None:
    asking.set("backend", "OPENAI_BASE_URL", f"http://127.0.0.1:{free_port()}/v1")
    fails(asking.examine("model"), "model.key", "error-without-words")


def test_a_world_that_cannot_be_reached_is_unknown(patient: Patient) -> None:
    patient.set("backend", "OPENAI_API_KEY", "sk-of-mine")
    examination = patient.examine("model")
    assert examination["model.key"]["outcome"] == "UNKNOWN"
    assert examination.status == 2


def test_demo_in_place_of_mine_the_key_of_another_provider_is_named(patient: Patient) -> None:
    patient.set("backend", "ANTHROPIC_API_KEY", "sk-of-another-provider")
    found = warns(patient.examine("model"), "model.key", "demo-in-place-of-mine")
    assert "ANTHROPIC_API_KEY" in found["words"]
    assert found["by_hand"] == "Set ASSISTANT=own in backend/.env.local"


def test_your_own_assistant_needs_no_key_of_openai(patient: Patient) -> None:
    patient.set("backend", "ASSISTANT", "own")
    examination = patient.examine("model")
    assert examination.status == 0
    assert "your own assistant" in examination["model.key"]["words"]


def test_production_without_an_assistant_is_named(patient: Patient) -> None:
    patient.set("backend", "APP_ENV", "production")
    found = fails(patient.examine("model"), "files.settings", "")
    assert "No setting says who answers" in found["words"]


def test_proxy_hides_local_model_neither_from_the_doctor(asking: Patient) -> None:
    """And of another server that cannot be reached, the doctor names the proxy's variable."""
    proxy = {"http_proxy": "http://127.0.0.1:9", "no_proxy": "", "NO_PROXY": ""}
    examination = asking.examine("model", **proxy)
    assert "takes the key" in examination["model.key"]["words"]
    asking.set("backend", "OPENAI_BASE_URL", "http://models.example/v1")
    examination = asking.examine("model", **proxy)
    assert "It is asked through http_proxy" in examination["model.key"]["words"]


def test_tls_inspected_is_named(asking: Patient, models: str, tmp_path: Path) -> None:
    """The certificate counts for the doctor where it counts for the backend, in its file too."""
    for name in WITHOUT:
        asking.env.pop(name, None)
    with inspected(f"{models}/v1", tmp_path) as seen:
        asking.set("backend", "OPENAI_BASE_URL", seen.address)
        found = fails(asking.examine("model"), "model.key", "tls-inspected")
        assert f"{seen.address} cannot be asked. Its certificate is not trusted" in found["words"]
        assert "SSL_CERT_FILE in backend/.env.local" in found["by_hand"]
        assert asking.examine("model", SSL_CERT_FILE=seen.certificate).status == 0

        place = asking.set("backend", "SSL_CERT_FILE", str(tmp_path / "none.pem"))
        found = fails(asking.examine("model"), "model.key", "tls-inspected")
        assert "none.pem, which has no certificates: No such file" in found["words"]
        assert place in found["source"]
        for file in (seen.certificate, os.path.relpath(seen.certificate, asking.path("backend"))):
            asking.set("backend", "SSL_CERT_FILE", file)
            assert asking.examine("model").status == 0


def test_tls_inspected_a_shell_that_beats_the_file_is_what_has_to_change(
    asking: Patient, models: str, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    with (
        inspected(f"{models}/v1", tmp_path) as seen,
        inspected(models, tmp_path / "other") as other,
    ):
        asking.set("backend", "OPENAI_BASE_URL", seen.address)
        asking.set("backend", "SSL_CERT_FILE", seen.certificate)
        for file in (other.certificate, str(tmp_path / "none.pem"), ""):
            found = fails(asking.examine("model", SSL_CERT_FILE=file), "model.key", "tls-inspected")
            assert "the shell" in found["source"]
            assert (found["by_hand"], found["command"]) == (
                "Set SSL_CERT_FILE in the shell",
                "uv run dev",
            )


@pytest.mark.parametrize(("host", "days"), [("127.0.0.1", -1), ("localhost", 1)])
def test_tls_inspected_is_not_the_advice_for_a_certificate_that_is_not_valid(
    asking: Patient, models: str, tmp_path: Path, host: str, days: int
) -> None:
    with inspected(f"{models}/v1", tmp_path, days) as seen:
        address = seen.address.replace("127.0.0.1", host)
        place = asking.set("backend", "OPENAI_BASE_URL", address)
        examination = asking.examine("model", SSL_CERT_FILE=seen.certificate)
    found = fails(examination, "model.key", "error-without-words")
    assert f"{address} cannot be asked. Its certificate is not valid here" in found["words"]
    assert "the clock of this machine" in found["words"]
    assert place in found["source"]
    for name in WITHOUT:
        assert name not in found["words"] + found["by_hand"] + found["command"]
