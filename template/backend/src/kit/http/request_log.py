"""The log: each line of a request carries its id, which the person is told when something fails.

In production a line is a JSON object. No line holds what people write, a key or a token.
"""

import logging
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from kit.people.identity import Headers
from kit.settings import get_settings

logger = logging.getLogger("app.request")

_WELL_FORMED = re.compile(r"[A-Za-z0-9_-]{1,64}")


QUIET = {"openai.agents": {"level": "CRITICAL"}}
"""It quotes what the model's server says; `kit.llm` writes what is needed of it."""


@dataclass
class LoggedRequest:
    """A request, as the log knows it."""

    id: str
    kind: str
    """What it is: ChatKit's type once it is known."""
    started: float = field(default_factory=perf_counter)
    failed: bool = False

    def over(self, status: int, outcome: str) -> None:
        """Write the one line of a request: it is answered, refused, stopped or failed."""
        if self.failed and outcome == "answered":
            outcome = "failed"
        seconds = round(perf_counter() - self.started, 3)
        line = {"kind": self.kind, "status": status, "outcome": outcome, "seconds": seconds}
        logger.info("%s %s %s in %s s", self.kind, status, outcome, seconds, extra=line)


_current: ContextVar[LoggedRequest | None] = ContextVar("request", default=None)


@contextmanager
def logged_request(kind: str, headers: Headers) -> Iterator[LoggedRequest]:
    """Give all lines of a block, and of the tasks that it starts, the id of a request.

    It comes from the page's server in `X-Request-Id`; one that is missing or strange is replaced.
    Inside of another such block it is the same request.
    """
    given = headers.get("x-request-id") or ""
    if _WELL_FORMED.fullmatch(given):
        request_id = given
    elif outer := _current.get():
        request_id = outer.id
    else:
        request_id = uuid.uuid4().hex
    request = LoggedRequest(request_id, kind)
    token = _current.set(request)
    try:
        yield request
    finally:
        _current.reset(token)


def name_request(kind: str) -> None:
    """Tell the log what the request is, now that it is known."""
    if request := _current.get():
        request.kind = kind


def note_failure() -> None:
    """Tell the log that the request fails, though the answer has begun with 200 perhaps."""
    if request := _current.get():
        request.failed = True


class RequestIdFilter(logging.Filter):
    """Adds the id of the request, if there is one, to every line."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add `request_id`; let every line pass."""
        if request := _current.get():
            record.request_id = request.id
        return True


class TextFormatter(logging.Formatter):
    """Lines for a person at a terminal."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """Return the line, with the id of its request at the end."""
        line = f"{record.levelname}: {record.getMessage()}"
        request_id = getattr(record, "request_id", None)
        return f"{line} (request {request_id})" if request_id else line


def log_config() -> dict[str, Any]:
    """Return the configuration of logging, for `logging.config.dictConfig` and for uvicorn."""
    machine = {
        "()": "pythonjsonlogger.json.JsonFormatter",
        "fmt": "%(asctime)s %(levelname)s %(name)s %(message)s",
        "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
    }
    in_production = get_settings().app_env == "production"
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"request_id": {"()": RequestIdFilter}},
        "formatters": {"lines": machine if in_production else {"()": TextFormatter}},
        "handlers": {
            "log": {
                "class": "logging.StreamHandler",
                "formatter": "lines",
                "filters": ["request_id"],
            }
        },
        "root": {"level": "WARNING", "handlers": ["log"]},
        "loggers": {"app": {"level": "INFO"}, "uvicorn": {"level": "INFO"}, **QUIET},
    }
