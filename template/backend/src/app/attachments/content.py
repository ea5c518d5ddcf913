"""What a file really is: its content decides, and not what the sender calls it."""

import base64
import codecs
import io
import warnings
from typing import BinaryIO

from PIL import Image, ImageOps, UnidentifiedImageError

from app.errors import RefusedError

IMAGE_FORMATS = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/gif": "GIF",
    "image/webp": "WEBP",
}
MAX_PIXELS = 50_000_000
"""A file of a few KB may hold an image that fills the memory."""

PREVIEW_PIXELS = 320
CHUNK_BYTES = 64 * 1024

NO_PREVIEW = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
"""One transparent pixel, for an image that is not uploaded yet."""


def is_image(mime_type: str) -> bool:
    """Whether ChatKit's page draws it."""
    return mime_type in IMAGE_FORMATS


def check_content(mime_type: str, content: BinaryIO) -> str | None:
    """Make sure that a file is what it is said to be.

    Args:
        mime_type: one of `app.settings.CHECKED_TYPES`.
        content: read from its beginning, and left there.

    Returns:
        The preview of an image, as a `data:` URL: ChatKit's frame loads no `http:`, and cookies of
        the page do not reach it.

    Raises:
        RefusedError: it is something else.
    """
    content.seek(0)
    try:
        if is_image(mime_type):
            return _preview(IMAGE_FORMATS[mime_type], content)
        if mime_type == "application/pdf":
            if content.read(5) != b"%PDF-":
                raise _is_something_else(mime_type)
        elif not _is_text(content):
            raise _is_something_else(
                f"{mime_type} in UTF-8. If it is text, save it as UTF-8: in Excel the type is "
                "called CSV UTF-8, in editors it is an encoding"
            )
        return None
    finally:
        content.seek(0)


def _preview(image_format: str, content: BinaryIO) -> str:
    name = f"image/{image_format.lower()}"
    try:
        with warnings.catch_warnings():
            # Pillow warns of what it takes for a bomb below its own limit; ours is lower.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(content, formats=[image_format]) as image:
                if image.width * image.height > MAX_PIXELS:
                    megapixels = MAX_PIXELS // 1_000_000
                    raise RefusedError(413, f"The image has more than {megapixels} megapixels.")
                image.thumbnail((PREVIEW_PIXELS, PREVIEW_PIXELS))
                small = io.BytesIO()
                ImageOps.exif_transpose(image).convert("RGBA").save(small, "WEBP", quality=70)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError):
        raise _is_something_else(name) from None
    return f"data:image/webp;base64,{base64.b64encode(small.getvalue()).decode()}"


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


def _is_something_else(expected: str) -> RefusedError:
    return RefusedError(415, f"The file is not what it is called: its content is not {expected}.")
