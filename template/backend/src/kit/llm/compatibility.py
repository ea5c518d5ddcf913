"""The HTTP client of the model's server. It mends answers that openai-agents cannot read.

It also mends requests that strict servers refuse.

Servers that speak OpenAI's APIs differ in details: some number tool calls anew in each answer, or
give them no id; some send a refusal, an error or the end of an answer in their own way. This client
changes such answers into the form that OpenAI documents, so that everything above it knows one form
only. What cannot be expressed in that form, such as the reason why an answer ended early, is noted
in `current_ending`.
"""

import copy
import json
import logging
import re
import secrets
import string
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx2
import openai

from kit.disclosure import DIRECT

logger = logging.getLogger("app.model")

Json = dict[str, Any]

ID_CHARACTERS = string.ascii_letters + string.digits
ID_LENGTH = 9
"""The form of ids that Mistral requires. All other servers accept it."""


OF_BODY = ("content-length", "transfer-encoding", "content-encoding")
"""The headers that do not fit a mended body."""

NO_SIGNATURE = {"google": {"thought_signature": "skip_thought_signature_validator"}}
"""What Gemini 3 takes in place of the signature of a call, which the history does not have.

See https://ai.google.dev/gemini-api/docs/thought-signatures.
"""

THOUGHTS_BEGIN, THOUGHTS_END = "<think>", "</think>"
"""What stands around a model's thoughts where a server does not know them as such."""

OF_ITEMS = (
    "response.output_item.",
    "response.content_part.",
    "response.output_text.",
    "response.refusal.",
    "response.reasoning_",
)
"""How the names of the events begin that belong to an item of the output."""

BOM = b"\xef\xbb\xbf"

FILTERED = ("safety", "recitation", "blocklist", "prohibited_content", "spii")
"""Gemini's own reasons for an answer that it withholds."""

UNSIGNED = re.compile(r"gemini-[12]\b")
"""The models of Gemini that need no signature."""

REFUSED = (400, 422)
"""How servers answer that do not know a field of a request."""

NO_USAGE = "The model's server does not report its usage, so its tokens are not counted."

_OPTIONS = b"stream_options"

MAX_REASONING = 1000
"""For how many answers the client remembers what OpenRouter wants to have back."""


@dataclass
class Ending:
    """How the model's last answer ended, if not as usual."""

    reason: Literal["", "length", "content_filter", "broken"] = ""
    """`length`: the answer is cut. `content_filter`: the provider withholds the answer, or the rest
    of it. `broken`: the server reports an error, or the connection is lost, after the first words.
    """
    error: Exception | None = None
    """Why the answer broke off."""
    is_refusal: bool = False
    """Whether the answer is the model's refusal."""
    has_failed_tool: bool = False
    """Whether a tool has failed that the answer called."""

    def clear(self) -> None:
        """Forget the end of the answer before."""
        self.reason, self.error = "", None
        self.is_refusal = self.has_failed_tool = False


current_ending: ContextVar[Ending | None] = ContextVar("current_ending", default=None)
"""Set by who wants to know how the answers of a run end."""


class ModelHttpClient(openai.DefaultAsyncHttpxClient):
    """OpenAI's default client, without a proxy to this machine. It mends requests and answers."""

    def __init__(self) -> None:
        """Create the client."""
        super().__init__(mounts=DIRECT)
        self._reasoning = Reasoning()
        self._reports_usage: bool | None = None
        """Whether the server takes `stream_options`; None if it has not been asked yet."""

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send a request. It is mended if it asks one of OpenAI's two APIs, as is the answer."""
        mending_type = _mending_type(request)
        if mending_type is None:
            return await super().send(request, **options)
        request = _mended_request(request, self._reasoning)
        response = await self._send_asking_for_usage(request, options)
        if response.status_code != 200:
            return response
        ending = current_ending.get() or Ending()
        ending.clear()
        mending = mending_type(ending, request, self._reasoning)
        if response.is_stream_consumed:
            return _mended_body(response, mending)
        return _with_body(response, stream=_MendedStream(response, mending))

    async def _send_asking_for_usage(
        self, request: httpx2.Request, options: Json
    ) -> httpx2.Response:
        """Send a request, without `stream_options` if the server refuses it because of them.

        Not every server names the field that it refuses. So a new server is asked again in any
        case, and one that has taken the field before only if it names it.
        """
        is_asked = _OPTIONS in request.content  # long bodies are not parsed for that
        if is_asked and self._reports_usage is False:
            return await super().send(_without_options(request), **options)
        response = await super().send(request, **options)
        if is_asked and response.status_code == 200:
            self._reports_usage = True
        elif is_asked and response.status_code in REFUSED:
            words = await response.aread()
            if self._reports_usage and _OPTIONS not in words:
                return response
            response = await super().send(_without_options(request), **options)
            if response.status_code == 200 and self._reports_usage is None:
                self._reports_usage = False
                logger.warning(NO_USAGE)
        return response


class Reasoning:
    """Remembers the `reasoning_details` of OpenRouter's answers that call tools.

    Some models, such as Gemini 3, refuse a tool's output without them. openai-agents drops them.
    """

    def __init__(self) -> None:
        """Remember nothing yet."""
        self._of_calls = OrderedDict[str, list[Json]]()

    def keep(self, call_id: str, details: list[Json]) -> None:
        """Remember the details of the answer whose first call has the id."""
        self._of_calls[call_id] = details
        if len(self._of_calls) > MAX_REASONING:
            self._of_calls.popitem(last=False)

    def of(self, call_id: object) -> list[Json]:
        """Return the details of the answer whose first call has the id."""
        return self._of_calls.get(str(call_id), [])


def _mended_request(request: httpx2.Request, reasoning: Reasoning) -> httpx2.Request:
    """Return a request whose tool calls strict servers take, too."""
    if b'"tool_calls"' not in request.content and b'"function_call"' not in request.content:
        return request
    body: Json = json.loads(request.content)
    model = str(body.get("model"))
    needs_signature = "gemini" in model and not UNSIGNED.search(model)
    messages = [one for one in body.get("messages") or [] if one.get("tool_calls")]
    inputs = body["input"] if isinstance(body.get("input"), list) else []
    items = [one for one in inputs if one.get("type") == "function_call"]
    before = copy.deepcopy((messages, items))
    for message in messages:
        calls: list[Json] = message["tool_calls"]
        for call in calls:
            call["function"]["arguments"] = _as_object(call["function"]["arguments"])
        if needs_signature:
            calls[0].setdefault("extra_content", NO_SIGNATURE)
        if details := reasoning.of(calls[0].get("id")):
            message["reasoning_details"] = details
    for item in items:
        item["arguments"] = _as_object(item.get("arguments"))
    if (messages, items) == before:
        return request  # a body with images is long
    return _with_json(request, body)


def _without_options(request: httpx2.Request) -> httpx2.Request:
    """Return a request that does not ask the server for its usage."""
    body: Json = json.loads(request.content)
    body.pop("stream_options", None)
    return _with_json(request, body)


def _with_json(request: httpx2.Request, body: Json) -> httpx2.Request:
    return httpx2.Request(
        request.method,
        request.url,
        headers=_headers_of(request),
        json=body,
        extensions=request.extensions,
    )


def _as_object(arguments: str | None) -> str:
    """Return the arguments of a tool call as a JSON object, which Ollama and vLLM require."""
    with suppress(ValueError):
        if isinstance(json.loads(arguments or ""), dict):
            return str(arguments)
    return json.dumps({"invalid": arguments}) if arguments else "{}"


class CallIds:
    """Gives each tool call of an answer an id that no other call of the request has."""

    def __init__(self, request: httpx2.Request) -> None:
        """Start with the request."""
        self._request = request.content
        self._given = set[str]()

    def unique(self, call_id: object) -> str:
        """Return the id if it is usable, otherwise a new one."""
        # Any string of the request counts as a used id. A needless new id does no harm.
        usable = isinstance(call_id, str) and call_id and call_id not in self._given
        if usable and json.dumps(call_id).encode() not in self._request:
            unique = str(call_id)
        else:
            unique = "".join(secrets.choice(ID_CHARACTERS) for _ in range(ID_LENGTH))
        self._given.add(unique)
        return unique


class Mending(ABC):
    """Mends the answers of one API. An instance mends one answer."""

    def __init__(self, ending: Ending, request: httpx2.Request, reasoning: Reasoning) -> None:
        """Start with the request, whose body contains the ids of earlier tool calls."""
        self.is_over = False
        """Whether the end of the answer has been sent."""
        self._request = request
        self._ending = ending
        self._reasoning = reasoning
        self._ids = CallIds(request)
        self._has_text = False

    @abstractmethod
    def mend(self, event: Json) -> Iterator[Json]:
        """Return the events that replace an event of a stream."""

    @abstractmethod
    def finish(self) -> Iterator[Json]:
        """Return the events that are missing when the server says that the stream is over."""

    def break_off(self, error: openai.APIError) -> Iterator[Json]:
        """Return the events that end a broken answer.

        An answer of which the person has seen words ends as usual, and the error is noted.
        Otherwise the event makes OpenAI's client raise an error.
        """
        if not self._has_text:
            return iter([_error_event(error)])
        self._ending.reason, self._ending.error = "broken", error
        return self._cut()

    @abstractmethod
    def _cut(self) -> Iterator[Json]:
        """Return the end of an answer that has broken off. Its tools are not run."""

    @abstractmethod
    def mend_body(self, body: Json) -> None:
        """Mend an answer that is not streamed."""


@dataclass
class _ToolCall:
    """A tool call of Chat Completions, collected from its chunks."""

    sent_id: object
    name: str
    arguments: str
    extra: Json
    """Fields of the server's own, such as Gemini's `extra_content` with a signature."""
    has_nameless_chunk: bool = False

    @property
    def is_complete(self) -> bool:
        return _is_json(self.arguments)


class _Thoughts:
    """Tells a model's thoughts from its words where a server sends both as one text.

    The thoughts are at the beginning, between two tags. A tag may come in pieces.
    """

    def __init__(self) -> None:
        self._held = ""
        self._state: Literal["beginning", "thoughts", "behind", "words"] = "beginning"

    def split(self, text: str, is_end: bool = False) -> tuple[str, str]:
        """Return the thoughts and the words of the next piece of the text."""
        self._held += text
        thoughts = ""
        if self._state == "beginning":
            begun = self._held.lstrip()
            if begun.startswith(THOUGHTS_BEGIN):
                self._state, self._held = "thoughts", begun.removeprefix(THOUGHTS_BEGIN)
            elif is_end or not THOUGHTS_BEGIN.startswith(begun):
                self._state = "words"
        if self._state == "thoughts":
            thoughts, end, rest = self._held.partition(THOUGHTS_END)
            kept = 0 if end or is_end else min(len(thoughts), len(THOUGHTS_END) - 1)
            self._held = rest or thoughts[len(thoughts) - kept :]
            thoughts = thoughts[: len(thoughts) - kept]
            if end:
                self._state, self._held = "behind", rest
        if self._state == "behind":
            self._held = self._held.lstrip()
            if self._held:
                self._state = "words"
        words = ""
        if self._state == "words":
            words, self._held = self._held, ""
        return thoughts, words

    def move(self, message: Json, is_end: bool = False) -> None:
        """Move the thoughts of a message, or of a piece of it, to the key for thoughts."""
        if not isinstance(message.get("content"), str):
            return
        thoughts, message["content"] = self.split(message["content"], is_end)
        if thoughts:
            message["reasoning_content"] = (message.get("reasoning_content") or "") + thoughts


class ChatCompletionsMending(Mending):
    """Mends an answer of Chat Completions.

    Tool calls are held back until the answer ends. Only then is it known which chunks belong to
    which call: some servers give every call the index 0, or no index and no id.
    """

    def __init__(self, ending: Ending, request: httpx2.Request, reasoning: Reasoning) -> None:
        """Start with the request."""
        super().__init__(ending, request, reasoning)
        self._calls: list[_ToolCall] = []
        self._by_index: dict[object, _ToolCall] = {}
        self._details: list[Json] = []
        self._last: Json = {}
        self._thoughts = _Thoughts()

    def mend(self, event: Json) -> Iterator[Json]:
        """Return the chunks that replace a chunk."""
        if error := _error_in(event):
            yield from self.break_off(_reported_error(error, self._request))
            return
        choices = event.get("choices") or []
        choice = next((one for one in choices if one.get("index") in (0, None)), None)
        if choice is None or self.is_over:
            yield {**event, "choices": []}  # may contain the usage
            return
        # A server that does not stream sends the whole message.
        delta: Json = choice.get("delta") or choice.get("message") or {}
        self._last = {key: value for key, value in event.items() if key != "usage"}
        for call in _pop_calls(delta):
            self._collect(call)
        self._details += delta.get("reasoning_details") or []
        _flatten(delta)
        self._thoughts.move(delta)
        if refusal := delta.pop("refusal", None):
            self._ending.is_refusal = True
            delta["content"] = (delta.get("content") or "") + refusal
        if delta.get("annotations"):
            delta["annotations"] = _complete_nested(delta["annotations"])
        self._has_text = self._has_text or bool(delta.get("content"))
        reason = choice.get("finish_reason")
        if reason == "error":
            yield from self.break_off(_reported_error(None, self._request))
            return
        ended = {"index": 0, "delta": delta, "finish_reason": None}
        if reason:
            self._end(ended, reason)
        yield {**event, "choices": [{**choice, **ended}]}

    def _collect(self, delta: Json) -> None:
        function = delta.get("function") or {}
        index, sent_id = delta.get("index"), delta.get("id")
        name, arguments = function.get("name") or "", function.get("arguments") or ""
        if not isinstance(arguments, str):
            arguments = json.dumps(arguments)
        current = self._by_index.get(index) if index is not None else None
        if index is None and self._calls:
            current = self._calls[-1]
        if current is None or _begins_another(current, sent_id, name, arguments):
            current = _ToolCall(sent_id, "", "", {})
            self._calls.append(current)
            self._by_index[index] = current
        current.sent_id = current.sent_id or sent_id
        if name and not current.name:
            current.name = name
        elif not name:
            current.has_nameless_chunk = current.has_nameless_chunk or bool(current.name)
        elif name != current.name and not current.arguments:
            current.name += name
        current.arguments += arguments
        known = ("index", "id", "type", "function")
        current.extra |= {key: value for key, value in delta.items() if key not in known and value}

    def _end(self, choice: Json, reason: str) -> None:
        self.is_over = True
        if rest := self._thoughts.split("", is_end=True)[1]:
            choice["delta"]["content"] = (choice["delta"].get("content") or "") + rest
        self._ending.reason = _early_end(reason) or self._ending.reason
        # A call that is cut cannot run.
        calls = [call for call in self._calls if not self._ending.reason or call.is_complete]
        calls = [call for call in calls if call.name]
        if calls:
            choice["delta"]["tool_calls"] = [
                {
                    **call.extra,
                    "index": index,
                    "id": self._ids.unique(call.sent_id),
                    "type": "function",
                    "function": {"name": call.name, "arguments": _spelled(call.arguments)},
                }
                for index, call in enumerate(calls)
            ]
            self._remember(choice["delta"]["tool_calls"], self._details)
        choice["finish_reason"] = "tool_calls" if calls else "stop"

    def _remember(self, calls: list[Json], details: list[Json] | None) -> None:
        if calls and details:
            self._reasoning.keep(calls[0]["id"], details)

    def finish(self) -> Iterator[Json]:
        """Return the chunk that ends an answer if the server has not sent one."""
        if not self.is_over and self._last:
            choice: Json = {"index": 0, "delta": {}}
            self._end(choice, "stop")
            yield {**self._last, "choices": [choice]}

    def _cut(self) -> Iterator[Json]:
        self._calls.clear()
        return self.finish()

    def mend_body(self, body: Json) -> None:
        """Mend an answer that is not streamed."""
        for choice in body.get("choices") or []:
            message: Json = choice.get("message") or {}
            _flatten(message)
            _Thoughts().move(message, is_end=True)
            if (refusal := message.get("refusal")) and not message.get("content"):
                message |= {"content": refusal, "refusal": None}
            if calls := _pop_calls(message):
                message["tool_calls"] = calls
            for call in calls:
                call["id"] = self._ids.unique(call.get("id"))
                call["type"] = call.get("type") or "function"
                call["function"]["arguments"] = _spelled(call["function"].get("arguments"))
            self._remember(calls, message.get("reasoning_details"))
            if message.get("annotations"):
                message["annotations"] = _complete_nested(message["annotations"])


def _pop_calls(message: Json) -> list[Json]:
    """Remove the tool calls of a message, or of a piece of it. Old servers know one call only."""
    calls, old = message.pop("tool_calls", None), message.pop("function_call", None)
    return calls or ([{"function": old}] if old else [])


def _early_end(reason: str) -> Literal["", "length", "content_filter"]:
    """Return why an answer ended early, if it did."""
    match reason.lower():
        # Mistral tells the length of the model's context from that of the answer.
        case "length" | "model_length" | "max_tokens":
            return "length"
        case known if "content_filter" in known or known in FILTERED:
            return "content_filter"
    return ""


def _spelled(arguments: object) -> str:
    """Return the arguments of a tool call as one JSON text.

    Some servers send the object itself, or nothing where a tool takes no arguments. Some models
    write the JSON as a JSON string.
    """
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    try:
        read = json.loads(text or "{}")
        inner = json.loads(read) if isinstance(read, str) else read
    except ValueError:
        return text
    return "{}" if inner is None else json.dumps(inner) if isinstance(inner, dict) else text


def _begins_another(current: _ToolCall, sent_id: object, name: str, arguments: str) -> bool:
    """Whether a chunk for the index of a call begins another call."""
    if not name:
        return False
    if sent_id and current.sent_id and sent_id != current.sent_id:
        return True
    if not current.name or not current.is_complete:
        return False
    if current.sent_id and not current.arguments and not current.has_nameless_chunk:
        return False  # another piece of the name
    # Some servers repeat the name in each chunk of one call; others send whole calls, one a chunk.
    repeats = not current.has_nameless_chunk and not (arguments and current.arguments)
    return name != current.name or not repeats


def _flatten(message: Json) -> None:
    """Make the content of a message, or of a piece of it, a text.

    Mistral's reasoning models send a list of parts. Other servers send a number, or the object
    that was asked for.
    """
    content = message.get("content")
    if content is None or isinstance(content, str):
        return
    parts = content if isinstance(content, list) else [content]
    thoughts = [part for part in parts if isinstance(part, dict) and part.get("type") == "thinking"]
    message["content"] = "".join(_texts(part) for part in parts if part not in thoughts)
    if thoughts:
        message["reasoning_content"] = "".join(map(_texts, thoughts))


def _texts(part: object) -> str:
    match part:
        case str():
            return part
        case list():
            return "".join(map(_texts, part))
        case {"text": text} | {"thinking": text}:
            return _texts(text)
        case None | {"type": _}:  # such as Mistral's references
            return ""
    return json.dumps(part)


def _complete_nested(annotations: list[Json]) -> list[Json]:
    """Return the annotations of Chat Completions from which a source can be made."""
    complete = []
    for annotation in annotations:
        citation = annotation.get("url_citation")
        if annotation.get("type") == "url_citation" and isinstance(citation, dict):
            source = _complete({"type": "url_citation", **citation})
            if source:
                complete.append({"type": "url_citation", "url_citation": source})
    return complete


def _complete(annotation: object) -> Json | None:
    """Return an annotation with all of its required fields; None if no source can be made of it."""
    if not isinstance(annotation, dict):
        return None
    match annotation.get("type"):
        case "url_citation":
            url = annotation.get("url")
            if not isinstance(url, str) or not url:
                return None
            title = annotation.get("title") or urlsplit(url).hostname or url
            needed: Json = {"start_index": 0, "end_index": 0, "title": title}
        case "file_citation" if annotation.get("filename"):
            needed = {"file_id": "", "index": 0}
        case "container_file_citation" if annotation.get("filename"):
            needed = {"file_id": "", "container_id": "", "start_index": 0, "end_index": 0}
        case _:
            return None
    return needed | {name: value for name, value in annotation.items() if value is not None}


class ResponsesMending(Mending):
    """Mends an answer of the Responses API."""

    def __init__(self, ending: Ending, request: httpx2.Request, reasoning: Reasoning) -> None:
        """Start with the request."""
        super().__init__(ending, request, reasoning)
        self._item_ids: dict[int, Json] = {}
        self._indexes: dict[object, int] = {}
        """The place in the output of each id that the server has sent."""
        self._index = 0
        self._open: dict[int, Json] = {}
        self._done: dict[int, Json] = {}
        self._response: Json = {}

    def mend(self, event: Json) -> Iterator[Json]:
        """Return the events that replace an event."""
        kind = event.get("type") or ("error" if _error_in(event) else "")
        if kind.startswith(OF_ITEMS):
            event = self._located(event)
        match kind:
            case "error" | "response.failed":
                yield from self.break_off(_reported_error(_error_of(event), self._request))
                return
            case "response.created" | "response.in_progress":
                self._response = event.get("response") or {}
            case "response.output_item.added" | "response.output_item.done":
                self._mend_item(event["item"], event["output_index"])
                self._keep(event, is_done=kind.endswith("done"))
            case "response.content_part.added" | "response.content_part.done":
                _mend_part(event["part"], self._ending)
            case "response.output_text.delta" | "response.refusal.delta":
                self._ending.is_refusal |= kind == "response.refusal.delta"
                delta = _texts(event.get("delta"))
                event |= {"type": "response.output_text.delta", "delta": delta, "logprobs": []}
                self._grow(event)
            case "response.output_text.done" | "response.refusal.done":
                text = _texts(event.get("text") or event.pop("refusal", None))
                if not text:
                    return  # the deltas have it
                event |= {"type": "response.output_text.done", "text": text, "logprobs": []}
            case "response.output_text.annotation.added":
                annotation = _complete(event.get("annotation"))
                if annotation is None:
                    return
                event = {**event, "annotation": annotation}
            case "response.incomplete" | "response.completed":
                event = self._completed(event)
                yield from self._missing(event["response"]["output"])
            case "" if event.get("object") == "response":  # the whole answer, without a stream
                yield from self.mend({"type": "response.completed", "response": event})
                return
        yield event

    def _located(self, event: Json) -> Json:
        """Return an event with its place in the output.

        llama.cpp tells no `output_index`; LiteLLM has one for several items, or several ids for
        one item.

        https://github.com/ggml-org/llama.cpp/issues/20607
        https://github.com/BerriAI/litellm/pull/36375
        """
        item = event.get("item") or {}
        sent_id = event.get("item_id") or item.get("id") or item.get("call_id")
        begins = event["type"] == "response.output_item.added"
        index = self._indexes.get(sent_id, event.get("output_index"))
        if index is None or (begins and index in self._item_ids):
            is_next = begins or sent_id
            index = max(self._item_ids, default=-1) + 1 if is_next else self._index
        if sent_id:
            self._indexes[sent_id] = index
        self._index = index
        kind = "fc" if item.get("type") == "function_call" else "msg"
        new_id = event.get("item_id") or item.get("id") or f"{kind}_{secrets.token_hex(16)}"
        item_id = self._item_ids.setdefault(index, {"id": new_id})["id"]
        places = {name: event.get(name) or 0 for name in ("content_index", "summary_index")}
        return event | places | {"output_index": index, "item_id": item_id}

    def _mend_item(self, item: Json, index: int) -> None:
        match item.get("type"):
            case "function_call":
                ids = self._item_ids[index]
                if "call_id" not in ids:
                    ids["call_id"] = self._ids.unique(item.get("call_id"))
                item |= ids
                if item.get("status") != "in_progress":
                    item["arguments"] = _spelled(item.get("arguments"))
            case "message":
                item["id"] = self._item_ids[index]["id"]
                item["content"] = item.get("content") or []
                for part in item["content"]:
                    _mend_part(part, self._ending)

    def _keep(self, event: Json, is_done: bool) -> None:
        index, item = event["output_index"], event["item"]
        if is_done:
            begun = self._open.pop(index, {})
            if item.get("type") == "message":
                item["content"] = item["content"] or begun.get("content", [])
            self._done[index] = item
        elif item.get("type") == "message":
            self._open[index] = {**item, "content": []}

    def _grow(self, event: Json) -> None:
        """Add a delta to the message that would be shown if the answer broke off now."""
        self._has_text = self._has_text or bool(event["delta"])
        item = self._open.setdefault(
            event["output_index"],
            {"type": "message", "id": event["item_id"], "role": "assistant", "content": []},
        )
        content: list[Json] = item["content"]
        while len(content) <= event["content_index"]:
            content.append({"type": "output_text", "text": "", "annotations": []})
        content[event["content_index"]]["text"] += event["delta"]

    def _completed(self, event: Json) -> Json:
        """Return the last event. An incomplete answer is an answer, and its reason is noted."""
        self.is_over = True
        response: Json = {"id": "", "object": "response", **(event.get("response") or {})}
        output = self._mended_output(response) or self._known_output()
        if event["type"] == "response.incomplete" or response.get("status") == "incomplete":
            reason = (response.get("incomplete_details") or {}).get("reason")
            self._ending.reason = "content_filter" if reason == "content_filter" else "length"
            output = [one for one in output if _is_whole(one)]
            response["status"] = "completed"
        return {**event, "type": "response.completed", "response": response | {"output": output}}

    def _mended_output(self, response: Json) -> list[Json]:
        output: list[Json] = response.get("output") or []
        for index, item in enumerate(output):
            place = self._located({"type": "", "item": item, "output_index": index})
            self._mend_item(item, place["output_index"])
        return output

    def _known_output(self) -> list[Json]:
        """Return the items that were sent, for a last event without them, and what has begun."""
        return [item for _, item in sorted((self._open | self._done).items())]

    def _missing(self, output: list[Json]) -> Iterator[Json]:
        """Return the ends of messages, without which they are not kept."""
        if any(item.get("type") == "message" for item in self._done.values()):
            return
        for index, item in enumerate(output):
            if item.get("type") == "message":
                yield {"type": "response.output_item.done", "output_index": index, "item": item}

    def finish(self) -> Iterator[Json]:
        """Return nothing: the API itself sends a last event."""
        return iter(())

    def _cut(self) -> Iterator[Json]:
        self.is_over = True
        for index, item in self._open.items():
            item["status"] = "completed"
            yield {"type": "response.output_item.done", "output_index": index, "item": item}
        output = [item for item in self._known_output() if item["type"] == "message"]
        response = {"id": "", "object": "response", **self._response}
        response |= {"status": "completed", "output": output}
        yield {"type": "response.completed", "response": response}

    def mend_body(self, body: Json) -> None:
        """Mend an answer that is not streamed."""
        self._mended_output(body)


def _is_whole(item: Json) -> bool:
    """Whether an item of an incomplete answer can be used: a tool call needs all its arguments."""
    return item.get("type") != "function_call" or _is_json(item.get("arguments"))


def _is_json(arguments: str | None) -> bool:
    """Whether the arguments of a tool call are complete."""
    try:
        json.loads(arguments or "{}")
    except ValueError:
        return False
    return True


def _mend_part(part: Json, ending: Ending) -> None:
    """Make a refusal a text, and leave out annotations of which no source can be made."""
    if part.get("type") == "refusal":
        ending.is_refusal = True
        text = part.pop("refusal", None)
        part |= {"type": "output_text", "text": text or "", "annotations": []}
    elif part.get("type") == "output_text":
        annotations = map(_complete, part.get("annotations") or [])
        part["annotations"] = [annotation for annotation in annotations if annotation]
        part["text"] = _texts(part.get("text"))


def _error_of(event: Json) -> object:
    response = event.get("response") or {}
    return _error_in(event) or response.get("error") or event.get("message")


def _error_in(body: Json) -> object:
    """Return the error that a server reports with status 200. None: there is none."""
    return body.get("error") or (body if body.get("object") == "error" else None)


def words_of(error: object) -> str:
    """Return what a server says of an error, in any of the forms that servers use."""
    match error:
        case str():
            return error
        case [first, *_]:
            return words_of(first)
        case {"message": str(message), "metadata": {"raw": str(raw)}}:
            return f"{message}: {raw}"
        case {"message": str(message)}:
            return message
        case {"error": inner} | {"detail": inner}:
            return words_of(inner)
        case {"msg": str(message), "loc": [*path]}:
            return f"{message}: {'.'.join(map(str, path))}"
    return ""


def _reported_error(error: object, request: httpx2.Request) -> openai.APIError:
    """Return the error that a server reports inside of a stream."""
    words = words_of(error) or "The model failed"
    body = error if isinstance(error, dict) else {"message": words}
    return openai.APIError(words, request, body=body)


def _error_event(error: openai.APIError) -> Json:
    """Return an event that makes OpenAI's client raise an error."""
    return {"error": error.body or {"message": error.message}}


def _mending_type(request: httpx2.Request) -> type[Mending] | None:
    if request.method != "POST":
        return None
    if request.url.path.endswith("/chat/completions"):
        return ChatCompletionsMending
    if request.url.path.endswith("/responses"):
        return ResponsesMending
    return None


def _mended_body(response: httpx2.Response, mending: Mending) -> httpx2.Response:
    """Return a mended answer that is not streamed. An error gets the status of one."""
    try:
        body = json.loads(response.content)
    except ValueError:
        return response
    if not isinstance(body, dict):
        return response
    if error := _error_in(body):
        code = error.get("code") if isinstance(error, dict) else None
        status = code if isinstance(code, int) and 400 <= code < 600 else 400
        return _with_body(response, status, json={"error": error})
    mending.mend_body(body)
    return _with_body(response, json=body)


def _with_body(response: httpx2.Response, status: int = 200, **body: Any) -> httpx2.Response:
    """Return a response with another body."""
    mended = httpx2.Response(
        status,
        headers=_headers_of(response),
        request=response.request,
        extensions=response.extensions,
        **body,
    )
    mended.history = response.history
    return mended


def _headers_of(message: httpx2.Request | httpx2.Response) -> list[tuple[str, str]]:
    """Return the headers for another body."""
    return [(name, value) for name, value in message.headers.multi_items() if name not in OF_BODY]


class _MendedStream(httpx2.AsyncByteStream):
    """The bytes of a stream of server-sent events, mended event by event."""

    def __init__(self, response: httpx2.Response, mending: Mending) -> None:
        self._response = response
        self._mending = mending
        self._data = b""
        """The lines so far of the event that is read."""
        self._is_events = False
        self._other: list[bytes] = []
        """The lines of an answer that is no stream of events."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        buffered = b""
        try:
            async for chunk in self._response.aiter_bytes():
                *lines, buffered = (buffered + chunk).split(b"\n")
                if mended := b"".join(map(self._mended, lines)):
                    yield mended
        except httpx2.RequestError as error:
            cut = openai.APIConnectionError(request=self._response.request)
            cut.__cause__ = error
            yield b"".join(map(_event, self._mending.break_off(cut)))
            return
        yield self._mended(buffered)
        if not self._is_events:
            yield self._mended_other()
        if not self._mending.is_over:
            yield self._broken_off("The answer has no end")

    def _mended(self, line: bytes) -> bytes:
        """Return the events for a line."""
        name, _, value = line.removeprefix(BOM).partition(b":")
        value = value.strip()
        if name != b"data":
            if not self._is_events:
                self._other.append(line)
            if not name.strip():  # the end of an event, or a comment
                self._data = b""
            return b""
        self._is_events = True
        if value == b"[DONE]":
            return b"".join(map(_event, self._mending.finish())) + b"data: [DONE]\n\n"
        self._data += value
        try:
            event = json.loads(self._data)
        except ValueError:
            return b""  # it goes on in the next line
        self._data = b""
        return self._mended_event(event)

    def _mended_event(self, event: Any) -> bytes:
        if isinstance(event, list):  # as in Gemini's errors
            event = next(iter(event), None)
        try:
            return b"".join(map(_event, self._mending.mend(event)))
        except (AttributeError, KeyError, TypeError):
            return b""  # it has no form that can be mended

    def _mended_other(self) -> bytes:
        """Return the events for an answer in one piece, such as an error with status 200."""
        try:
            body = json.loads(b"\n".join(self._other))
        except ValueError:
            return self._broken_off("It sends no answer of a model. Is OPENAI_BASE_URL right?")
        return self._mended_event(body)

    def _broken_off(self, words: str) -> bytes:
        error = _reported_error(words, self._response.request)
        return b"".join(map(_event, self._mending.break_off(error)))

    async def aclose(self) -> None:
        await self._response.aclose()


def _event(data: Json) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"
