"""How OpenAI's two streaming APIs spell an answer, as far as openai-agents needs it."""

import secrets
from collections.abc import Iterable, Iterator

from chat import Json


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
