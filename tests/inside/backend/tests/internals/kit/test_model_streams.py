"""Answers in forms that OpenAI does not document, and servers send."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from contract.chat import Json
from contract.conversation import Conversation
from contract.fake_model import Answer, FakeModel, Plain, Step
from contract.model_script import Events
from contract.serving import Server
from contract.test_answers import Talk, chunk, errors

from kit.llm.agent_input import in_order

DONE = "data: [DONE]\n\n"
HELLO: list[Json | str] = [
    chunk({"role": "assistant", "content": "Hel"}),
    chunk({"content": "lo"}),
    chunk({}, "stop"),
    DONE,
]
WHOLE: Json = {
    "choices": [{"message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "object": "chat.completion",
}


def spelled(events: list[Json | str]) -> str:
    """Return the characters of a stream."""
    lines = (one if isinstance(one, str) else f"data: {json.dumps(one)}\n\n" for one in events)
    return "".join(lines)


def calling(*functions: Json) -> Events:
    """Return an answer that calls tools."""
    calls = [
        {"index": index, "id": f"call{index:05}", "type": "function", "function": function}
        for index, function in enumerate(functions)
    ]
    return Events([chunk({"tool_calls": calls}), chunk({}, "tool_calls"), DONE])


@pytest.fixture(scope="module")
def api() -> str:
    return "chat_completions"


@pytest.fixture
def talk(asking: Server, model: FakeModel, tmp_path: Path) -> Talk:
    return Talk(Conversation(asking.chat(), model, tmp_path))


STREAM = spelled(HELLO)
MULTILINE = spelled(HELLO).replace('data: {"', 'data: {\ndata: "')
THOUGHT = [
    chunk({"content": piece})
    for piece in ("<th", "ink>Who is", " it?</thi", "nk>\n", "\nHel", "lo")
]


@pytest.mark.parametrize(
    "answer",
    [
        Events([STREAM.replace("\n", "\r\n")]),
        Events(["\ufeff" + STREAM]),
        Events([MULTILINE]),
        Events([STREAM.replace("data: ", "data:")]),
        Events(list(STREAM)),
        Events([*HELLO, DONE]),
        Events([chunk({}) | {"choices": None}, chunk({}) | {"choices": [None]}, *HELLO]),
        Events([chunk({}) | {"choices": [{"index": 0, "delta": None}]}, *HELLO]),
        Events([chunk({"tool_calls": [None]}), *HELLO]),
        Events([{"choices": [{"delta": {"content": "Hello"}}]}, chunk({}, "eos")]),
        Events([*THOUGHT, chunk({}, "stop"), DONE]),
        Plain(STREAM.encode(), "text/plain"),
        Plain(STREAM.encode()),
        Plain(gzip.compress(STREAM.encode()), "text/event-stream", {"Content-Encoding": "gzip"}),
        Plain(json.dumps(WHOLE, indent=1).encode()),
    ],
    ids=[
        "crlf",
        "bom",
        "lines",
        "no-space",
        "pieces",
        "done-twice",
        "no-choices",
        "no-delta",
        "no-call",
        "bare",
        "think",
        "text",
        "json",
        "gzip",
        "whole",
    ],
)
def test_an_answer_is_read(talk: Talk, answer: Step) -> None:
    told = talk.say("Hello?", answer)
    assert errors(told) == []
    assert told.text == "Hello"
    talk.goes_on()


PAGE = b"<!doctype html>\n<title>Welcome</title>\n"
OLD_ERROR = {"object": "error", "message": "Out of memory.", "type": "X", "code": 500}


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        # https://github.com/lmstudio-ai/lmstudio-bug-tracker/issues/618
        (Plain(b'{"error":"Unexpected endpoint."}'), "broke the answer off: Unexpected endpoint."),
        (Plain(b'[{"error":{"message":"No."}}]'), "broke the answer off: No."),
        (Plain(PAGE, "text/html"), "Is OPENAI_BASE_URL right?"),
        (Plain(b"", "text/plain"), "broke the answer off"),
        # vLLM before 0.11
        (Events([OLD_ERROR, DONE]), "broke the answer off: Out of memory."),
        (Events([*HELLO[:2], OLD_ERROR, DONE]), "broke the answer off: Out of memory."),
        (Events([*HELLO[:2], {"error": "Out of memory."}]), "off: Out of memory."),
        (
            Answer(status=400, body={"error": "Crashed."}),
            "refuses the request to fake-model: Crashed.",
        ),
        (
            Answer(status=400, body=[{"error": {"message": "No."}}]),
            "refuses the request to fake-model: No.",
        ),
        # Mistral
        (
            Answer(status=422, body={"detail": [{"msg": "Extra", "loc": ["body", "n"]}]}),
            "Extra: body.n",
        ),
        # OpenRouter
        (
            Answer(status=402, body={"error": {"code": 402, "message": "Pay!"}}),
            "has no credit left.",
        ),
        (
            Answer(
                status=400, body={"error": {"message": "Provider", "metadata": {"raw": "Too long"}}}
            ),
            "Provider: Too long",
        ),
    ],
)
def test_a_failure_is_named(talk: Talk, answer: Any, sentence: str, asking_log: Path) -> None:
    before = asking_log.read_text()
    told = talk.say("Hello?", answer)
    [said] = errors(told)
    assert sentence in said
    assert "Traceback" not in asking_log.read_text().removeprefix(before)
    talk.goes_on()


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        ("", "It rains."),
        (None, "It rains."),
        ("null", "It rains."),
        ({"place": "Rome"}, "It rains in Rome."),
        ('"{\\"place\\": \\"Rome\\"}"', "It rains in Rome."),
        ("[1]", "An error occurred"),
        ('{"place": ', "An error occurred"),
    ],
)
def test_arguments_in_any_form(talk: Talk, arguments: Any, output: str) -> None:
    call = {"name": "get_weather", "arguments": arguments}
    told = talk.say("The weather?", calling(call), "That is the weather.")
    assert errors(told) == []
    assert told.text == "That is the weather."
    [tool] = told.tools
    assert tool.output.startswith(output)
    assert isinstance(tool.arguments, dict)
    talk.goes_on()


def test_hundreds_of_calls(talk: Talk) -> None:
    places = [f"Place {number}" for number in range(200)]
    calls = [{"name": "get_weather", "arguments": {"place": place}} for place in places]
    told = talk.say("The weather?", calling(*calls), "It rains.")
    assert errors(told) == []
    assert [one.output for one in told.tools] == [f"It rains in {place}." for place in places]


def test_openrouter_gets_its_reasoning_back(talk: Talk) -> None:
    """Gemini 3 refuses a tool's output without it.

    https://github.com/microsoft/agent-framework/issues/2947
    """
    details = [{"type": "reasoning.encrypted", "data": "abc", "format": "google-gemini-v1"}]
    call = {"index": 0, "id": "tool_1", "type": "function"}
    call |= {"function": {"name": "get_weather", "arguments": "{}"}}
    answer = Events(
        [
            chunk({"content": "", "reasoning_details": details}),
            chunk({"tool_calls": [call]}),
            chunk({}, "tool_calls"),
            DONE,
        ]
    )
    told = talk.say("The weather?", answer, "It rains.")
    assert errors(told) == []
    sent = talk.model.requests[-1].body["messages"]
    [asked] = [message for message in sent if message.get("tool_calls")]
    assert asked["reasoning_details"] == details


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_moment_of_failure_is_not_noticed(talk: Talk, status: int) -> None:
    told = talk.say("Hello?", Answer(status=status), "Hello")
    assert errors(told) == []
    assert told.text == "Hello"


def test_the_person_begins_and_roles_alternate() -> None:
    """Whatever HISTORY_ITEMS cuts off."""
    inputs: Any = [
        {"type": "message", "role": "assistant", "content": "One"},
        {"type": "message", "role": "assistant", "content": "Two"},
        {"type": "message", "role": "user", "content": "Three"},
    ]
    ordered: Any = in_order(inputs)
    assert [one["role"] for one in ordered] == ["user", "assistant", "user"]
    assert ordered[1]["content"] == "One\n\nTwo"
