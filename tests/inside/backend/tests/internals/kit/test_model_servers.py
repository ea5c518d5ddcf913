"""Ten turns with each server that people use: it answers in its own way, and is as strict as it is.

The stand-ins are built from what the projects themselves publish; each names its sources.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from contract.chat import Json
from contract.conversation import Conversation, Reply
from contract.fake_model import Answer, FakeModel, Request
from contract.model_script import Events, Finish, Reasoning, ToolCall
from contract.serving import Server, run_server
from contract.test_answers import Talk, called, errors
from sqlalchemy.engine import URL

Part = str | Reasoning | ToolCall | Finish
Wire = Iterable[Json | str]

DONE = "data: [DONE]\n\n"


@dataclass(frozen=True)
class ModelServer:
    """How a server speaks, and what it refuses."""

    model: str
    speak: Callable[[Sequence[Part]], Wire]
    """Returns the events of an answer."""
    objection: Callable[[Json], str | None]
    """Returns why it refuses a request."""
    refusal: Callable[[str], Json | list[Json]]
    """Returns the body with which it refuses."""
    broken: Sequence[Json | str]
    """How an answer goes on that breaks off. Nothing follows."""

    def says(self, *parts: Part) -> Events:
        """Return the events of an answer."""
        return Events(list(self.speak(parts)))

    def breaks_off(self, text: str) -> Events:
        """Return the events of an answer that breaks off after a text."""
        spoken = list(self.speak([text]))
        last = next(i for i, event in enumerate(spoken) if _ends(event))
        return Events([*spoken[:last], *self.broken])

    def answer_to(self, request: Request) -> Answer | None:
        """Return the refusal of a request; None if it is taken."""
        why = self.objection(request.body)
        return Answer(status=400, body=self.refusal(why)) if why else None


def _ends(event: Json | str) -> bool:
    return isinstance(event, dict) and any(
        choice.get("finish_reason") for choice in event.get("choices", [])
    )


def _chunk(frame: Json, delta: Json, reason: str | None = None, **more: Any) -> Json:
    choice = {"index": 0, "delta": delta, "finish_reason": reason} | more
    return {"object": "chat.completion.chunk", "created": 1, **frame, "choices": [choice]}


def _words(text: str) -> list[str]:
    return re.findall(r"\S+\s*", text)


def _reason(parts: Sequence[Part]) -> str:
    finish = next((part.reason for part in parts if isinstance(part, Finish)), None)
    return finish or ("tool_calls" if any(isinstance(p, ToolCall) for p in parts) else "stop")


def _calls(parts: Sequence[Part]) -> list[ToolCall]:
    return [part for part in parts if isinstance(part, ToolCall)]


def _function(call: ToolCall) -> Json:
    return {"name": call.name, "arguments": call.spelled_arguments}


# What is refused.


def _not_an_object(call: Json) -> bool:
    try:
        return not isinstance(json.loads(call["function"]["arguments"]), dict)
    except ValueError:
        return True


def _calls_of(body: Json) -> Iterator[Json]:
    for message in body["messages"]:
        yield from message.get("tool_calls") or []


def _is_empty(content: Any) -> bool:
    if isinstance(content, list):
        return not content or any(
            part.get("type") == "text" and not part["text"].strip() for part in content
        )
    return not (content or "").strip()


def _outputs_follow(messages: Sequence[Json]) -> bool:
    """Whether the outputs of each message's calls follow at once, and there are no others."""
    expected: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            if message["tool_call_id"] not in expected:
                return False
            expected.remove(message["tool_call_id"])
        elif expected:
            return False
        else:
            expected = [call["id"] for call in message.get("tool_calls") or []]
    return not expected


def _alternation(body: Json) -> str | None:
    """The check of the chat templates of Mistral's models, which Gemma's have without tools.

    https://github.com/eclipse-theia/theia/issues/17104
    """
    turns = [
        message["role"]
        for message in body["messages"]
        if message["role"] == "user"
        or (message["role"] == "assistant" and not message.get("tool_calls"))
    ]
    if turns != [("user", "assistant")[number % 2] for number in range(len(turns))]:
        return (
            "After the optional system message, conversation roles must alternate user and "
            f"assistant roles except for tool calls and results: {turns}"
        )
    return None


# Ollama: openai/openai.go and middleware/openai.go of ollama/ollama.

OLLAMA: Json = {"id": "chatcmpl-417", "model": "qwen3", "system_fingerprint": "fp_ollama"}


def _ollama_speaks(parts: Sequence[Part]) -> Wire:
    """Each call comes whole, in a chunk of its own, with an empty text."""
    role = {"role": "assistant"}
    for part in parts:
        match part:
            case Reasoning():
                yield _chunk(OLLAMA, role | {"reasoning": part.text})
            case str():
                for word in _words(part):
                    yield _chunk(OLLAMA, role | {"content": word})
                    role = {}
            case ToolCall():
                # Before 0.6.7 each has the index 0: https://github.com/ollama/ollama/issues/7881
                call = {"id": "call_x1y2z3a4", "index": 0, "type": "function"}
                call |= {"function": _function(part)}
                yield _chunk(OLLAMA, role | {"content": "", "tool_calls": [call]})
        role = {}
    yield _chunk(OLLAMA, {}, _reason(parts))
    yield DONE


def _ollama_objects(body: Json) -> str | None:
    for message in body["messages"]:
        content = message.get("content")
        if not isinstance(content, str | list) and not message.get("tool_calls"):
            return f"invalid message content type: {content!r}"
        if isinstance(content, list) and any(
            part["type"] not in ("text", "image_url") for part in content
        ):
            return "invalid message format"
    return "invalid tool call arguments" if any(map(_not_an_object, _calls_of(body))) else None


def _ollama_refuses(why: str) -> Json:
    error = {"message": why, "type": "invalid_request_error", "param": None, "code": None}
    return {"error": error}


# vLLM: entrypoints/chat_utils.py and entrypoints/openai of vllm-project/vllm.

VLLM: Json = {"id": "chatcmpl-0e8d16d4", "model": "mistralai/Devstral-Small-2"}


def _vllm_speaks(parts: Sequence[Part]) -> Wire:
    """Ids may be missing, and the last word may come with the reason of the end.

    https://github.com/vllm-project/vllm/issues/18412
    https://github.com/vllm-project/vllm/issues/35705
    """
    yield _chunk(VLLM, {"role": "assistant", "content": ""}, logprobs=None)
    last = ""
    for part in parts:
        match part:
            case Reasoning():
                yield _chunk(VLLM, {"reasoning_content": part.text}, logprobs=None)
            case str():
                *words, last = _words(part)
                for word in words:
                    yield _chunk(VLLM, {"content": word}, logprobs=None)
    for index, call in enumerate(_calls(parts)):
        start, rest = call.spelled_arguments[:2], call.spelled_arguments[2:]
        for function in ({"name": call.name, "arguments": start}, {"arguments": rest}):
            piece = {"index": index, "function": function}
            yield _chunk(VLLM, {"content": last, "tool_calls": [piece]}, logprobs=None)
            last = ""
    yield _chunk(VLLM, {"content": last}, _reason(parts), logprobs=None, stop_reason=None)
    yield DONE


def _vllm_objects(body: Json) -> str | None:
    if any(map(_not_an_object, _calls_of(body))):
        return "Expecting value: line 1 column 1 (char 0)"
    return _alternation(body)


def _vllm_refuses(why: str) -> Json:
    return {"error": {"message": why, "type": "BadRequestError", "param": None, "code": 400}}


# LM Studio: issues of lmstudio-ai/lmstudio-bug-tracker.

LM_STUDIO: Json = {"id": "chatcmpl-ort00z7f", "model": "qwen/qwen3-4b"}


def _lm_studio_speaks(parts: Sequence[Part]) -> Wire:
    """Ids may be empty, and the pieces of a call have an empty name: issues 649 and 830."""
    for part in parts:
        match part:
            case Reasoning():
                yield _chunk(LM_STUDIO, {"role": "assistant", "reasoning_content": part.text})
            case str():
                for word in _words(part):
                    delta = {"role": "assistant", "content": word}
                    yield _chunk(LM_STUDIO, delta, logprobs=None)
    for index, call in enumerate(_calls(parts)):
        pieces = (
            (call.name, ""),
            ("", call.spelled_arguments[:3]),
            ("", call.spelled_arguments[3:]),
        )
        for name, arguments in pieces:
            piece = {"index": index, "id": "", "type": "function"}
            piece |= {"function": {"name": name, "arguments": arguments}}
            yield _chunk(LM_STUDIO, {"role": "assistant", "tool_calls": [piece]})
    yield _chunk(LM_STUDIO, {}, _reason(parts), logprobs=None)
    yield DONE


def _lm_studio_objects(body: Json) -> str | None:
    for message in body["messages"]:
        for part in message["content"] if isinstance(message.get("content"), list) else []:
            if part["type"] not in ("text", "image_url"):
                return "Invalid 'content': 'type' must be either 'text' or 'image_url'."
    if not any(message["role"] == "user" for message in body["messages"]):
        return 'Error rendering prompt with jinja template: "No user query found in messages."'
    return _alternation(body)


# OpenRouter: https://openrouter.ai/docs/api/reference/streaming, and /errors-and-debugging.

OPENROUTER: Json = {"id": "gen-1751", "provider": "Anthropic", "model": "anthropic/claude-sonnet-5"}
PROCESSING = ": OPENROUTER PROCESSING\n\n"


def _openrouter_speaks(parts: Sequence[Part]) -> Wire:
    """Comments keep the connection open. The usage comes last, in a chunk without choices."""
    yield PROCESSING
    yield PROCESSING
    for part in parts:
        match part:
            case Reasoning():
                detail = {"type": "reasoning.text", "text": part.text, "index": 0}
                yield _chunk(
                    OPENROUTER,
                    {"role": "assistant", "content": "", "reasoning": part.text}
                    | {"reasoning_details": [detail]},
                    native_finish_reason=None,
                )
            case str():
                for word in _words(part):
                    yield _chunk(OPENROUTER, {"role": "assistant", "content": word})
    for index, call in enumerate(_calls(parts)):
        piece = {"index": index, "id": f"toolu_{index}", "type": "function"}
        piece |= {"function": _function(call)}
        delta = {"role": "assistant", "content": None, "tool_calls": [piece]}
        yield _chunk(OPENROUTER, delta, native_finish_reason=None)
    yield _chunk(OPENROUTER, {"content": ""}, _reason(parts), native_finish_reason="end_turn")
    usage = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14, "cost": 0.0001}
    yield {**OPENROUTER, "choices": [], "usage": usage}
    yield DONE


def _openrouter_objects(body: Json) -> str | None:
    """What Anthropic refuses, which is asked through it here."""
    messages = body["messages"]
    ids = [call["id"] for call in _calls_of(body)]
    if not all(ids) or len(ids) != len(set(ids)):
        return "messages: `tool_use` ids must be unique"
    if not _outputs_follow(messages):
        return "`tool_use` ids were found without `tool_result` blocks immediately after"
    if any(_is_empty(one.get("content")) for one in messages if not one.get("tool_calls")):
        return "messages: text content blocks must be non-empty"
    return None


def _openrouter_refuses(why: str) -> Json:
    metadata = {"raw": why, "provider_name": "Anthropic"}
    return {"error": {"message": why, "code": 400, "metadata": metadata}, "user_id": "user_1"}


# Gemini: https://ai.google.dev/gemini-api/docs/openai, and /thought-signatures.

GEMINI: Json = {"id": "x1", "model": "gemini-3-flash-preview"}
GEMINI_FIELDS = {
    "model",
    "messages",
    "tools",
    "tool_choice",
    "stream",
    "stream_options",
    "temperature",
    "top_p",
    "max_tokens",
    "reasoning_effort",
    "parallel_tool_calls",
    "response_format",
}


def _gemini_speaks(parts: Sequence[Part]) -> Wire:
    """Each call has the index 0, the first a signature; and the end of all calls is a "stop".

    https://github.com/googleapis/python-genai/issues/2868
    """
    usage = {"usage": {"prompt_tokens": 10, "completion_tokens": 0, "total_tokens": 10}}
    for part in parts:
        match part:
            case str():
                for word in _words(part):
                    delta = {"role": "assistant", "content": word}
                    yield _chunk(GEMINI, delta) | usage
    for number, call in enumerate(_calls(parts)):
        piece = {"index": 0, "id": "", "type": "function", "function": _function(call)}
        if not number:
            piece["extra_content"] = {"google": {"thought_signature": "c2lnbmF0dXJl"}}
        yield _chunk(GEMINI, {"role": "assistant", "tool_calls": [piece]}) | usage
    reason = _reason(parts)
    ended = "stop" if reason == "tool_calls" else reason
    yield _chunk(GEMINI, {"role": "assistant"}, ended) | usage
    yield DONE


def _gemini_objects(body: Json) -> str | None:
    """Signatures are needed since the last message of a person.

    https://github.com/openai/openai-agents-python/issues/4506
    https://github.com/google-gemini/gemini-cli/issues/26486
    """
    if unknown := set(body) - GEMINI_FIELDS:
        return f'Invalid JSON payload received. Unknown name "{unknown.pop()}": Cannot find field.'
    messages = [one for one in body["messages"] if one["role"] != "system"]
    if any(map(_not_an_object, _calls_of(body))):
        return "Request contains an invalid argument."
    if any(_is_empty(one.get("content")) for one in messages if not one.get("tool_calls")):
        return "Unable to submit request because it must include at least one parts field."
    if not _outputs_follow(messages):
        return (
            "Please ensure that the number of function response parts is equal to the number of "
            "function call parts of the function call turn."
        )
    asked = max(i for i, one in enumerate(messages) if one["role"] == "user")
    before = "assistant"
    for number, one in enumerate(messages):
        if calls := one.get("tool_calls"):
            if before == "assistant":
                return (
                    "Please ensure that function call turn comes immediately after a user turn or "
                    "after a function response turn."
                )
            signature = calls[0].get("extra_content", {}).get("google", {})
            if number > asked and not signature.get("thought_signature"):
                return "Function call is missing a thought_signature in functionCall parts."
        before = one["role"]
    return None


def _gemini_refuses(why: str) -> list[Json]:
    return [{"error": {"code": 400, "message": why, "status": "INVALID_ARGUMENT"}}]


# Mistral: src/mistral_common/protocol/instruct/validator.py of mistralai/mistral-common.

MISTRAL: Json = {"id": "cmpl-9a1", "model": "magistral-medium-latest"}


def _mistral_speaks(parts: Sequence[Part]) -> Wire:
    """A reasoning model's content is a list. All calls come at once, with the end.

    https://docs.mistral.ai/capabilities/reasoning
    """
    yield _chunk(MISTRAL, {"role": "assistant", "content": ""}) | {"p": "abcd"}
    for part in parts:
        match part:
            case Reasoning():
                thought = {"type": "thinking", "thinking": [{"type": "text", "text": part.text}]}
                yield _chunk(MISTRAL, {"content": [thought]}) | {"p": "abcdefgh"}
            case str():
                for word in _words(part):
                    content = [{"type": "text", "text": word}]
                    yield _chunk(MISTRAL, {"content": content}) | {"p": "a"}
    delta: Json = {"content": ""}
    if calls := _calls(parts):
        delta["tool_calls"] = [
            {"id": f"D681Pev{index:02}", "index": index, "function": _function(call)}
            for index, call in enumerate(calls)
        ]
    reason = _reason(parts)
    usage = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}
    # The length of the context: FinishReason of mistralai/client-python
    reason = "model_length" if reason == "length" else reason
    yield _chunk(MISTRAL, delta, reason) | {"usage": usage}
    yield DONE


def _mistral_objects(body: Json) -> str | None:
    messages = body["messages"]
    followers = {
        "system": {"system", "user", "assistant"},
        "user": {"system", "user", "assistant"},
        "assistant": {"user", "assistant", "tool"},
        "tool": {"assistant", "tool"},
    }
    for before, one in pairwise(messages):
        if one["role"] not in followers[before["role"]]:
            return f"Unexpected role '{one['role']}' after role '{before['role']}'"
    if messages[-1]["role"] not in ("user", "tool"):
        return f"Expected last role User or Tool but got {messages[-1]['role']}"
    if not _outputs_follow(messages):
        return "Not the same number of function calls and responses"
    ids = [call["id"] for call in _calls_of(body)]
    ids += [one["tool_call_id"] for one in messages if one["role"] == "tool"]
    for one in ids:
        if not re.fullmatch(r"[a-zA-Z0-9]{9}", one):
            return f"Tool call id was {one} but must be a-z, A-Z, 0-9, with a length of 9."
    if any(
        one["role"] == "assistant" and _is_empty(one.get("content")) and not one.get("tool_calls")
        for one in messages
    ):
        return "Assistant message must have either content or tool_calls, but not both."
    return None


def _mistral_refuses(why: str) -> Json:
    kind = "invalid_request_message_order"
    return {"object": "error", "message": why, "type": kind, "param": None, "code": "3230"}


SERVERS = {
    "ollama": ModelServer(
        "qwen3",
        _ollama_speaks,
        _ollama_objects,
        _ollama_refuses,
        # Its middleware turns an error into an empty chunk.
        [_chunk(OLLAMA, {"content": ""})],
    ),
    "vllm": ModelServer(
        VLLM["model"],
        _vllm_speaks,
        _vllm_objects,
        _vllm_refuses,
        [_vllm_refuses("EngineCore encountered an issue."), DONE],
    ),
    "lm-studio": ModelServer(
        LM_STUDIO["model"],
        _lm_studio_speaks,
        _lm_studio_objects,
        lambda why: {"error": why},
        ['event: error\ndata: {"error":{"message":"The model has crashed."}}\n\n'],
    ),
    "openrouter": ModelServer(
        OPENROUTER["model"],
        _openrouter_speaks,
        _openrouter_objects,
        _openrouter_refuses,
        [
            _chunk(OPENROUTER, {"content": ""}, "error")
            | {"error": {"code": "server_error", "message": "Provider disconnected"}}
        ],
    ),
    "gemini": ModelServer(GEMINI["model"], _gemini_speaks, _gemini_objects, _gemini_refuses, []),
    "mistral": ModelServer(
        MISTRAL["model"],
        _mistral_speaks,
        _mistral_objects,
        _mistral_refuses,
        [_chunk(MISTRAL, {"content": ""}, "error"), DONE],
    ),
}


@pytest.fixture(scope="module", params=SERVERS, ids=str)
def spoken(request: pytest.FixtureRequest) -> ModelServer:
    return SERVERS[request.param]


@pytest.fixture(scope="module")
def model_log(spoken: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log") / "log"


@pytest.fixture(scope="module")
def asking(
    spoken: ModelServer, model: FakeModel, database: URL, model_log: Path
) -> Iterator[Server]:
    """A backend that asks the server."""
    settings = {**model.settings, "OPENAI_MODEL": spoken.model, "HISTORY_ITEMS": "40"}
    model.refuses = spoken.answer_to
    with run_server(database, model_log, **settings, OPENAI_API="") as running:
        yield running
    model.refuses = None


@pytest.fixture
def talk(asking: Server, model: FakeModel, tmp_path: Path) -> Talk:
    return Talk(Conversation(asking.chat(), model, tmp_path))


def answered(reply: Reply, words: str) -> None:
    """See that the person reads this, and nothing else."""
    assert errors(reply) == []
    assert reply.text == words


def test_ten_turns(talk: Talk, spoken: ModelServer, model_log: Path) -> None:
    says = spoken.says

    answered(talk.say("I am Ada.", says(Reasoning("A person."), "Hello, Ada!")), "Hello, Ada!")

    rome = ToolCall("get_weather", {"place": "Rome"})
    told = talk.say("The weather in Rome?", says(rome), says("Rain."))
    answered(told, "Rain.")
    assert [one.output for one in told.tools] == ["It rains in Rome."]

    calls = [ToolCall("get_weather", {"place": place}) for place in ("Oslo", "Lima")]
    told = talk.say("Oslo and Lima?", says("Let me see. ", *calls), says("Rain, too."))
    assert errors(told) == []
    assert told.text.split("\n") == ["Let me see. ", "Rain, too."]
    assert [one.output for one in told.tools] == ["It rains in Oslo.", "It rains in Lima."]

    assert called(talk.say("Where am I?", says(ToolCall("where_are_you")))) == (
        "where_are_you",
        {},
    )
    answered(talk.answer_tool({"place": "Bergen"}, says("In Bergen.")), "In Bergen.")

    broken = ToolCall("get_weather", '{"place": Rome')
    told = talk.say(
        "My order?", says(ToolCall("get_order", {"number": 7})), says(broken), says("No.")
    )
    answered(told, "No.")

    with talk.model.playing(says("You chose blue.")):
        told = talk.conversation.act(None, {"type": "colour", "payload": {"name": "blue"}})
    answered(told, "You chose blue.")

    notes = talk.conversation.attach("notes.txt", b"Buy seven pears.", "text/plain")
    told = talk.say("Read this.", says("Pears."), attachments=[notes])
    answered(told, "Pears.")

    told = talk.say("A story!", says("Once upon a time", Finish("length")))
    answered(told, "Once upon a time")
    assert [event["message"] for event in told.events if event["type"] == "notice"] == [
        "The answer is cut here: it has reached the model's limit of length."
    ]

    told = talk.say("And then?", spoken.breaks_off("There was a king"))
    [sentence] = errors(told)
    assert "broke the answer off" in sentence

    answered(talk.say("What do you know?", says("All.")), "All.")
    [known] = [" ".join(text for _, text in talk.model.requests[-1].said)]
    for word in ("I am Ada", "It rains in Oslo", "Bergen", "blue", "seven pears", "There was a "):
        assert word in known
    # What a model does wrong is no failure of the app.
    log = model_log.read_text(encoding="utf-8")
    assert "ModelBehaviorError" not in log
    assert log.count("Traceback") == log.count("The tool get_order failed")
    assert "never retrieved" not in log
