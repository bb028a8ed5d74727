"""What the largest files cost to read: peak memory and time, each in a process of its own."""

import io
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

PROGRAM = """
import re, sys, time
import numpy as np
from inklens.errors import PhotoError
from inklens.tasks.reading import load_reader
high = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024  # of this program alone
reader = load_reader()
reader.read(np.full((60, 50), 0.9))
before, began = high(), time.process_time()
try:
    found = len(reader.read(sys.argv[1], many=True))
except PhotoError as error:
    found = error.code
print(f"{found}|{time.process_time() - began:.2f}|{high() - before:.0f}|{high():.0f}")
"""


def page(rows: int, cols: int, mode: str = "L") -> Image.Image:
    """Return paper with grain and one stroke."""
    tile = np.random.default_rng(0).normal(215, 4, (500, 500)).clip(0, 255).astype(np.uint8)
    paper = np.tile(tile, (-(-rows // 500), -(-cols // 500)))[:rows, :cols]
    paper[rows // 4 : 3 * rows // 4, cols // 2 : cols // 2 + min(rows, cols) // 20] = 40
    return Image.fromarray(paper).convert(mode)


def _stored(kind: str, make: Callable[[], Image.Image], **options) -> Callable[[], bytes]:
    def data() -> bytes:
        buffer = io.BytesIO()
        make().save(buffer, kind, **options)
        return buffer.getvalue()

    return data


def _specks() -> Image.Image:
    """Return a page of 22,000 equal specks."""
    dots = np.full((1050, 1400), 220, np.uint8)
    for offset in range(12):
        dots[5 + offset // 3 : -8 : 8, 5 + offset % 3 : -8 : 8] = 30
    return Image.fromarray(dots)


FILES = {
    "JPEG, 200 megapixels": _stored("JPEG", lambda: page(12_240, 16_320, "RGB"), quality=85),
    "JPEG, progressive, 170": _stored("JPEG", lambda: page(11_800, 14_400), quality=75, progressive=True),
    "JPEG, progressive, 24": _stored(
        "JPEG", lambda: page(4000, 5990, "RGB"), quality=90, progressive=True, subsampling=0
    ),
    "PNG, gray, 50": _stored("PNG", lambda: page(6120, 8160), compress_level=1),
    "PNG, RGBA, 30": _stored("PNG", lambda: page(5000, 6000, "RGBA"), compress_level=1),
    "PNG, palette with alpha, 50": _stored(
        "PNG", lambda: page(6120, 8160).quantize(16), compress_level=1, transparency=3
    ),
    "PNG, 1 bit, 50": _stored("PNG", lambda: page(6120, 8160).convert("1", dither=0), compress_level=1),
    "PNG, 13,000 x 13,000": _stored("PNG", lambda: page(13_000, 13_000), compress_level=1),
    "WebP, 12": _stored("WEBP", lambda: page(3000, 4000, "RGB"), method=0),
    "AVIF, 12": _stored("AVIF", lambda: page(3000, 4000, "RGB"), speed=10),
    "GIF, 50": _stored("GIF", lambda: page(6120, 8160)),
    "TIFF, gray, 50": _stored("TIFF", lambda: page(6120, 8160)),
    "TIFF, float, 18": _stored("TIFF", lambda: page(3670, 4890, "F")),
    "BMP, 20": _stored("BMP", lambda: page(4000, 5000, "RGB")),
    "PNG, 1 x 60,000": _stored("PNG", lambda: page(60_000, 1)),
    "PNG, 1 x 100,000": _stored("PNG", lambda: page(100_000, 1)),
    "PNG, page of 22,000 specks": _stored("PNG", _specks),
}


def costs(more: dict[str, bytes]) -> Iterator[list[str]]:
    """Yield name, size, what was found, seconds, memory above the interpreter's own, and in all."""
    with tempfile.TemporaryDirectory() as folder:
        for name, make in {**FILES, **{name: (lambda data=data: data) for name, data in more.items()}}.items():
            path = Path(folder) / "picture"
            path.write_bytes(make())
            done = subprocess.run([sys.executable, "-c", PROGRAM, path], capture_output=True, text=True, check=True)
            found, seconds, above, all_of_it = done.stdout.strip().split("|")
            words = f"{found} found" if found.isdigit() else f"refused: {found}"
            yield [
                name,
                f"{path.stat().st_size / 1e6:.1f} MB",
                words,
                f"{seconds} s",
                f"{above} MiB",
                f"{all_of_it} MiB",
            ]
