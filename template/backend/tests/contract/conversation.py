"""A person's conversation with an assistant, over HTTP, for the tests of the assistant."""

import difflib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contract.chat import Chat, Json, message, text_of
from contract.fake_model import FakeModel, ToolOutput


@dataclass(frozen=True)
class Reply:
    """What a person gets from the assistant in one turn."""

    events: list[Json]
    """All that the page is sent, in the order in which it comes."""
    tools: list[ToolOutput] = field(default_factory=list)
    """The tools whose outputs the model was told, oldest first."""

    @property
    def items(self) -> list[Json]:
        """What the turn has added or changed, as it stays in the history."""
        items: dict[str, Json] = {}
        for event in self.events:
            if event["type"] in ("thread.item.done", "thread.item.replaced"):
                items[event["item"]["id"]] = event["item"]
            elif event["type"] == "thread.item.removed":
                items.pop(event["item_id"], None)
        return [item for item in items.values() if item["type"] != "user_message"]

    def of_type(self, kind: str) -> list[Json]:
        """Return the items of a type, such as `workflow` or `generated_image`."""
        return [item for item in self.items if item["type"] == kind]

    @property
    def text(self) -> str:
        """What the assistant says."""
        return "\n".join(map(text_of, self.of_type("assistant_message")))

    @property
    def widgets(self) -> list[Json]:
        """The items whose `widget` is shown."""
        return self.of_type("widget")

    @property
    def errors(self) -> list[str]:
        """The sentences that say what went wrong, without the id of the request."""
        sentences = [event.get("message") or event["code"] for event in self._events("error")]
        return [re.sub(r" \(request [\w-]+\)$", "", sentence) for sentence in sentences]

    @property
    def client_tool(self) -> Json | None:
        """The call of a client tool that waits for the page."""
        calls = self.of_type("client_tool_call")
        return next((call for call in calls if call["status"] == "pending"), None)

    def _events(self, *kinds: str) -> list[Json]:
        return [event for event in self.events if event["type"] in kinds]

    def __str__(self) -> str:
        """Write it down for a transcript. The tools of a turn come before what it shows."""
        tools = [
            f"**Tool** {one.name}({_spelled(one.arguments)})\n\n> {one.output}"
            for one in self.tools
        ]
        items = [_written(item) for item in self.items]
        others = [
            _block(event["type"], _without(event, "type"))
            for event in self._events("client_effect", "notice")
        ]
        errors = [f"**Error** {sentence}" for sentence in self.errors]
        return "\n\n".join([*tools, *items, *others, *errors])


@dataclass
class Conversation:
    """One person's conversation with the assistant. It begins with the first message."""

    chat: Chat
    model: FakeModel
    recording: Path
    """Where the transcript is kept."""
    thread_id: str = ""
    turns: list[str] = field(default_factory=list)
    """What was said and done, as the transcript has it."""

    def say(self, text: str, attachments: Sequence[str] = (), **others: Any) -> Reply:
        """Write a message; the others are more of ChatKit's input, such as `inference_options`."""
        self.turns.append(f"**Person** {text}")
        kind = "threads.add_user_message" if self.thread_id else "threads.create"
        return self._turn(kind, input=message(text, attachments=list(attachments), **others))

    def attach(self, name: str, content: bytes, mime_type: str) -> str:
        """Upload a file, and return its id for a message."""
        response = self.chat.upload(name, content, mime_type)
        assert response.status_code == 200, response.text
        return str(response.json()["id"])

    def act(self, widget: Json | None, action: Json) -> Reply:
        """Do what a button of a widget does; `action` is its `onClickAction`."""
        self.turns.append(_block("Action", action))
        params = {"action": {"type": action["type"], "payload": action.get("payload")}}
        if widget:
            params["item_id"] = widget["id"]
        if action.get("streaming", True):
            return self._turn("threads.custom_action", **params)
        return self._turn_at_once("threads.sync_custom_action", **params)

    def answer_client_tool(self, result: Json) -> Reply:
        """Return from the client tool that waits, as the page does."""
        self.turns.append(_block("Client tool returns", result))
        return self._turn("threads.add_client_tool_output", result=result)

    def fill_in(self, form: Json, answers: Mapping[str, list[str]]) -> Reply:
        """Answer a structured input, each question by its id."""
        self.turns.append(_block("Form", dict(answers)))
        filled = {question: {"values": values} for question, values in answers.items()}
        return self._turn(
            "threads.add_structured_input", item_id=form["id"], input={"answers": filled}
        )

    def items(self) -> list[Json]:
        """Return the history that the page is shown, oldest first."""
        return self.chat.items(self.thread_id)

    def reload(self) -> list[Json]:
        """Open the conversation anew, as a page does that is loaded again, and return its items."""
        page = self.chat.ask("threads.get_by_id", thread_id=self.thread_id)["items"]
        items: list[Json] = page["data"]
        while page["has_more"]:
            page = self.chat.ask(
                "items.list", thread_id=self.thread_id, order="asc", after=page["after"]
            )
            items += page["data"]
        return items

    def transcript(self) -> str:
        """Return the conversation as text, without ids, times and addresses, which differ."""
        text = "\n\n".join(self.turns) + "\n"
        for pattern, name in DIFFERENT:
            text = re.sub(pattern, name, text)
        return text

    def check_transcript(self) -> None:
        """Compare the transcript with the recorded one. With RECORD=1 it is recorded.

        Raises:
            AssertionError: it differs, or none is recorded.
        """
        test = os.environ.get("PYTEST_CURRENT_TEST", "").partition("[")[0].partition(" ")[0]
        record = f"RECORD=1 uv run pytest {test}"
        said = self.transcript()
        if os.environ.get("RECORD"):
            self.recording.parent.mkdir(exist_ok=True)
            self.recording.write_text(said, encoding="utf-8", newline="\n")
        assert self.recording.exists(), f"No transcript is recorded. Record it: {record}"
        recorded = self.recording.read_text(encoding="utf-8")
        difference = "\n".join(
            difflib.unified_diff(
                recorded.splitlines(), said.splitlines(), "recorded", "now", lineterm=""
            )
        )
        assert not difference, f"{difference}\nIf this is right, record it: {record}"

    def _turn(self, kind: str, **params: Any) -> Reply:
        asked = len(self.model.requests)
        if self.thread_id:
            params["thread_id"] = self.thread_id
        with self.chat.stream(kind, **params) as stream:
            events = list(stream)
        self.thread_id = self.thread_id or events[0]["thread"]["id"]
        return self._told(events, asked)

    def _turn_at_once(self, kind: str, **params: Any) -> Reply:
        asked = len(self.model.requests)
        item = self.chat.ask(kind, thread_id=self.thread_id, **params).get("updated_item")
        return self._told([{"type": "thread.item.replaced", "item": item}] if item else [], asked)

    def _told(self, events: list[Json], asked: int) -> Reply:
        requests = self.model.requests[asked:]
        # The first request of a turn may tell of tools that ran in turns before it.
        before = len(requests[0].outputs) if requests else 0
        reply = Reply(events, requests[-1].outputs[before:] if requests else [])
        self.turns.append(str(reply))
        return reply


DIFFERENT = [
    (r"\b([a-z]+_)?[0-9a-f]{32}\b", "<id>"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?", "<time>"),
    (r"https?://127\.0\.0\.1:\d+", "<server>"),
]
"""What differs each time, and what stands in its place in a transcript."""

UNSTABLE = ("id", "thread_id", "created_at", "call_id", "type")


def _written(item: Json) -> str:
    match item["type"]:
        case "assistant_message":
            return f"**Assistant** {text_of(item)}"
        case "widget":
            return _block("Widget", item["widget"])
        case "client_tool_call":
            return f"**Client tool** {item['name']}({_spelled(item['arguments'])})"
        case kind:
            return _block(kind, _without(item, *UNSTABLE))


def _block(title: str, content: Json) -> str:
    title = title.replace("_", " ").capitalize()
    spelled = json.dumps(content, indent=2, ensure_ascii=False, sort_keys=True)
    return f"**{title}**\n\n```json\n{spelled}\n```"


def _spelled(arguments: Json | str) -> str:
    if isinstance(arguments, str):
        return arguments
    return ", ".join(
        f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in arguments.items()
    )


def _without(content: Json, *names: str) -> Json:
    return {name: value for name, value in content.items() if name not in names}
