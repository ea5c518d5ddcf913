"""Ten thousand bodies that nobody foresaw: each is answered, and each refusal has words.

They come from the schema of ChatKit's own requests, from any JSON, and from bytes of both.
"""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import pytest
from conftest import Installed
from contract.chat import UNLIMITED, Json, SignedHeaders, message
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support.backend import Backend, migrate, run_backend
from support.variants import DEFAULT

SECRET = "kF3vQ8sZ1xW6yB0nT5rL9mJ2pH7cD4gA"
BODIES = 10_000
ALIVE, ITEM, WIDGET = "thr_alive", "msg_there", "msg_widget"
"""What stands in a body for what is there; in a request it is the id."""

SCHEMA = """
import json
from chatkit.types import ChatKitReq
from pydantic import TypeAdapter
print(json.dumps(TypeAdapter(ChatKitReq).json_schema()))
"""

texts = st.text(st.characters(), max_size=8)  # half surrogates, too
words = st.sampled_from([ALIVE, ITEM, WIDGET, "thr_none", "", "\\0", "é" * 300]) | texts
numbers = st.integers() | st.floats() | st.integers(-2, 30)
scalars = st.none() | st.booleans() | numbers | words
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def backend(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """A backend in production, without limits."""
    project, folder = installed(DEFAULT), tmp_path_factory.mktemp("bodies")
    production = {
        "APP_ENV": "production",
        "CHATKIT_SECRET": SECRET,
        "DATABASE_URL": migrate(project, folder / "chat.db"),
        "ATTACHMENTS_URL": str(folder / "attachments"),
        "ASSISTANT": "demo",
    }
    with run_backend(project, folder / "log", **UNLIMITED, **production) as running:
        yield running


class Requests:
    """Makes up requests by the schema of ChatKit's."""

    def __init__(self, schema: Json) -> None:
        self._definitions = schema["$defs"]
        self.all = self.of(schema)

    def of(self, schema: Json) -> st.SearchStrategy[Any]:
        """Return what a schema allows, and now and then what it does not."""
        fitting = self._fitting(schema)
        if "properties" not in schema:
            return fitting
        return st.one_of(*[fitting] * 8, anything)

    def _fitting(self, schema: Json) -> st.SearchStrategy[Any]:
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            return st.deferred(lambda: self.of(self._definitions[name]))
        for either in ("anyOf", "oneOf"):
            if either in schema:
                return st.one_of([self.of(one) for one in schema[either]])
        if "const" in schema:
            return st.just(schema["const"])
        if "enum" in schema:
            return st.sampled_from(schema["enum"])
        match schema.get("type"):
            case "object" if "properties" in schema:
                required = schema.get("required", ())
                fields = {name: self.of(one) for name, one in schema["properties"].items()}
                # Without its type a request of ChatKit is none.
                always = {
                    name: fields.pop(name) for name in list(fields) if name in {*required, "type"}
                }
                return st.fixed_dictionaries(always, optional=fields)
            case "object":
                more = schema.get("additionalProperties")
                values = self.of(more) if isinstance(more, dict) else anything
                return st.dictionaries(words, values, max_size=3)
            case "array":
                return st.lists(self.of(schema["items"]), max_size=3)
            case "string":
                return words
            case "integer" | "number":
                return numbers
            case "boolean":
                return st.booleans()
            case "null":
                return st.none()
        return anything


@dataclass(frozen=True)
class Change:
    """Some bytes in the place of others."""

    place: float
    gone: int
    put: bytes

    def of(self, body: bytes) -> bytes:
        """Return a body with the change."""
        start = int(self.place * len(body))
        return body[:start] + self.put + body[start + self.gone :]


def test_every_body_is_answered(installed: Installed, backend: Backend) -> None:
    """Slug: one-request-blocks-all. No 5xx, no failure in the log, and none that hangs."""
    project = installed(DEFAULT)
    printed = project.run("uv", "run", "--no-sync", "python", "-c", SCHEMA, cwd="backend").stdout
    bodies = (Requests(json.loads(printed)).all | anything).map(
        lambda one: json.dumps(one).encode()
    )
    changes = st.builds(Change, st.floats(0, 1), st.integers(0, 5), st.binary(max_size=5))
    url = urlsplit(backend.chat.url)
    # Of http.client, since this test waits for its client more than for the backend.
    with closing(HTTPConnection(url.netloc, timeout=60)) as connection:
        sender = Sender(connection)
        sender.renew()

        @settings(
            max_examples=BODIES // 2,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(body=bodies, change=changes)
        def check(body: bytes, change: Change) -> None:
            sender.check(body)
            sender.check(change.of(body))

        check()
        sender.renew()
    assert sender.answered > BODIES // 100, "hardly any was a request"
    assert "The request failed" not in backend.log
    assert "Traceback" not in backend.log


class Sender:
    """Sends bodies, in the name of a person who has a conversation."""

    def __init__(self, connection: HTTPConnection) -> None:
        self._connection = connection
        self._headers = dict[str, str]()
        self._ids = dict[bytes, bytes]()
        self.answered = 0

    def _send(self, body: bytes) -> HTTPResponse:
        self._connection.request("POST", "/chatkit", body, self._headers)
        return self._connection.getresponse()

    def renew(self) -> None:
        """Begin a conversation with a widget."""
        self._headers = {**SignedHeaders(SECRET), "content-type": "application/json"}
        wish = {"type": "threads.create", "params": {"input": message("Show a widget")}}
        lines = self._send(json.dumps(wish).encode()).read().splitlines()
        events = [json.loads(line[6:]) for line in lines if line.startswith(b"data: ")]
        done = [event["item"] for event in events if event["type"] == "thread.item.done"]
        widget = next(item for item in done if item["type"] == "widget")
        ids = {ALIVE: widget["thread_id"], ITEM: done[0]["id"], WIDGET: widget["id"]}
        self._ids = {word.encode(): there.encode() for word, there in ids.items()}

    def check(self, body: bytes) -> None:
        """Send a body and look at the answer."""
        for word, there in self._ids.items():
            body = body.replace(word, there)
        response = self._send(body)
        if response.headers["content-type"].startswith("text/event-stream"):
            # What the demo assistant says takes longer than all else; the log knows the rest.
            assert response.readline().startswith(b"data: ")
            self._connection.close()
            self.answered += 1
            return
        answer = json.loads(response.read())
        assert response.status < 500, answer
        if response.status == 200:
            self.answered += 1
            if b"threads.delete" in body:
                self.renew()
        else:
            assert isinstance(answer["message"], str)
            assert answer["message"]
