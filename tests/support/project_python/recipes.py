"""Conversations with the assistants of docs/recipes; test_recipes.py puts it into a project.

Stand-ins answer in the place of the providers, and the recipe's settings are in .env.local.
"""

import itertools
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from contract.chat import PATIENCE, Json, is_delta, text_of, wait_until
from contract.fake_model import Answer, FakeModel
from contract.model_script import INPUT_TOKENS, OUTPUT_TOKENS
from contract.serving import ASSISTANT, DEMO, run_server
from kit.settings import BACKEND, ENV_FILE
from sqlalchemy.engine import URL

RECIPES = Path(os.environ["RECIPES"])
NAMES = os.environ["NAMES"].split()
TOOL = "get_server_time"
WORD = "on and "


@dataclass
class FakeClaude:
    """What a stand-in for Anthropic's API was asked, and how it answers."""

    address: str = ""
    said: list[list[tuple[str, str]]] = field(default_factory=list)
    is_endless: bool = False
    hung_up: threading.Event = field(default_factory=threading.Event)


class Claude(BaseHTTPRequestHandler):
    """Streams an answer as `POST /v1/messages` does."""

    protocol_version = "HTTP/1.1"

    def __init__(self, fake: FakeClaude, *connection: Any) -> None:
        """Answer a connection."""
        self.fake = fake
        super().__init__(*connection)

    def do_POST(self) -> None:
        """Answer with "Answer N" to the Nth question, or endlessly."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.path.partition("?")[0] == "/v1/messages"
        key = self.headers["X-Api-Key"] or self.headers["Authorization"].removeprefix("Bearer ")
        assert key == "a-key"
        said = [(one["role"], text_in(one["content"])) for one in body["messages"]]
        self.fake.said.append(said)
        number = [role for role, _ in said].count("assistant") + 1
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            for event in self.events(body["model"], ["Answer ", str(number)]):
                self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
        except ConnectionError:
            self.fake.hung_up.set()
        self.close_connection = True

    def events(self, model: str, words: list[str]) -> Iterator[Json]:
        """Return what Anthropic sends."""
        usage = {"input_tokens": 1, "output_tokens": 1}
        opening = {"id": "msg_1", "type": "message", "role": "assistant", "model": model}
        opening |= {"content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
        yield {"type": "message_start", "message": opening}
        block = {"type": "text", "text": ""}
        yield {"type": "content_block_start", "index": 0, "content_block": block}
        for word in endless() if self.fake.is_endless else words:
            delta = {"type": "text_delta", "text": word}
            yield {"type": "content_block_delta", "index": 0, "delta": delta}
        yield {"type": "content_block_stop", "index": 0}
        end = {"stop_reason": "end_turn", "stop_sequence": None}
        yield {"type": "message_delta", "delta": end, "usage": {"output_tokens": 2}}
        yield {"type": "message_stop"}

    def log_message(self, format: str, *args: object) -> None:
        """Be silent."""


def text_in(content: str | list[Json]) -> str:
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def endless() -> Iterator[str]:
    for _ in itertools.count():
        time.sleep(0.01)
        yield WORD


@pytest.fixture(scope="module")
def claude() -> Iterator[FakeClaude]:
    """The stand-in for Anthropic."""
    fake = FakeClaude()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Claude, fake)) as server:
        fake.address = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield fake
        server.shutdown()


@dataclass
class Provider:
    """Either stand-in."""

    model: FakeModel
    claude: FakeClaude
    is_claude: bool

    @property
    def heard(self) -> list[tuple[str, str]]:
        """The conversation of the last request."""
        return self.claude.said[-1] if self.is_claude else self.model.requests[-1].said

    @property
    def usage(self) -> tuple[int, int]:
        """The tokens that each answer is said to have used."""
        return (1, 2) if self.is_claude else (INPUT_TOKENS, OUTPUT_TOKENS)

    @contextmanager
    def answering_endlessly(self) -> Iterator[threading.Event]:
        """Never end an answer, and return what is set when somebody hangs up."""
        with self.model.answering(Answer(words=endless)):
            self.claude.is_endless = True
            yield self.claude.hung_up if self.is_claude else self.model.hung_up
        self.claude.is_endless = False
        self.claude.hung_up.clear()


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe(
    name: str, database: URL, model: FakeModel, claude: FakeClaude, tmp_path: Path
) -> None:
    recipe = (RECIPES / f"{name}.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n(.*?)```", recipe, re.DOTALL)
    assistant = BACKEND / "src" / "app" / "assistant.py"
    assistant.write_text(code, encoding="utf-8")
    for command in (["check"], ["format", "--check"]):
        subprocess.run([sys.executable, "-m", "ruff", *command, assistant], check=True)
    lines = dict(re.findall(r"(?m)^([A-Z_]+)=(.*)$", recipe.replace("…", "a-key")))
    provider = Provider(model, claude, "ANTHROPIC_API_KEY" in lines)
    lines["ANTHROPIC_BASE_URL"] = claude.address
    example = (BACKEND / ".env.example").read_text(encoding="utf-8")
    ENV_FILE.write_text(
        example + "".join(f"{one}={value}\n" for one, value in lines.items()), encoding="utf-8"
    )
    # The tests' own settings stand in the way of a file's, even if they are empty.
    settings = DEMO | {one: value for one, value in lines.items() if one in DEMO}
    if not provider.is_claude:
        settings |= model.settings

    log = tmp_path / "log"
    with run_server(database, log, **settings | {ASSISTANT: ""}) as server:
        person = server.chat()
        thread_id = person.say("Question 1")[0]["thread"]["id"]
        person.say("Question 2", thread_id)
        answers = [text_of(item) for item in person.items(thread_id)]
        assert answers == ["Question 1", "Answer 1", "Question 2", "Answer 2"]
        expected = list(zip(["user", "assistant", "user"], answers, strict=False))
        assert provider.heard == expected
        used = server.sql(
            f"SELECT tokens_in, tokens_out FROM turns WHERE conversation_id = '{thread_id}'"
        )
        assert used == [provider.usage, provider.usage]

        action = {"type": "order.cancel", "payload": {}}
        with person.stream("threads.custom_action", thread_id=thread_id, action=action) as events:
            assert text_of(list(events)[-1]["item"]) == "Answer 3"
        assert "order.cancel" in provider.heard[-1][1]

        if TOOL in code:
            with model.answering(Answer(tool=TOOL)):
                assert text_of(person.say("What time is it?")[-1]["item"]) == "Answer 1"
            assert provider.heard[-1][0] == "tool"

        with provider.answering_endlessly() as hung_up:
            with person.say_slowly("Go on", thread_id) as stream:
                next(event for event in stream if is_delta(event))
            assert hung_up.wait(PATIENCE), "Stop does not reach the model"
        wait_until(lambda: WORD in text_of(person.items(thread_id)[-1]))
    assert "Traceback" not in log.read_text(encoding="utf-8")
