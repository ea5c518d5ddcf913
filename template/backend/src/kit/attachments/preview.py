"""Make the preview of an image: a script that `content.py` runs in a separate process.

Even a small file can take unlimited time and memory to decode, and Pillow decodes in C libraries.
So this process has limits that the server itself cannot have. It imports nothing of the app, to
start fast.

The arguments are the format of the image and the kind of the preview. The image is read from stdin,
and the preview is written to stdout.
"""

import io
import os
import sys
import warnings
from contextlib import suppress
from typing import BinaryIO, NamedTuple


class Preview(NamedTuple):
    """A kind of preview."""

    most_bytes: int
    tries: tuple[tuple[int, int], ...]
    """Sizes in pixels and qualities, tried in order. The last fits any noise."""


PREVIEWS = {
    "thumbnail": Preview(16 * 1024, ((320, 70), (320, 40), (160, 40), (80, 20))),
    "picture": Preview(72 * 1024, ((1024, 80), (1024, 60), (1024, 40), (640, 40), (320, 20))),
}
"""The first is stored in each message with the file, the second in the item of a made image."""

MAX_PIXELS = 50_000_000
MEMORY_BYTES = 1024 * 1024 * 1024
"""More than a WebP of MAX_PIXELS takes. Other formats take less than half of it."""

CPU_SECONDS = 5
"""An image of MAX_PIXELS takes at most two seconds, a photo from a phone half a second."""

IS_SOMETHING_ELSE = 10
HAS_TOO_MANY_PIXELS = 11
TAKES_TOO_MUCH = 12
"""Exit statuses. If a limit ends the process, its status is that of a signal."""


def main() -> int:
    """Make the preview and return the exit status."""
    yield_to_the_server()
    from PIL import Image

    # Pillow raises an error at twice this number, before it decodes anything.
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2
    warnings.simplefilter("ignore")
    limit_this_process()  # after the imports, which may write compiled files
    content = sys.stdin.buffer
    try:
        preview = make_preview(
            sys.argv[1],
            content if content.seekable() else io.BytesIO(content.read()),
            PREVIEWS[sys.argv[2]],
        )
    except Image.DecompressionBombError:
        return HAS_TOO_MANY_PIXELS
    except MemoryError:
        return TAKES_TOO_MUCH
    except Exception:  # Pillow's plugins raise many types for broken files
        return IS_SOMETHING_ELSE
    sys.stdout.buffer.write(preview)
    return 0


def make_preview(image_format: str, content: BinaryIO, kind: Preview) -> bytes:
    """Return a small WebP of the first frame, rotated as the EXIF data says."""
    from PIL import Image, ImageOps

    with Image.open(content, formats=[image_format]) as opened:
        image: Image.Image = opened
        if image.mode == "I;16":  # Pillow does not scale or convert this mode correctly
            image = image.point(lambda value: value / 256).convert("L")
        largest = kind.tries[0][0]
        image.thumbnail((largest, largest))
        with suppress(Exception):  # many cameras and editors write invalid EXIF
            image = ImageOps.exif_transpose(image)
        image = image.convert("RGBA")
    for pixels, quality in kind.tries:
        image.thumbnail((pixels, pixels))
        small = io.BytesIO()
        image.save(small, "WEBP", quality=quality, alpha_quality=quality)
        if small.tell() <= kind.most_bytes:
            break
    return small.getvalue()


def yield_to_the_server() -> None:
    """Lower this process's priority. If memory runs out, the system ends it before the server."""
    if sys.platform == "win32":  # the parent process has set the priority
        return
    os.nice(10)
    with suppress(OSError), open("/proc/self/oom_score_adj", "wb") as score:  # Linux only
        score.write(b"1000")


def limit_this_process() -> None:
    """Limit CPU time and memory where the system can. The parent always limits the total time."""
    if sys.platform == "win32":
        return
    import resource

    for limit, value in (
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(OSError, ValueError):  # macOS does not support all of them
            resource.setrlimit(limit, (value, value))


if __name__ == "__main__":
    sys.exit(main())
