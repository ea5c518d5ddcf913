"""What a turn asks of models is stored with it, logged and limited."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from contract.chat import Json, is_delta, message, text_of, wait_until
from contract.conversation import Conversation
from contract.fake_model import Answer, FailureError, FakeModel, Request
from contract.model_script import INPUT_TOKENS, OUTPUT_TOKENS, Events, ToolCall
from contract.serving import ASSISTANT, Server, run_server
from contract.test_answers import LETTER, Talk
from contract.test_model import TOOL, endlessly
from sqlalchemy.engine import URL

from kit.llm.compatibility import NO_USAGE

ONE, TWO, THREE = ((INPUT_TOKENS * times, OUTPUT_TOKENS * times) for times in (1, 2, 3))
"""The tokens of so many answers of the model."""

Turns = Sequence[tuple[object, ...]]


@dataclass(frozen=True)
class Counting:
    """A server in production that asks the model."""

    server: Server
    log: Path

    def turns(self, thread_id: str) -> Turns:
        """Return how the turns of a conversation ended, with their models and tokens."""
        rows = self.server.sql(
            "SELECT outcome, model, tokens_in, tokens_out, ended_at FROM turns "
            f"WHERE conversation_id = '{thread_id}' ORDER BY started_at"
        )
        return [row[:4] for row in rows if row[4] is not None]

    def logged(self, thread_id: str) -> Turns:
        """Return what the log says of the turns of a conversation."""
        requests = self.server.sql(
            f"SELECT request_id FROM turns WHERE conversation_id = '{thread_id}' "
            "ORDER BY started_at"
        )
        lines = [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]
        keys = ("outcome", "model", "tokens_in", "tokens_out")
        return [
            tuple(map(line.get, keys))
            for (request_id,) in requests
            for line in lines
            if line.get("request_id") == request_id and "kind" in line
        ]

    def expect(self, thread_id: str, *turns: tuple[object, ...]) -> None:
        """Wait until the records and the log say this of the turns of a conversation."""
        expected = [*turns]
        wait_until(lambda: self.turns(thread_id) == expected)
        wait_until(lambda: self.logged(thread_id) == expected)


@pytest.fixture(scope="module")
def counting(
    api: str, model: FakeModel, database: URL, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Counting]:
    log = tmp_path_factory.mktemp("usage") / "log"
    settings = {**model.settings, "OPENAI_API": api, "APP_ENV": "production"}
    with run_server(database, log, **settings) as server:
        yield Counting(server, log)


@pytest.fixture
def talk(counting: Counting, model: FakeModel, tmp_path: Path) -> Talk:
    return Talk(Conversation(counting.server.someone(), model, tmp_path))


def test_an_answer(counting: Counting, talk: Talk) -> None:
    talk.say("Hello", "Hello.")
    talk.say("And again", "Again.", inference_options={"model": "other-model"})
    first, second = ("answered", "fake-model", *ONE), ("answered", "other-model", *ONE)
    counting.expect(talk.conversation.thread_id, first, second)


def test_each_request_of_a_turn_counts(counting: Counting, talk: Talk) -> None:
    talk.say("What is the weather?", ToolCall(TOOL), ToolCall(TOOL), "It rains.")
    talk.say("And my plants?", ToolCall("transfer_to_gardener"), "They grow.")
    first, second = ("answered", "fake-model", *THREE), ("answered", "fake-model", *TWO)
    counting.expect(talk.conversation.thread_id, first, second)


def test_what_is_known_of_a_stopped_turn_counts(counting: Counting, model: FakeModel) -> None:
    person = counting.server.someone()
    with model.answering(Answer(endlessly, tool=TOOL)), person.say_slowly("Go on") as events:
        thread_id = next(events)["thread"]["id"]
        list(islice(filter(is_delta, events), 3))
    counting.expect(thread_id, ("stopped", "fake-model", *ONE))


def test_what_is_known_of_a_failed_turn_counts(counting: Counting, model: FakeModel) -> None:
    def half_an_answer() -> Iterator[str]:
        yield "Half an answer"
        raise FailureError("The model is overloaded")

    person = counting.server.someone()
    with model.answering(Answer(half_an_answer, tool=TOOL)):
        thread_id = person.say("Hello")[0]["thread"]["id"]
    with model.answering(Answer(status=500)):
        person.say("Hello", thread_id)
    first, second = ("failed", "fake-model", *ONE), ("failed", "fake-model", 0, 0)
    counting.expect(thread_id, first, second)


def test_a_run_that_goes_on_counts_nothing_twice(counting: Counting, talk: Talk) -> None:
    talk.say("Write to Ada", ToolCall(TOOL), LETTER)
    talk.click(talk.items[-1], "Allow", ToolCall(TOOL), "It is sent.")
    turn = ("answered", "fake-model", *TWO)
    counting.expect(talk.conversation.thread_id, turn, turn)


def without_usage(text: str) -> Events:
    """Return the events of servers that never tell what they have used."""
    message_item = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": text, "annotations": []}],
    }
    response = {"id": "resp_1", "object": "response", "model": "m", "output": [message_item]}
    return Events(
        [chunk({"content": text}, "stop"), "data: [DONE]\n\n"],
        [
            {"type": "response.output_item.done", "output_index": 0, "item": message_item},
            {"type": "response.completed", "response": response | {"status": "completed"}},
        ],
    )


def chunk(delta: Json, reason: str | None = None, **more: Any) -> Json:
    choices = [{"index": 0, "delta": delta, "finish_reason": reason}]
    frame = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return frame | {"choices": choices} | more


def test_a_server_may_not_tell_its_usage(counting: Counting, talk: Talk) -> None:
    talk.say("Hello", without_usage("Hello."))
    counting.expect(talk.conversation.thread_id, ("answered", "fake-model", 0, 0))


USED = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
NONE_YET = {"prompt_tokens": 7, "completion_tokens": 0, "total_tokens": 7}
DONE = "data: [DONE]\n\n"


@pytest.mark.parametrize(
    "events",
    [
        [chunk({"content": "Hi"}), chunk({}, "stop"), chunk({}, choices=[], usage=USED), DONE],
        [chunk({"content": "Hi"}), chunk({}, "stop"), chunk({}, choices=None, usage=USED), DONE],
        [chunk({"content": "Hi"}), chunk({}, "stop", usage=USED), DONE],
        [chunk({"content": "Hi"}, usage=NONE_YET), chunk({}, "stop", usage=USED), DONE],
        [chunk({"content": "Hi"}, usage=None), chunk({}, "stop"), chunk({}, usage=USED), DONE],
    ],
    ids=["empty", "null", "at the end", "in each", "with a choice"],
)
def test_servers_tell_their_usage_in_several_ways(
    counting: Counting, talk: Talk, api: str, events: list[Json | str]
) -> None:
    if api == "responses":
        pytest.skip("Responses has one way.")
    assert talk.say("Hello", Events(events)).text == "Hi"
    counting.expect(talk.conversation.thread_id, ("answered", "fake-model", 7, 3))


def test_a_recording_counts(counting: Counting, model: FakeModel) -> None:
    person = counting.server.someone("speaker")
    speech = {"audio_base64": "AAAA", "mime_type": "audio/webm"}
    person.ask("input.transcribe", **speech)
    heard = {"text": "So much", "usage": {"type": "duration", "seconds": 9}}
    with model.answering(Answer(body=heard)):
        assert person.ask("input.transcribe", **speech) == {"text": "So much"}
    with model.answering(Answer(body={"text": "Whisper"})):
        person.ask("input.transcribe", **speech)
    rows = counting.server.sql(
        "SELECT model, tokens_in, tokens_out FROM turns WHERE owner = 'speaker' ORDER BY started_at"
    )
    assert rows[-3:] == [("fake-ears", *ONE), ("fake-ears", 0, 0), ("fake-ears", 0, 0)]


REFUSALS: dict[str, tuple[int, Json]] = {
    "named": (400, {"error": {"message": "Unrecognized request argument: stream_options"}}),
    "in a list": (
        422,
        {"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"]}]},
    ),
    "nameless": (422, {"error": {"message": "The request has an extra field."}}),
}


def asks_for_usage(request: Request) -> bool:
    return "stream_options" in request.body


def refusing(answer: Answer) -> Callable[[Request], Answer | None]:
    return lambda request: answer if asks_for_usage(request) else None


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_server_that_refuses_to_tell_its_usage_answers(
    database: URL, model: FakeModel, tmp_path: Path, refusal: str
) -> None:
    """It is asked once, and what it says of other requests that it refuses is still told."""
    status, body = REFUSALS[refusal]
    log = tmp_path / "log"
    with run_server(database, log, **model.settings) as server:
        counting, person = Counting(server, log), server.someone()
        model.requests.clear()
        model.refuses = refusing(Answer(status=status, body=body))
        try:
            thread_id = person.say("Hello")[0]["thread"]["id"]
            person.say("And again", thread_id)
        finally:
            model.refuses = None
        assert [asks_for_usage(one) for one in model.requests] == [True, False, False]
        assert [text_of(one) for one in person.items(thread_id)[1::2]] == ["Answer 1", "Answer 2"]
        turn = ("answered", "fake-model", 0, 0)
        assert counting.turns(thread_id) == [turn, turn]
        with model.answering(Answer(status=400)):
            assert "refuses the request to fake-model: Not with" in str(person.say("Hello"))
    assert log.read_text(encoding="utf-8").count(NO_USAGE) == 1


def test_a_server_that_tells_its_usage_is_not_asked_twice(database: URL, model: FakeModel) -> None:
    """What it refuses is refused, unless it is one of several models that does not tell it."""
    with run_server(database, None, **model.settings) as server:
        person = server.someone()
        model.requests.clear()
        with model.answering(Answer(status=400)):
            refused = person.say("Hello")
        assert "refuses the request to fake-model: Not with" in str(refused)
        assert [asks_for_usage(one) for one in model.requests] == [True, False]
        thread_id = person.say("Hello")[0]["thread"]["id"]
        model.requests.clear()
        with model.answering(Answer(status=400)):
            refused = person.say("Hello")
        assert "refuses the request to fake-model: Not with" in str(refused)
        assert [asks_for_usage(one) for one in model.requests] == [True]
        model.refuses = refusing(Answer(status=400, body=REFUSALS["named"][1]))
        try:
            person.say("Hello", thread_id)
        finally:
            model.refuses = None
        person.say("Hello", thread_id)
        turns = Counting(server, Path()).turns(thread_id)
    told, untold = ("answered", "fake-model", *ONE), ("answered", "fake-model", 0, 0)
    assert turns == [told, untold, told]


OWN = """
from agents import Agent, ModelSettings, RunConfig
from kit import ChatContext, get_client, get_run_config, run_agent, stream_text

expert = Agent(name="Expert", model="expert-model", model_settings=ModelSettings(top_p=0.3))
settings = ModelSettings(
    temperature=0.5, max_tokens=77, parallel_tool_calls=False, extra_args={"user": "me"}
)
tools = [expert.as_tool("ask_expert", "Asks an expert.")]
agent = Agent[ChatContext](
    name="Boss", model="boss-model", model_settings=settings, tools=tools
)

async def counted(turn):
    turn.count_usage("a-model", 100, 10)
    yield "Two models "
    turn.count_usage("another-model", 50, 5)
    yield "answer."

async def failing(turn):
    turn.count_usage("a-model", 100, 10)
    yield "So far"
    raise ValueError

async def respond(turn):
    match turn.message_text:
        case "ask":
            events = run_agent(agent, turn)
        case "cool":
            cool = get_run_config(model_settings=ModelSettings(temperature=0.1))
            events = run_agent(agent, turn, run_config=cool)
        case "another model":
            events = run_agent(agent, turn, run_config=get_run_config(model="third-model"))
        case name:
            events = stream_text(turn, globals()[name](turn))
    async for event in events:
        yield event
"""


@pytest.fixture(scope="module")
def own(
    api: str, model: FakeModel, database: URL, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Counting]:
    """A server with an assistant of the owner's."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "counted_assistant.py").write_text(OWN, encoding="utf-8")
    settings = {**model.settings, ASSISTANT: "counted_assistant", "OPENAI_API": api}
    settings["APP_ENV"] = "production"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        with run_server(database, folder / "log", **settings) as server:
            yield Counting(server, folder / "log")


def test_an_agent_as_a_tool_counts(own: Counting, model: FakeModel) -> None:
    with model.playing(ToolCall("ask_expert", {"input": "What?"}), "Forty-two.", "It is 42."):
        thread_id = own.server.someone().say("ask")[0]["thread"]["id"]
    assert [request.model for request in model.requests[-3:]] == [
        "boss-model",
        "expert-model",
        "boss-model",
    ]
    own.expect(thread_id, ("answered", "boss-model", *THREE))


def test_the_settings_of_an_agent_stay(own: Counting, model: FakeModel, api: str) -> None:
    person = own.server.someone()
    with model.playing("Yes."):
        thread_id = person.say("ask")[0]["thread"]["id"]
    asked = model.requests[-1].body
    length = "max_output_tokens" if api == "responses" else "max_tokens"
    assert (asked["temperature"], asked[length], asked["user"]) == (0.5, 77, "me")
    with model.playing("Yes."):
        person.say("cool", thread_id)
    asked = model.requests[-1].body
    assert (asked["temperature"], asked[length], asked["user"]) == (0.1, 77, "me")
    with model.playing("Yes."):
        person.say("another model", thread_id)
    turns = [("answered", name, *ONE) for name in ("boss-model", "boss-model", "third-model")]
    own.expect(thread_id, *turns)


def test_any_library_counts(own: Counting) -> None:
    person = own.server.someone()
    thread_id = person.say("counted")[0]["thread"]["id"]
    person.say("failing", thread_id)
    own.expect(thread_id, ("answered", "another-model", 150, 15), ("failed", "a-model", 100, 10))


def test_the_tokens_of_a_day_are_used_up(database: URL, model: FakeModel) -> None:
    """The turn that goes beyond the limit is answered, the next one is refused.

    What a deleted conversation has used counts on.
    """
    with run_server(database, None, **model.settings, TOKENS_PER_DAY="45") as server:
        person = server.someone()
        thread_id = person.say("Hello")[0]["thread"]["id"]
        assert person.say("Hello")[-1]["type"] == "thread.item.done"
        person.ask("threads.delete", thread_id=thread_id)
        refused = person.post("threads.create", input=message("Hello"))
        assert refused.status_code == 429
        assert "The 45 tokens that may be used in a day here are used up" in refused.text
        assert server.someone().say("Hello")[-1]["type"] == "thread.item.done"
