"""The picture that goes into a hand-in: as it was given where that is small and plain, else stored again, and said."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from inklens.classroom.work import MAX_PHOTO_BYTES, PHOTO_KINDS
from inklens.errors import DataError
from inklens.photos import Picture, containers, decode
from inklens.quiet import quiet

SIDES = (1600, 1200, 900, 600)  # pixels of the longer side of a picture that is stored again, tried in this order
QUALITY = 85
EXIF_GPS = 0x8825
EIGHT_BITS = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK")  # what Pillow turns into colours without loss
DRAWN_SIDE = 1024  # pixels of a drawing, at most


@dataclass(frozen=True)
class Kept:
    """Bytes of a picture as they are handed in, the suffix of its file, and what was changed, in words."""

    data: bytes
    suffix: str
    notes: tuple[str, ...] = ()


def keep(data: bytes) -> Kept:
    """Return a picture file as it is handed in.

    A JPEG, PNG, WebP or GIF of at most 700 kB stays as it is; a larger one, one of another kind, and one that tells
    where it was taken is stored again as a JPEG.

    Raises
    ------
    PhotoError
        It cannot be decoded.
    """
    kind, picture = containers.identify(data), decode(data)
    reasons = _reasons(data, kind)
    if not reasons:
        return Kept(data, PHOTO_KINDS[kind])
    again, size = _smaller(_colours(data, kind, picture))
    said = f"stored again as a JPEG of {size[0]} x {size[1]} pixels, {len(again) / 1000:.0f} kB: {', '.join(reasons)}"
    return Kept(again, PHOTO_KINDS["JPEG"], (said,))


def keep_drawing(ink: np.ndarray) -> Kept:
    """Return a drawing, ink (rows, cols) from 0 to 1, as a PNG of dark ink on white.

    Raises
    ------
    DataError
        It is no such array.
    """
    ink = np.asarray(ink, dtype=np.float64)
    if ink.ndim != 2 or not 1 <= min(ink.shape) or max(ink.shape) > DRAWN_SIDE:
        raise DataError(f"expected a drawing of at most {DRAWN_SIDE} x {DRAWN_SIDE} pixels, got shape {ink.shape}")
    if not (ink.min() >= 0.0 and ink.max() <= 1.0):  # NaN fails both
        raise DataError("a drawing holds ink from 0 (paper) to 1; divide 0..255 pixels by 255")
    buffer = io.BytesIO()
    Image.fromarray(np.rint(255.0 * (1.0 - ink)).astype(np.uint8)).save(buffer, "PNG", optimize=True)
    return Kept(buffer.getvalue(), PHOTO_KINDS["PNG"])


def preview(data: bytes, side: int) -> tuple[bytes, tuple[int, int]]:
    """Return a small JPEG of one's own picture, at most `side` pixels a side, and the picture's size as seen."""
    picture = decode(data)
    image = _colours(data, containers.identify(data), picture)
    image.thumbnail((side, side), Image.Resampling.BOX)
    return _jpeg(image), picture.size


def _reasons(data: bytes, kind: str) -> list[str]:
    reasons = []
    if len(data) > MAX_PHOTO_BYTES:
        reasons.append(f"the file has {len(data) / 1e6:.1f} MB, and {MAX_PHOTO_BYTES / 1e6:.1f} MB is the most")
    if kind not in PHOTO_KINDS:
        reasons.append(f"not every browser shows {kind}")
    elif _tells_place(data, kind):
        reasons.append("the camera wrote into it where it was taken, and that is left out now")
    return reasons


def _tells_place(data: bytes, kind: str) -> bool:
    with quiet():  # Pillow warns about every odd tag
        try:
            return bool(containers.parser(kind)(io.BytesIO(data)).getexif().get_ifd(EXIF_GPS))
        except (OSError, ValueError, SyntaxError, KeyError, TypeError):
            return False


def _colours(data: bytes, kind: str, picture: Picture) -> Image.Image:
    """Return the picture in colours, as seen; in grey where Pillow has no parser that is used for its kind.

    `picture` is what was decoded of it: sizes have been judged then, before any pixel.
    """
    with quiet():
        try:
            file = containers.parser(kind)(io.BytesIO(data))
            file.draft("RGB", (SIDES[0], SIDES[0]))
            if file.mode not in EIGHT_BITS:
                raise ValueError(file.mode)
            image = ImageOps.exif_transpose(file)
            image.thumbnail((SIDES[0], SIDES[0]), Image.Resampling.BOX)
            return _on_paper(image)
        except (OSError, ValueError, SyntaxError, KeyError, TypeError):
            return Image.fromarray(np.rint(255.0 * picture.gray).astype(np.uint8))


def _on_paper(image: Image.Image) -> Image.Image:
    """Fill what is transparent with white."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    layers = image.convert("RGBA")
    paper = Image.new("RGBA", layers.size, "white")
    return Image.alpha_composite(paper, layers).convert("RGB")


def _smaller(image: Image.Image) -> tuple[bytes, tuple[int, int]]:
    for side in SIDES:
        image.thumbnail((side, side), Image.Resampling.BOX)
        data = _jpeg(image)
        if len(data) <= MAX_PHOTO_BYTES:
            break
    return data, image.size


def _jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
