"""Pixels of any mode or number type -> grey in [0, 1], some rows at a time, so that no large copy is made."""

from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from inklens.errors import PhotoError

# gray   (rows, cols)  float32, 0 black to 1 white
# alpha  (rows, cols)  float32, 0 transparent to 1 opaque; None: all opaque

BAND_PIXELS = 500_000  # at a time: a band in RGBA and as float has some 10 MB
MAX_OVERSHOOT = 0.25  # floats this far outside 0 to 1 are cut to it: sharpening and light do that
MAX_12_BIT = 4095  # scanners often fill only these of 16
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601

Layers = tuple[np.ndarray, np.ndarray | None]


def of_image(image: Image.Image, shrink: int = 1) -> Layers:
    """Return gray and alpha of a loaded picture, averaged over squares of `shrink` pixels."""
    bands = (image.crop((0, top, image.width, end)) for top, end in _bands(image.height, image.width, shrink))
    if not image.mode.startswith(("I", "F")):
        return _stacked(_of_bytes(band, shrink) for band in bands)
    span = _span((np.asarray(band) for band in bands), _dtype(image))
    gray = (
        span(np.asarray(image.crop((0, top, image.width, end))))
        for top, end in _bands(image.height, image.width, shrink)
    )
    return _stacked((_averaged(band, shrink), None) for band in gray)


def of_array(array: np.ndarray, shrink: int = 1) -> Layers:
    """Return gray and alpha of an array (rows, cols) or (rows, cols, 1, 3 or 4), averaged likewise."""
    bands = [np.s_[top:end] for top, end in _bands(array.shape[0], array.shape[1], shrink)]
    span = _span((array[band] for band in bands), array.dtype)

    def layers(values: np.ndarray) -> Layers:
        if values.ndim == 2:
            return _averaged(values, shrink), None
        if values.shape[2] == 1:
            return _averaged(values[..., 0], shrink), None
        gray = values[..., :3] @ np.array(LUMA, np.float32)
        if values.shape[2] == 3:
            return _averaged(gray, shrink), None
        alpha = _averaged(values[..., 3], shrink)
        return _averaged(gray * values[..., 3], shrink) / np.maximum(alpha, 1e-6), alpha

    return _stacked(layers(span(array[band])) for band in bands)


def composite(gray: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Put a picture with transparency on paper that its ink contrasts with.

    The median of the opaque part if that is most of the picture, else black or white.
    """
    opaque = alpha > 0.5
    share = opaque.mean()
    if share > 0.5:
        paper = float(np.median(gray[opaque]))
    else:
        paper = 1.0 if share == 0 or (gray * alpha).sum() <= 0.5 * alpha.sum() else 0.0
    return gray * alpha + paper * (1 - alpha)


def _bands(rows: int, cols: int, shrink: int) -> list[tuple[int, int]]:
    """Return first row and end of each band; a band's rows are a multiple of `shrink`."""
    step = max(1, BAND_PIXELS // max(cols, 1) // shrink) * shrink
    return [(top, min(top + step, rows)) for top in range(0, rows, step)]


def _stacked(parts: Iterator[Layers]) -> Layers:
    grays, alphas = zip(*parts, strict=True)
    return np.concatenate(grays), None if alphas[0] is None else np.concatenate(alphas)


def _of_bytes(band: Image.Image, shrink: int) -> Layers:
    """Return gray and alpha of a picture with 8 bits a channel, or one."""
    mode = band.mode
    if mode in ("LAB", "YCbCr"):
        band = band.getchannel(0)  # lightness
    elif mode in ("PA", "RGBa", "La", "RGBA") or "transparency" in band.info:
        band = band.convert("RGBA" if mode != "La" else "LA").convert("LA")
    elif mode in ("P", "CMYK", "HSV", "RGBX"):
        band = band.convert("RGB")
    band = band if band.mode == "LA" else band.convert("L")
    band = band.reduce(shrink) if shrink > 1 else band
    layers = [np.asarray(channel, np.float32) / 255 for channel in band.split()]
    return layers[0], layers[1] if len(layers) > 1 else None


def _averaged(values: np.ndarray, shrink: int) -> np.ndarray:
    if shrink == 1:
        return values
    return np.asarray(Image.fromarray(np.ascontiguousarray(values, np.float32)).reduce(shrink))


def _dtype(image: Image.Image) -> np.dtype:
    return np.asarray(image.crop((0, 0, 1, 1))).dtype


def _span(bands: Iterator[np.ndarray], dtype: np.dtype) -> Callable[[np.ndarray], np.ndarray]:
    """Return what maps numbers to [0, 1]: whole numbers by what their type holds, odd ranges by their own."""
    if dtype.kind == "b" or dtype == np.uint8:
        return _by(0.0, 1.0 if dtype.kind == "b" else 255.0)
    low, high = np.inf, -np.inf
    for band in bands:
        if dtype.kind == "f" and not np.isfinite(band).all():
            raise PhotoError("the picture holds NaN or infinity; give finite numbers from 0 to 1", code="bad-value")
        low, high = min(low, float(band.min())), max(high, float(band.max()))
    if dtype.kind == "f" and low >= -MAX_OVERSHOOT and high <= 1 + MAX_OVERSHOOT:
        return _by(0.0, 1.0)
    if low >= 0 and high <= 255 and dtype.itemsize != 2:
        return _by(0.0, 255.0)
    if low >= 0 and dtype.kind == "u" and dtype.itemsize == 2:
        return _by(0.0, MAX_12_BIT if high <= MAX_12_BIT else 65535.0)
    return _by(low, max(high - low, np.finfo(np.float64).tiny))


def _by(low: float, width: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return a map of `low` to 0 and of `low` + `width` to 1; wide types are shifted in double precision."""

    def to_unit(values: np.ndarray) -> np.ndarray:
        wide: np.ndarray = values.astype(np.float64 if low or width > 65535 else np.float32)
        with np.errstate(over="ignore"):
            return np.clip((wide - low) / width, 0, 1).astype(np.float32)

    return to_unit
