"""A model for the tests: a local server that speaks OpenAI's streaming APIs, and has ears."""

import io
import json
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from python_multipart.multipart import Field, File, parse_form

from contract.chat import Json
from contract.model_script import (
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    Events,
    Finish,
    Part,
    Reasoning,
    Refusal,
    ToolCall,
    Words,
    chat_completions,
    responses,
    whole,
)

KEY = "sk-a-key-that-nobody-may-see"
APIS = {"/v1/chat/completions": "chat_completions", "/v1/responses": "responses"}
EARS = "/v1/audio/transcriptions"


class CutOffError(Exception):
    """The connection breaks. Raised among the words of an answer."""


class FailureError(Exception):
    """The server says in the stream that it failed. Raised among the words of an answer."""


@dataclass(frozen=True)
class Answer:
    """How the model answers. As it is: with "Answer N" to the Nth question of a conversation."""

    words: Callable[[], Iterable[str]] | None = None
    """What it says instead, as it comes to its mind."""
    tool: str | None = None
    """It calls this tool, without arguments, before it speaks."""
    status: int = 200
    """With another one it refuses, and repeats the key; with 0 it hangs up without a word."""
    code: str | None = None
    """Which refusal it is."""
    body: Json | list[Json] | None = None
    """What it refuses with instead, or says that it has heard."""


@dataclass(frozen=True)
class Plain:
    """An answer that no other form describes, byte by byte."""

    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


Step = Part | Sequence[Part] | Events | Answer | Plain
"""The answer to one request. A list has several parts, such as tool calls in parallel."""


@dataclass(frozen=True)
class ToolOutput:
    """What the model was told that a tool returned, and to which call."""

    name: str
    arguments: Json | str
    """A `str` where the model wrote no JSON."""
    output: str


@dataclass(frozen=True)
class Request:
    """What the model was asked."""

    api: str
    """As OPENAI_API names it."""
    body: Json

    def __str__(self) -> str:
        return "; ".join(f"{role}: {text}" for role, text in self.said)

    @property
    def said(self) -> list[tuple[str, str]]:
        """Who said what, oldest first, without the instructions and the calls of tools.

        A message with several parts, such as a person's with a hidden note, is told part by part.
        """
        entries = self.body.get("messages") or self.body["input"]
        said = [
            (entry.get("role", "tool"), text)
            for entry in entries
            for text in _texts(entry.get("content") or entry.get("output"))
        ]
        return [(role, text) for role, text in said if text and role != "system"]

    @property
    def model(self) -> str:
        """The model that was asked for."""
        return str(self.body["model"])

    @property
    def instructions(self) -> str:
        """What the assistant is told to be."""
        messages = self.body.get("messages", [])
        system = [_text(one["content"]) for one in messages if one["role"] == "system"]
        return "\n".join(system) or self.body.get("instructions") or ""

    @property
    def tools(self) -> list[str]:
        """The names of the tools that the model may call. A hosted tool is named by its type."""
        tools = [one.get("function") or one for one in self.body.get("tools") or []]
        return [one.get("name") or one["type"] for one in tools]

    @property
    def outputs(self) -> list[ToolOutput]:
        """What the tools returned, oldest first."""
        calls: dict[str | None, Json] = {}
        outputs = []
        for entry in self.body.get("messages") or self.body["input"]:
            for call in entry.get("tool_calls") or []:
                calls[call["id"]] = call["function"]
            if entry.get("type") == "function_call":
                calls[entry["call_id"]] = entry
            if entry.get("role") == "tool" or entry.get("type") == "function_call_output":
                call = calls[entry.get("tool_call_id", entry.get("call_id"))]
                output = _text(entry.get("content") or entry.get("output"))
                outputs.append(ToolOutput(call["name"], _parsed(call["arguments"]), output))
        return outputs


@dataclass(frozen=True)
class Recording:
    """What the model was given to hear."""

    model: str
    name: str
    mime_type: str
    audio: bytes


@dataclass
class FakeModel:
    """What the model was asked and has answered, and how it answers."""

    address: str = ""
    answer: Answer = field(default_factory=Answer)
    requests: list[Request] = field(default_factory=list)
    recordings: list[Recording] = field(default_factory=list)
    hung_up: threading.Event = field(default_factory=threading.Event)
    """Set when somebody leaves before the end of an answer."""
    elsewhere: list[str] = field(default_factory=list)
    """The hosts that it was asked for in its second job, that of a proxy."""
    script: deque[Step] | None = None
    """What it will say, if that is written down."""
    besides: Callable[[Request], Step | None] | None = None
    """What it says to requests that are no part of the script."""
    refuses: Callable[[Request], Answer | None] | None = None
    """Returns how it refuses a request that a strict server does not take, before all else."""
    unexpected: list[Request] = field(default_factory=list)
    """What it was asked after the end of the script."""

    @property
    def settings(self) -> dict[str, str]:
        """The settings of a backend that asks this model."""
        return {
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": f"{self.address}/v1",
            "OPENAI_MODEL": "fake-model",
            "OPENAI_MODELS": "fake-model,other-model",
            "OPENAI_TRANSCRIPTION_MODEL": "fake-ears",
        }

    @contextmanager
    def answering(self, answer: Answer) -> Iterator[None]:
        """Answer so until the end of the block."""
        self.answer = answer
        self.hung_up.clear()
        try:
            yield
        finally:
            self.answer = Answer()

    @contextmanager
    def playing(
        self, *steps: Step, besides: Callable[[Request], Step | None] | None = None
    ) -> Iterator[None]:
        """Answer each request until the end of the block with one step of a script.

        Args:
            steps: the script.
            besides: returns the answer to a request that may come at any time, such as that for a
                title, and None to those of the script.

        Raises:
            AssertionError: the model was asked more often than the script has steps, or less often.
        """
        self.script, self.besides = deque(steps), besides
        self.unexpected.clear()
        self.hung_up.clear()
        try:
            yield
        except Exception as error:
            # Why it failed, in most cases.
            for problem in self._problems():
                error.add_note(problem)
            raise
        else:
            problems = self._problems()
            assert not problems, " ".join(problems)
        finally:
            self.script = self.besides = None

    def next_step(self, request: Request) -> Step | None:
        """Return the answer to a request, or None after the end of the script."""
        self.requests.append(request)
        if self.refuses and (refusal := self.refuses(request)):
            return refusal
        if self.script is None:
            return self.answer
        if self.besides and (step := self.besides(request)):
            return step
        try:
            return self.script.popleft()
        except IndexError:
            self.unexpected.append(request)
            return None

    def _problems(self) -> list[str]:
        asked = [f"The script has ended, but the model is asked: {one}" for one in self.unexpected]
        return asked + [f"The model is not asked for: {one}" for one in self.script or ()]


@contextmanager
def run_fake_model() -> Iterator[FakeModel]:
    """Listen until the end of the block."""
    model = FakeModel()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, model)) as server:
        model.address = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield model
        server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # an answer in chunks: otherwise a broken one looks whole

    def __init__(self, model: FakeModel, *connection: Any) -> None:
        self._model = model
        super().__init__(*connection)

    def do_CONNECT(self) -> None:
        self._model.elsewhere.append(self.path)
        self.send_error(403)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = self._model.answer
        if self.path not in (*APIS, EARS):
            self.do_CONNECT()
        elif self.path == EARS and answer.status == 200:
            self._hear(body, answer)
        elif self.path == EARS:
            self._refuse(answer)
        else:
            self._answer(Request(APIS[self.path], json.loads(body)))
        self.close_connection = True

    def _answer(self, request: Request) -> None:
        match self._model.next_step(request):
            case None:
                # The test is told why, at once: without a second try of the client.
                self._refuse(Answer(status=500, code="end_of_script"), {"X-Should-Retry": "false"})
            case Answer(status=status) as answer if status != 200:
                self._refuse(answer)
            case Answer() as answer:
                number = [role for role, _ in request.said].count("assistant") + 1
                words = answer.words() if answer.words else ("Answer ", str(number))
                tool = answer.tool if request.said[-1][0] != "tool" else None
                self._say(request, [ToolCall(tool) if tool else Words(words)])
            case Plain() as plain:
                self._begin(200, {"Content-Type": plain.content_type, **plain.headers})
                self.wfile.write(plain.body)
            case Events() as events:
                self._stream(events.of(request.api))
            case str() | Words() | Refusal() | Reasoning() | ToolCall() | Finish() as part:
                self._say(request, [part])
            case parts:
                self._say(request, parts)

    def _refuse(self, answer: Answer, more_headers: Mapping[str, str] | None = None) -> None:
        if not answer.status:
            return
        message = f"Not with {self.headers['Authorization']}"
        headers = {"Content-Type": "application/json", "Retry-After-Ms": "1"} | dict(
            more_headers or {}
        )
        self._begin(answer.status, headers)
        body = answer.body or {"error": {"message": message, "code": answer.code}}
        self.wfile.write(json.dumps(body).encode())

    def _hear(self, body: bytes, answer: Answer) -> None:
        fields: list[Field] = []
        files: list[File] = []
        headers = {name: self.headers[name].encode() for name in ("Content-Type", "Content-Length")}
        parse_form(headers, io.BytesIO(body), fields.append, files.append)
        [file] = files
        said = {field.field_name: (field.value or b"").decode() for field in fields}
        file.file_object.seek(0)
        self._model.recordings.append(
            Recording(
                said[b"model"],
                (file.file_name or b"").decode(),
                file.content_type or "",
                file.file_object.read(),
            )
        )
        file.close()
        self._begin(200, {"Content-Type": "application/json"})
        text = "".join(answer.words()) if answer.words else "What was said"
        usage = {"type": "tokens", "input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS}
        usage["total_tokens"] = INPUT_TOKENS + OUTPUT_TOKENS
        heard = answer.body or {"text": text, "usage": usage}
        self.wfile.write(json.dumps(heard).encode())

    def _say(self, request: Request, parts: Sequence[Part]) -> None:
        spell = responses if request.api == "responses" else chat_completions
        events = spell(parts, request.body)
        if request.body.get("stream"):
            self._stream(events)
        else:
            answer = whole(request.api, events)
            self._begin(200, {"Content-Type": "application/json"})
            self.wfile.write(json.dumps(answer).encode())

    def _stream(self, events: Iterable[Json | str]) -> None:
        self._begin(200, {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"})
        try:
            for event in events:
                self._send(event)
        except FailureError as failure:
            self._send({"error": {"message": str(failure), "code": "server_error"}})
        except CutOffError:
            return
        except ConnectionError:
            self._model.hung_up.set()
            return
        self.wfile.write(b"0\r\n\r\n")

    def _begin(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in (headers | {"Connection": "close"}).items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, event: Json | str) -> None:
        data = (event if isinstance(event, str) else f"data: {json.dumps(event)}\n\n").encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def log_message(self, format: str, *args: object) -> None:
        pass


def _parsed(arguments: str) -> Json | str:
    try:
        parsed: Json = json.loads(arguments)
    except ValueError:
        return arguments
    return parsed


def _text(content: str | list[Json] | None) -> str:
    return "".join(_texts(content))


def _texts(content: str | list[Json] | None) -> list[str]:
    if isinstance(content, list):
        return [part.get("text", "") for part in content]
    return [content or ""]
