"""What a file really is: its content decides, and not what the sender calls it."""

import codecs
from typing import BinaryIO

from kit.errors import RefusedError

IMAGE_FORMATS = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/gif": "GIF",
    "image/webp": "WEBP",
}
"""As Pillow calls them."""

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
