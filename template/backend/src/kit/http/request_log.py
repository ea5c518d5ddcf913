"""The log. Each line of a request has the request's id, which error messages also show.

In production each line is a JSON object. No line contains what people write, a key or a token.
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
"""Loggers that are silenced. openai-agents quotes the model's server, so `kit.llm` logs instead."""


@dataclass
class LoggedRequest:
    """The data of a request for the log."""

    id: str
    kind: str
    """The kind of request. For ChatKit's requests, their type as soon as it is known."""
    started: float = field(default_factory=perf_counter)
    outcome: str | None = None
    """How the turn of the request ended, which its reply no longer says."""
    usage: dict[str, object] = field(default_factory=dict)
    """What the turn of the request has used: `model`, `tokens_in` and `tokens_out`."""

    def over(self, status: int, outcome: str) -> None:
        """Write the line of a finished request.

        Args:
            status: the HTTP status of the reply.
            outcome: `answered`, `refused`, `stopped` or `failed`. That of the turn replaces
                `answered`.
        """
        if self.outcome and outcome == "answered":
            outcome = self.outcome
        seconds = round(perf_counter() - self.started, 3)
        line = {"kind": self.kind, "status": status, "outcome": outcome, "seconds": seconds}
        words = f"{self.kind} {status} {outcome} in {seconds} s"
        if self.usage:
            line |= self.usage
            words += ", {model}: {tokens_in} tokens in, {tokens_out} out".format(**self.usage)
        logger.info("%s", words, extra=line)


_current: ContextVar[LoggedRequest | None] = ContextVar("request", default=None)


@contextmanager
def logged_request(kind: str, headers: Headers) -> Iterator[LoggedRequest]:
    """Add the id of a request to all lines of a block and of the tasks that the block starts.

    The id is the header `X-Request-Id` of the page's server. If the header is missing or malformed,
    the id is that of the surrounding block, or a new one.
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
    """Set the kind of the current request for the log."""
    if request := _current.get():
        request.kind = kind


def note_outcome(outcome: str) -> None:
    """Note that the current request failed or was ended, even if its reply has already begun."""
    if request := _current.get():
        request.outcome = outcome


def note_usage(**usage: object) -> None:
    """Add what the turn of the current request has used to its line."""
    if request := _current.get():
        request.usage.update(usage)


class RequestIdFilter(logging.Filter):
    """Adds the id of the current request, if there is one, to each record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add `request_id` to a record. No record is dropped."""
        if request := _current.get():
            record.request_id = request.id
        return True


class TextFormatter(logging.Formatter):
    """Formats lines for a terminal."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """Return the line with the id of its request at the end."""
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
