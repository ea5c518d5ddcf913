"""What the model is sent of a conversation."""

import base64
import json
from collections.abc import Sequence

from agents import TResponseInputItem
from chatkit.agents import ThreadItemConverter
from chatkit.types import (
    AssistantMessageItem,
    Attachment,
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

from kit.attachments import file_store
from kit.attachments.content import is_image
from kit.settings import MB

MAX_TEXT = 200_000
"""How many characters of an attached text the model is sent."""


class AgentInput(ThreadItemConverter):
    """Makes the input of an agent from the items of a thread, for one turn."""

    def __init__(self, file_bytes: int) -> None:
        """Send files of so many bytes at most, the newest of them."""
        self._bytes_left = file_bytes

    async def to_agent_input(
        self, thread_items: Sequence[ThreadItem] | ThreadItem
    ) -> list[TResponseInputItem]:
        """Return the items as the input of an agent, in their order."""
        items = thread_items if isinstance(thread_items, Sequence) else [thread_items]
        inputs: list[TResponseInputItem] = []
        for item in reversed(items):  # so that the newest files are sent
            inputs[:0] = await super().to_agent_input(item)
        return inputs

    async def assistant_message_to_input(self, item: AssistantMessageItem) -> TResponseInputItem:
        """Return an earlier answer as plain text, which both of OpenAI's APIs take.

        ChatKit sends content parts, which Chat Completions refuses from the second turn on.
        """
        return EasyInputMessageParam(
            type="message", role="assistant", content="".join(part.text for part in item.content)
        )

    async def user_message_to_input(
        self, item: UserMessageItem, is_last_message: bool = True
    ) -> TResponseInputItem | list[TResponseInputItem] | None:
        """Return a message, with what it quotes in later turns too: it makes no sense without."""
        return await super().user_message_to_input(item, is_last_message=True)

    async def hidden_context_to_input(
        self, item: HiddenContextItem
    ) -> TResponseInputItem | list[TResponseInputItem] | None:
        """Return what the person does not see; as JSON where it is no text."""
        if not isinstance(item.content, str):
            text = json.dumps(item.content, ensure_ascii=False, default=str)
            item = item.model_copy(update={"content": text})
        return await super().hidden_context_to_input(item)

    async def tag_to_message_content(self, tag: UserMessageTagContent) -> ResponseInputContentParam:
        """Return what the page knows of something that the person mentioned with @."""
        known = json.dumps({"id": tag.id, **tag.data}, ensure_ascii=False)
        return ResponseInputTextParam(type="input_text", text=f"@{tag.text} is {known}")

    async def attachment_to_message_content(
        self, attachment: Attachment
    ) -> ResponseInputContentParam:
        """Return an attached file: images and PDFs as such, everything else is text.

        In place of one that is gone, or too much, the model is told so.
        """
        found = await file_store.stream(attachment.id, MB)
        if found is None:
            return _text(f"The person attached the file {attachment.name}, which is gone.")
        size, chunks = found
        is_pdf = attachment.mime_type == "application/pdf"
        is_text = not is_pdf and not is_image(attachment.mime_type)
        if is_text:
            size = min(size, MAX_TEXT)
        if size > self._bytes_left:
            return _text(
                f"The person attached the file {attachment.name}. It is left out here, since the "
                "files of this conversation are too large together: ask for it if you need it."
            )
        self._bytes_left -= size
        content = b"".join([chunk async for chunk in chunks])
        if is_text:
            text = content.decode(errors="replace")
            shown = text[:MAX_TEXT]
            cut = "" if shown == text else f"\n(cut after {MAX_TEXT} characters)"
            return _text(f"The person attached the file {attachment.name}:\n{shown}{cut}")
        url = f"data:{attachment.mime_type};base64,{base64.b64encode(content).decode()}"
        if is_pdf:
            return ResponseInputFileParam(
                type="input_file", filename=attachment.name, file_data=url
            )
        return ResponseInputImageParam(type="input_image", detail="auto", image_url=url)


def _text(text: str) -> ResponseInputContentParam:
    return ResponseInputTextParam(type="input_text", text=text)
