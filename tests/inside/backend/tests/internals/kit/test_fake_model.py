"""The tests' model speaks as OpenAI's servers do, and says what its script says."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from contract.chat import HTTP, Json
from contract.fake_model import Answer, FakeModel, Request, Step, ToolOutput
from contract.model_script import ABSENT, Events, Finish, Part, Reasoning, Refusal, ToolCall
from openai import OpenAI
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter, ValidationError

EVENTS: dict[str, TypeAdapter[Any]] = {
    "chat_completions": TypeAdapter(ChatCompletionChunk),
    "responses": TypeAdapter(ResponseStreamEvent),
}
PATHS = {"chat_completions": "chat/completions", "responses": "responses"}
QUESTION: dict[str, Json] = {
    "chat_completions": {
        "messages": [{"role": "user", "content": "Hello"}],
        "stream_options": {"include_usage": True},
    },
    "responses": {"input": [{"role": "user", "content": "Hello"}]},
}


@pytest.fixture
def client(model: FakeModel) -> Iterator[OpenAI]:
    with OpenAI(api_key="none", base_url=f"{model.address}/v1", max_retries=0) as client:
        yield client


def ask(model: FakeModel, api: str) -> str:
    """Return what the server sends."""
    body = {"model": "fake-model", "stream": True, **QUESTION[api]}
    return httpx2.post(f"{model.address}/v1/{PATHS[api]}", json=body, **HTTP).text


def test_every_event_is_one_of_openai(model: FakeModel, api: str) -> None:
    everything: list[Part] = [
        Reasoning("I have to think."),
        "Well, let me look.",
        ToolCall("get_order", {"id": 7}),
        ToolCall("get_weather"),
        Refusal("I would rather not."),
    ]
    endings = [Finish("stop"), Finish("length"), Finish("content_filter"), Finish("failed")]
    for ending in endings:
        with model.playing([*everything, ending]):
            *events, end = ask(model, api).removesuffix("\n\n").split("\n\n")
        if api == "chat_completions" and ending.reason != "failed":
            assert end == "data: [DONE]"
        elif api == "responses":
            events.append(end)
        for event in events:
            try:
                EVENTS[api].validate_json(event.removeprefix("data: "), strict=True)
            except ValidationError as error:
                error.add_note(event)
                raise


def test_a_client_of_responses_gets_the_whole_answer(client: OpenAI, model: FakeModel) -> None:
    parts: list[Part] = [Reasoning("Hm."), "It is on its way.", ToolCall("get_order", {"id": 7})]
    with (
        model.playing(parts),
        client.responses.stream(model="fake-model", input="Hello") as stream,
    ):
        response: Response = stream.get_final_response()
    assert response.output_text == "It is on its way."
    reasoning, _, call = response.output
    assert reasoning.type == "reasoning"
    assert [part.text for part in reasoning.summary] == ["Hm."]
    assert call.type == "function_call"
    assert (call.name, call.arguments) == ("get_order", '{"id": 7}')
    assert response.usage


def test_a_client_of_chat_completions_gets_the_whole_answer(
    client: OpenAI, model: FakeModel
) -> None:
    calls = [ToolCall("get_order", {"id": 7}, id="call_7"), ToolCall("get_weather")]
    with (
        model.playing(["Let me look.", *calls]),
        client.chat.completions.stream(
            model="fake-model", messages=[{"role": "user", "content": "Hello"}]
        ) as stream,
    ):
        [choice] = stream.get_final_completion().choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content == "Let me look."
    spelled = [(one.id, one.function.arguments) for one in choice.message.tool_calls or []]
    assert spelled[0] == ("call_7", '{"id": 7}')
    assert spelled[1][1] == "{}"


def test_an_answer_comes_whole_to_who_wants_no_stream(client: OpenAI, model: FakeModel) -> None:
    parts: list[Part] = ["Let me look.", ToolCall("get_order", {"id": 7}), ToolCall("get_weather")]
    with model.playing(parts, parts):
        completion = client.chat.completions.create(
            model="fake-model", messages=[{"role": "user", "content": "Hello"}]
        )
        response = client.responses.create(model="fake-model", input="Hello")
    message = completion.choices[0].message
    assert message.content == response.output_text == "Let me look."
    called = [call.function for call in message.tool_calls or [] if call.type == "function"]
    assert [(one.name, one.arguments) for one in called] == [
        (one.name, one.arguments) for one in response.output if one.type == "function_call"
    ]


def test_what_is_asked_besides_a_script_takes_no_step(model: FakeModel, api: str) -> None:
    """As a title does, which is asked for while the answer is written."""
    titles: list[Step | None] = ["Greetings", None, "Farewells"]
    with model.playing("It rains.", besides=lambda _: titles.pop(0)):
        answers = [ask(model, api) for _ in range(3)]
    for answer, word in zip(answers, ("Greetings", "rains", "Farewells"), strict=True):
        assert word in answer


@pytest.mark.parametrize(("call_id", "spelled"), [("", '""'), (None, "null")])
def test_an_id_is_sent_as_it_is(
    model: FakeModel, api: str, call_id: str | None, spelled: str
) -> None:
    with model.playing(ToolCall("get_order", id=call_id, index=0)):
        sent = ask(model, api)
    key = "call_id" if api == "responses" else "id"
    assert f'"{key}": {spelled}' in sent


def test_a_key_is_left_out(model: FakeModel, api: str) -> None:
    with model.playing([ToolCall("get_order", id=ABSENT, index=ABSENT)]):
        sent = ask(model, api)
    assert '"tool_calls": [{"type": "function", ' in sent or api == "responses"
    assert "call_id" not in sent


def test_events_are_sent_as_they_are(model: FakeModel, api: str) -> None:
    with model.playing(Events([{"chat": 1}, ": still here\n\n"], [{"responses": 1}])):
        sent = ask(model, api)
    expected = {"chat_completions": 'data: {"chat": 1}\n\n: still here\n\n'}
    assert sent == expected.get(api, 'data: {"responses": 1}\n\n')


def test_a_step_may_fail(model: FakeModel, api: str) -> None:
    with model.playing(Answer(status=400, body={"object": "error"}), "Now it works."):
        assert ask(model, api) == '{"object": "error"}'
        assert "works." in ask(model, api)


def test_a_script_must_be_played_to_its_end(model: FakeModel, api: str) -> None:
    not_asked = pytest.raises(AssertionError, match=r"The model is not asked for: .*get_order")
    with not_asked, model.playing("Hello", ToolCall("get_order")):
        ask(model, api)


def test_nothing_is_asked_after_the_end_of_a_script(model: FakeModel, api: str) -> None:
    ended = pytest.raises(AssertionError, match="ended, but the model is asked: user: Hello")
    with ended, model.playing():
        assert "end_of_script" in ask(model, api)


def test_a_test_that_fails_is_told_that_the_script_has_ended(model: FakeModel, api: str) -> None:
    with pytest.raises(IndexError) as failure, model.playing():
        ask(model, api).split()[1000]
    assert failure.value.__notes__ == ["The script has ended, but the model is asked: user: Hello"]


def test_outputs_are_told_with_their_calls() -> None:
    called = {"name": "get_order", "arguments": '{"id": 7}'}
    chat: list[Json] = [
        {"role": "system", "content": "Be brief."},
        {"role": "assistant", "tool_calls": [{"id": "call_1", "function": called}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "On its way"},
    ]
    responses: list[Json] = [
        {"type": "function_call", "call_id": "call_1", **called},
        {"type": "function_call_output", "call_id": "call_1", "output": "On its way"},
    ]
    tool = {"type": "function", "name": "get_order"}
    for request in (
        Request("chat_completions", {"messages": chat, "tools": [{"function": tool}]}),
        Request("responses", {"input": responses, "instructions": "Be brief.", "tools": [tool]}),
    ):
        assert request.outputs == [ToolOutput("get_order", {"id": 7}, "On its way")]
        assert request.tools == ["get_order"]
        assert request.instructions == "Be brief."
