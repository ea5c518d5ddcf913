"""What a file really is: its content decides, and not what the sender calls it.

Images are checked in processes that have limits of time and memory. Whatever an image holds costs
whoever sent it: two at most are checked at once, one of a sender's.
"""

import asyncio
import base64
import codecs
import io
import logging
import os
import subprocess
import sys
from typing import BinaryIO

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
"""As Pillow calls them."""

AT_ONCE = 2
RUN_SECONDS = 20.0
"""How long a check may take. Less of it is for the processor, see `preview.CPU_SECONDS`."""

WAIT_SECONDS = 30.0
"""How long an image waits for others to be checked."""

RETRY_AFTER_SECONDS = 10

OWN_ERRORS = (1, 2)
"""What Python exits with where the script cannot be run at all."""

CHUNK_BYTES = 64 * 1024

NO_PREVIEW = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
"""One transparent pixel, for an image that is not uploaded yet."""


def is_image(mime_type: str) -> bool:
    """Whether ChatKit's page draws it."""
    return mime_type in IMAGE_FORMATS


def check_document(mime_type: str, content: BinaryIO) -> None:
    """Make sure that a file that is no image is what it is said to be.

    Args:
        mime_type: one of `kit.settings.CHECKED_TYPES`.
        content: read from its beginning, and left there.

    Raises:
        RefusedError: it is something else.
    """
    content.seek(0)
    try:
        if mime_type == "application/pdf":
            if content.read(5) != b"%PDF-":
                raise is_something_else(mime_type)
        elif not _is_text(content):
            raise is_something_else(
                f"{mime_type} in UTF-8. If it is text, save it as UTF-8: in Excel the type is "
                "called CSV UTF-8, in editors it is an encoding"
            )
    finally:
        content.seek(0)


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
    """Return in words that a file is not what it is said to be."""
    return RefusedError(415, f"The file is not what it is called: its content is not {expected}.")


class ImageChecks:
    """The images that are being checked, and those that wait."""

    def __init__(self) -> None:
        """Begin with none."""
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._lines = Lines(1)

    async def make_preview(self, mime_type: str, content: BinaryIO, sender: str) -> str:
        """Make sure that a file is the image that it is said to be.

        Args:
            mime_type: one for which `is_image` holds.
            content: in memory, or a file; read from its beginning, and left there.
            sender: whose images are checked one after the other.

        Returns:
            Its preview, as a `data:` URL: ChatKit's frame loads no `http:`, and cookies of the page
            do not reach it.

        Raises:
            RefusedError: it is something else, it takes too much time or memory, or too many
                images wait.
        """
        own_turn = self._lines.of(sender)
        try:
            async with asyncio.timeout(WAIT_SECONDS) as waiting, own_turn, self._turn:
                waiting.reschedule(None)
                return await self._run(mime_type, content)
        except TimeoutError:
            raise RefusedError(
                429,
                "Too many images are being checked at the moment. Send this one again later.",
                RETRY_AFTER_SECONDS,
            ) from None

    async def _run(self, mime_type: str, content: BinaryIO) -> str:
        content.seek(0)
        process, in_memory = _start(IMAGE_FORMATS[mime_type], content)
        try:
            made = await asyncio.to_thread(_finish, process, in_memory)
        finally:
            process.kill()  # where nobody waits for it any more
        if in_memory is None:  # the process has moved the place from which both of us read
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
                    "The image takes too much time or memory to be opened. Save it anew as an "
                    "ordinary JPEG or PNG, and send that.",
                )


def _start(image_format: str, content: BinaryIO) -> tuple[subprocess.Popen[bytes], bytes | None]:
    """Start a check; what is in memory is still to be handed to it.

    asyncio's own processes do not work on each event loop that the app runs on.
    """
    in_memory = content.getvalue() if isinstance(content, io.BytesIO) else None
    process = subprocess.Popen(
        [sys.executable, "-I", preview.__file__, image_format],
        stdin=content if in_memory is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        creationflags=getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0),  # Windows'
    )
    return process, in_memory


def _finish(process: subprocess.Popen[bytes], in_memory: bytes | None) -> bytes:
    try:
        return process.communicate(in_memory, RUN_SECONDS)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0]
