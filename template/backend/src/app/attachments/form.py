"""Reads the form with which a browser sends a file."""

import mimetypes
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File, FormParser, parse_options_header

from app.errors import RefusedError
from app.headers import Headers
from app.request_handling import limited
from app.settings import MB, get_settings

FORM_BYTES = 64 * 1024
"""What the form may carry besides the file."""

UNKNOWN_TYPES = ("", "application/octet-stream")


@dataclass(frozen=True)
class ReceivedFile:
    """A file of a form: in memory while it is small, else in a temporary file."""

    name: str
    mime_type: str
    size: int
    """In bytes."""
    content: BinaryIO


@asynccontextmanager
async def received_file(
    headers: Headers, body: AsyncIterator[bytes]
) -> AsyncIterator[ReceivedFile]:
    """Read the field `file` of a form, and forget it after the block.

    Raises:
        RefusedError: there is no form, no file in it, or a file that is too large.
    """
    content_type, options = parse_options_header(headers.get("content-type"))
    if content_type != b"multipart/form-data" or b"boundary" not in options:
        raise RefusedError(415, "Send the file as multipart/form-data, in a field named file.")
    files: list[File] = []
    boundary = options[b"boundary"]
    try:
        try:
            parser = FormParser("multipart/form-data", _ignore, files.append, boundary=boundary)
            async for chunk in limited(body, max_bytes() + FORM_BYTES):
                parser.write(chunk)
            parser.finalize()
        except FormParserError as error:
            raise RefusedError(400, f"The form cannot be read: {error}") from None
        yield _the_file(files)
    finally:
        for file in files:
            file.close()


def max_bytes() -> int:
    """Return how large a file may be, in bytes."""
    return get_settings().attachment_max_mb * MB


def _ignore(_field: Field) -> None:
    """Fields besides the file mean nothing to us."""


def _the_file(files: list[File]) -> ReceivedFile:
    file = next((file for file in files if file.field_name == b"file"), None)
    if file is None:
        raise RefusedError(400, "The form has no field named file.")
    name = (file.file_name or b"").decode(errors="replace")
    mime_type = (file.content_type or "").partition(";")[0].strip().lower()
    if mime_type in UNKNOWN_TYPES:
        # Not every system knows Markdown, say; the content is checked all the same.
        mime_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return ReceivedFile(name, mime_type, file.size, file.file_object)
