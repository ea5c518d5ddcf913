"""The examples of docs/kit.md run, and show every public name of the kit."""

import ast
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from contract.chat import Chat, text_of
from contract.conversation import Conversation
from contract.fake_model import FakeModel
from contract.serving import ASSISTANT, run_server
from sqlalchemy.engine import URL

import kit
from internals.conftest import Run
from internals.kit.test_several_assistants import EDITS, asking, run_several
from kit.database import engine as database_module
from kit.database.tables import Base
from kit.settings import BACKEND

PAGE = (BACKEND.parent / "docs" / "kit.md").read_text(encoding="utf-8")
EXAMPLES = {
    "with_a_model": "Answer with a model",
    "running": "Change how the model runs",
    "without_one": "Answer with another library",
    "showing": "Show an image",
    "later": "Answer outside a turn",
    "acting": "Answer a widget",
    "several": "Several assistants",
    "seeing_the_page": "Know what the page shows",
    "storing": "Store something",
    "refusing": "Say who asks, and refuse",
    "limiting": "Routes of your own",
    "testing": "Test your assistant",
}
"""The sections of the page that have an example, and the modules that they become."""


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the modules."""
    folder = tmp_path_factory.mktemp("examples")
    for name, title in EXAMPLES.items():
        section = PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]
        [example] = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
        (folder / f"{name}.py").write_text(example, encoding="utf-8")
    return folder


@pytest.fixture(autouse=True)
def importable(examples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(examples)


def test_the_page_shows_every_public_name_and_no_other(examples: Path) -> None:
    assert PAGE.count("```python") == len(EXAMPLES)
    imports = [
        node
        for file in examples.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "kit"
    ]
    assert {node.module for node in imports} == {"kit"}
    assert {name.name for node in imports for name in node.names} == set(kit.__all__)


def test_the_line_for_a_second_assistant_is_the_one_that_works() -> None:
    [lines] = re.findall(r"```py\n(.*?)```", PAGE, re.DOTALL)
    assert all(line.strip() in lines for line in EDITS.values())


def test_the_examples_have_types_and_good_style(examples: Path) -> None:
    files = map(str, examples.glob("*.py"))
    config = str(BACKEND / "pyproject.toml")
    ruff = ("ruff", "check", "--config", config, "--ignore", "D", str(examples))
    mypy = ("mypy", "--config-file", config, *files)
    for command in (ruff, mypy):
        environment = os.environ | {"MYPYPATH": os.pathsep.join(["src", "tests"])}
        result = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=BACKEND,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert result.returncode == 0, result.stdout + result.stderr


def test_an_assistant_with_a_model(database: URL, model: FakeModel) -> None:
    settings = {**model.settings, ASSISTANT: "with_a_model"}
    with run_server(database, None, **settings) as server:
        events = server.chat().say("Good morning")
    assert text_of(events[-1]["item"]) == "Answer 1"
    assert "Today is a holiday." in str(model.requests[-1].said)


def test_an_assistant_without_one(database: URL) -> None:
    with run_server(database, None, **{ASSISTANT: "without_one"}) as server:
        events = server.chat().say("Rhubarb")
    assert text_of(events[-1]["item"]) == "Rhubarb? That is message 1."


def test_an_image_is_a_file_of_its_owner(database: URL) -> None:
    """What is stored in the conversation is a small picture of it."""
    with run_server(database, None, **{ASSISTANT: "showing"}) as server:
        ada, bob = server.someone(), server.someone()
        events = ada.say("Draw")
        thread_id = events[0]["thread"]["id"]
        [_, shown] = ada.items(thread_id)
        assert shown["image"] == events[-1]["item"]["image"]
        assert shown["image"]["url"].startswith("data:image/webp;base64,")
        downloaded = ada.download(shown["image"]["id"])
        assert downloaded.content.startswith(b"\x89PNG")
        assert downloaded.headers["content-disposition"].endswith("picture.png")
        assert bob.download(shown["image"]["id"]).status_code == 404
        ada.ask("threads.delete", thread_id=thread_id)
        assert ada.download(shown["image"]["id"]).status_code == 404


def test_what_is_said_outside_a_turn(database: URL, run: Run) -> None:
    later: Any = import_module("later")
    with run_server(database, None, **{ASSISTANT: "without_one"}) as server:
        ada = server.someone("ada-who-waits")
        thread_id = ada.say("Hello")[0]["thread"]["id"]

        async def work() -> None:
            for text in ("Half of it", "All of it"):
                assert await later.report("ada-who-waits", thread_id, "7", text)
            assert not await later.report("bob-who-waits", thread_id, "7", "Not his")

        run(work())
        *_, told = ada.items(thread_id)
        assert (told["id"], text_of(told)) == ("msg_of_7", "All of it")
        assert [one["id"] for one in ada.items(thread_id)].count("msg_of_7") == 1
        ada.ask("threads.delete", thread_id=thread_id)

        async def too_late() -> None:
            assert not await later.report("ada-who-waits", thread_id, "7", "Too late")

        run(too_late())
        assert ada.ask("threads.list", limit=9, order="asc")["data"] == []


def test_an_assistant_whose_widget_is_used(database: URL) -> None:
    with run_server(database, None, **{ASSISTANT: "acting"}) as server:
        chat = server.chat()
        events = chat.say("What can I order?")
        thread_id, shown = events[0]["thread"]["id"], events[-1]["item"]
        assert shown["widget"]["border"] == 2
        action = shown["widget"]["children"][0]["onClickAction"]
        used = {"thread_id": thread_id, "item_id": shown["id"], "action": action}
        changed = chat.ask("threads.sync_custom_action", **used)["updated_item"]
        assert changed["widget"]["children"][0]["label"] == "Ordered"
        assert chat.items(thread_id)[-1] == changed
        assert chat.ask("threads.get_by_id", thread_id=thread_id)["title"] == "Your order"
        with chat.stream("threads.custom_action", **used) as answer:
            assert {"type": "thread.item.replaced", "item": changed} in answer


def test_a_second_assistant(
    database: URL, examples: Path, model: FakeModel, tmp_path: Path
) -> None:
    support = (examples / "several.py").read_text(encoding="utf-8")
    with run_several(database, tmp_path, support, **model.settings) as server:
        chat = asking("support", server.chat())
        events = chat.say("Where is my order?")
    assert events[0]["thread"]["title"] == "A question for support"
    assert text_of(events[-1]["item"]) == "Answer 1"
    assert model.requests[-1].instructions == "You help people with their orders."


def test_an_assistant_that_knows_what_the_page_shows(database: URL, model: FakeModel) -> None:
    settings = {**model.settings, ASSISTANT: "seeing_the_page"}
    with run_server(database, None, **settings) as server:
        chat = server.chat()
        said = {"X-Page-Context": "article=17", "Accept-Language": "de-CH, en;q=0.5"}
        Chat(chat.url, {**chat.headers, **said}).say("What is this about?")
    asked = str(model.requests[-1].said)
    assert "The person reads article 17. Their language is de-CH." in asked


def test_what_is_stored(database: URL, run: Run) -> None:
    # Other tests on this database have people called Ada and Bob.
    ada, bob = (kit.RequestContext(f"{name}-who-takes-notes") for name in ("ada", "bob"))
    with run_server(database, None, **{ASSISTANT: "without_one"}) as server:
        thread_id = server.someone(ada.owner).say("Hello")[0]["thread"]["id"]
    storing: Any = import_module("storing")

    async def work() -> None:
        engine = database_module.get_engine()
        async with engine.begin() as connection:
            await connection.run_sync(storing.Note.__table__.create)
        await storing.add_note(ada, thread_id, "Buy rhubarb.")
        with pytest.raises(ValueError, match="not enough values"):
            await storing.add_note(bob, thread_id, "Buy all of it.")
        assert await storing.count_own(ada) == (1, 3)
        assert await storing.count_own(bob) == (0, 0)
        async with engine.begin() as connection:
            await connection.run_sync(storing.Note.__table__.drop)

    try:
        run(work())
    finally:
        Base.metadata.remove(storing.Note.__table__)


def test_who_is_refused(run: Run) -> None:
    refusing: Any = import_module("refusing")

    async def work() -> None:
        assert await refusing.identify({"x-key": "a key of Ada's"}) == kit.Identity("employee:ada")
        with pytest.raises(kit.RefusedError, match=r"Who are you\?") as refused:
            await refusing.identify({})
        assert refused.value.status == 401

    run(work())


def test_what_a_route_limits(run: Run) -> None:
    make_report = import_module("limiting").make_report

    async def work() -> None:
        for _ in range(10):
            assert await make_report("ada") == "All about ada"
        with pytest.raises(kit.RefusedError, match="At most 10 requests a minute") as refused:
            await make_report("ada")
        assert refused.value.status == 429
        assert refused.value.retry_after
        for number in range(100):
            await make_report(f"guest_{number}")
        with pytest.raises(kit.RefusedError, match="for all guests together"):
            await make_report("guest_100")
        await make_report("bob")

    run(work())


def test_a_test_of_the_assistant(
    conversation: Conversation, model: FakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation.recording = tmp_path / "transcript.md"
    monkeypatch.setenv("RECORD", "1")
    import_module("testing").test_it_tells_the_time(conversation, model)
