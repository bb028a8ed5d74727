"""What a picture costs, known from its header: refused before any pixel is decoded.

No file takes more than some 200 MB, nor more than about a second on one ordinary core.
"""

from inklens.errors import PhotoError
from inklens.photos.containers import Scans

MAX_FILE_BYTES = 100_000_000  # the largest phone JPEGs (200 megapixels) have 50-80 MB
MAX_DECODED_BYTES = 160_000_000  # of file, decoder and pixels together
MAX_PIXELS = 50_000_000
MAX_DRAFT_PIXELS = 250_000_000  # a baseline JPEG streams through `draft`, rows at a time
MAX_SIDE = 65_500  # libjpeg's own limit
MAX_GRAY_PIXELS = 4_000_000  # what is kept of a picture
JPEG_PIXELS_PER_BYTE, MIN_STORED = 400, 4096  # an empty page takes a byte for some 70 pixels
MAX_SCANNED_SAMPLES = 2_000_000_000  # samples, over all scans of a JPEG: some 2 ns each
MAX_RUN_BYTES = 2_000_000  # of a run-length coded BMP, which Pillow decodes in Python

# what decoders hold for a pixel besides Pillow's buffer, or instead of it, measured
_BYTES_PER_PIXEL = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2}
_DECODERS = {"WEBP": 12, "AVIF": 9, "HEIC": 6}
_SLOW = {"HEIC": 16_000_000}  # pixels that a decoder does in a second


def check_file(length: int) -> None:
    """Refuse a file that is empty or too long."""
    if not length:
        raise PhotoError("the file is empty; copy or download it again", code="empty")
    if length > MAX_FILE_BYTES:
        raise too_large(f"it has more than {MAX_FILE_BYTES // 1_000_000} MB")


def check_size(size: tuple[int, int], mode: str, kind: str, *, stored: int = 0, tiled: bool = False) -> None:
    """Refuse what would cost too much memory or time; a picture that is `tiled` is decoded on all cores."""
    held = max(_BYTES_PER_PIXEL.get(mode, 4), _DECODERS.get(kind, 0))
    slow = MAX_PIXELS if tiled else _SLOW.get(kind, MAX_PIXELS)
    check_pixels(size, min((MAX_DECODED_BYTES - stored) // held, slow))


def check_jpeg(size: tuple[int, int], scans: Scans, stored: int | None) -> None:
    """Refuse a JPEG by what its kind costs: rows that stream, or coefficients that are held until the last scan.

    `stored` are the bytes of its file; None where only an opened picture is known.
    """
    pixels = size[0] * size[1]
    if not scans.held:
        check_pixels(size, MAX_DRAFT_PIXELS)
    else:
        check_pixels(size, int((MAX_DECODED_BYTES - (stored or 0)) / (2 * scans.held)))
        if pixels * scans.held * scans.passes > MAX_SCANNED_SAMPLES:
            raise too_large(f"{size[0]} x {size[1]} pixels in {scans.passes} scans")
    if stored is not None and pixels > JPEG_PIXELS_PER_BYTE * max(stored, MIN_STORED):
        raise PhotoError("the file is far too short for the size it claims; copy it again", code="truncated")


def check_pixels(size: tuple[int, int], most: int = MAX_PIXELS) -> None:
    """Refuse a picture with no pixels, or with too many."""
    width, height = size
    if width * height == 0:
        raise PhotoError(f"the picture has no pixels ({width} x {height}); export it again", code="empty")
    if width * height > most:
        raise too_large(f"{width} x {height} pixels, where {most // 1_000_000} million is the most for its kind")
    if max(size) > MAX_SIDE:
        raise too_large(f"{width} x {height} pixels, where {MAX_SIDE:,} is the longest side")


def too_large(what: str) -> PhotoError:
    """Return the error for a picture that costs too much."""
    return PhotoError(f"the picture is too large: {what}; give a smaller copy", code="too-large")
