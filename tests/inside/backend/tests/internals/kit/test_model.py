"""Conversations with a model, over both of OpenAI's APIs."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import cast

import pytest
from chatkit.types import (
    AssistantMessageContentPartTextDelta,
    AssistantMessageItem,
    ClientToolCallItem,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemUpdatedEvent,
    ThreadStreamEvent,
)
from contract.chat import message, text_of
from contract.fake_model import FakeModel
from contract.serving import ASSISTANT, Server, run_server
from contract.test_model import TOOL, ask
from sqlalchemy.engine import URL

from internals.conftest import Run
from internals.inspected import WITHOUT, inspected
from kit.chat.turns import with_fresh_ids
from kit.database.chatkit_store import generate_id
from kit.llm.agent_input import AgentInput


def test_the_api_of_the_settings_is_spoken(asking: Server, model: FakeModel, api: str) -> None:
    ask(asking)
    assert model.requests[-1].api == api


def test_quoted_text_reaches_the_model(asking: Server, model: FakeModel) -> None:
    ask(asking, quoted_text="words of an earlier answer")
    assert any("words of an earlier answer" in text for _, text in model.requests[-1].said)


def test_a_tag_reaches_the_model_with_what_the_page_knows(asking: Server, model: FakeModel) -> None:
    tag = {"type": "input_tag", "id": "person_7", "text": "Zoë", "data": {"town": "Évora"}}
    ask(asking, content=[tag])
    assert any("person_7" in text and "Évora" in text for _, text in model.requests[-1].said)


def test_a_structured_hidden_note_reaches_the_model(
    server: Server, asking: Server, model: FakeModel
) -> None:
    """Another server has made it, in the same database."""
    thread_id = server.chat().say("A hidden note")[0]["thread"]["id"]
    asking.chat().say("What have you noted?", thread_id)
    assert any('{"number": 1}' in text for _, text in model.requests[-1].said)


def test_the_model_is_sent_as_much_of_a_conversation_as_is_set(
    in_production: Server, model: FakeModel
) -> None:
    person = in_production.someone()
    thread_id = person.say("First")[0]["thread"]["id"]
    person.say("Second", thread_id)
    person.say("Third", thread_id)
    said = [("user", "Second"), ("assistant", "Answer 2"), ("user", "Third")]
    assert model.requests[-1].said == said


def test_the_page_chooses_among_the_allowed_models(asking: Server, model: FakeModel) -> None:
    ask(asking, inference_options={"model": "other-model"})
    assert model.requests[-1].body["model"] == "other-model"


def test_the_page_cannot_choose_a_model_that_is_not_allowed(
    asking: Server, model: FakeModel
) -> None:
    options = {"model": "a-dear-model"}
    asking.chat().post("threads.create", input=message("Hello") | {"inference_options": options})
    assert "a-dear-model" not in [request.body["model"] for request in model.requests]


def test_the_page_chooses_a_tool(asking: Server, model: FakeModel) -> None:
    ask(asking, inference_options={"tool_choice": {"id": TOOL}})
    assert TOOL in json.dumps(model.requests[-1].body.get("tool_choice"))


def test_two_answers_of_a_turn_have_two_ids_though_the_model_names_them_alike() -> None:
    """Each in all of its events; and the id of a client tool's call says what it is."""
    same = {"id": "__fake_id__", "thread_id": "thr", "created_at": datetime.now()}
    answer = AssistantMessageItem.model_validate(same | {"content": []})
    call = ClientToolCallItem.model_validate(same | {"call_id": "1", "name": "a", "arguments": {}})
    word = AssistantMessageContentPartTextDelta(content_index=0, delta="Hello")

    async def turn() -> AsyncIterator[ThreadStreamEvent]:
        for _ in range(2):
            yield ThreadItemAddedEvent(item=answer)
            yield ThreadItemUpdatedEvent(item_id=answer.id, update=word)
            yield ThreadItemDoneEvent(item=answer)
        yield ThreadItemDoneEvent(item=call)

    async def ids() -> list[str]:
        events = [event.model_dump() async for event in with_fresh_ids(turn())]
        return [event.get("item_id") or event["item"]["id"] for event in events]

    given = asyncio.run(ids())
    first, second, last = given[0], given[3], given[6]
    assert given == [first] * 3 + [second] * 3 + [last]
    assert len({first, second, last}) == 3
    assert (first[:4], second[:4], last[:3]) == ("msg_", "msg_", "tc_")


def test_tool_call_ids_repeat_in_no_conversation_that_was_stored_before(run: Run) -> None:
    """Until 0.1.0 the ids of the model's server were kept, which counted from one in each turn."""

    async def work() -> None:
        calls = [
            ClientToolCallItem(
                id=generate_id("tool_call"),
                thread_id="thr_1",
                created_at=datetime.now(),
                status="completed",
                call_id="c1",
                name="where_are_you",
                arguments={},
                output={"place": place},
            )
            for place in ("Rome", "Oslo")
        ]
        sent = cast(list[dict[str, str]], await AgentInput().to_agent_input(calls))
        ids = [one["call_id"] for one in sent]
        assert ids[0] == ids[1] != ids[2] == ids[3]
        assert all(re.fullmatch("[a-zA-Z0-9]{9}", one) for one in ids)  # as Mistral requires

    run(work())


SECOND_RUN = """
from agents import Agent, Runner
from kit import stream_text

async def respond(turn):
    named = await Runner.run(Agent(name="Namer", model="other-model"), turn.message_text)
    async for event in stream_text(turn, f"It is named {named.final_output}"):
        yield event
"""


def test_a_run_of_ones_own_has_the_model_and_its_key(
    model: FakeModel, api: str, database: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "second_run.py").write_text(SECOND_RUN, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    settings = {**model.settings, ASSISTANT: "second_run", "OPENAI_API": api}
    with run_server(database, None, **settings) as server, model.playing("A Title"):
        assert text_of(server.chat().say("Name me")[-1]["item"]) == "It is named A Title"
    assert model.requests[-1].model == "other-model"


def test_tls_inspected_is_named_in_the_chat(
    model: FakeModel, database: URL, tmp_path: Path
) -> None:
    """And with the certificate of the network the model answers."""
    with inspected(f"{model.address}/v1", tmp_path) as seen:
        settings = model.settings | WITHOUT | {"OPENAI_BASE_URL": seen.address}
        with run_server(database, tmp_path / "log", **settings) as server:
            events = ask(server)
        [said] = [event["message"] for event in events if event["type"] == "error"]
        assert f"{seen.address} cannot be asked. Its certificate is not trusted here (" in said
        assert "certificate in certificate chain). If the network inspects TLS" in said
        for name in ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "UV_SYSTEM_CERTS"):
            assert name in said

        settings["SSL_CERT_FILE"] = seen.certificate
        with run_server(database, tmp_path / "log", **settings) as server:
            events = ask(server)
        assert not [event for event in events if event["type"] == "error"]


def test_tls_inspected_visitors_read_nothing_of_it(
    model: FakeModel, database: URL, tmp_path: Path
) -> None:
    with inspected(f"{model.address}/v1", tmp_path) as seen:
        settings = model.settings | WITHOUT | {"OPENAI_BASE_URL": seen.address}
        settings["APP_ENV"] = "production"
        with run_server(database, tmp_path / "log", **settings) as server:
            events = server.someone().say("Hello")
    [said] = [event["message"] for event in events if event["type"] == "error"]
    assert said.startswith("The assistant cannot answer at the moment. (request ")
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert f"{seen.address} cannot be asked. Its certificate is not trusted here (" in log
    assert "SSL_CERT_FILE for the backend" in log


def test_tls_inspected_another_certificate_is_named_as_the_only_one(
    model: FakeModel, database: URL, tmp_path: Path
) -> None:
    """It takes the place of all others, those of the system too."""
    (tmp_path / "other").mkdir()
    with (
        inspected(f"{model.address}/v1", tmp_path) as seen,
        inspected(model.address, tmp_path / "other") as other,
    ):
        settings = model.settings | WITHOUT | {"OPENAI_BASE_URL": seen.address}
        settings["SSL_CERT_FILE"] = other.certificate
        with run_server(database, tmp_path / "log", **settings) as server:
            events = ask(server)
    [said] = [event["message"] for event in events if event["type"] == "error"]
    assert f"Only the certificates in SSL_CERT_FILE={other.certificate} count." in said


@pytest.mark.parametrize("is_expired", [False, True])
def test_tls_inspected_is_named_where_files_are_stored(
    model: FakeModel,
    database: URL,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_expired: bool,
) -> None:
    """And a certificate that has expired is called the server's fault."""
    for name in WITHOUT:
        monkeypatch.delenv(name, raising=False)  # the store fails if they are there and empty
    with inspected(model.address, tmp_path, days=-1 if is_expired else 1) as seen:
        store = {"AWS_ENDPOINT_URL": seen.address, "AWS_REGION": "eu-central-1"}
        keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
        settings = store | keys | {"ATTACHMENTS_URL": "s3://bucket/files"}
        if is_expired:
            settings["SSL_CERT_FILE"] = seen.certificate
        with run_server(database, tmp_path / "log", **settings) as server:
            refused = server.chat().upload("notes.txt", b"Notes", "text/plain")
    assert refused.status_code == 500
    said = refused.json()["message"]
    what = "not valid here (Expired)" if is_expired else "not trusted here (UnknownIssuer)"
    assert f"Its certificate is {what}." in said
    assert ("SSL_CERT_FILE" in said) is not is_expired
