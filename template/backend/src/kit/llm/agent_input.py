"""The input of an agent: the items of a conversation, as the model's server takes them."""

import base64
import hashlib
import json
from collections.abc import Sequence
from typing import Any, cast

from agents import TResponseInputItem
from chatkit.agents import ThreadItemConverter
from chatkit.types import (
    AssistantMessageItem,
    Attachment,
    ClientToolCallItem,
    GeneratedImageItem,
    HiddenContextItem,
    ThreadItem,
    UserMessageItem,
    UserMessageTagContent,
)
from openai.types.responses import (
    EasyInputMessageParam,
    ResponseInputContentParam,
    ResponseInputFileParam,
    ResponseInputImageParam,
    ResponseInputTextParam,
)
from openai.types.responses.response_input_item_param import Message

from kit.attachments import file_store
from kit.attachments.content import is_image, type_of_made
from kit.llm.approvals import PendingApproval
from kit.llm.compatibility import ID_CHARACTERS, ID_LENGTH
from kit.llm.tool_outputs import MAX_TEXT, OutputText, ToolOutput, cut
from kit.settings import MB, get_settings

INTERRUPTED = "(The answer was interrupted.)"
"""Stands for an answer that is missing between the output of a tool and the next message."""


BEGINNING = "(The conversation goes on.)"
"""Stands for the messages before the first answer that is sent."""


class AgentInput(ThreadItemConverter):
    """Converts the items of a thread into the input of an agent, for one turn.

    Override methods to send items of your own in another way.
    """

    def __init__(self) -> None:
        """Create a converter for one turn. It sends HISTORY_FILES_MB of files, newest first."""
        self._bytes_left = get_settings().history_files_mb * MB

    async def to_agent_input(
        self, thread_items: Sequence[ThreadItem] | ThreadItem
    ) -> list[TResponseInputItem]:
        """Return the items as the input of an agent, in the same order."""
        items = thread_items if isinstance(thread_items, Sequence) else [thread_items]
        inputs: list[TResponseInputItem] = []
        for item in reversed(items):  # the newest files get the limited bytes first
            inputs[:0] = await super().to_agent_input(item)
        return inputs

    async def assistant_message_to_input(self, item: AssistantMessageItem) -> TResponseInputItem:
        """Return an earlier answer as plain text, which both of OpenAI's APIs accept.

        ChatKit's own converter returns content parts, which Chat Completions refuses from the
        second turn on.
        """
        return EasyInputMessageParam(
            type="message", role="assistant", content="".join(part.text for part in item.content)
        )

    async def user_message_to_input(
        self, item: UserMessageItem, is_last_message: bool = True
    ) -> TResponseInputItem | list[TResponseInputItem] | None:
        """Return a message with its quoted text, which later turns need to understand it, too.

        ChatKit's own converter includes the quoted text only for the last message. Of several tags
        with the same text it includes the data of the first only.
        """
        inputs = cast(list[Any], await super().user_message_to_input(item, is_last_message=True))
        for tag in _namesakes(item):
            inputs[-1]["content"].append(await self.tag_to_message_content(tag))
        return inputs

    async def client_tool_call_to_input(
        self, item: ClientToolCallItem
    ) -> TResponseInputItem | list[TResponseInputItem] | None:
        """Return a client tool's call and output, with an id that no other call has."""
        item = item.model_copy(update={"call_id": call_id_of(item.id)})
        return await super().client_tool_call_to_input(item)

    async def hidden_context_to_input(
        self, item: HiddenContextItem
    ) -> TResponseInputItem | list[TResponseInputItem] | None:
        """Return a hidden item. Content other than text becomes JSON."""
        if PendingApproval.of(item) is not None:
            return None
        if (output := ToolOutput.of(item)) is not None:
            return await self._tool_output_to_input(item, output)
        text = item.content
        if not isinstance(text, str):
            text = json.dumps(text, ensure_ascii=False, default=str)
        return await super().hidden_context_to_input(item.model_copy(update={"content": cut(text)}))

    async def _tool_output_to_input(
        self, item: HiddenContextItem, output: ToolOutput
    ) -> TResponseInputItem:
        parts = [f"The tool {output.tool} was called with {output.arguments} and said:"]
        files: list[ResponseInputContentParam] = []
        for part in output.output:
            if isinstance(part, OutputText):
                parts.append(part.text)
            else:
                parts.append(f"The file {part.name}, which follows.")
                files.append(
                    await self._file_to_input(
                        part.id, part.name, part.mime_type, "The tool made the file"
                    )
                )
        note = item.model_copy(update={"content": " ".join(parts)})
        message = cast(Message, await super().hidden_context_to_input(note))
        return Message(type="message", role="user", content=[*message["content"], *files])

    async def generated_image_to_input(
        self, item: GeneratedImageItem
    ) -> TResponseInputItem | list[TResponseInputItem] | None:
        """Return an image that the assistant has made, from the file in the attachment store."""
        image = item.image
        if image is None:
            return None
        said = _text("The following image was generated by the assistant.")
        shown = await self._file_to_input(
            image.id, "image", "image/png", "The assistant made the file", image.url
        )
        return Message(type="message", role="user", content=[said, shown])

    async def tag_to_message_content(self, tag: UserMessageTagContent) -> ResponseInputContentParam:
        """Return the page's data about an entity that the person mentioned with @."""
        known = json.dumps({"id": tag.id, **tag.data}, ensure_ascii=False)
        return ResponseInputTextParam(type="input_text", text=f"@{tag.text} is {known}")

    async def attachment_to_message_content(
        self, attachment: Attachment
    ) -> ResponseInputContentParam:
        """Return an attached file: an image or a PDF as a file, any other type as text.

        If the file is gone or exceeds the limit, return a sentence that tells the model.
        """
        return await self._file_to_input(
            attachment.id, attachment.name, attachment.mime_type, "The person attached the file"
        )

    async def _file_to_input(
        self, file_id: str, name: str, mime_type: str, origin: str, url: str | None = None
    ) -> ResponseInputContentParam:
        """Return a file of the attachment store, or, if it has none, the image at `url`."""
        found = await file_store.stream(file_id, MB)
        if found is None:
            if url is not None and self._takes(len(url) * 3 // 4 if url.startswith("data:") else 0):
                return ResponseInputImageParam(type="input_image", detail="auto", image_url=url)
            return _text(f"{origin} {name}, which is gone.")
        size, chunks = found
        is_pdf = mime_type == "application/pdf"
        is_text = not is_pdf and not is_image(mime_type)
        if is_text:
            size = min(size, MAX_TEXT)
        if not self._takes(size):
            return _text(
                f"{origin} {name}. It is left out here, since the files of this conversation are "
                "too large together: ask for it if you need it."
            )
        content = b"".join([chunk async for chunk in chunks])
        if is_text:
            text = content.decode(errors="replace")
            shown = text[:MAX_TEXT]
            rest = "" if shown == text else f"\n(cut after {MAX_TEXT} characters)"
            return _text(f"{origin} {name}:\n{shown}{rest}")
        mime_type = type_of_made(name, mime_type, content)
        data = f"data:{mime_type};base64,{base64.b64encode(content).decode()}"
        if is_pdf:
            return ResponseInputFileParam(type="input_file", filename=name, file_data=data)
        return ResponseInputImageParam(type="input_image", detail="auto", image_url=data)

    def _takes(self, size: int) -> bool:
        """Whether there is room for a file of `size` bytes. If so, the room is taken."""
        if size > self._bytes_left:
            return False
        self._bytes_left -= size
        return True


def _text(text: str) -> ResponseInputContentParam:
    return ResponseInputTextParam(type="input_text", text=text)


def _namesakes(item: UserMessageItem) -> list[UserMessageTagContent]:
    """Return the tags that have the text of an earlier tag and another id."""
    first: dict[str, str] = {}
    later: dict[str, UserMessageTagContent] = {}
    for part in item.content:
        if isinstance(part, UserMessageTagContent) and part.id != first.setdefault(
            part.text, part.id
        ):
            later[part.id] = part
    return list(later.values())


def call_id_of(item_id: str) -> str:
    """Return the id of a tool call that the model is sent for an item of the conversation.

    The model's own id is not unique: some servers count the calls anew in each answer.
    """
    number = int.from_bytes(hashlib.sha256(item_id.encode()).digest())
    digits = []
    for _ in range(ID_LENGTH):
        number, digit = divmod(number, len(ID_CHARACTERS))
        digits.append(ID_CHARACTERS[digit])
    return "".join(digits)


def in_order(inputs: Sequence[TResponseInputItem]) -> list[TResponseInputItem]:
    """Return the input in the order of roles that strict servers require.

    The chat templates of Mistral and Gemma, for example, refuse two messages of a person or two
    answers in a row, a message of a person right after the output of a tool, and a conversation
    that does not begin with a message of a person.
    """
    ordered: list[Any] = []
    for item in cast(Sequence[Any], inputs):
        if not ordered and item.get("role") not in ("user", "system", "developer"):
            ordered.append({"type": "message", "role": "user", "content": BEGINNING})
        last = ordered[-1] if ordered else {}
        if item.get("role") == last.get("role") == "assistant":
            said = f"{_plain(last)}\n\n{_plain(item)}"
            ordered[-1] = {"type": "message", "role": "assistant", "content": said}
            continue
        if item.get("role") == "user":
            if last.get("role") == "user":
                content = [*_content(last), *_content(item)]
                ordered[-1] = {"type": "message", "role": "user", "content": content}
                continue
            if last.get("type") == "function_call_output":
                ordered.append({"type": "message", "role": "assistant", "content": INTERRUPTED})
        ordered.append(item)
    return ordered


def _plain(message: dict[str, Any]) -> str:
    content = message["content"]
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def _content(message: dict[str, Any]) -> list[Any]:
    content = message["content"]
    return [_text(content)] if isinstance(content, str) else list(content)
