"""A model for the tests: a local server that speaks OpenAI's streaming APIs, and has ears."""

import io
import json
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from python_multipart.multipart import Field, File, parse_form

from contract.chat import Json

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


@dataclass(frozen=True)
class Request:
    """What the model was asked."""

    api: str
    """As OPENAI_API names it."""
    body: Json

    @property
    def said(self) -> list[tuple[str, str]]:
        """Who said what, oldest first, without the instructions and the calls of tools."""
        entries = self.body.get("messages") or self.body["input"]
        said = [
            (entry.get("role", "tool"), _text(entry.get("content") or entry.get("output")))
            for entry in entries
        ]
        return [(role, text) for role, text in said if text and role != "system"]


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
        elif answer.status != 200:
            self._refuse(answer)
        elif self.path == EARS:
            self._hear(body, answer)
        else:
            self._stream(Request(APIS[self.path], json.loads(body)), answer)
        self.close_connection = True

    def _refuse(self, answer: Answer) -> None:
        if not answer.status:
            return
        message = f"Not with {self.headers['Authorization']}"
        self._begin(answer.status, {"Content-Type": "application/json", "Retry-After-Ms": "1"})
        error = {"error": {"message": message, "code": answer.code}}
        self.wfile.write(json.dumps(error).encode())

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
        self.wfile.write(json.dumps({"text": text}).encode())

    def _stream(self, request: Request, answer: Answer) -> None:
        self._model.requests.append(request)
        number = [role for role, _ in request.said].count("assistant") + 1
        words = answer.words() if answer.words else ("Answer ", str(number))
        tool = answer.tool if request.said[-1][0] != "tool" else None
        spell = responses if request.api == "responses" else chat_completions
        self._begin(200, {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"})
        try:
            for event in spell(words, tool):
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

    def _send(self, event: Json) -> None:
        data = f"data: {json.dumps(event)}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def log_message(self, format: str, *args: object) -> None:
        pass


def _text(content: str | list[Json] | None) -> str:
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content)
    return content or ""


def chat_completions(words: Iterable[str], tool: str | None) -> Iterator[Json]:
    """Return the events of an answer, or of the call of a tool, over Chat Completions."""

    def chunk(delta: Json, finish_reason: str | None = None) -> Json:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return {"id": "chatcmpl", "object": "chat.completion.chunk", "choices": [choice]}

    if tool:
        function = {"name": tool, "arguments": "{}"}
        call = {"index": 0, "id": _id("call"), "type": "function", "function": function}
        yield chunk({"tool_calls": [call]}, "tool_calls")
        return
    for word in words:
        yield chunk({"content": word})
    yield chunk({}, "stop")


def responses(words: Iterable[str], tool: str | None) -> Iterator[Json]:
    """Return the events of an answer, or of the call of a tool, over Responses."""
    if tool:
        item: Json = {"type": "function_call", "id": _id("fc"), "call_id": _id("call")}
        item |= {"name": tool, "arguments": "{}"}
    else:
        part: Json = {"type": "output_text", "text": "", "annotations": []}
        item = {"type": "message", "id": _id("msg"), "role": "assistant", "content": []}
        where = {"item_id": item["id"], "output_index": 0, "content_index": 0}
        yield {"type": "response.output_item.added", "output_index": 0, "item": item}
        yield {"type": "response.content_part.added", **where, "part": part}
        for word in words:
            part["text"] += word
            yield {"type": "response.output_text.delta", **where, "delta": word}
        yield {"type": "response.output_text.done", **where, "text": part["text"]}
        item["content"] = [part]
    yield {"type": "response.output_item.done", "output_index": 0, "item": item}
    response = {"id": _id("resp"), "object": "response", "output": [item]}
    yield {"type": "response.completed", "response": response}


def _id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(16)}"
