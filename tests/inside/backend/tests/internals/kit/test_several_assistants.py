"""A second assistant, added as docs/kit.md says: a module, and its name in the call of Backend."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from contract import assistant
from contract.chat import Chat, Json, message, text_of
from contract.serving import DEMO, Server, run_page, run_server
from sqlalchemy.engine import URL

from app.identity import identify
from app.thread_titles import title_of
from kit.backend import ASSISTANT, Backend
from kit.errors import StartupError
from kit.settings import BACKEND

SUPPORT = """
from contract.assistant import act, respond as answer

from kit import stream_text

async def title_of(message):
    return "A ticket"

async def respond(turn):
    if turn.message_text == "Who are you?":
        async for event in stream_text(turn, f"I am {turn.context.assistant}."):
            yield event
    else:
        async for event in answer(turn):
            yield event
"""

EDITS = {
    "from app import assistant\n": "from app import assistant, support\n",
    "Backend(assistant, identify, title_of)": (
        'Backend(assistant, identify, title_of, others={"support": support})'
    ),
}


@contextmanager
def run_several(
    database: URL, folder: Path, support: str = SUPPORT, **settings: str
) -> Iterator[Server]:
    """Run a server with a second assistant, behind the page's server where others are, too."""
    app = folder / "app"
    shutil.copytree(BACKEND / "src" / "app", app)
    (app / "support.py").write_text(support, encoding="utf-8")
    for old, new in EDITS.items():
        (edited,) = (file for file in app.rglob("*.py") if old in file.read_text(encoding="utf-8"))
        edited.write_text(edited.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.syspath_prepend(folder)
        running = stack.enter_context(run_server(database, None, **settings))
        if os.environ.get("THROUGH_THE_PAGE"):
            running.page = stack.enter_context(run_page(running))
        yield running


@pytest.fixture(scope="module")
def several(database: URL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a second assistant."""
    with run_several(database, tmp_path_factory.mktemp("several")) as running:
        yield running


@pytest.fixture
def first(several: Server) -> Chat:
    """A new person, who asks the first assistant."""
    return several.someone()


@pytest.fixture
def support(first: Chat) -> Chat:
    """The same person, who asks the second one."""
    return asking("support", first)


def asking(name: str, person: Chat) -> Chat:
    return Chat(person.url, {**person.headers, ASSISTANT: name})


def begin(person: Chat, text: str = "Hello") -> str:
    return str(person.say(text)[0]["thread"]["id"])


def listed(person: Chat) -> list[str]:
    return [thread["id"] for thread in person.ask("threads.list", limit=9999)["data"]]


def last_answer(person: Chat, thread_id: str) -> str:
    return text_of(person.items(thread_id)[-1])


def test_each_assistant_has_a_history_of_its_own(first: Chat, support: Chat) -> None:
    question, ticket = begin(first, "Who are you?"), begin(support, "Who are you?")
    assert listed(first) == [question]
    assert listed(support) == [ticket]
    assert last_answer(first, question) == "You said: “Who are you?”."
    assert last_answer(support, ticket) == "I am support."
    assert first.ask("threads.get_by_id", thread_id=question)["title"] == "Who are you?"
    assert support.ask("threads.get_by_id", thread_id=ticket)["title"] == "A ticket"
    support.say("Hello", ticket)
    assert last_answer(support, ticket) == "You said: “Hello”."


def test_a_history_has_pages(first: Chat, support: Chat) -> None:
    tickets = []
    for number in range(3):
        begin(first)
        tickets.append(begin(support, str(number)))
    page = support.ask("threads.list", limit=2, order="asc")
    rest = support.ask("threads.list", limit=2, order="asc", after=page["after"])
    assert [one["id"] for one in page["data"] + rest["data"]] == tickets
    assert not rest["has_more"]
    assert first.post("threads.list", after=page["after"]).status_code == 404


ACTION = {"type": "demo.switch", "payload": {}}
ATTEMPTS: dict[str, Callable[[str, str, str], Json]] = {
    "threads.get_by_id": lambda *_: {},
    "threads.update": lambda *_: {"title": "Mine"},
    "threads.add_user_message": lambda *_: {"input": message("Hello")},
    "threads.add_client_tool_output": lambda *_: {"result": {}},
    "threads.add_structured_input": lambda _, form, __: {
        "item_id": form,
        "input": {"status": "answered", "answers": {}},
    },
    "threads.retry_after_item": lambda said, *_: {"item_id": said},
    "threads.custom_action": lambda *items: {"item_id": items[2], "action": ACTION},
    "threads.sync_custom_action": lambda *items: {"item_id": items[2], "action": ACTION},
    "items.feedback": lambda said, *_: {"item_ids": [said], "kind": "positive"},
}


@pytest.mark.parametrize("is_of_support", [True, False])
def test_the_other_assistant_finds_nothing_of_a_conversation(
    first: Chat, support: Chat, is_of_support: bool
) -> None:
    mine, other = (support, first) if is_of_support else (first, support)
    thread_id = begin(mine, "widget")
    mine.say("form", thread_id)
    before = mine.ask("threads.get_by_id", thread_id=thread_id)
    items = {item["type"]: item["id"] for item in before["items"]["data"]}
    named = (items["user_message"], items["structured_input"], items["widget"])
    for kind, others in ATTEMPTS.items():
        response = other.post(kind, thread_id=thread_id, **others(*named))
        assert response.status_code == 404, (kind, response.text)
    assert other.ask("items.list", thread_id=thread_id)["data"] == []
    assert other.ask("threads.delete", thread_id=thread_id) == {}
    assert mine.ask("threads.get_by_id", thread_id=thread_id) == before
    assert mine.ask("threads.delete", thread_id=thread_id) == {}
    assert listed(mine) == []


def say_with(person: Chat, attachment_id: str, **where: Any) -> list[Json]:
    kind = "threads.add_user_message" if where else "threads.create"
    with person.stream(kind, input=message("", attachments=[attachment_id]), **where) as events:
        return list(events)


def test_a_file_can_be_sent_to_each(first: Chat, support: Chat) -> None:
    for person in (first, support):
        uploaded = person.upload("text.txt", b"text", "text/plain").json()["id"]
        thread_id = str(say_with(person, uploaded)[0]["thread"]["id"])
        assert "I see your text.txt." in last_answer(person, thread_id)
        announced = person.ask("attachments.create", name="2.txt", size=1, mime_type="text/plain")
        second = person.upload("2.txt", b"2", "text/plain", announced["id"]).json()["id"]
        say_with(person, second, thread_id=thread_id)
        assert "I see your 2.txt." in last_answer(person, thread_id)
        assert [first.download(one).content for one in (uploaded, second)] == [b"text", b"2"]
        other = support if person is first else first
        refused = other.post("threads.create", input=message("", attachments=[uploaded]))
        assert 400 <= refused.status_code < 500, refused.text
        person.ask("threads.delete", thread_id=thread_id)
        assert first.download(uploaded).status_code == 404


@pytest.mark.parametrize("name", ["sales", "Support", "support/..", "x" * 41])
def test_an_unknown_assistant_is_refused(first: Chat, name: str) -> None:
    begin(first)
    person = asking(name, first)
    for response in (
        person.post("threads.list"),
        person.post("threads.create", input=message("Hello")),
    ):
        assert response.status_code == 404, response.text
        assert response.json()["message"].startswith("There is no such assistant.")


def test_limits_count_a_person_once(database: URL, tmp_path: Path) -> None:
    """The demo answers for all assistants, and still each has a history of its own."""
    with run_several(database, tmp_path, **DEMO, TURNS_PER_MINUTE="2") as running:
        first = running.someone()
        support = asking("support", first)
        question, ticket = begin(first), begin(support)
        assert (listed(first), listed(support)) == ([question], [ticket])
        for person in (first, support):
            response = person.post("threads.create", input=message("Hello"))
            assert response.status_code == 429, response.text


@pytest.mark.parametrize("name", ["", "Support", "our support", "x" * 41])
def test_a_name_that_cannot_travel_is_named_at_the_start(name: str) -> None:
    with pytest.raises(StartupError, match="An assistant cannot be called"):
        Backend(assistant, identify, title_of, others={name: assistant})
