"""ChatKit's store of attachments: it keeps their records and bytes, and limits their size."""

import asyncio
import io
import math
import re
import time
from io import SEEK_END
from typing import BinaryIO, cast

from chatkit.store import AttachmentStore as BaseStore
from chatkit.store import NotFoundError
from chatkit.types import (
    Attachment,
    AttachmentCreateParams,
    AttachmentUploadDescriptor,
    FileAttachment,
    GeneratedImage,
    ImageAttachment,
    ThreadMetadata,
)
from limits import RateLimitItemPerDay
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter
from pydantic import AnyUrl

from kit.attachments import file_store
from kit.attachments.content import (
    NO_PREVIEW,
    ImageChecks,
    PreviewKind,
    check_document,
    is_image,
    named_as,
    type_of,
    type_of_made,
)
from kit.attachments.retention import remove
from kit.database.chatkit_store import CLAIMED, ChatKitStore, generate_id
from kit.errors import RefusedError
from kit.people.identity import RequestContext
from kit.people.limits import seconds_left, sender_of
from kit.settings import CHECKED_TYPES, MB, get_settings

MAX_NAME = 255
CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f]")
MAX_UNSENT = 20
"""How many uploaded files a person may have that are not in a message yet."""

A_WHILE = 60
"""For how many seconds the total size of all files is cached, and the Retry-After of refusals."""

HOUR = 3600

STORED = {"upload_descriptor": None, "metadata": None}
"""What changes in a record when the bytes are there."""


class AttachmentStore(BaseStore[RequestContext]):
    """Stores attachments. Only its owner can access an attachment."""

    def __init__(self, records: ChatKitStore) -> None:
        """Create the store with `records` as the store of the attachments' records."""
        self.records = records
        self._room = Room(records)
        self._images = ImageChecks()

    def generate_attachment_id(self, mime_type: str, context: RequestContext) -> str:
        """Return a new id, which is also the name of the file in the file store."""
        return generate_id("attachment")

    async def create_attachment(
        self, input: AttachmentCreateParams, context: RequestContext
    ) -> Attachment:
        """Store and return the record of a file that will be uploaded.

        If the person has more than MAX_UNSENT files in no message, the oldest are removed.

        Raises:
            RefusedError: the size is negative (400), the type is not accepted (415), the file is
                too large (413), or a limit on the total size is reached (429).
        """
        mime_type = type_of(input.name, input.mime_type)
        allowed = get_settings().attachment_types
        if mime_type not in allowed:
            raise RefusedError(
                415,
                f"Files of the type {mime_type} are not accepted, only {', '.join(allowed)}.",
            )
        if input.size < 0:
            raise RefusedError(400, "The size of a file cannot be negative.")
        _check_size(input.size)
        await self._room.check(input.size, context)
        attachment = self._announced(input.name, mime_type, context)
        # The record comes before the bytes: the sweep could not find bytes without a record.
        await self.records.add_attachment(attachment, input.size, context)
        # Counted after the record is stored. Before, several simultaneous uploads could each pass.
        for surplus in (await self.records.list_unsent_attachments(context))[MAX_UNSENT:]:
            await remove(self.records, surplus)
        try:
            await self._room.check_share(context)
        except RefusedError:
            await self.records.delete_attachment(attachment.id, context)
            raise
        return attachment

    def _announced(self, name: str, mime_type: str, context: RequestContext) -> Attachment:
        """Return the new record of a file whose bytes are not stored yet."""
        attachment_id = self.generate_attachment_id(mime_type, context)
        kind = ImageAttachment if is_image(mime_type) else FileAttachment
        return kind.model_validate(
            {
                "id": attachment_id,
                "name": _clean(name),
                "mime_type": mime_type,
                "preview_url": NO_PREVIEW,
                "upload_descriptor": AttachmentUploadDescriptor(
                    url=AnyUrl(f"{context.attachments_url}/{attachment_id}"),
                    method="POST",
                ),
            }
        )

    async def receive(
        self, attachment: Attachment, content: BinaryIO, context: RequestContext
    ) -> Attachment:
        """Check the bytes of an attachment and store them.

        If the check fails or a limit is reached, the record is removed.

        Raises:
            RefusedError: the content does not match the type, a limit on the size is reached, or
                the file is already uploaded or being uploaded.
            NotFoundError: the attachment was removed during the upload.
        """
        size = content.seek(0, SEEK_END)
        content.seek(0)
        # Two uploads of one file at the same time would overwrite each other, and the limits would
        # count only one of them.
        if not await self.records.claim_attachment(attachment.id, size, context):
            raise RefusedError(400, f"The file of {attachment.id} is already uploaded.")
        try:
            received = await self._check(attachment, content, context)
            await self._room.take(size, context)
            await self._room.check_share(context)  # the file may be larger than announced
            await file_store.save(attachment.id, content)
            await self.records.update_attachment(received, context)
        except RefusedError:
            await remove(self.records, attachment.id)
            raise
        except NotFoundError:
            await file_store.delete(attachment.id)
            raise
        except Exception:
            # Restores the announced record, so that the upload can be repeated after the failure.
            await self.records.update_attachment(attachment, context)
            raise
        return received

    async def keep_made_file(
        self,
        thread: ThreadMetadata,
        name: str,
        mime_type: str,
        content: bytes,
        context: RequestContext,
    ) -> Attachment:
        """Store a file that the assistant made, such as an image of a model or of a tool.

        The file is in the conversation at once and is deleted together with it. It is checked and
        counted as an upload is; only ATTACHMENT_TYPES does not apply. If a retry deletes the last
        item whose document has the id of the file, the retention sweep removes the file.

        Args:
            thread: the conversation.
            name: the name of the file. If it has no ending of the type, it gets one.
            mime_type: what the maker calls the type. An image may be of another format.
            content: the bytes.
            context: names the owner.

        Returns:
            The record. The `preview_url` of an image is a `data:` URL of 100 kB at most, to be
            shown in a `GeneratedImage`. The stored record is without it.

        Raises:
            RefusedError: the type is unknown or not that of the content (415), the file is too
                large (413), an image cannot be opened (413 or 422), or a limit is reached (429).
            NotFoundError: the conversation was deleted.
        """
        mime_type = type_of_made(name, mime_type, content)
        if mime_type not in CHECKED_TYPES:
            raise RefusedError(415, f"Files of the type {mime_type} cannot be checked.")
        size, file = len(content), io.BytesIO(content)
        _check_size(size)
        await self._room.check(size, context)
        announced = self._announced(named_as(name, mime_type), mime_type, context)
        announced.thread_id = thread.id
        announced.metadata = CLAIMED
        made = await self._check(announced, file, context, "picture")
        stored = announced.model_copy(update=STORED)
        # From here on the record is there before the bytes, and is kept if it is unclear whether
        # these have arrived: what deletes the conversation finds both.
        await self.records.add_attachment(announced, size, context)
        try:
            await self._room.take(size, context)
            await self._room.check_share(context)
        except RefusedError:
            await self.records.delete_attachment(announced.id, context)
            raise
        await file_store.save(announced.id, file)
        try:
            await self.records.update_attachment(stored, context)
        except NotFoundError:
            await file_store.delete(announced.id)
            raise
        return made

    async def keep_made_image(
        self, thread: ThreadMetadata, name: str, content: bytes, context: RequestContext
    ) -> GeneratedImage:
        """Store an image as `keep_made_file` does, and return what the item that shows it has.

        Its `id` is that of the file, its `url` the preview.

        Raises:
            RefusedError: as in `keep_made_file`.
            NotFoundError: the conversation was deleted.
        """
        made = await self.keep_made_file(thread, name, "image/png", content, context)
        return GeneratedImage(id=made.id, url=str(cast(ImageAttachment, made).preview_url))

    async def _check(
        self,
        attachment: Attachment,
        content: BinaryIO,
        context: RequestContext,
        kind: PreviewKind = "thumbnail",
    ) -> Attachment:
        """Check the content of a file; return its new record, with a preview if it is an image."""
        received = attachment.model_copy(update=STORED)
        if isinstance(received, ImageAttachment):
            sender = sender_of(context)
            preview = await self._images.make_preview(attachment.mime_type, content, sender, kind)
            received.preview_url = AnyUrl(preview)
        else:
            await asyncio.to_thread(check_document, attachment.mime_type, content)
        content.seek(0)
        return received

    async def delete_attachment(self, attachment_id: str, context: RequestContext) -> None:
        """Remove a file. Do nothing if it does not exist or belongs to another owner.

        Raises:
            RefusedError: the file is in a conversation (409).
        """
        if not await self._is_there(attachment_id, context):
            return
        await remove(self.records, attachment_id)
        if await self._is_there(attachment_id, context):
            raise RefusedError(
                409, "The file is in a conversation. It is deleted together with that."
            )

    async def _is_there(self, attachment_id: str, context: RequestContext) -> bool:
        try:
            await self.records.load_attachment(attachment_id, context)
        except NotFoundError:
            return False
        return True


def _clean(name: str) -> str:
    """Return the name of a file without folders and control characters."""
    base = name.replace("\\", "/").rpartition("/")[2]
    return CONTROL_CHARACTERS.sub("", base)[-MAX_NAME:] or "file"


def _check_size(size: int) -> None:
    if size > max_bytes():
        raise RefusedError(413, f"The file is larger than {get_settings().attachment_max_mb} MB.")


def max_bytes() -> int:
    """Return the maximum size of a file in bytes."""
    return get_settings().attachment_max_mb * MB


class Room:
    """Limits the total size of files: per person, per network address of guests, and of all."""

    def __init__(self, records: ChatKitStore) -> None:
        """Create the limits. `records` knows the sizes of the stored files."""
        self._records = records
        self._counting = asyncio.Lock()
        self._taken = 0
        self._counted_until = 0.0
        self._of_address = FixedWindowRateLimiter(MemoryStorage())

    async def check_share(self, context: RequestContext) -> None:
        """Check the total size of a person's files.

        Call this after the record of the newest file is stored. Before, several simultaneous
        uploads could each pass.

        Raises:
            RefusedError: the files exceed ATTACHMENTS_MAX_MB_PERSON (429).
        """
        most = get_settings().attachments_max_mb_person
        if most and await self._records.size_of_attachments(context) > most * MB:
            raise RefusedError(
                429,
                f"Your files together would be larger than {most} MB, the maximum here. "
                "Delete conversations with files, and try again.",
                A_WHILE,
            )

    async def check(self, size: int, context: RequestContext) -> None:
        """Check whether a file of `size` bytes may be added.

        Raises:
            RefusedError: the files of all would exceed ATTACHMENTS_MAX_MB_ALL, or the day's
                uploads of the guests of the address ATTACHMENTS_MAX_MB_ADDRESS (429).
        """
        await self._count_for_address(size, context, is_there=False)
        most = get_settings().attachments_max_mb_all
        if most == 0:
            return
        async with self._counting:
            if time.monotonic() > self._counted_until:  # cached: summing many records is slow
                self._taken = await self._records.size_of_all_attachments()
                self._counted_until = time.monotonic() + A_WHILE
        if self._taken + size > most * MB:
            raise RefusedError(
                429,
                "There is no room for more files here at the moment. Try again later.",
                A_WHILE,
                inside=f"All files together may have {most} MB (ATTACHMENTS_MAX_MB_ALL).",
            )

    async def take(self, size: int, context: RequestContext) -> None:
        """Check as `check` does, and count an uploaded file of `size` bytes.

        Raises:
            RefusedError: a limit is reached (429).
        """
        await self.check(size, context)
        await self._count_for_address(size, context, is_there=True)
        self._taken += size

    async def _count_for_address(self, size: int, context: RequestContext, is_there: bool) -> None:
        """Check the limit for the guests of one address; count the file if `is_there` is set.

        Guests need this limit because each new cookie makes a new person with a share of their own.

        Raises:
            RefusedError: the day's uploads of the address would exceed the limit (429).
        """
        most, sender = get_settings().attachments_max_mb_address, sender_of(context)
        if most == 0 or sender == context.owner:
            return
        limit = RateLimitItemPerDay(most * MB)
        count = self._of_address.hit if is_there else self._of_address.test
        if not await count(limit, sender, cost=size):
            seconds = seconds_left(await self._of_address.get_window_stats(limit, sender))
            raise RefusedError(
                429,
                f"At most {most} MB of files a day are allowed for the guests of one network. "
                f"Try again in {math.ceil(seconds / HOUR)} h.",
                seconds,
            )
