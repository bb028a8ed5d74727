"""Hostile bytes -> grey pixels as a person sees them.

The kind of file is told by its content, from a list; the parser of any other kind is never entered. Size and pixels
are capped from the header, before a pixel is decoded. Every failure is a `PhotoError` with one of these codes:

``missing``      no such file, or not a plain file
``unreadable``   the file system refused
``empty``        no bytes, or no pixels
``too-large``    more bytes or pixels than the limits below
``unsupported``  a kind of file, or a coding inside it, that is not taken
``truncated``    the file is cut off
``corrupt``      the file is damaged
``bad-value``    an array that is no picture, an orientation outside 1 to 8
"""

import io
import os
import stat
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image

from inklens.errors import PhotoError
from inklens.photos import containers

MAX_FILE_BYTES = 100_000_000  # the largest phone JPEGs (200 megapixels) have 50-80 MB
MAX_DECODED_BYTES = 72_000_000  # of Pillow's own buffer, so that a picture never costs more than 200 MB
MAX_PIXELS = 50_000_000
JPEG_PIXELS_PER_BYTE, MIN_STORED = 400, 4096  # an empty page takes a byte for some 70 pixels
MAX_SIDE = 65_500  # libjpeg's own limit
MAX_DRAFT_PIXELS = 250_000_000  # a baseline JPEG streams through `draft`, rows at a time
MAX_PROGRESSIVE_PIXELS = 24_000_000  # libjpeg holds all coefficients of a progressive JPEG: 2-6 bytes a pixel
OVERSHOOT = 0.25  # floats this far outside 0 to 1 are cut to it: sharpening and light do that
DETAIL = 540  # pixels of the shorter side that reduction leaves: a digit a tenth as high still has 54 rows

Source = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | np.ndarray | Image.Image

_BYTES_PER_PIXEL = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2, "PA": 4, "LA": 4}
# Exif orientation -> what turns the stored pixels into the picture as seen
_TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.T,
    6: lambda a: a[::-1].T,
    7: lambda a: a[::-1, ::-1].T,
    8: lambda a: a.T[::-1],
}


@dataclass(frozen=True, eq=False)
class Picture:
    """A photo as grey pixels.

    Parameters
    ----------
    gray : float32 array (rows, cols)
        0 black to 1 white, as seen: transparency filled, Exif turn done.
    format : str
        ``"JPEG"``, ``"PNG"``, ... or ``"array"``.
    size : (int, int)
        Width and height of the photo as seen; `gray` may hold fewer pixels.
    notes : tuple of str
        What was noticed or changed, in words.
    """

    gray: np.ndarray
    format: str
    size: tuple[int, int]
    notes: tuple[str, ...] = ()

    @property
    def scale(self) -> float:
        """Pixels of the photo per pixel of `gray`."""
        return self.size[0] / self.gray.shape[1]


def decode(source: Source, *, orientation: int | None = None, detail: int = DETAIL) -> Picture:
    """Decode a picture file, array or PIL image into grey pixels.

    Of an animation or a book of pages, the first. Colour becomes luminance (ITU-R 601). Transparent parts take the
    colour of the paper: the median of the opaque part if that is most of the picture, else black or white, whichever
    the ink contrasts with.

    Parameters
    ----------
    source : path, bytes, binary file, array or PIL image
        Arrays: (rows, cols) or (rows, cols, 1, 3 or 4); integers from 0 to their largest value, floats from 0 to 1.
    orientation : int, optional
        1 to 8 in place of the Exif tag of the file.
    detail : int, default=540
        A picture whose shorter side is twice this or more is reduced by a whole number, to no less than this.

    Raises
    ------
    PhotoError
        The picture cannot be read; `code` says why (see the head of this module).

    Examples
    --------
    >>> import numpy as np
    >>> decode(np.array([[0, 255], [255, 255]], np.uint8)).gray.tolist()
    [[0.0, 1.0], [1.0, 1.0]]
    >>> decode(b"%PDF-1.7")
    Traceback (most recent call last):
    ...
    inklens.errors.PhotoError: this is a PDF document, which is not taken; give a JPEG, PNG, ...
    """
    if orientation is not None and orientation not in _TURNS:
        raise PhotoError(f"orientation must be 1 to 8 (as in Exif), got {orientation!r}", code="bad-value")
    if isinstance(source, np.ndarray):
        return _finish(_from_array(source), None, "array", (source.shape[1], source.shape[0]), orientation, [])
    notes: list[str] = []
    data, kind = b"", ""
    with warnings.catch_warnings():  # Pillow warns about every odd tag
        warnings.simplefilter("ignore")
        try:
            if isinstance(source, Image.Image):
                return _from_image(source, source.format or "image", orientation, detail, notes)
            data = _read(source)
            kind = containers.identify(data)
            if kind == "HEIC":
                return _from_heic(data, orientation, detail, notes)
            return _from_image(_open(data, kind), kind, orientation, detail, notes, len(data))
        except PhotoError:
            raise
        except MemoryError as error:
            raise PhotoError(
                "not enough memory to decode this picture; give a smaller one", code="too-large"
            ) from error
        except Exception as error:  # decoders raise whatever they like on hostile bytes
            raise _translated(error, data, kind) from error


def _read(source: Any) -> bytes:
    """Return all bytes of a path, buffer or open file, within the limit."""
    if isinstance(source, bytes | bytearray | memoryview):
        data = bytes(source)
    elif isinstance(source, str | os.PathLike):
        data = _read_path(Path(source))
    elif hasattr(source, "read"):
        data = source.read(MAX_FILE_BYTES + 1)
        if not isinstance(data, bytes):
            raise PhotoError("expected a file opened in binary mode; open it with mode 'rb'", code="bad-value")
    else:
        raise PhotoError(
            f"expected a path, bytes, a binary file, an array or a PIL image, got {type(source).__name__}",
            code="bad-value",
        )
    if not data:
        raise PhotoError("the file is empty", code="empty")
    if len(data) > MAX_FILE_BYTES:
        raise _too_large(f"more than {MAX_FILE_BYTES // 1_000_000} MB")
    return data


def _read_path(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise PhotoError(f"{path.name!r} is not a plain file; give a picture file", code="missing")
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError as error:
        raise PhotoError(f"there is no file {str(path)!r}; check the name", code="missing") from error
    except PhotoError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise PhotoError(f"cannot read {str(path)!r}: {reason}", code="unreadable") from error


def _open(data: bytes, kind: str) -> Image.Image:
    """Enter Pillow's parser of one kind: header only, no pixels yet."""
    if kind == "PNG":
        data = containers.essential_png(data)
    elif kind in ("WEBP", "AVIF"):
        containers.check_whole(data, kind)
    image = containers.parser(kind)(io.BytesIO(data))
    if kind == "TIFF":
        containers.check_strips(image, len(data))
    return image


def _from_heic(data: bytes, orientation: int | None, detail: int, notes: list[str]) -> Picture:
    try:
        import pi_heif
    except ImportError as error:
        raise PhotoError(
            "this is a HEIC picture; to read it, run: pip install 'inklens[heic]' (or export it as JPEG)",
            code="unsupported",
        ) from error
    containers.check_whole(data, "HEIC")
    try:
        heif = pi_heif.open_heif(io.BytesIO(containers.without_metadata(data)), convert_hdr_to_8bit=True)
        _check_size(heif.size, heif.mode)
        image = heif.to_pillow()
    except PhotoError:
        raise
    except Exception as error:
        coding = containers.heif_coding(data)
        if coding not in ("hvc1", "grid", ""):
            raise PhotoError(
                f"HEIC with coding {coding} is not supported; export it as JPEG", code="unsupported"
            ) from error
        raise
    image.info = {}  # libheif has turned the pixels already, so its Exif tag must not turn them again
    return _from_image(image, "HEIC", orientation, detail, notes)


def _from_image(
    image: Image.Image, kind: str, orientation: int | None, detail: int, notes: list[str], stored: int = sys.maxsize
) -> Picture:
    size = image.size
    streams = kind == "JPEG" and hasattr(image, "tile") and len(image.tile) == 1
    _check_size(size, image.mode, streams=streams, progressive=bool(image.info.get("progressive")))
    if streams and size[0] * size[1] > JPEG_PIXELS_PER_BYTE * max(stored, MIN_STORED):
        raise PhotoError("the file is far too short for the size it claims; copy it again", code="truncated")
    tag = containers.orientation(image, notes)
    if streams:
        image.draft("L", (detail, detail))
    image.load()
    if min(size) >= 2 * detail and min(image.size) >= 2 * detail and image.mode not in ("P", "PA", "1"):
        image = image.reduce(min(image.size) // detail)
    if image.size != size:
        notes.append(f"reduced from {size[0]} x {size[1]} to {image.size[0]} x {image.size[1]} pixels")
    gray, alpha = _gray_and_alpha(image)
    if kind == "TIFF" and tag > 1:  # Pillow's loader turns these itself: back to the pixels as they are stored
        back = _TURNS[{6: 8, 8: 6}.get(tag, tag)]
        gray, alpha = back(gray), None if alpha is None else back(alpha)
        size = size[::-1] if tag >= 5 else size
    return _finish(gray, alpha, kind, size, tag if orientation is None else orientation, notes)


def _check_size(size: tuple[int, int], mode: str, *, streams: bool = False, progressive: bool = False) -> None:
    """Refuse from the header what would cost too much memory or time."""
    width, height = size
    pixels = width * height
    if pixels == 0:
        raise PhotoError("the picture has no pixels", code="empty")
    limit = min(MAX_PIXELS, MAX_DECODED_BYTES // _BYTES_PER_PIXEL.get(mode, 4))
    if streams:
        limit = MAX_PROGRESSIVE_PIXELS if progressive else MAX_DRAFT_PIXELS
    if pixels > limit or max(size) > MAX_SIDE:
        raise _too_large(f"{width} x {height} pixels (at most {limit // 1_000_000} million for this kind)")


def _too_large(what: str) -> PhotoError:
    return PhotoError(f"the picture is too large: {what}; give a smaller copy", code="too-large")


def _gray_and_alpha(image: Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
    """Return luminance and opacity (None: all opaque), each float32 in [0, 1]."""
    mode = image.mode
    if mode.startswith(("I", "F")):
        return _rescaled(np.asarray(image)), None
    if mode == "LAB":
        image = image.getchannel(0)
    elif mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    elif mode in ("PA", "RGBa", "La") or (mode in ("1", "L", "RGB") and "transparency" in image.info):
        image = image.convert("RGBA")
    elif mode in ("CMYK", "HSV", "YCbCr"):
        image = image.convert("RGB")
    alpha = None
    if image.mode in ("RGBA", "LA"):
        alpha = np.asarray(image.getchannel("A"), np.float32) / 255
        image = image.convert("RGB") if image.mode == "RGBA" else image.getchannel("L")
    return np.asarray(image.convert("L"), np.float32) / 255, alpha


def _from_array(array: np.ndarray) -> np.ndarray:
    """Return luminance (rows, cols) in [0, 1]; an alpha channel is composited here."""
    shape = array.shape
    if array.ndim not in (2, 3) or (array.ndim == 3 and shape[2] not in (1, 3, 4)):
        raise PhotoError(
            f"expected an array (rows, cols) or (rows, cols, 1, 3 or 4), got shape {shape}", code="bad-value"
        )
    if array.size == 0:
        raise PhotoError("the picture has no pixels", code="empty")
    if shape[0] * shape[1] > MAX_PIXELS:
        raise _too_large(f"{shape[1]} x {shape[0]} pixels")
    if array.dtype.kind not in "buif":
        raise PhotoError(f"expected an array of numbers, got {array.dtype}", code="bad-value")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise PhotoError("the array holds NaN or infinity; give finite numbers from 0 to 1", code="bad-value")
    values = _rescaled(array)
    if array.ndim == 2:
        return values
    if shape[2] == 1:
        return values[..., 0]
    gray = values[..., :3] @ np.array([0.299, 0.587, 0.114], np.float32)
    return gray if shape[2] == 3 else _composite(gray, values[..., 3])


def _rescaled(values: np.ndarray) -> np.ndarray:
    """Map numbers to [0, 1]: whole numbers by what their type holds, odd ranges by their own."""
    low, high = float(values.min()), float(values.max())
    if values.dtype.kind == "b" or (low >= -OVERSHOOT and high <= 1 + OVERSHOOT and values.dtype.kind == "f"):
        return np.clip(values.astype(np.float32), 0, 1)
    if low >= 0 and high <= 255 and values.dtype.itemsize != 2:
        return (values / np.float32(255)).astype(np.float32)
    if low >= 0 and values.dtype.itemsize == 2 and values.dtype.kind == "u":
        full = 4095 if high <= 4095 else 65535  # 16-bit scanners often fill 12 bits
        return (values / np.float32(full)).astype(np.float32)
    return ((values.astype(np.float64) - low) / max(high - low, np.finfo(np.float64).tiny)).astype(np.float32)


def _composite(gray: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Put a picture with transparency on paper that its ink contrasts with."""
    opaque = alpha > 0.5
    share = opaque.mean()
    if share > 0.5:
        paper = float(np.median(gray[opaque]))
    else:
        paper = 1.0 if share == 0 or (gray * alpha).sum() <= 0.5 * alpha.sum() else 0.0
    return gray * alpha + paper * (1 - alpha)


def _finish(
    gray: np.ndarray,
    alpha: np.ndarray | None,
    kind: str,
    size: tuple[int, int],
    turn: int | None,
    notes: list[str],
) -> Picture:
    if alpha is not None and alpha.min() < 1:
        gray = _composite(gray, alpha)
        notes.append("transparent parts filled with paper")
    turn = turn or 1
    if turn != 1:
        notes.append(f"turned as its orientation tag says ({turn})")
    if turn >= 5:
        size = size[::-1]
    gray = np.ascontiguousarray(np.clip(_TURNS[turn](gray), 0, 1), np.float32)
    return Picture(gray, kind, size, tuple(notes))


def _translated(error: Exception, data: bytes, kind: str) -> PhotoError:
    """Name a decoder's exception: cut off, or damaged."""
    text = str(error).lower()
    if containers.looks_cut_off(data, kind) or any(word in text for word in ("truncated", "end of", "too short")):
        return PhotoError("the file is cut off; copy or download it again", code="truncated")
    return PhotoError("the file is damaged and cannot be decoded; export it again as JPEG or PNG", code="corrupt")
