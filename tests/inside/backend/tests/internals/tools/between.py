"""A server between somebody and the backend, which can be told to do something wrong.

It stands in for the page's server, whose tests are in ../frontend, or for a backend that errs.
"""

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
from contract.chat import HTTP, Json, SignedHeaders

DOCUMENT = "<!DOCTYPE html><html><body><openai-chatkit></openai-chatkit></body></html>"
UNBUFFERED = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}


class Between(ThreadingHTTPServer):
    """What it does, and may do wrong."""

    def __init__(self, backend: str, secret: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.backend = backend
        self.secret = secret
        self.guests = 0
        self.document = DOCUMENT
        self.document_status = 200
        self.document_headers: dict[str, str] = {}
        self.answer_headers = dict(UNBUFFERED)
        self.has_route = True
        self.has_cookie = True
        self.status: tuple[int, Json] | None = None
        """What /api/status answers, if there is one."""
        self.hands_on_everything = False
        """Whether the headers of browsers reach the backend."""
        self.knows_one_guest = False
        self.collects = False
        """Whether a stream is handed on when it is over."""
        self.change_status: Callable[[Json, int], int] = lambda _request, status: status
        self.change_answer: Callable[[Json, Any], Any] = lambda _request, answer: answer
        self.change_file: Callable[[Json], Json] = lambda record: record
        self.change_event: Callable[[Json], Json] = lambda event: event

    @property
    def port(self) -> str:
        """The port, for the environment."""
        return str(self.server_port)


@contextmanager
def stand_between(backend: str, secret: str) -> Iterator[Between]:
    """Run such a server until the end of the block."""
    with Between(backend, secret) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Between

    def do_GET(self) -> None:
        if self.path == "/":
            self._send_document()
        elif self.path == "/health":
            answer = httpx2.get(f"{self.server.backend}/health", **HTTP)
            self._send(answer.status_code, answer.json())
        elif self.path == "/api/status" and self.server.status:
            self._send(*self.server.status)
        else:
            self._send(404, {"message": "There is nothing here."})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.server.has_route:
            self._send(404, {})
            return
        headers = {"Content-Type": self.headers["Content-Type"]} | self._authorization()
        if self.path.endswith("/attachments"):
            url = f"{self.server.backend}/attachments"
            answer = httpx2.post(url, content=body, headers=headers, **HTTP)
            self._send(answer.status_code, self.server.change_file(answer.json()))
            return
        request: Json = json.loads(body)
        url = f"{self.server.backend}/chatkit"
        with httpx2.stream("POST", url, content=body, headers=headers, **HTTP) as answer:
            status = self.server.change_status(request, answer.status_code)
            if answer.headers["content-type"].startswith("text/event-stream"):
                self._hand_on(answer)
            else:
                answer.read()
                self._send(status, self.server.change_answer(request, answer.json()))

    def _send_document(self) -> None:
        self.send_response(self.server.document_status)
        self.send_header("Content-Type", "text/html")
        if self.server.has_cookie:
            self.server.guests += not (self.server.knows_one_guest and self.server.guests)
            self.send_header("Set-Cookie", f"chatkit_guest_1=guest_{self.server.guests}; Path=/")
        for name, value in self.server.document_headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.server.document.encode())

    def _authorization(self) -> dict[str, str]:
        """Return the header of a guest by the cookie, or what was sent straight to the backend."""
        is_guest = "Cookie" in self.headers and not self.server.hands_on_everything
        if "Authorization" in self.headers and not is_guest:
            return {"Authorization": self.headers["Authorization"]}
        if "Cookie" not in self.headers:
            return {}
        guest = self.headers["Cookie"].partition("=")[2]
        return dict(SignedHeaders(self.server.secret, sub=guest))

    def _hand_on(self, answer: httpx2.Response) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        lines: Iterable[str] = (self._changed(line) for line in answer.iter_lines() if line)
        if self.server.collects:
            lines = list(lines)
        with suppress(ConnectionError):  # Stop
            for line in lines:
                self.wfile.write(f"{line}\n\n".encode())
                self.wfile.flush()

    def _changed(self, line: str) -> str:
        if not line.startswith("data: "):
            return line
        event = self.server.change_event(json.loads(line.removeprefix("data: ")))
        return f"data: {json.dumps(event)}"

    def _send(self, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in self.server.answer_headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Be silent."""
