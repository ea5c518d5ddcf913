"""Has images checked, each in a process that has limits of time and memory.

Whatever an image holds costs whoever sent it: two at most are checked at once, one of a sender's.
"""

import asyncio
import base64
import io
import logging
import os
import subprocess
import sys
from typing import BinaryIO

from kit.attachments import preview
from kit.attachments.content import IMAGE_FORMATS, is_something_else
from kit.errors import RefusedError
from kit.people.limits import Lines

logger = logging.getLogger("app.attachments")

AT_ONCE = 2
RUN_SECONDS = 20.0
"""How long a check may take. Less of it is for the processor, see `preview.CPU_SECONDS`."""

WAIT_SECONDS = 30.0
"""How long an image waits for others to be checked."""

RETRY_AFTER_SECONDS = 10

OWN_ERRORS = (1, 2)
"""What Python exits with where the script cannot be run at all."""


class ImageChecks:
    """The images that are being checked, and those that wait."""

    def __init__(self) -> None:
        """Begin with none."""
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._lines = Lines(1)

    async def make_preview(self, mime_type: str, content: BinaryIO, sender: str) -> str:
        """Make sure that a file is the image that it is said to be.

        Args:
            mime_type: one for which `app.attachments.content.is_image` holds.
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
