"""What models really send, over both of OpenAI's APIs. A conversation goes on after all of it."""

import base64
import itertools
import json
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import URL

from contract.chat import Json, is_delta, text_of, wait_until
from contract.conversation import Conversation, Reply
from contract.fake_model import FakeModel
from contract.model_agent import FORBIDDEN, PHOTO
from contract.model_script import (
    ABSENT,
    Events,
    Finish,
    Reasoning,
    Refusal,
    ToolCall,
    Words,
)
from contract.serving import Server, run_server

Steps = Any


class Talk:
    """A conversation with a model that plays a script for each turn."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self.chat = conversation.chat
        self.model = conversation.model

    def say(self, text: str, *steps: Steps, **others: Any) -> Reply:
        """Write a message that the model answers with the steps."""
        with self.model.playing(*steps):
            return self.conversation.say(text, **others)

    def answer_tool(self, result: Json, *steps: Steps) -> Reply:
        """Return the output of the client tool that was called last."""
        with self.model.playing(*steps):
            return self.conversation.answer_client_tool(result)

    def click(self, widget: Json, label: str, *steps: Steps) -> Reply:
        """Click on a button of a widget."""
        [button] = [one for one in buttons(widget["widget"]) if one["label"] == label]
        with self.model.playing(*steps):
            return self.conversation.act(widget, button["onClickAction"])

    @property
    def items(self) -> list[Json]:
        """The items that the page shows after a reload."""
        return self.conversation.items()

    @property
    def answers(self) -> list[str]:
        """The texts of the answers after a reload."""
        return [text_of(item) for item in self.items if item["type"] == "assistant_message"]

    def goes_on(self) -> None:
        """The next message is answered, and the model's server gets what each server takes."""
        assert errors(self.say("And now?", "Now it goes on.")) == []
        assert self.answers[-1] == "Now it goes on."
        check_calls(self.model.requests[-1].body)


@pytest.fixture
def talk(asking: Server, model: FakeModel, tmp_path: Path) -> Talk:
    return Talk(Conversation(asking.chat(), model, tmp_path))


@pytest.fixture
def over_responses(api: str) -> None:
    if api == "chat_completions":
        pytest.skip("Chat Completions makes no images and has no hosted tools.")


def errors(reply: Reply) -> list[str]:
    """Return the sentences about failures. None has the name of an exception's class."""
    for sentence in reply.errors:
        assert sentence
        assert "Error" not in sentence
        assert "Exception" not in sentence
    return reply.errors


def called(reply: Reply) -> tuple[str, Json]:
    """Return the client tool that the page is asked to run."""
    assert errors(reply) == []
    assert reply.client_tool
    return reply.client_tool["name"], reply.client_tool["arguments"]


def buttons(component: Json) -> Iterator[Json]:
    if component["type"] == "Button":
        yield component
    for child in component.get("children", []):
        yield from buttons(child)


def check_calls(body: Json) -> None:
    """Check that each tool call has an id of its own, and its output right behind it."""
    entries = body.get("messages") or body["input"]
    ids: list[str] = []
    for number, entry in enumerate(entries):
        calls = [call["id"] for call in entry.get("tool_calls") or []]
        outputs = entries[number + 1 : number + 1 + len(calls)]
        assert [output.get("tool_call_id") for output in outputs] == calls
        ids += calls
        if entry.get("type") == "function_call":
            ids.append(entry["call_id"])
    said = [one["call_id"] for one in entries if one.get("type") == "function_call_output"]
    assert sorted(said) == sorted(ids) or "messages" in body
    assert len(ids) == len(set(ids))
    assert all(ids)


CITATION = {"type": "url_citation", "url": "https://example.com/a", "title": "A page"}
PLACE = {"start_index": 0, "end_index": 5}
ANNOTATIONS: list[tuple[Json, Json | None]] = [
    (CITATION | PLACE, {"type": "url", "title": "A page", "url": "https://example.com/a"}),
    (CITATION | PLACE | {"title": None}, {"type": "url", "title": "example.com"}),
    ({"type": "url_citation", "url": "https://example.com/b"}, {"title": "example.com"}),
    ({"type": "url_citation", "title": "Nowhere"} | PLACE, None),
    (
        {"type": "file_citation", "file_id": "file_1", "filename": "a.pdf", "index": 3},
        {"type": "file", "filename": "a.pdf"},
    ),
    ({"type": "file_citation", "file_id": "file_1", "index": 3}, None),
    (
        {
            "type": "container_file_citation",
            "container_id": "cntr_1",
            "file_id": "cfile_1",
            "filename": "plot.png",
        }
        | PLACE,
        {"type": "file", "filename": "plot.png"},
    ),
    ({"type": "container_file_citation", "file_id": "cfile_1"} | PLACE, None),
    ({"type": "file_path", "file_id": "file_1", "index": 1}, None),
    ({"type": "of_next_year", "url": "https://example.com"}, None),
]


def cited(annotations: list[Json]) -> Events:
    """Return an answer with annotations as each API sends them."""
    part = {"type": "output_text", "text": "It is so.", "annotations": annotations}
    item = {"type": "message", "id": "msg_1", "role": "assistant", "content": [part]}
    where = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    tool = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
    response = {"id": "resp_1", "object": "response", "output": [item], "status": "completed"}
    added = item | {"content": []}
    over_responses: list[Json | str] = [
        {"type": "response.output_item.added", "output_index": 0, "item": added},
        {"type": "response.content_part.added", **where, "part": part | {"text": ""}},
        {"type": "response.output_text.delta", **where, "delta": "It is so.", "logprobs": []},
        *(
            {
                "type": "response.output_text.annotation.added",
                **where,
                "annotation_index": number,
                "annotation": annotation,
            }
            for number, annotation in enumerate(annotations)
        ),
        {"type": "response.output_text.done", **where, "text": "It is so.", "logprobs": []},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.output_item.done", "output_index": 1, "item": tool},
        {"type": "response.completed", "response": response},
    ]
    # As OpenRouter sends them: https://openrouter.ai/docs
    nested = [
        {
            "type": one["type"],
            one["type"]: {key: value for key, value in one.items() if key != "type"},
        }
        for one in annotations
    ]
    over_chat_completions: list[Json | str] = [
        chunk({"role": "assistant", "content": "It is so."}),
        chunk({"content": "", "annotations": nested}),
        chunk({}, "stop"),
    ]
    return Events(over_chat_completions, over_responses)


def chunk(delta: Json, finish_reason: str | None = None) -> Json:
    """Return a chunk of Chat Completions."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "fake-model",
        "choices": [choice],
    }


def test_citations_break_the_answer(talk: Talk, api: str) -> None:
    told = talk.say("Is it so?", cited([annotation for annotation, _ in ANNOTATIONS]))
    assert errors(told) == []
    wanted = [source for _, source in ANNOTATIONS if source]
    if api == "chat_completions":  # which has citations of addresses only
        wanted = [source for source in wanted if "filename" not in source]
    [part] = talk.items[-1]["content"]
    sources = [one["source"] for one in part["annotations"]]
    assert len(sources) == len(wanted)
    for source, expected in zip(sources, wanted, strict=True):
        assert source | expected == source
    if api == "responses":
        added = [one for one in told.events if "annotation" in one.get("update", {})]
        assert len(added) == len(wanted)
    talk.goes_on()


def test_tool_call_ids_repeat(talk: Talk) -> None:
    """In two turns, and in the two answers of one."""
    counted = ToolCall("get_weather", {"place": "Rome"}, id="get_weather:0")
    again = ToolCall("get_weather", {"place": "Oslo"}, id="get_weather:0")
    told = talk.say("The weather?", counted, again, "Rain in both.")
    assert errors(told) == []
    body = talk.model.requests[-1]
    assert [one.output for one in body.outputs] == ["It rains in Rome.", "It rains in Oslo."]
    check_calls(body.body)
    talk.say("Where am I?", ToolCall("where_are_you", id="c1"))
    talk.answer_tool({"place": "Rome"}, "In Rome.")
    talk.say("And now?", ToolCall("where_are_you", id="c1"))
    told = talk.answer_tool({"place": "Oslo"}, "In Oslo.")
    assert errors(told) == []
    body = talk.model.requests[-1]
    assert [json.loads(one.output) for one in body.outputs] == [
        {"place": "Rome"},
        {"place": "Oslo"},
    ]
    check_calls(body.body)
    talk.goes_on()


@pytest.mark.parametrize("call_id", ["", None, ABSENT])
@pytest.mark.parametrize("index", ["usual", 0, ABSENT])
def test_tool_call_without_id(talk: Talk, call_id: Any, index: Any) -> None:
    """One or several in an answer, of the server and of the page."""
    how: Json = {"id": call_id} | ({} if index == "usual" else {"index": index})
    places = ["Rome", "Oslo", "Lima"]
    calls = [ToolCall("get_weather", {"place": place}, **how) for place in places]
    told = talk.say("The weather?", calls, "Rain everywhere.")
    assert errors(told) == []
    outputs = [one.output for one in talk.model.requests[-1].outputs]
    assert outputs == [f"It rains in {place}." for place in places]
    check_calls(talk.model.requests[-1].body)
    assert called(talk.say("Where am I?", ToolCall("where_are_you", **how))) == (
        "where_are_you",
        {},
    )
    assert errors(talk.answer_tool({"place": "Rome"}, "In Rome.")) == []
    talk.goes_on()


def test_tool_output_fills_the_context(talk: Talk) -> None:
    """An image is an image, a text is cut, and a later turn stays small."""
    told = talk.say("Look!", ToolCall("take_photo"), ToolCall("read_book"), "I see a dot.")
    assert errors(told) == []
    talk.goes_on()
    sent = json.dumps(talk.model.requests[-1].body)
    photos = sent.count("data:image/gif;base64,")
    assert photos == 1
    assert '"input_image"' in sent or '"image_url"' in sent
    texts = [text for _, text in talk.model.requests[-1].said]
    assert max(map(len, texts)) < 201_000
    assert not any("R0lGOD" in text for text in texts)
    assert any("(cut after 200000 characters)" in text for text in texts)


def image_events(count: int, encoded: str = base64.b64encode(PHOTO).decode()) -> Events:
    """Return an answer with images, which only Responses can make."""
    events: list[Json] = []
    items = []
    for index in range(count):
        item = {"type": "image_generation_call", "id": f"ig_{index}", "status": "completed"}
        events.append(
            {
                "type": "response.output_item.added",
                "output_index": index,
                "item": item | {"status": "in_progress", "result": None},
            }
        )
        events.append(
            {
                "type": "response.image_generation_call.partial_image",
                "item_id": item["id"],
                "output_index": index,
                "partial_image_index": 0,
                "partial_image_b64": encoded,
            }
        )
        done = item | {"result": encoded}
        items.append(done)
        events.append({"type": "response.output_item.done", "output_index": index, "item": done})
    response = {"id": "resp_1", "object": "response", "output": items, "status": "completed"}
    return Events([], [*events, {"type": "response.completed", "response": response}])


@pytest.mark.usefixtures("over_responses")
def test_generated_image_in_the_row(talk: Talk) -> None:
    """Each image is a file of the conversation, and the model sees it again as an image."""
    told = talk.say("Paint two dots.", image_events(2), "Here they are.")
    assert errors(told) == []
    images = [item for item in talk.items if item["type"] == "generated_image"]
    assert len(images) == 2
    assert len(json.dumps(images)) < 4000
    for image in images:
        assert image["image"]["url"].startswith("data:image/")
        assert talk.chat.download(image["image"]["id"]).content == PHOTO
    talk.goes_on()
    assert json.dumps(talk.model.requests[-1].body).count("data:image/gif;base64,") == 2
    talk.chat.ask("threads.delete", thread_id=talk.conversation.thread_id)
    assert talk.chat.download(images[0]["image"]["id"]).status_code == 404


@pytest.mark.usefixtures("over_responses")
def test_an_image_in_lines_of_base64(talk: Talk) -> None:
    """Slug: generated-image-in-the-row."""
    lines = base64.encodebytes(PHOTO).decode()
    assert errors(talk.say("Paint a dot.", image_events(1, lines), "Here it is.")) == []
    [image] = [item for item in talk.items if item["type"] == "generated_image"]
    assert talk.chat.download(image["image"]["id"]).content == PHOTO


@pytest.mark.usefixtures("over_responses")
def test_an_image_that_is_damaged(talk: Talk) -> None:
    """Slug: generated-image-in-the-row."""
    told = talk.say("Paint a dot.", image_events(1, "A"), "Here it is.")
    assert errors(told) == []
    [notice] = [event["message"] for event in told.events if event["type"] == "notice"]
    assert notice == "The image is not kept. It is damaged."
    assert [item["type"] for item in talk.items] == ["user_message", "assistant_message"]
    talk.goes_on()


@pytest.mark.usefixtures("over_responses")
def test_an_image_that_does_not_come(talk: Talk) -> None:
    """Slug: generated-image-in-the-row. The page takes back where it would be."""
    told = talk.say("Paint a dot.", image_events(1, ""), "I cannot paint.")
    assert errors(told) == []
    [begun] = [
        event["item"]["id"]
        for event in told.events
        if event["type"] == "thread.item.added" and event["item"]["type"] == "generated_image"
    ]
    assert {"type": "thread.item.removed", "item_id": begun} in told.events
    [notice] = [event["message"] for event in told.events if event["type"] == "notice"]
    assert notice == "The image is not kept."
    talk.goes_on()


@pytest.mark.parametrize(
    ("asked", "answered"),
    [(f"Give me the {FORBIDDEN}", "Here it is."), ("A fruit?", f"A {FORBIDDEN}.")],
    ids=["input", "output"],
)
def test_guardrail_blocks_for_ever(talk: Talk, asked: str, answered: str) -> None:
    talk.say("Hello", "Hello!")
    told = talk.say(asked, answered)
    [sentence] = errors(told)
    assert sentence.startswith("The assistant may not talk about this.")
    assert [event["allow_retry"] for event in told.events if event["type"] == "error"] == [False]
    assert FORBIDDEN not in " ".join(talk.answers)
    talk.goes_on()
    assert [text for _, text in talk.model.requests[-1].said] == ["Hello", "Hello!", "And now?"]


def test_refusal_looks_like_a_crash(talk: Talk) -> None:
    told = talk.say("Do evil!", Refusal("I do not do that."))
    assert errors(told) == []
    assert "".join(event["update"]["delta"] for event in told.events if is_delta(event)) == (
        "I do not do that."
    )
    assert talk.answers == ["I do not do that."]
    talk.goes_on()


def test_unknown_tool_ends_the_turn(talk: Talk) -> None:
    told = talk.say("Fly!", ToolCall("no_such_tool", {"height": 3}), "I cannot fly.")
    assert errors(told) == []
    assert talk.answers == ["I cannot fly."]
    assert "no_such_tool" in talk.model.requests[-1].outputs[-1].output
    talk.goes_on()


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (Words([]), "The model gave no answer."),
        (Words(["", "\n"]), "The model gave no answer."),
        (Reasoning("What could it be?"), "The model gave no answer."),
        ([Words([]), Finish("length")], "The model has reached its limit of length"),
        ([Reasoning("What?"), Finish("length")], "The model has reached its limit of length"),
        (Finish("content_filter"), "The answer is withheld by the model's content filter."),
        (Finish("failed"), " broke the answer off: The model failed."),
        (ToolCall("show_map"), "The model gave no answer."),
    ],
    ids=["empty", "blank", "reasoning", "length", "thought-to-length", "filter", "failed", "tool"],
)
def test_silent_model(talk: Talk, step: Steps, words: str) -> None:
    told = talk.say("Hello?", step)
    [sentence] = errors(told)
    assert words in sentence
    assert [item["type"] for item in talk.items if item["type"] != "workflow"] == ["user_message"]
    talk.goes_on()


@pytest.mark.parametrize(
    ("reason", "words"), [("length", "The answer is cut here"), ("content_filter", "The rest of")]
)
def test_an_answer_that_is_cut_says_so(talk: Talk, reason: Any, words: str) -> None:
    told = talk.say("Tell me a story", ["Once upon a time", Finish(reason)])
    assert errors(told) == []
    [notice] = [event["message"] for event in told.events if event["type"] == "notice"]
    assert words in notice
    assert talk.answers == ["Once upon a time"]
    talk.goes_on()


@pytest.mark.parametrize("reason", ["failed", None], ids=["failed", "just-ends"])
def test_a_model_that_breaks_off_behind_the_first_words(talk: Talk, reason: Any) -> None:
    """Slugs: error-without-words, assistant-message-not-saved."""
    told = talk.say("Hello?", [Words(["Half an ", "answer"]), Finish(reason)])
    [sentence] = errors(told)
    assert "broke the answer off" in sentence
    done = [event["item"]["id"] for event in told.events if event["type"] == "thread.item.done"]
    added = [event["item"]["id"] for event in told.events if event["type"] == "thread.item.added"]
    assert set(added) <= set(done)
    assert talk.answers == ["Half an answer"]
    talk.goes_on()


def test_two_client_tools_in_one_answer(talk: Talk) -> None:
    """Slug: tool-call-without-id. The page runs one after the other, and the model gets both."""
    calls = [ToolCall("where_are_you"), ToolCall("show_map", {"place": "Rome"})]
    assert called(talk.say("Show me where I am", calls)) == ("where_are_you", {})
    assert called(talk.answer_tool({"place": "Rome"})) == ("show_map", {"place": "Rome"})
    told = talk.answer_tool({"shown": True}, "There you are.")
    assert errors(told) == []
    outputs = talk.model.requests[-1].outputs
    assert [json.loads(one.output) for one in outputs] == [{"place": "Rome"}, {"shown": True}]
    talk.goes_on()


def test_a_client_tool_that_is_left_does_not_run_later(talk: Talk) -> None:
    talk.say("Go", [ToolCall("where_are_you"), ToolCall("show_map", {"place": "Rome"})])
    talk.goes_on()
    talk.say("Where am I?", ToolCall("where_are_you"))
    told = talk.answer_tool({"place": "Oslo"}, "In Oslo.")
    assert errors(told) == []
    talk.goes_on()


LETTER = ToolCall("send_letter", {"to": "Ada", "text": "Hello"})


@pytest.mark.parametrize(
    ("label", "output"),
    [("Allow", "The letter to Ada is sent."), ("Decline", "The person declined this.")],
)
def test_approval_is_blank(talk: Talk, label: str, output: str) -> None:
    told = talk.say("Write to Ada", LETTER)
    assert errors(told) == []
    widget = talk.items[-1]
    assert widget["type"] == "widget"
    assert "send_letter" in json.dumps(widget)
    assert "Ada" in json.dumps(widget)
    told = talk.click(widget, label, "That is that.")
    assert errors(told) == []
    assert talk.model.requests[-1].outputs[-1].output == output
    assert talk.answers == ["That is that."]
    [closed] = [item for item in talk.items if item["type"] == "widget"]
    assert list(buttons(closed["widget"])) == []
    told = talk.click(widget, label)
    assert errors(told)[0].startswith("This question is not open any more.")
    talk.goes_on()


def test_a_question_comes_after_an_answer(talk: Talk) -> None:
    """Slug: approval-is-blank."""
    talk.say("Hello", "Good day.")
    talk.say("Write to Ada", LETTER)
    assert errors(talk.click(talk.items[-1], "Allow", "It is sent.")) == []
    assert ("assistant", "Good day.") in talk.model.requests[-1].said
    talk.goes_on()


def test_two_tools_wait_for_two_answers(talk: Talk) -> None:
    """Slug: approval-is-blank."""
    other = ToolCall("send_letter", {"to": "Bob", "text": "Bye"})
    talk.say("Write to both", [LETTER, other])
    first, second = [item for item in talk.items if item["type"] == "widget"]
    assert errors(talk.click(second, "Decline")) == []
    assert errors(talk.click(first, "Allow", "One is sent.")) == []
    outputs = [one.output for one in talk.model.requests[-1].outputs]
    assert outputs == ["The letter to Ada is sent.", "The person declined this."]
    talk.goes_on()


@pytest.mark.parametrize("labels", [("Allow", "Decline"), ("Decline", "Allow")])
@pytest.mark.usefixtures("over_responses")
def test_two_tools_of_an_mcp_server_wait(talk: Talk, labels: tuple[str, str]) -> None:
    """Slug: approval-is-blank. Each has its own answer, though such calls have no `call_id`."""
    calls = [
        {
            "type": "mcp_approval_request",
            "id": f"mcpr_{to}",
            "server_label": "bank",
            "name": "send_money",
            "arguments": json.dumps({"to": to}),
        }
        for to in ("Ada", "Bob")
    ]
    done = [
        {"type": "response.output_item.done", "output_index": index, "item": call}
        for index, call in enumerate(calls)
    ]
    response = {"id": "resp_1", "object": "response", "output": calls, "status": "completed"}
    completed = {"type": "response.completed", "response": response}
    talk.say("Pay both", Events([], [*done, completed]))
    first, second = [item for item in talk.items if item["type"] == "widget"]
    assert errors(talk.click(first, labels[0])) == []
    assert errors(talk.click(second, labels[1], "One is paid.")) == []
    said = [
        one["approve"]
        for one in talk.model.requests[-1].body["input"]
        if one.get("type") == "mcp_approval_response"
    ]
    assert said == [label == "Allow" for label in labels]
    talk.goes_on()


def test_a_question_is_closed_by_the_next_message(talk: Talk) -> None:
    """Slug: approval-is-blank."""
    talk.say("Write to Ada", LETTER)
    widget = talk.items[-1]
    talk.goes_on()
    [closed] = [item for item in talk.items if item["type"] == "widget"]
    assert list(buttons(closed["widget"])) == []
    told = talk.click(widget, "Allow")
    assert errors(told)[0].startswith("This question is not open any more.")


def test_a_question_outlasts_a_short_history(
    database: URL, model: FakeModel, api: str, tmp_path: Path
) -> None:
    """Slug: approval-is-blank. It has the chosen model, and the next message closes it."""
    chosen = {"model": "other-model"}
    settings = model.settings | {"OPENAI_API": api, "HISTORY_ITEMS": "1"}
    with run_server(database, None, **settings) as server:
        talk = Talk(Conversation(server.chat(), model, tmp_path))
        weather = ToolCall("get_weather", {"place": "Rome"})
        talk.say("Write Ada the weather", weather, LETTER, inference_options=chosen)
        assert errors(talk.click(talk.items[-1], "Allow", "It is sent.")) == []
        assert talk.model.requests[-1].model == "other-model"
        talk.say("Write to Ada", LETTER)
        talk.goes_on()
        assert [text for _, text in talk.model.requests[-1].said] == ["And now?"]
        widgets = [item for item in talk.items if item["type"] == "widget"]
        assert [list(buttons(one["widget"])) for one in widgets] == [[], []]


def test_a_question_that_was_not_shown(talk: Talk, asking: Server) -> None:
    """Slug: approval-is-blank. The process may end before the widget is stored."""
    talk.say("Write to Ada", LETTER)
    asking.sql(f"DELETE FROM messages WHERE id = '{talk.items[-1]['id']}'")
    talk.goes_on()


def test_two_runs_wait_for_answers(talk: Talk) -> None:
    """Slug: approval-is-blank. The next message closes the questions of both."""
    talk.say("Write to Ada", LETTER)
    with talk.model.playing(LETTER):
        talk.conversation.act(None, {"type": "demo.again"})
    talk.goes_on()
    widgets = [item for item in talk.items if item["type"] == "widget"]
    assert [list(buttons(one["widget"])) for one in widgets] == [[], []]


def test_the_page_runs_its_tools_after_the_question(talk: Talk) -> None:
    """Slug: approval-is-blank."""
    told = talk.say("Where am I? Write it to Ada", [ToolCall("where_are_you"), LETTER])
    assert told.client_tool is None
    assert called(talk.click(talk.items[-1], "Allow")) == ("where_are_you", {})
    assert errors(talk.answer_tool({"place": "Rome"}, "In Rome, and Ada knows it.")) == []
    assert '"Rome"' in talk.model.requests[-1].outputs[-1].output
    talk.goes_on()


def test_the_chosen_model_goes_on_after_a_question(talk: Talk) -> None:
    """Slug: approval-is-blank."""
    talk.say("Write to Ada", LETTER, inference_options={"model": "other-model"})
    talk.click(talk.items[-1], "Allow", "It is sent.")
    assert talk.model.requests[-1].model == "other-model"


def test_what_a_tool_has_done_is_known_though_the_model_fails(talk: Talk) -> None:
    """Slug: tool-outputs-forgotten."""
    talk.say("Write to Ada", LETTER)
    assert errors(talk.click(talk.items[-1], "Allow", Finish("failed")))
    talk.goes_on()
    assert any("The letter to Ada is sent." in text for _, text in talk.model.requests[-1].said)


def test_what_a_tool_has_done_is_known_after_stop(talk: Talk) -> None:
    """Slugs: tool-outputs-forgotten, stop-loses-the-answer."""
    is_stopped = threading.Event()

    def late() -> Iterator[str]:
        is_stopped.wait(60)
        yield from itertools.repeat("Too late. ")

    asked = len(talk.model.requests)
    with talk.model.playing(ToolCall("get_weather", {"place": "Rome"}), Words(late())):
        with talk.chat.say_slowly("What is the weather?") as events:
            talk.conversation.thread_id = next(events)["thread"]["id"]
            wait_until(lambda: len(talk.model.requests) == asked + 2)
        is_stopped.set()
        assert talk.model.hung_up.wait(60)

    def is_known() -> bool:
        talk.goes_on()
        return any("It rains in Rome." in text for _, text in talk.model.requests[-1].said)

    wait_until(is_known)


def test_a_second_click_does_not_run_the_tool_again(talk: Talk) -> None:
    """Slug: approval-is-blank."""
    talk.say("Write to Ada", LETTER)
    widget = talk.items[-1]
    is_clicked = threading.Event()

    def slowly() -> Iterator[str]:
        is_clicked.wait(60)
        yield "It is sent."

    [button] = [one for one in buttons(widget["widget"]) if one["label"] == "Allow"]
    asked = len(talk.model.requests)
    with talk.model.playing(Words(slowly())), ThreadPoolExecutor() as threads:
        first = threads.submit(talk.conversation.act, widget, button["onClickAction"])
        wait_until(lambda: len(talk.model.requests) == asked + 1)
        second = talk.chat.post(
            "threads.custom_action",
            thread_id=talk.conversation.thread_id,
            item_id=widget["id"],
            action={key: button["onClickAction"][key] for key in ("type", "payload")},
        )
        is_clicked.set()
        assert errors(first.result()) == []
    assert second.status_code == 409, second.text
    assert "is being answered" in second.json()["message"]
    assert errors(talk.conversation.act(widget, button["onClickAction"])) == [
        "This question is not open any more."
    ]
    assert talk.answers == ["It is sent."]
    talk.goes_on()


def test_a_question_keeps_no_files(talk: Talk) -> None:
    """Slug: approval-is-blank. The conversation still fits into a page."""
    talk.say("Hello", "Good day.")
    book = b"%PDF-1.7\n" + random.Random(1).randbytes(2_000_000)
    file = talk.conversation.attach("book.pdf", book, "application/pdf")
    talk.say("Write to Ada what is in it", LETTER, attachments=[file])
    first = talk.chat.ask("threads.get_by_id", thread_id=talk.conversation.thread_id)["items"]
    assert not first["has_more"]
    assert errors(talk.click(talk.items[-1], "Allow", "It is sent.")) == []
    asked = talk.model.requests[-1]
    assert base64.b64encode(book).decode() in json.dumps(asked.body)
    assert asked.said[0] == ("user", "Hello")
    talk.goes_on()


def test_tool_failure_leaves_no_trace(talk: Talk, asking_log: Path) -> None:
    told = talk.say("My order?", ToolCall("get_order", {"number": 7}), "There is none.")
    assert errors(told) == []
    lines = asking_log.read_text(encoding="utf-8").splitlines()
    [line] = [line for line in lines if "The tool get_order failed: KeyError" in line][-1:]
    assert "request" in line
    talk.goes_on()


def test_two_tags_of_one_name_reach_the_model(talk: Talk) -> None:
    tags = [
        {"type": "input_tag", "id": f"a{year}", "text": "Ada", "data": {"born": year}}
        for year in (1815, 1988)
    ]
    talk.say("", "Which one?", content=[{"type": "input_text", "text": "Who is "}, *tags])
    texts = [text for _, text in talk.model.requests[-1].said]
    for year in (1815, 1988):
        assert any(f'"id": "a{year}", "born": {year}' in text for text in texts)


def test_the_agent_that_spoke_last_goes_on(talk: Talk) -> None:
    talk.say("My roses?", ToolCall("transfer_to_gardener"), "Water them.")
    assert talk.model.requests[-1].instructions == "You are the gardener."
    talk.say("And my tulips?", "Them too.", inference_options={"model": "other-model"})
    assert talk.model.requests[-1].instructions == "You are the gardener."
    assert talk.model.requests[-1].model == "other-model"


def test_the_page_chooses_an_agent(talk: Talk) -> None:
    talk.say("My roses?", "Water them.", inference_options={"tool_choice": {"id": "Gardener"}})
    assert talk.model.requests[-1].instructions == "You are the gardener."


def test_proxy_hides_local_model(model: FakeModel, database: URL) -> None:
    """No proxy knows this machine. Of another server that cannot be reached, it is named."""
    proxies = dict.fromkeys(["http_proxy", "https_proxy", "all_proxy"], "http://127.0.0.1:9")
    settings = model.settings | proxies | {"no_proxy": "", "NO_PROXY": ""}
    with run_server(database, None, **settings) as server:
        assert errors(Reply(server.chat().say("Hello"))) == []
    elsewhere = {"OPENAI_BASE_URL": "http://models.example/v1"}
    with run_server(database, None, **(settings | elsewhere)) as server:
        [sentence] = errors(Reply(server.chat().say("Hello")))
    assert "cannot be reached" in sentence
    assert "It is asked through http_proxy" in sentence
