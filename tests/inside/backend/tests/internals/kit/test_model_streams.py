"""Answers in forms that OpenAI does not document, and servers send."""

import gzip
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from contract.chat import Json
from contract.conversation import Conversation
from contract.fake_model import Answer, FakeModel, Plain, Step
from contract.model_script import Events
from contract.serving import Server
from contract.test_answers import Talk, chunk, errors

from kit.llm.agent_input import in_order
from kit.llm.compatibility import Reasoning, _mended_request

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


def saying(*contents: Any) -> Events:
    """Return an answer whose words have any form."""
    pieces = [chunk({"content": content}) for content in contents]
    return Events([*pieces, chunk({}, "stop"), DONE])


def calling(*functions: Json) -> Events:
    """Return an answer that calls tools."""
    calls = [
        {"index": index, "id": f"call{index:05}", "type": "function", "function": function}
        for index, function in enumerate(functions)
    ]
    return Events([chunk({"tool_calls": calls}), chunk({}, "tool_calls"), DONE])


@pytest.fixture(scope="module")
def api(request: pytest.FixtureRequest) -> str:
    return str(getattr(request, "param", "chat_completions"))


OVER_RESPONSES = pytest.mark.parametrize("api", ["responses"], indirect=True, scope="module")


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
        saying("Hel", None, {"type": "text", "text": "lo"}),
        saying("Hel", [{"type": "text", "text": "l"}, None, "o"], [None]),
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
        "part",
        "parts",
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
    before = asking_log.read_text(encoding="utf-8")
    told = talk.say("Hello?", answer)
    [said] = errors(told)
    assert sentence in said
    assert "Traceback" not in asking_log.read_text(encoding="utf-8").removeprefix(before)
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


@pytest.mark.parametrize(
    ("content", "words"),
    [(42, "42"), (0.5, "0.5"), (True, "true"), ([1, 2], "12"), ({"sum": 3}, '{"sum": 3}')],
)
def test_words_of_any_type(talk: Talk, content: Any, words: str) -> None:
    told = talk.say("How much?", saying(content))
    assert errors(told) == []
    assert told.text == words
    talk.goes_on()


def pieces(*calls: Json | None) -> Events:
    """Return an answer that calls tools, chunk by chunk."""
    return Events([*(chunk({"tool_calls": [call]}) for call in calls), chunk({}, "tool_calls")])


def piece(name: str | None, arguments: str | None, **more: Any) -> Json:
    return {"index": 0, "function": {"name": name, "arguments": arguments}, **more}


ROME = '{"place": "Rome"}'
OSLO = '{"place": "Oslo"}'


@pytest.mark.parametrize(
    ("answer", "places"),
    [
        # https://github.com/openai/openai-agents-python/issues/326
        (pieces(piece("get_", "", id="c1"), piece("weather", ""), piece("", ROME)), ["Rome"]),
        (pieces(piece("get_", None, id="c1"), piece("weather", ROME)), ["Rome"]),
        (pieces(piece("get_", "", id="c1"), piece("weather", ROME, id="c1")), ["Rome"]),
        # https://github.com/vercel/ai/issues/14722
        (pieces(piece(None, ROME, id="c1"), piece("get_weather", None)), ["Rome"]),
        (pieces(piece("", "", id="c1"), piece("get_weather", ROME)), ["Rome"]),
        # https://github.com/NousResearch/hermes-agent/issues/8259
        (
            pieces(
                piece("get_weather", "", id="c1"),
                piece("get_weather", ROME[:9], id="c1"),
                piece("get_weather", ROME[9:], id="c1"),
            ),
            ["Rome"],
        ),
        (pieces(piece("get_weather", ROME), piece("get_weather", OSLO)), ["Rome", "Oslo"]),
        (
            pieces(piece("get_weather", ROME, id="c1"), piece("get_weather", OSLO, id="c2")),
            ["Rome", "Oslo"],
        ),
    ],
    ids=["name", "end", "same-id", "late", "empty", "repeated", "whole", "whole-with-ids"],
)
def test_names_in_pieces(talk: Talk, answer: Events, places: list[str]) -> None:
    told = talk.say("The weather?", answer, "It rains.")
    assert errors(told) == []
    assert [one.output for one in told.tools] == [f"It rains in {place}." for place in places]
    talk.goes_on()


OLD_CALL = {"name": "get_weather", "arguments": ROME}


@pytest.mark.parametrize(
    "answer",
    [
        Events(
            [
                chunk({"function_call": {"name": "get_weather", "arguments": ""}}),
                chunk({"function_call": {"arguments": ROME[:9]}}),
                chunk({"function_call": {"arguments": ROME[9:]}}),
                chunk({}, "function_call"),
                DONE,
            ]
        ),
        Plain(
            json.dumps(
                {
                    "choices": [
                        {
                            "message": {"content": None, "function_call": OLD_CALL},
                            "finish_reason": "function_call",
                        }
                    ]
                }
            ).encode()
        ),
    ],
    ids=["stream", "whole"],
)
def test_function_call_of_old_servers(talk: Talk, answer: Step) -> None:
    told = talk.say("The weather?", answer, "It rains.")
    assert errors(told) == []
    assert [one.output for one in told.tools] == ["It rains in Rome."]
    talk.goes_on()


def without(events: list[Json], *names: str) -> list[Json]:
    """Return events that do not have these keys."""
    return [{key: one[key] for key in one if key not in names} for one in events]


def deltas(*words: Any) -> list[Json]:
    return [{"type": "response.output_text.delta", **WHERE, "delta": word} for word in words]


WHERE = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
PART = {"type": "output_text", "text": "Hello", "annotations": []}
MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant", "content": [PART]}
RESPONSE = {"id": "resp_1", "object": "response", "status": "completed", "output": [MESSAGE]}
ADDED: list[Json] = [
    {
        "type": "response.output_item.added",
        "output_index": 0,
        "item": MESSAGE | {"content": []},
    },
    {"type": "response.content_part.added", **WHERE, "part": PART | {"text": ""}},
]
SAID = [*ADDED, *deltas("Hel", "lo")]
ITEM_DONE: Json = {"type": "response.output_item.done", "output_index": 0, "item": MESSAGE}
COMPLETED: Json = {"type": "response.completed", "response": RESPONSE}
EMPTY = COMPLETED | {"response": RESPONSE | {"output": []}}


@OVER_RESPONSES
@pytest.mark.parametrize(
    "answer",
    [
        Plain(json.dumps(RESPONSE).encode()),
        Events([COMPLETED]),
        Events([*SAID, COMPLETED]),
        Events([*SAID, EMPTY]),
        Events([*SAID, ITEM_DONE, EMPTY]),
        Events([*SAID, ITEM_DONE, {"type": "response.completed"}]),
        Events([*SAID, ITEM_DONE | {"item": MESSAGE | {"content": None}}, EMPTY]),
        Events([*ADDED, *deltas("Hel", None, {"text": "lo"}), ITEM_DONE, COMPLETED]),
        Events([*without(SAID, *WHERE), ITEM_DONE, COMPLETED]),
        Events([*without(SAID, *WHERE), EMPTY]),
        Events([*deltas("Hel", "lo"), COMPLETED]),
        Events([*without(deltas("Hel", "lo"), *WHERE), EMPTY]),
        Events([*SAID, {"type": "response.output_text.done", **WHERE}, COMPLETED]),
        Events([{"type": "response.output_item.added"}, *SAID, ITEM_DONE, COMPLETED]),
    ],
    ids=[
        "whole",
        "completed",
        "no-done",
        "no-output",
        "empty-output",
        "no-response",
        "no-content",
        "deltas",
        "no-places",
        "no-places-no-done",
        "no-item",
        "only-words",
        "no-text",
        "empty-item",
    ],
)
def test_a_response_is_read(talk: Talk, answer: Step) -> None:
    told = talk.say("Hello?", answer)
    assert errors(told) == []
    assert told.text == "Hello"
    assert talk.answers == ["Hello"]
    talk.goes_on()


def calls(*arguments: Any, with_ids: bool = True) -> list[Json]:
    """Return items that call a tool."""
    items: list[Json] = [
        {"type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}"}
        | {"name": "get_weather", "arguments": one, "status": "completed"}
        for number, one in enumerate(arguments)
    ]
    return items if with_ids else without(items, "id")


def itemwise(items: list[Json], kind: str, **more: Any) -> list[Json]:
    return [{"type": f"response.output_item.{kind}", "item": item, **more} for item in items]


LLAMA = [MESSAGE, *calls(ROME, OSLO, with_ids=False)]
BEGUN = [item | {"arguments": "", "content": [], "status": "in_progress"} for item in LLAMA]
TWO = calls(ROME, OSLO)


@OVER_RESPONSES
@pytest.mark.parametrize(
    ("events", "outputs"),
    [
        ([COMPLETED | {"response": RESPONSE | {"output": calls(None)}}], ["It rains."]),
        ([*itemwise(calls({"place": "Rome"}), "done"), EMPTY], ["It rains in Rome."]),
        # https://github.com/ggml-org/llama.cpp/issues/20607
        (
            [
                *itemwise(BEGUN, "added"),
                *itemwise(LLAMA, "done"),
                COMPLETED | {"response": RESPONSE | {"output": LLAMA}},
            ],
            ["It rains in Rome.", "It rains in Oslo."],
        ),
        # https://github.com/BerriAI/litellm/pull/36375
        (
            [
                *itemwise(TWO, "added", output_index=0),
                *itemwise(TWO, "done", output_index=0),
                EMPTY,
            ],
            ["It rains in Rome.", "It rains in Oslo."],
        ),
    ],
    ids=["null", "object", "no-index", "same-index"],
)
def test_calls_of_a_response(talk: Talk, events: list[Json], outputs: list[str]) -> None:
    told = talk.say("The weather?", Events(list[Json | str](events)), "That is the weather.")
    assert errors(told) == []
    assert [one.output for one in told.tools] == outputs
    assert told.text.endswith("That is the weather.")
    talk.goes_on()


@OVER_RESPONSES
def test_thoughts_without_a_place(talk: Talk) -> None:
    thought: list[Json] = [
        {"type": "response.output_item.added", "item": {"type": "reasoning", "summary": []}},
        {"type": "response.reasoning_summary_text.delta", "delta": "Who is it?"},
        {"type": "response.reasoning_summary_text.done", "text": "Who is it?"},
    ]
    told = talk.say("Hello?", Events([*thought, *without(SAID, "output_index"), COMPLETED]))
    assert errors(told) == []
    assert told.text == "Hello"
    talk.goes_on()


@pytest.mark.parametrize(("arguments", "is_mended"), [(ROME, False), ("", True), ("oh", True)])
@pytest.mark.parametrize("path", ["chat/completions", "responses"])
def test_only_a_wrong_request_is_made_anew(path: str, arguments: str, is_mended: bool) -> None:
    """A body with images is long."""
    function = {"name": "get_weather", "arguments": arguments}
    call = {"id": "c1", "type": "function", "function": function}
    body: Json = {"input": [{"type": "function_call", "call_id": "c1", **function}]}
    if path == "chat/completions":
        body = {"messages": [{"role": "assistant", "tool_calls": [call]}]}
    request = httpx2.Request("POST", f"https://example.com/v1/{path}", json=body)
    assert (_mended_request(request, Reasoning()) is not request) is is_mended


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
