"""Writes images into a folder: small files that cost a lot to decode, and large photos.

They are made here, by the project's own Pillow, and none is committed.
"""

import io
import random
import struct
import sys
import zlib
from pathlib import Path

from PIL import Image


def main() -> None:
    """Write each image, named as its maker is."""
    folder = Path(sys.argv[1])
    for kind, makers in MAKERS.items():
        for make in makers:
            (folder / f"{make.__name__}.{kind}").write_bytes(make())


def one_scan_a_thousand_times() -> bytes:
    """Return a progressive JPEG that takes half a minute."""
    image = saved(Image.new("L", (7000, 7000)), "JPEG", progressive=True)
    last_scan = image.rindex(b"\xff\xda")
    return image[:-2] + image[last_scan:-2] * 1000 + image[-2:]


def exif_in_circles() -> bytes:
    """Return a JPEG whose EXIF has a directory that is in itself, and comes after itself."""
    entries = struct.pack("<HHII", 0x8769, 4, 1, 8) + struct.pack("<HHII", 0x10E, 2, 1 << 31, 8)
    tiff = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 2) + entries + struct.pack("<I", 8)
    return saved(Image.new("RGB", (64, 64)), "JPEG", exif=b"Exif\0\0" + tiff)


def gray_of_50_megapixels() -> bytes:
    """Return what a camera for newspapers makes, say."""
    return saved(Image.new("CMYK", (8600, 5800), (0, 0, 0, 99)), "JPEG")


def megabytes_of_text() -> bytes:
    """Return a PNG of 100 KB with a text of 100 MB."""
    return with_chunk(b"zTXt", b"Comment\0\0")


def megabytes_of_profile() -> bytes:
    """Return a PNG of 100 KB with a color profile of 100 MB."""
    return with_chunk(b"iCCP", b"Profile\0\0")


def square_of_900_megapixels() -> bytes:
    """Return a PNG of which only the head is there."""
    return png(30_000, 30_000)


def slides_of_16_bits() -> bytes:
    """Return what a scanner of slides makes."""
    return saved(Image.new("I;16", (5000, 4000), 40_000), "PNG")


def thousands_of_frames() -> bytes:
    """Return a GIF that moves for long."""
    frames = [Image.new("L", (8, 8), number % 2 * 255) for number in range(2000)]
    return saved(frames[0], "GIF", save_all=True, append_images=frames[1:])


def black_of_49_megapixels() -> bytes:
    """Return a WebP of a few KB."""
    return saved(Image.new("RGB", (7000, 7000)), "WEBP", quality=10, method=0)


def canvas_of_268_megapixels() -> bytes:
    """Return a WebP that says how large it will be."""
    side = struct.pack("<I", 16_383)[:3]
    head = b"WEBPVP8X" + struct.pack("<II", 10, 0) + side + side
    return b"RIFF" + struct.pack("<I", len(head)) + head


def photo_of_12_megapixels() -> bytes:
    """Return what a phone makes."""
    small = Image.frombytes("RGB", (400, 300), random.Random(1).randbytes(400 * 300 * 3))
    return saved(small.resize((4000, 3000)), "WEBP", quality=80, method=0)


MAKERS = {
    "jpeg": (one_scan_a_thousand_times, exif_in_circles, gray_of_50_megapixels),
    "png": (megabytes_of_text, megabytes_of_profile, square_of_900_megapixels, slides_of_16_bits),
    "gif": (thousands_of_frames,),
    "webp": (black_of_49_megapixels, canvas_of_268_megapixels, photo_of_12_megapixels),
}


def saved(image: Image.Image, image_format: str, **options: object) -> bytes:
    """Return an image as a file."""
    file = io.BytesIO()
    image.save(file, image_format, **options)
    return file.getvalue()


def with_chunk(kind: bytes, head: bytes) -> bytes:
    """Return a PNG with a chunk that is 100 MB of nothing."""
    return png(8, 8, chunk(kind, head + zlib.compress(b"\0" * 100_000_000)))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    """Return a gray PNG, whole where it is small."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    rows = chunk(b"IDAT", zlib.compress(b"\0" * 8 * 9))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + rows + chunk(b"IEND", b"")


def chunk(kind: bytes, content: bytes) -> bytes:
    """Return a part of a PNG."""
    sum_of_it = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + sum_of_it


if __name__ == "__main__":
    main()
