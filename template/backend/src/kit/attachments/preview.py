"""Makes the preview of an image: a script that `content.py` runs in a process of its own.

A small file can take any time and memory to be decoded, and Pillow's libraries are written in C. So
this has limits that the server cannot have, and imports nothing of the app, which would take long.

The image's format is the argument, the image comes from stdin, and the preview goes to stdout.
"""

import io
import os
import sys
import warnings
from contextlib import suppress
from typing import BinaryIO

PREVIEW_BYTES = 16 * 1024
"""What a preview has at most: it is stored in each message that its file is sent with."""

PREVIEWS = ((320, 70), (320, 40), (160, 40), (80, 20))
"""Pixels and quality: of most photos the first is small enough, of noise only the last."""

MAX_PIXELS = 50_000_000
MEMORY_BYTES = 1024 * 1024 * 1024
"""What a WebP of MAX_PIXELS takes, and some more. No other format takes half of it."""

CPU_SECONDS = 5
"""An image of MAX_PIXELS takes two at most, a photo from a phone half a second."""

IS_SOMETHING_ELSE = 10
HAS_TOO_MANY_PIXELS = 11
TAKES_TOO_MUCH = 12
"""What the process exits with; one that is ended by its limits has the status of a signal."""


def main() -> int:
    """Answer with the status to exit with."""
    yield_to_the_server()
    from PIL import Image

    # Pillow raises an error at twice this number, before it decodes anything.
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2
    warnings.simplefilter("ignore")
    limit_this_process()  # what was imported may have had to be compiled, and written
    content = sys.stdin.buffer
    try:
        preview = make_preview(
            sys.argv[1], content if content.seekable() else io.BytesIO(content.read())
        )
    except Image.DecompressionBombError:
        return HAS_TOO_MANY_PIXELS
    except MemoryError:
        return TAKES_TOO_MUCH
    except Exception:  # whatever a plugin of Pillow stumbles over
        return IS_SOMETHING_ELSE
    sys.stdout.buffer.write(preview)
    return 0


def make_preview(image_format: str, content: BinaryIO) -> bytes:
    """Return a small WebP of an image's first frame, as its camera was held."""
    from PIL import Image, ImageOps

    with Image.open(content, formats=[image_format]) as opened:
        image: Image.Image = opened
        if image.mode == "I;16":  # which Pillow neither reduces nor converts as one expects
            image = image.point(lambda value: value / 256).convert("L")
        image.thumbnail((PREVIEWS[0][0], PREVIEWS[0][0]))
        with suppress(Exception):  # many a camera and editor writes EXIF that is none
            image = ImageOps.exif_transpose(image)
        image = image.convert("RGBA")
    for pixels, quality in PREVIEWS:
        image.thumbnail((pixels, pixels))
        small = io.BytesIO()
        image.save(small, "WEBP", quality=quality, alpha_quality=quality)
        if small.tell() <= PREVIEW_BYTES:
            break
    return small.getvalue()


def yield_to_the_server() -> None:
    """Let the server go first; and where the memory is short, end this process, not that one."""
    if sys.platform == "win32":  # its parent has said so
        return
    os.nice(10)
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:  # Linux's
        score.write("1000")


def limit_this_process() -> None:
    """Limit time and memory where the system can; everywhere the parent has a clock."""
    if sys.platform == "win32":
        return
    import resource

    for limit, value in (
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(OSError, ValueError):  # macOS knows some by name only
            resource.setrlimit(limit, (value, value))


if __name__ == "__main__":
    sys.exit(main())
