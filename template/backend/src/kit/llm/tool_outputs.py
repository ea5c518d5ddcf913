"""Hidden items of a conversation with what tools have returned. ChatKit has no items for them."""

import base64
import binascii
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Literal

from agents import RunItem
from agents.items import ToolCallItem, ToolCallOutputItem
from chatkit.types import Attachment, HiddenContextItem
from pydantic import BaseModel, ValidationError

from kit.database.chatkit_store import generate_id
from kit.errors import RefusedError

MAX_TEXT = 200_000
"""How many characters of a tool's output, or of an attached text, are sent to the model."""

DATA_URL = re.compile(
    r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w.=-]+)*;base64,"
    r"([A-Za-z0-9+/=_-]+(?:\r?\n[A-Za-z0-9+/=_-]{60,})*)"  # in lines, as in an e-mail
)
URL_SAFE = str.maketrans("-_", "+/")
LONG_DATA = 256
"""From how many characters on the data of a file is no text that a model should read."""

KeepFile = Callable[[str, str, bytes], Awaitable[Attachment]]
"""Keeps a file in the conversation. The arguments are its name, its type and its content.

Raises:
    RefusedError: a limit is reached, or the content is not of the type.
"""


class OutputText(BaseModel):
    """A text that a tool has returned."""

    type: Literal["text"] = "text"
    text: str


class OutputFile(BaseModel):
    """A file that a tool has returned, kept as an attachment."""

    type: Literal["file"] = "file"
    id: str
    name: str
    mime_type: str


class ToolOutput(BaseModel):
    """The content of the hidden item that remembers a tool call and its output."""

    kind: Literal["kit.tool_output"] = "kit.tool_output"
    tool: str
    arguments: str
    output: list[OutputText | OutputFile]

    @classmethod
    def of(cls, item: HiddenContextItem) -> "ToolOutput | None":
        """Return the tool output in a hidden item. None if the item is another note."""
        if not isinstance(item.content, dict) or item.content.get("kind") != "kit.tool_output":
            return None
        try:
            return cls.model_validate(item.content)
        except ValidationError:
            return None


class ToolOutputs:
    """Makes hidden items from the tool outputs of a run.

    Client tools are left out: their items contain their outputs.
    """

    def __init__(self, thread_id: str, keep_file: KeepFile) -> None:
        """Create the hidden items for a conversation, in which `keep_file` keeps files."""
        self._thread_id = thread_id
        self._keep_file = keep_file
        self._seen = 0

    def skip(self, items: Sequence[RunItem]) -> None:
        """Leave out items, because an earlier part of the run has made them."""
        self._seen = len(items)

    def has_new(self, items: Sequence[RunItem]) -> bool:
        """Whether there are items that `of_new` has not seen."""
        return len(items) > self._seen

    async def of_new(
        self, items: Sequence[RunItem], client_tools: Sequence[str]
    ) -> AsyncIterator[HiddenContextItem]:
        """Return an item for each tool output in `items` that is new since the last call."""
        new, self._seen = items[self._seen :], len(items)
        calls = {item.call_id: item for item in items if isinstance(item, ToolCallItem)}
        for item in new:
            call = calls.get(item.call_id) if isinstance(item, ToolCallOutputItem) else None
            if call is None or call.tool_name in client_tools:
                continue
            raw: Any = item.raw_item
            sent = raw.get("output") if isinstance(raw, dict) else None
            output = ToolOutput(
                tool=call.tool_name or "",
                arguments=cut(str(getattr(call.raw_item, "arguments", "{}"))),
                output=[await self._part(part) for part in _parts(sent)],
            )
            yield HiddenContextItem(
                id=generate_id("message"),
                thread_id=self._thread_id,
                created_at=datetime.now(),
                content=output.model_dump(),
            )

    async def _part(self, part: dict[str, Any]) -> OutputText | OutputFile:
        """Return a part of an output. A file is kept; if it cannot be, a sentence replaces it."""
        name = str(part.get("filename") or "")
        data = part.get("image_url") or part.get("file_data")
        match part.get("type"):
            case "input_text":
                return OutputText(text=cut(str(part.get("text", ""))))
            case "input_image" | "input_file" if isinstance(data, str):
                mime_type, content = decoded(data)
                if content is None:  # the address of a file elsewhere
                    return OutputText(text=cut(data))
                name = name or f"image.{mime_type.rpartition('/')[2]}"
                try:
                    kept = await self._keep_file(name, mime_type, content)
                except RefusedError as error:
                    return OutputText(text=f"The file {name} is not kept. {error}")
                return OutputFile(id=kept.id, name=kept.name, mime_type=kept.mime_type)
        return OutputText(text=cut(json.dumps(part, ensure_ascii=False, default=str)))


def _parts(sent: object) -> list[dict[str, Any]]:
    if isinstance(sent, list):
        return [part for part in sent if isinstance(part, dict)]
    return [{"type": "input_text", "text": sent if isinstance(sent, str) else str(sent)}]


def decoded(data: str) -> tuple[str, bytes | None]:
    """Return the type and the content of a `data:` URL or of base64. No content: neither."""
    data = "".join(data.split())
    found = DATA_URL.fullmatch(data)
    mime_type, encoded = (found[1], found[2]) if found else (None, data)
    encoded = encoded.rstrip("=").translate(URL_SAFE)
    try:
        content = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        return "", None
    return mime_type or "application/octet-stream", content


def cut(text: str) -> str:
    """Return a text as it is sent to the model: not too long, and without the data of files."""
    text = DATA_URL.sub(
        lambda found: found[0] if len(found[0]) < LONG_DATA else "(the data of a file)", text
    )
    return (
        text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}\n(cut after {MAX_TEXT} characters)"
    )
