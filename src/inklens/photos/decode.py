"""Hostile bytes -> grey pixels as a person sees them.

The kind of file is told by its content, from a list; the parser of any other kind is never entered. Bytes and pixels
are capped from the header, before any is decoded (`limits`). Every failure is a `PhotoError` with one of these codes:

``missing``      no such file, or not a plain file
``unreadable``   the file system refused
``empty``        no bytes, or no pixels
``too-large``    more bytes or pixels than `limits` allows
``unsupported``  a kind of file, or a coding inside it, that is not taken
``truncated``    the file is cut off
``corrupt``      the file is damaged
``bad-value``    an array that is no picture, an orientation outside 1 to 8
"""

import io
import math
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

import numpy as np
from PIL import Image

from inklens.addresses import read_some
from inklens.errors import PhotoError
from inklens.photos import codings, containers, gray, libtiff, limits
from inklens.quiet import quiet

if TYPE_CHECKING:
    from PIL.WebPImagePlugin import WebPImageFile

DETAIL = 540  # pixels of the shorter side that reduction leaves: a digit a tenth as high still has 54 rows

Source = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | np.ndarray | Image.Image

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
        return self.size[0] / int(self.gray.shape[1])


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
        A picture whose shorter side is twice this or more is reduced by a whole number, to no less than this; one of
        more than 4 million pixels is always reduced.

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
    inklens.errors.PhotoError: this is a PDF document; export the picture as JPEG, PNG, ...
    """
    if orientation is not None and orientation not in _TURNS:
        raise PhotoError(f"orientation must be 1 to 8 (as in Exif), got {orientation!r}", code="bad-value")
    notes: list[str] = []
    data, kind = b"", ""
    with quiet():  # Pillow warns about every odd tag
        try:
            if isinstance(source, np.ndarray):
                return _from_array(source, orientation, detail, notes)
            if isinstance(source, Image.Image):
                return _from_image(source, source.format or "image", orientation, detail, notes)
            data = read_bytes(source)
            kind = containers.identify(data)
            return _DECODERS.get(kind, _from_file)(data, kind, orientation, detail, notes)
        except PhotoError:
            raise
        except MemoryError as error:
            raise PhotoError(
                "not enough memory to decode this picture; give a smaller one", code="too-large"
            ) from error
        except Exception as error:  # decoders raise whatever they like on hostile bytes
            raise _translated(error, data, kind) from error


def read_bytes(source: object) -> bytes:
    """Return all bytes of a path, buffer or open file, within the limit; a `PhotoError` says what is wrong."""
    if isinstance(source, bytes | bytearray | memoryview):
        data = bytes(source)
    elif isinstance(source, str | os.PathLike):
        data = _read_path(Path(source))
    elif hasattr(source, "read"):
        try:
            data = source.read(limits.MAX_FILE_BYTES + 1)
        except OSError as error:
            raise PhotoError(f"cannot read the picture: {error.strerror or error}", code="unreadable") from error
        if not isinstance(data, bytes):
            raise PhotoError("expected a file opened in binary mode; open it with mode 'rb'", code="bad-value")
    else:
        raise PhotoError(
            f"expected a path, bytes, a binary file, an array or a PIL image, got {type(source).__name__}",
            code="bad-value",
        )
    limits.check_file(len(data))
    return data


def _read_path(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise PhotoError(f"{path.name!r} is not a plain file; give a picture file", code="missing")
        with path.open("rb") as file:
            return read_some(file, limits.MAX_FILE_BYTES + 1)
    except FileNotFoundError as error:
        raise PhotoError(f"there is no file {str(path)!r}; check the name", code="missing") from error
    except PhotoError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise PhotoError(f"cannot read {str(path)!r}: {reason}", code="unreadable") from error


def _from_file(data: bytes, kind: str, orientation: int | None, detail: int, notes: list[str]) -> Picture:
    """Enter Pillow's parser of one kind; its header is judged before any pixel is decoded."""
    if kind == "PNG":
        data = containers.essential_png(data)
    elif kind == "AVIF":
        containers.check_whole(data, kind)
    elif kind == "BMP" and containers.bmp_is_run_length_coded(data) and len(data) > limits.MAX_RUN_BYTES:
        raise limits.too_large("a run-length coded BMP of more than 2 MB")
    elif kind == "TIFF":
        libtiff.silence()
    image = containers.parser(kind)(io.BytesIO(data))
    if kind == "TIFF":
        containers.check_strips(image, len(data))
        containers.check_tiles(image, limits.MAX_DECODED_BYTES)
    return _from_image(image, kind, orientation, detail, notes, data)


def _from_webp(data: bytes, kind: str, orientation: int | None, detail: int, notes: list[str]) -> Picture:
    """Take the decoder's own buffer: by way of Pillow's, a picture is held four times."""
    containers.check_whole(data, kind)
    image = cast("WebPImageFile", containers.parser(kind)(io.BytesIO(data)))
    size, mode = image.size, image.rawmode
    limits.check_size(size, mode, kind, stored=len(data))
    tag = containers.orientation(image, notes)
    pixels, *_ = image._get_next()
    del image
    layers = _layers(Image.frombuffer(mode, size, pixels, "raw", mode, 0, 1), detail, notes)
    return _finish(layers, kind, size, tag if orientation is None else orientation, notes)


def _from_heic(data: bytes, kind: str, orientation: int | None, detail: int, notes: list[str]) -> Picture:
    """Let libheif decode; it has turned the pixels already, so no tag must turn them again."""
    try:
        import pi_heif
    except ImportError as error:
        raise PhotoError(
            "this is a HEIC picture; to read it, run: pip install 'inklens[heic]' (or export it as JPEG)",
            code="unsupported",
        ) from error
    containers.check_whole(data, kind)
    heif = pi_heif.open_heif(io.BytesIO(containers.without_metadata(data)), convert_hdr_to_8bit=True)
    limits.check_size(heif.size, heif.mode, kind, stored=len(data), tiled=containers.heif_has_grid(data))
    layers = _layers(np.asarray(heif)[:, : heif.size[0]], detail, notes)
    return _finish(layers, kind, heif.size, orientation, notes)


_DECODERS = {"WEBP": _from_webp, "HEIC": _from_heic}


def _from_image(
    image: Image.Image, kind: str, orientation: int | None, detail: int, notes: list[str], data: bytes | None = None
) -> Picture:
    size = image.size
    if kind == "JPEG" and len(getattr(image, "tile", ())) == 1:  # not loaded yet
        _check_jpeg(image, data)
        tag = containers.orientation(image, notes)
        shrink = _shrink(size, detail)
        image.draft("L", (size[0] // shrink, size[1] // shrink))
        limits.check_size(image.size, image.mode, kind, stored=len(data or b""))
    else:
        limits.check_size(size, image.mode, kind, stored=len(data or b""))
        tag = containers.orientation(image, notes)  # a PNG decodes its pixels to look for one
    image.load()
    layers = _layers(image, detail, notes, size)
    if kind == "TIFF" and tag > 1 and data is not None:  # Pillow's loader turns these itself: back to what is stored
        back = _TURNS[{6: 8, 8: 6}.get(tag, tag)]
        layers = back(layers[0]), None if layers[1] is None else back(layers[1])
        size = size[::-1] if tag >= 5 else size
    return _finish(layers, kind, size, tag if orientation is None else orientation, notes)


def _check_jpeg(image: Image.Image, data: bytes | None) -> None:
    if data is not None:
        limits.check_jpeg(image.size, containers.jpeg_scans(data), len(data))
    else:
        held = len(image.getbands()) if image.info.get("progressive") else 0
        limits.check_jpeg(image.size, containers.Scans(held, 1), None)


def _from_array(array: np.ndarray, orientation: int | None, detail: int, notes: list[str]) -> Picture:
    """Take an array as it is."""
    shape = array.shape
    if array.ndim not in (2, 3) or (array.ndim == 3 and shape[2] not in (1, 3, 4)):
        raise PhotoError(
            f"expected an array (rows, cols) or (rows, cols, 1, 3 or 4), got shape {shape}", code="bad-value"
        )
    if array.dtype.kind not in "buif":
        raise PhotoError(f"expected an array of numbers, got {array.dtype}", code="bad-value")
    size = (shape[1], shape[0])
    limits.check_pixels(size)
    return _finish(_layers(array, detail, notes), "array", size, orientation, notes)


def _layers(
    pixels: Image.Image | np.ndarray, detail: int, notes: list[str], size: tuple[int, int] | None = None
) -> gray.Layers:
    """Return gray and alpha, reduced by a whole number; `size` is what was drafted, if anything was."""
    if isinstance(pixels, np.ndarray):
        here = (pixels.shape[1], pixels.shape[0])
        layers = gray.of_array(pixels, _shrink(here, detail))
    else:
        here = pixels.size
        layers = gray.of_image(pixels, _shrink(here, detail))
    before, after = size or here, layers[0].shape[::-1]
    if after != before:
        notes.append(f"reduced from {before[0]} x {before[1]} to {after[0]} x {after[1]} pixels")
    return layers


def _shrink(size: tuple[int, int], detail: int) -> int:
    """Return the whole number by which a picture is reduced: to no less than `detail`, unless it is too large then."""
    return max(min(size) // detail, math.ceil(math.sqrt(size[0] * size[1] / limits.MAX_GRAY_PIXELS)), 1)


def _finish(layers: gray.Layers, kind: str, size: tuple[int, int], turn: int | None, notes: list[str]) -> Picture:
    """Fill what is transparent, and turn."""
    shown, alpha = layers
    if alpha is not None and alpha.min() < 1:
        shown = gray.composite(shown, alpha)
        notes.append("transparent parts filled with paper")
    turn = turn or 1
    if turn != 1:
        notes.append(f"turned as its orientation tag says ({turn})")
    if turn >= 5:
        size = size[::-1]
    shown = np.ascontiguousarray(np.clip(_TURNS[turn](shown), 0, 1), np.float32)
    return Picture(shown, kind, size, tuple(notes))


def _translated(error: Exception, data: bytes, kind: str) -> PhotoError:
    """Name a decoder's exception: of a coding that it has not, cut off, or damaged."""
    text = str(error).lower()
    if what := codings.unbuilt(data, kind, text):
        return PhotoError(f"{what} is not supported; export it as JPEG or PNG", code="unsupported")
    if containers.looks_cut_off(data, kind) or any(word in text for word in ("truncated", "end of", "too short")):
        return PhotoError("the file is cut off; copy or download it again", code="truncated")
    return PhotoError("the file is damaged and cannot be decoded; export it again as JPEG or PNG", code="corrupt")
