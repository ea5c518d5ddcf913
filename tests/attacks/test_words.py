"""What the model's server says stays inside: no visitor of a chat in production is told of it.

Slug: visitors-see-the-inside.
"""

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from conftest import Installed
from contract.chat import Chat
from support.deployed import Deployed, deployed
from support.variants import DEFAULT

KEY = "sk-the-key-of-the-owner"
INSIDE = re.compile(
    r"127\.0\.0\.1|localhost|OPENAI|CHATKIT_|\.env|uv run|gateway|s3cret|k3y|sk-|inner-model"
    r"|rhubarb|\.py|/v1|status \d|Traceback|Error\b|refuse|credit|log"
)
SAID = f"rhubarb of gateway.internal: the key {KEY} of /srv/model.py is wrong"


@dataclass
class Model:
    """A server that refuses everything, and says more of itself than it should."""

    status: int = 500
    """0: it hangs up; 200: it says a word and fails in the middle."""
    code: str = ""
    address: str = ""
    asked: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    model = Model()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            model.asked.append(self.path)
            if not model.status:
                return
            error = {"error": {"message": SAID, "code": model.code}}
            self.send_response(model.status)
            self.send_header("Retry-After-Ms", "1")
            if model.status != 200:
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(error).encode())
                return
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            delta = {"index": 0, "delta": {"role": "assistant", "content": "Well, "}}
            usual = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
            for event in (usual | {"choices": [delta]}, error):
                self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        model.address = f"127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield model
        server.shutdown()


@pytest.fixture(scope="module")
def site(
    built: Installed, model: Model, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployed]:
    settings = {
        "ASSISTANT": "own",
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": f"http://gateway:s3cret@{model.address}/v1?key=k3y",
        "OPENAI_MODEL": "inner-model",
        "TURNS_PER_MINUTE": "0",
    }
    with deployed(built(DEFAULT), tmp_path_factory.mktemp("words"), settings) as running:
        yield running


@pytest.mark.parametrize(
    ("status", "code", "sentence"),
    [
        (400, "", "The assistant cannot answer this."),
        (401, "", "The assistant cannot answer at the moment."),
        (403, "", "The assistant cannot answer at the moment."),
        (404, "", "The assistant cannot answer at the moment."),
        (429, "", "The assistant is asked too often at the moment. Try again in a minute."),
        (429, "insufficient_quota", "The assistant cannot answer at the moment."),
        (500, "", "The assistant failed. Try again."),
        (0, "", "The assistant cannot answer at the moment."),
        (200, "", "The answer broke off. Try again."),
    ],
)
def test_a_visitor_is_told_a_sentence_and_the_log_the_cause(
    site: Deployed, model: Model, status: int, code: str, sentence: str
) -> None:
    model.status, model.code = status, code
    person = site.visit()
    said = [failure_of(person)]
    if status != 200:
        speech = {"audio_base64": "AAAA", "mime_type": "audio/webm"}
        said.append(str(person.post("input.transcribe", **speech).json()["message"]))
    log = site.backend_log.read_text(encoding="utf-8")
    for words in said:
        found = re.fullmatch(r"(.*) \(request ([\w-]+)\)", words)
        assert found, words
        assert found[1] == sentence
        assert not INSIDE.search(found[1])
        lines = [line for line in log.splitlines() if found[2] in line]
        assert any("The model failed" in line and model.address in line for line in lines)
    assert not re.search(f"s3cret|k3y|rhubarb|{KEY}", log)
    assert model.asked


def failure_of(person: Chat) -> str:
    """Say something, and return the error of the answer; nothing else says what is inside."""
    events = person.say("Hello")
    [said] = [event["message"] for event in events if event["type"] == "error"]
    assert not INSIDE.search(json.dumps(events).replace("threads", ""))
    return str(said)
