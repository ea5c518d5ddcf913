"""The backend of the chat, as a framework serves it: headers and bytes in, a reply out."""

from collections.abc import AsyncIterator

from kit.attachments import endpoint as attachments
from kit.attachments.attachment_store import AttachmentStore
from kit.chat import endpoint
from kit.chat.chatkit_server import ChatKitServer, TitleOf
from kit.chat.turns import Assistant
from kit.database.chatkit_store import ChatKitStore
from kit.http.request_handling import Reply
from kit.llm.client import transcribe
from kit.people.identity import Headers, Identify
from kit.settings import get_settings


class Backend:
    """What answers ChatKit's page: one for the whole process."""

    def __init__(self, assistant: Assistant, identify: Identify, title_of: TitleOf) -> None:
        """Answer with an assistant.

        Args:
            assistant: answers, while a model can be asked; else the demo assistant does.
            identify: tells by its headers who sends a request.
            title_of: makes the title of a conversation of its first message.

        Raises:
            StartupError: a setting is wrong.
        """
        if get_settings().is_demo:
            from kit import demo  # nobody else needs it

            assistant = demo
        files = AttachmentStore(ChatKitStore())
        self.server = ChatKitServer(assistant, files, transcribe, title_of)
        self._identify = identify

    async def chatkit(
        self, headers: Headers, body: AsyncIterator[bytes], who: Identify | None = None
    ) -> Reply:
        """Answer `POST /chatkit`, a request of ChatKit's page.

        Args:
            headers: those of the request.
            body: its chunks.
            who: tells who is asking, where that takes more than headers, as a session does.
        """
        return await endpoint.answer(self.server, headers, body, who or self._identify)

    async def upload(
        self, headers: Headers, body: AsyncIterator[bytes], who: Identify | None = None
    ) -> Reply:
        """Answer `POST /attachments`: take a file and return its ChatKit record."""
        return await attachments.upload(self.server.files, headers, body, who or self._identify)

    async def upload_announced(
        self,
        attachment_id: str,
        headers: Headers,
        body: AsyncIterator[bytes],
        who: Identify | None = None,
    ) -> Reply:
        """Answer `POST /attachments/{id}`: take the file that `attachments.create` announced."""
        return await attachments.upload_announced(
            self.server.files, attachment_id, headers, body, who or self._identify
        )

    async def download(
        self, attachment_id: str, headers: Headers, who: Identify | None = None
    ) -> Reply:
        """Answer `GET /attachments/{id}` with the file, for its owner."""
        return await attachments.download(
            self.server.files, attachment_id, headers, who or self._identify
        )
