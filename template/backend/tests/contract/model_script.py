"""What a model says in a test, and the events that say it over OpenAI's two streaming APIs."""

import json
import re
import secrets
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal

from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from contract.chat import Json


class Key(Enum):
    """What stands for the value of a key."""

    USUAL = "what OpenAI's server would send"
    ABSENT = "nothing, not even the key"


USUAL, ABSENT = Key.USUAL, Key.ABSENT


@dataclass(frozen=True)
class Words:
    """A text in the pieces in which it arrives. A `str` in a script comes word by word."""

    words: Iterable[str]


@dataclass(frozen=True)
class Refusal:
    """The model refuses, in these words."""

    text: str


@dataclass(frozen=True)
class Reasoning:
    """What the model thinks before it speaks."""

    text: str
    key: Literal["reasoning_content", "reasoning"] = "reasoning_content"
    """Where servers of Chat Completions put it. Over Responses it is a summary."""


@dataclass(frozen=True)
class ToolCall:
    """The model calls a tool. Other values than the usual are sent as they are."""

    name: str
    arguments: Json | str = field(default_factory=dict)
    """A `str` is sent as it is, for arguments that are no JSON."""
    id: str | Key | None = USUAL
    """By which the output of the tool is told."""
    index: int | Key | None = USUAL
    """Which call of the answer it is. Only Chat Completions has it."""

    @property
    def spelled_arguments(self) -> str:
        """The arguments as a model writes them."""
        return self.arguments if isinstance(self.arguments, str) else json.dumps(self.arguments)


@dataclass(frozen=True)
class Finish:
    """How an answer ends, as the last part of a step. By itself it ends as it should."""

    reason: Literal["stop", "tool_calls", "length", "content_filter", "failed"] | None
    """Over Responses `length` and `content_filter` are incomplete answers. With `None` the stream
    just ends."""
    message: str = "The model failed."
    """The server's words when it failed."""


Part = str | Words | Refusal | Reasoning | ToolCall | Finish


@dataclass(frozen=True)
class Events:
    """The events of one step as a server sends them: JSON, or the characters themselves.

    `Events([...])` is for both APIs; of two lists each API has its own.
    """

    chat_completions: Sequence[Json | str]
    responses: Sequence[Json | str] | None = None

    def of(self, api: str) -> Sequence[Json | str]:
        """Return those of an API."""
        if api == "chat_completions" or self.responses is None:
            return self.chat_completions
        return self.responses


INPUT_TOKENS, OUTPUT_TOKENS = 20, 10
"""What each answer is said to have used."""


def chat_completions(parts: Sequence[Part], request: Json) -> Iterator[Json | str]:
    """Return the events of an answer over Chat Completions."""
    frame = {
        "id": _id("chatcmpl"),
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": request["model"],
    }

    def chunk(delta: Json, finish_reason: str | None = None) -> Json:
        return frame | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}

    speaks = isinstance(next(iter(parts), None), str | Words)
    yield chunk({"role": "assistant", "content": "" if speaks else None})
    calls = 0
    reason: str | None = "stop"
    for part in parts:
        match part:
            case str() | Words():
                yield from (chunk({"content": word}) for word in _words(part))
            case Refusal():
                yield from (chunk({"refusal": word}) for word in _words(part.text))
            case Reasoning():
                yield from (chunk({part.key: word}) for word in _words(part.text))
            case ToolCall():
                yield from (chunk({"tool_calls": [piece]}) for piece in _pieces(part, calls))
                calls, reason = calls + 1, "tool_calls"
            case Finish(reason="failed"):
                yield {"error": {"message": part.message, "code": "server_error"}}
                return
            case Finish():
                reason = part.reason
    if reason is None:
        return
    yield chunk({}, reason)
    if not request.get("stream") or (request.get("stream_options") or {}).get("include_usage"):
        usage = {"prompt_tokens": INPUT_TOKENS, "completion_tokens": OUTPUT_TOKENS}
        yield frame | {
            "choices": [],
            "usage": usage | {"total_tokens": INPUT_TOKENS + OUTPUT_TOKENS},
        }
    yield "data: [DONE]\n\n"


def whole(api: str, events: Iterable[Json | str]) -> Json:
    """Return an answer as it is without a stream."""
    chunks = [event for event in events if not isinstance(event, str)]
    if api == "responses":
        response: Json = chunks[-1]["response"]
        return response
    state: ChatCompletionStreamState[Any] = ChatCompletionStreamState()
    for chunk in chunks:
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk))
    completion = state.current_completion_snapshot.to_dict(mode="json")
    return completion | {"object": "chat.completion"}


def _pieces(call: ToolCall, position: int) -> Iterator[Json]:
    """Return a call, followed by its arguments in two pieces."""
    index = _present(index=position if call.index is USUAL else call.index)
    call_id = _present(id=_id("call") if call.id is USUAL else call.id)
    function = {"name": call.name, "arguments": ""}
    yield index | call_id | {"type": "function", "function": function}
    for half in _halves(call.spelled_arguments):
        yield index | {"function": {"arguments": half}}


def responses(parts: Sequence[Part], request: Json) -> Iterator[Json | str]:
    """Return the events of an answer over Responses."""
    for number, event in enumerate(_responses(parts, request)):
        yield event | {"sequence_number": number}


def _responses(parts: Sequence[Part], request: Json) -> Iterator[Json]:
    output: list[Json] = []
    response: Json = {
        "id": _id("resp"),
        "object": "response",
        "created_at": int(time.time()),
        "model": request["model"],
        "status": "in_progress",
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": request.get("tool_choice", "auto"),
        "tools": request.get("tools", []),
    }
    yield {"type": "response.created", "response": response | {"output": []}}
    yield {"type": "response.in_progress", "response": response | {"output": []}}
    ending: Json = {"status": "completed"}
    for part in parts:
        match part:
            case Finish(reason="failed"):
                error = {"code": "server_error", "message": part.message}
                ending = {"status": "failed", "error": error}
            case Finish(reason=None):
                return
            case Finish(reason="length"):
                ending = _incomplete("max_output_tokens")
            case Finish(reason="content_filter"):
                ending = _incomplete("content_filter")
            case Finish():
                pass
            case _:
                item = yield from _item(part, len(output))
                output.append(item)
    usage = {
        "input_tokens": INPUT_TOKENS,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": OUTPUT_TOKENS,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
    }
    yield {
        "type": f"response.{ending['status']}",
        "response": response | {"usage": usage} | ending,
    }


def _incomplete(reason: str) -> Json:
    return {"status": "incomplete", "incomplete_details": {"reason": reason}}


Item = Generator[Json, None, Json]
"""Yields the events of an item of the output, and returns the item."""


def _item(part: str | Words | Refusal | Reasoning | ToolCall, index: int) -> Item:
    match part:
        case ToolCall():
            return _function_call(part, index)
        case Reasoning():
            return _reasoning(part.text, index)
        case Refusal():
            return _message({"type": "refusal", "refusal": ""}, _words(part.text), index)
        case _:
            content = {"type": "output_text", "text": "", "annotations": []}
            return _message(content, _words(part), index)


def _function_call(call: ToolCall, index: int) -> Item:
    item = {"type": "function_call", "id": _id("fc"), "name": call.name}
    item |= _present(call_id=_id("call") if call.id is USUAL else call.id)
    arguments = call.spelled_arguments
    yield _added(index, item | {"arguments": "", "status": "in_progress"})
    event = _lifecycle("function_call_arguments", item_id=item["id"], output_index=index)
    for half in _halves(arguments):
        yield event("delta", delta=half)
    yield event("done", name=call.name, arguments=arguments)
    item |= {"arguments": arguments, "status": "completed"}
    yield _done(index, item)
    return item


def _reasoning(text: str, index: int) -> Item:
    item: Json = {"type": "reasoning", "id": _id("rs"), "summary": []}
    yield _added(index, item)
    where = {"item_id": item["id"], "output_index": index, "summary_index": 0}
    part = _lifecycle("reasoning_summary_part", **where)
    event = _lifecycle("reasoning_summary_text", **where)
    yield part("added", part={"type": "summary_text", "text": ""})
    for word in _words(text):
        yield event("delta", delta=word)
    yield event("done", text=text)
    summary = {"type": "summary_text", "text": text}
    yield part("done", part=summary)
    item = item | {"summary": [summary]}
    yield _done(index, item)
    return item


def _message(content: Json, words: Iterable[str], index: int) -> Item:
    item: Json = {"type": "message", "id": _id("msg"), "role": "assistant", "content": []}
    yield _added(index, item | {"status": "in_progress"})
    where = {"item_id": item["id"], "output_index": index, "content_index": 0}
    part = _lifecycle("content_part", **where)
    event = _lifecycle(content["type"], **where)
    yield part("added", part=content)
    key = "text" if "text" in content else "refusal"
    extras: Json = {"logprobs": []} if key == "text" else {}
    text = ""
    for word in words:
        text += word
        yield event("delta", delta=word, **extras)
    yield event("done", **{key: text}, **extras)
    content = content | {key: text}
    yield part("done", part=content)
    item |= {"status": "completed", "content": [content]}
    yield _done(index, item)
    return item


def _added(index: int, item: Json) -> Json:
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def _done(index: int, item: Json) -> Json:
    return {"type": "response.output_item.done", "output_index": index, "item": item}


def _lifecycle(of: str, **where: Any) -> Callable[..., Json]:
    """Return what makes the events of a part of an item."""

    def event(stage: str, /, **values: Any) -> Json:
        return {"type": f"response.{of}.{stage}"} | where | values

    return event


def _halves(arguments: str) -> tuple[str, str]:
    middle = (len(arguments) + 1) // 2
    return arguments[:middle], arguments[middle:]


def _words(text: str | Words) -> Iterable[str]:
    return re.findall(r"\s*\S+\s*|\s+", text) if isinstance(text, str) else text.words


def _present(**values: Any) -> Json:
    return {name: value for name, value in values.items() if value is not ABSENT}


def _id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(16)}"
