"""Checks of a file's type and content. The content decides, not what the sender calls it.

Images are checked in separate processes with limits of time and memory. At most two images are
checked at a time, and one per sender, so that a costly image delays its sender first.
"""

import asyncio
import base64
import codecs
import io
import logging
import mimetypes
import os
import subprocess
import sys
from typing import BinaryIO, Literal

from kit.attachments import preview
from kit.errors import RefusedError
from kit.people.limits import Lines

logger = logging.getLogger("app.attachments")

IMAGE_FORMATS = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/gif": "GIF",
    "image/webp": "WEBP",
}
"""Pillow's names of the formats."""

IMAGE_STARTS = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"RIFF": "image/webp",
}
"""How images begin."""

PreviewKind = Literal["thumbnail", "picture"]

CSV, JPEG, MARKDOWN, PDF = "text/csv", "image/jpeg", "text/markdown", "application/pdf"

ALIASES = {
    "application/csv": CSV,
    "application/vnd.ms-excel": CSV,  # with Excel installed, Windows calls .csv so
    "application/x-csv": CSV,
    "text/comma-separated-values": CSV,
    "text/x-csv": CSV,
    "image/jpg": JPEG,
    "image/pjpeg": JPEG,
    "image/x-png": "image/png",
    "text/x-markdown": MARKDOWN,
    "application/x-pdf": PDF,
    "text/json": "application/json",
}
"""Other names of the types, which browsers get from their systems.

`frontend/src/kit/options.ts` has the same names.
"""

UNKNOWN_TYPES = ("", "application/octet-stream", "binary/octet-stream")
"""What a file is called whose type the sender's system does not know, such as Markdown."""

ENDINGS = mimetypes.MimeTypes()
"""The types of names' endings, the same on every system."""

# Older versions of Python do not know it.
ENDINGS.add_type(MARKDOWN, ".md")
ENDINGS.add_type(MARKDOWN, ".markdown")

PDF_START_BYTES = 1024
"""In how many bytes a PDF begins. Readers skip a byte order mark and whitespace before it."""

BYTE_ORDER_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE)

WORKBOOK_STARTS = (b"\xd0\xcf\x11\xe0", b"PK\x03\x04")
"""How .xls and .xlsx begin."""

AT_ONCE = 2
RUN_SECONDS = 20.0
"""How long a check may take in all. Its CPU time has a limit, too: `preview.CPU_SECONDS`."""

WAIT_SECONDS = 30.0
"""How long an image waits at most until its check begins."""

RETRY_AFTER_SECONDS = 10

OWN_ERRORS = (1, 2)
"""Python's exit statuses if the script cannot be run at all."""

CHUNK_BYTES = 64 * 1024

NO_PREVIEW = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
"""A transparent pixel as the preview of an image that is not uploaded yet."""


def is_image(mime_type: str) -> bool:
    """Whether ChatKit's page shows files of the type as images."""
    return mime_type in IMAGE_FORMATS


def type_of(name: str, mime_type: str) -> str:
    """Return the one name of a file's type, without parameters.

    If the sender does not know the type, the ending of the name decides.
    """
    plain = mime_type.partition(";")[0].strip().lower()
    if plain in UNKNOWN_TYPES:
        plain = ENDINGS.guess_type(name, strict=False)[0] or "application/octet-stream"
    return ALIASES.get(plain, plain)


def type_of_made(name: str, mime_type: str, content: bytes) -> str:
    """Return the type of a file that the assistant made.

    Of an image the content tells: models and tools call each image a PNG, whatever they make.
    """
    said = type_of(name, mime_type)
    if said.startswith("image/"):
        for start, found in IMAGE_STARTS.items():
            if content.startswith(start):
                return found
    return said


def named_as(name: str, mime_type: str) -> str:
    """Return a name whose ending is one of the type."""
    if type_of(name, "") == mime_type:
        return name
    return f"{name}{ENDINGS.guess_extension(mime_type, strict=False) or ''}"


def check_document(mime_type: str, content: BinaryIO) -> None:
    """Check that a file other than an image has the content of its type.

    Args:
        mime_type: one of `kit.settings.CHECKED_TYPES`.
        content: the file, which is read from the beginning and rewound afterwards.

    Raises:
        RefusedError: the content does not match the type (415).
    """
    content.seek(0)
    try:
        start = content.read(PDF_START_BYTES)
        content.seek(0)
        if mime_type == PDF:
            if not _is_pdf(start):
                raise is_something_else(mime_type)
        elif mime_type == CSV and start.startswith(WORKBOOK_STARTS):
            raise RefusedError(
                415, "The file is a workbook of Excel. Save it as CSV UTF-8, and send that file."
            )
        elif not _is_text(content):
            raise is_something_else(
                f"{mime_type} in UTF-8. If it is text, save it as UTF-8: in Excel the type is "
                "called CSV UTF-8, in editors it is an encoding"
            )
    finally:
        content.seek(0)


def _is_pdf(start: bytes) -> bool:
    for mark in BYTE_ORDER_MARKS:
        start = start.removeprefix(mark)
    return start.lstrip().startswith(b"%PDF-")


def _is_text(content: BinaryIO) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while chunk := content.read(CHUNK_BYTES):
            if "\0" in decoder.decode(chunk):
                return False
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def is_something_else(expected: str) -> RefusedError:
    """Return an error that says that a file's content does not match its type."""
    return RefusedError(415, f"The file is not what it is called: its content is not {expected}.")


class ImageChecks:
    """Checks images in separate processes, and lets further images wait."""

    def __init__(self) -> None:
        """Start without any images."""
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._lines = Lines(1)

    async def make_preview(
        self, mime_type: str, content: BinaryIO, sender: str, kind: PreviewKind = "thumbnail"
    ) -> str:
        """Check that a file is an image of its type, and make its preview.

        Args:
            mime_type: a type for which `is_image` is true.
            content: a BytesIO or a file, which is read from the beginning and rewound afterwards.
            sender: the images of one sender are checked one after the other.
            kind: a thumbnail has at most 16 kB, a picture 72 kB, a third more as a URL.

        Returns:
            The preview as a `data:` URL. ChatKit's frame loads no `http:` URLs, and its requests do
            not carry the cookies of the page.

        Raises:
            RefusedError: the content does not match the type (415), the image has too many pixels
                (413), it takes too much time or memory (422), or too many images wait (429).
        """
        own_turn = self._lines.of(sender)
        try:
            async with asyncio.timeout(WAIT_SECONDS) as waiting, own_turn, self._turn:
                waiting.reschedule(None)
                return await self._run(mime_type, content, kind)
        except TimeoutError:
            raise RefusedError(
                429,
                "Too many images are being checked at the moment. Send this one again later.",
                RETRY_AFTER_SECONDS,
            ) from None

    async def _run(self, mime_type: str, content: BinaryIO, kind: PreviewKind) -> str:
        content.seek(0)
        process, in_memory = _start(IMAGE_FORMATS[mime_type], content, kind)
        try:
            made = await asyncio.to_thread(_finish, process, in_memory)
        finally:
            process.kill()  # in case the request was cancelled
        if in_memory is None:  # the process shares the file's position, and has moved it
            os.lseek(content.fileno(), 0, os.SEEK_SET)
        match process.returncode:
            case 0:
                return f"data:image/webp;base64,{base64.b64encode(made).decode()}"
            case preview.IS_SOMETHING_ELSE:
                raise is_something_else(mime_type)
            case preview.HAS_TOO_MANY_PIXELS:
                megapixels = preview.MAX_PIXELS // 1_000_000
                raise RefusedError(413, f"The image has more than {megapixels} megapixels.")
            case status if status in OWN_ERRORS:
                raise RuntimeError(f"{preview.__file__} cannot be run: status {status}")
            case status:
                logger.warning("An image was not checked to its end: status %s", status)
                raise RefusedError(
                    422,
                    "The image takes too much time or memory to open. Save it again as an "
                    "ordinary JPEG or PNG, and send that file.",
                )


def _start(
    image_format: str, content: BinaryIO, kind: PreviewKind
) -> tuple[subprocess.Popen[bytes], bytes | None]:
    """Start a check.

    asyncio's subprocesses do not work on every event loop that the app supports.

    Returns:
        The process, and the bytes to send to its stdin; None if stdin is the file itself.
    """
    in_memory = content.getvalue() if isinstance(content, io.BytesIO) else None
    process = subprocess.Popen(
        [sys.executable, "-I", preview.__file__, image_format, kind],
        stdin=content if in_memory is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        creationflags=getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0),  # Windows only
    )
    return process, in_memory


def _finish(process: subprocess.Popen[bytes], in_memory: bytes | None) -> bytes:
    try:
        return process.communicate(in_memory, RUN_SECONDS)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0]
