"""`/attachments`, independent of the framework: it takes bytes and returns a reply."""

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import quote

from chatkit.store import NotFoundError
from chatkit.types import Attachment, AttachmentCreateParams
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import File, MultipartParser, parse_options_header

from kit.attachments import file_store
from kit.attachments.attachment_store import AttachmentStore, max_bytes
from kit.errors import RefusedError
from kit.http.request_handling import Reply, handle, json_reply, limited
from kit.people.identity import Headers, Identify, RequestContext
from kit.people.limits import count_upload

FORM_BYTES = 64 * 1024
"""The limit for everything in the form except the file."""

MAX_PARTS = 20
"""The limit for fields in the form. A delimiter of fields inside the file counts, too."""

# A browser must never run a file as a page of this site, whatever type it guesses.
DOWNLOAD_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "private, no-store",
}


async def upload(
    store: AttachmentStore, headers: Headers, body: AsyncIterator[bytes], who: Identify
) -> Reply:
    """Answer `POST /attachments`: store a file and return its ChatKit record."""

    async def work(context: RequestContext) -> Reply:
        await count_upload(context)
        async with received_file(headers, body) as file:
            params = AttachmentCreateParams(
                name=file.name, size=file.size, mime_type=file.mime_type
            )
            attachment = await store.create_attachment(params, context)
            return _record(await store.receive(attachment, file.content, context))

    return await handle("attachments.upload", headers, work, who)


async def upload_announced(
    store: AttachmentStore,
    attachment_id: str,
    headers: Headers,
    body: AsyncIterator[bytes],
    who: Identify,
) -> Reply:
    """Answer `POST /attachments/{id}`: store the file that `attachments.create` announced."""

    async def work(context: RequestContext) -> Reply:
        attachment = await store.records.load_attachment(attachment_id, context)
        if attachment.upload_descriptor is None:
            raise RefusedError(400, f"The file of {attachment_id} is already uploaded.")
        await count_upload(context)
        async with received_file(headers, body) as file:
            return _record(await store.receive(attachment, file.content, context))

    return await handle("attachments.upload", headers, work, who)


async def download(
    store: AttachmentStore, attachment_id: str, headers: Headers, who: Identify
) -> Reply:
    """Answer `GET /attachments/{id}` with the file, for its owner."""

    async def work(context: RequestContext) -> Reply:
        attachment = await store.records.load_attachment(attachment_id, context)
        found = await file_store.stream(attachment.id)
        if found is None:
            raise NotFoundError(f"Attachment {attachment_id} not found.")
        size, chunks = found
        name = quote(attachment.name, safe="")
        return Reply(
            200,
            attachment.mime_type,
            chunks,
            DOWNLOAD_HEADERS
            | {
                "Content-Length": str(size),
                "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
            },
        )

    return await handle("attachments.download", headers, work, who)


def _record(attachment: Attachment) -> Reply:
    json = attachment.model_dump_json(exclude_none=True, context={"exclude_metadata": True})
    return json_reply(json.encode())


@dataclass(frozen=True)
class ReceivedFile:
    """A file from a form: in memory if it is small, otherwise in a temporary file."""

    name: str
    mime_type: str
    """What the sender calls the type; empty if it does not say."""
    size: int
    """In bytes."""
    content: BinaryIO


@asynccontextmanager
async def received_file(
    headers: Headers, body: AsyncIterator[bytes]
) -> AsyncIterator[ReceivedFile]:
    """Read the field `file` of a form. The file is deleted at the end of the block.

    Raises:
        RefusedError: the body is not a form (415), it cannot be read or has no file (400), or it
            is too large (413).
    """
    content_type, options = parse_options_header(headers.get("content-type"))
    if content_type != b"multipart/form-data" or b"boundary" not in options:
        raise RefusedError(415, "Send the file as multipart/form-data, in a field named file.")
    with ExitStack() as until_the_end:
        try:
            form = until_the_end.enter_context(closing(_Form(options[b"boundary"])))
            async for chunk in limited(body, max_bytes() + FORM_BYTES):
                form.write(chunk)
        except FormParserError as error:
            raise RefusedError(400, f"The form cannot be read: {error}") from None
        yield form.received()


class _Form:
    """Parses a form while it is received, and keeps its file.

    The size of everything else is limited, because the parser is slow: it reads it byte by byte.
    """

    def __init__(self, boundary: bytes) -> None:
        self._parser = MultipartParser(
            boundary,
            {
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._data,
                "on_part_end": self._part_end,
            },
        )
        self._delimiter = b"\r\n--" + boundary
        self._parts = 0
        self._bytes_besides = 0
        self._name, self._value = b"", b""
        self._headers = dict[bytes, bytes]()
        self._file: File | None = None
        self._is_in_file = False
        self._is_whole = False

    def write(self, chunk: bytes) -> None:
        """Parse the next chunk of the form.

        Raises:
            RefusedError: the form has too many parts, or too many bytes besides the file (413).
            FormParserError: the bytes are not a form.
        """
        self._parts += chunk.count(self._delimiter)
        if self._parts > MAX_PARTS:
            raise RefusedError(413, f"The form has more than {MAX_PARTS} fields.")
        self._bytes_besides += len(chunk)
        self._parser.write(chunk)
        if self._bytes_besides > FORM_BYTES:
            raise RefusedError(
                413, f"The form has more than {FORM_BYTES // 1024} KB besides the file."
            )

    def received(self) -> ReceivedFile:
        """Return the file.

        Raises:
            RefusedError: the form has no file, or the file is not complete (400).
        """
        file = self._file
        if file is None or not self._is_whole:
            raise RefusedError(400, "The form has no field named file.")
        name = (file.file_name or b"").decode(errors="replace")
        return ReceivedFile(name, file.content_type or "", file.size, file.file_object)

    def close(self) -> None:
        """Delete the file."""
        if self._file is not None:
            self._file.close()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name, self._value = b"", b""

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        content_type = self._headers.get(b"content-type", b"").decode("latin-1")
        self._headers = {}
        if self._file is None and options.get(b"name") == b"file" and b"filename" in options:
            self._file = File(options[b"filename"], b"file", content_type=content_type)
            self._is_in_file = True

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._is_in_file and self._file is not None:
            self._file.write(data[start:end])
            self._bytes_besides -= end - start

    def _part_end(self) -> None:
        if self._is_in_file and self._file is not None:
            self._file.finalize()
            self._is_in_file, self._is_whole = False, True
