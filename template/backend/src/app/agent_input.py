"""What the model is sent of a conversation."""

import json

from agents import TResponseInputItem
from chatkit.agents import ThreadItemConverter
from chatkit.types import AssistantMessageItem, Attachment, UserMessageTagContent
from openai.types.responses import (
    EasyInputMessageParam,
    ResponseInputContentParam,
    ResponseInputTextParam,
)


class AgentInput(ThreadItemConverter):
    """Makes the input of an agent from the items of a thread."""

    async def assistant_message_to_input(self, item: AssistantMessageItem) -> TResponseInputItem:
        """Return an earlier answer as plain text, which both of OpenAI's APIs take.

        ChatKit sends content parts, which Chat Completions refuses from the second turn on.
        """
        return EasyInputMessageParam(
            type="message", role="assistant", content="".join(part.text for part in item.content)
        )

    async def tag_to_message_content(self, tag: UserMessageTagContent) -> ResponseInputContentParam:
        """Return what the page knows of something that the person mentioned with @."""
        known = json.dumps({"id": tag.id, **tag.data}, ensure_ascii=False)
        return ResponseInputTextParam(type="input_text", text=f"@{tag.text} is {known}")

    async def attachment_to_message_content(
        self, attachment: Attachment
    ) -> ResponseInputContentParam:
        """Return the name of an attached file."""
        return ResponseInputTextParam(
            type="input_text",
            text=f"The person attached the file {attachment.name} ({attachment.mime_type}).",
        )
