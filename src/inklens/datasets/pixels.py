"""Pixels of every origin, as one kind: uint8, 0 = paper, 255 = full ink. What was changed is said in words."""

from functools import cache
from math import isqrt

import numpy as np

from inklens.datasets.embedded import load_embedded
from inklens.datasets.options import AS_FOUND, PixelOptions
from inklens.errors import DataError, ParameterError
from inklens.names import whole_number

# pixels (n_samples, n_pixels)  any number type
# images (n_samples, rows, cols)

NEARLY_ALL = 0.95  # share of images that must agree before ink is called inverted
BLOCK_PIXELS = 1 << 22  # converted at a time, so that float copies stay small
TURNED_LIKENESS, TURNED_MARGIN = 0.8, 0.1  # MNIST: 0.996 upright, 0.566 transposed
MAX_SIDE = 4096  # rows or columns of one image
FULL_SCALES = (1.0, 16.0, 255.0, 1023.0, 4095.0, 16383.0, 65535.0)  # 1, 4 (scikit-learn's digits), 8 ... 16 bits
DIGITS = tuple("0123456789")


def as_ink(
    pixels: np.ndarray, y: np.ndarray, *, options: PixelOptions = AS_FOUND, where: str
) -> tuple[np.ndarray, tuple[int, int], tuple[str, ...]]:
    """Return uint8 ink (n, rows * cols), the image shape, and what was found, in words.

    `pixels` is (n, n_pixels) or (n, rows, cols) or (n, rows, cols, 1); `where` names the source in errors.

    Raises
    ------
    DataError
        No images, values that are no finite numbers or outside the stated range, or a shape that does not fit.
    """
    pixels, shape = _as_rows(pixels, options.shape, where)
    X, notes = _scale(pixels, options.range, where)
    X, ink_notes = _orient_ink(X, shape, options.invert)
    X, shape, turn_notes = _orient_axes(X, y, shape, options.transpose)
    return X, shape, (*notes, *ink_notes, *turn_notes)


def image_shape(n_pixels: int, asked: tuple[int, int] | None, *, where: str) -> tuple[int, int]:
    """Return rows and columns: those asked for, or the square root.

    >>> image_shape(784, None, where="example")
    (28, 28)
    """
    if asked is not None:
        if asked[0] * asked[1] != n_pixels:
            raise DataError(
                f"{where}: {n_pixels} pixels in an image do not fit the shape {asked[0]}x{asked[1]}; correct ?shape="
            )
        return asked
    side = isqrt(n_pixels)
    if side * side != n_pixels or side == 0:
        raise DataError(
            f"{where}: {n_pixels} pixels in an image make no square; say its rows and columns, as in ?shape=20x30"
        )
    return side, side


def paper_share(images: np.ndarray) -> tuple[float, float]:
    """Return the shares of images whose border is lighter in ink than their middle, and darker.

    The border is the outermost ring of pixels, the middle is the rest; an image of one grey counts as neither.
    In upright polarity (0 = paper) nearly all borders hold less ink.
    """
    if min(images.shape[1:]) < 3:
        return 0.0, 0.0
    n_border = images[0].size - images[0, 1:-1, 1:-1].size
    n_middle = images[0].size - n_border
    total = images.sum(axis=(1, 2), dtype=np.int64)
    middle = images[:, 1:-1, 1:-1].sum(axis=(1, 2), dtype=np.int64)
    difference = middle * n_border - (total - middle) * n_middle
    return float(np.mean(difference > 0)), float(np.mean(difference < 0))


def _as_rows(pixels: np.ndarray, asked: tuple[int, int] | None, where: str) -> tuple[np.ndarray, tuple[int, int]]:
    """Flatten images to rows, and settle the image shape."""
    if pixels.dtype.kind not in "biuf":
        raise DataError(f"{where}: expected numbers for pixels, got {pixels.dtype}")
    if pixels.dtype.itemsize > np.dtype(np.float64).itemsize:  # what it cannot hold becomes infinite, and is named
        with np.errstate(over="ignore"):
            pixels = pixels.astype(np.float64)
    if pixels.ndim == 4 and pixels.shape[3] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim not in (2, 3) or 0 in pixels.shape:
        raise DataError(
            f"{where}: expected images as (n, pixels) or (n, rows, columns), got shape {pixels.shape}; "
            "give grey images, at least one"
        )
    if pixels.ndim == 3 and asked is None:
        asked = pixels.shape[1:]
    pixels = pixels.reshape(len(pixels), -1)
    shape = image_shape(pixels.shape[1], asked, where=where)
    if max(shape) > MAX_SIDE:
        raise DataError(f"{where}: images of {shape[0]}x{shape[1]}; at most {MAX_SIDE} rows and columns are taken")
    return pixels, shape


def _scale(pixels: np.ndarray, asked: tuple[float, float] | None, where: str) -> tuple[np.ndarray, list[str]]:
    """Map the source's range to 0..255."""
    low, high = _extremes(pixels, where)
    (black, white), notes = (asked, []) if asked else _guess_range(low, high)
    if low < black or high > white:
        raise DataError(
            f"{where}: pixels from {low:g} to {high:g} lie outside the range {black:g}:{white:g}; correct ?range="
        )
    if pixels.dtype == np.uint8 and (black, white) == (0, 255):
        return np.ascontiguousarray(pixels), notes
    X = np.empty(pixels.shape, np.uint8)
    step = max(1, BLOCK_PIXELS // pixels.shape[1])
    for start in range(0, len(pixels), step):
        block = pixels[start : start + step].astype(np.float64)
        np.rint((block / (white - black) - black / (white - black)) * 255, out=block)
        X[start : start + step] = block
    return X, notes


def _extremes(pixels: np.ndarray, where: str) -> tuple[float, float]:
    """Return smallest and largest value; refuse NaN and infinity by row and column."""
    low, high = float(pixels.min()), float(pixels.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        row, column = (int(i) for i in np.argwhere(~np.isfinite(pixels))[0])
        raise DataError(
            f"{where}: pixel {column + 1} of row {row + 1} is {pixels[row, column]}; all pixels must be finite numbers"
        )
    return low, high


def _guess_range(low: float, high: float) -> tuple[tuple[float, float], list[str]]:
    """Return the range that the values most likely use, and say it unless it is the plain 0..255."""
    if low == high == 0:
        return (0.0, 255.0), ["every pixel is 0: there is no ink anywhere"]
    if low >= 0 and high <= FULL_SCALES[-1]:
        white = next(scale for scale in FULL_SCALES if high <= scale)
        if white == 255:
            return (0.0, white), [_weak_note(high)] if high < 128 else []
        certain = "" if white in (1.0, 65535.0) else "; if that is wrong, say it, as in ?range=0:255"
        return (0.0, white), [f"pixels from {low:g} to {high:g}: read as 0 to {white:g}, scaled to 0..255{certain}"]
    if low >= -1 and high <= 1:
        return (-1.0, 1.0), [f"pixels from {low:g} to {high:g}: read as -1 to 1, scaled to 0..255"]
    if low >= -128 and high <= 127 and low <= -64:
        return (-128.0, 127.0), [f"pixels from {low:g} to {high:g}: read as signed bytes, shifted by 128"]
    return (low, high), [
        f"pixels from {low:g} to {high:g} fit no usual range: stretched so that these become 0 and 255; "
        "if that is wrong, say the range, as in ?range=-0.5:3"
    ]


def _weak_note(high: float) -> str:
    return f"the largest pixel is {high:g}: read on the scale 0..255; if full ink is {high:g}, say ?range=0:{high:g}"


def _orient_ink(X: np.ndarray, shape: tuple[int, int], asked: bool | None) -> tuple[np.ndarray, list[str]]:
    """Turn dark ink on light paper into 0 = paper, 255 = ink."""
    if asked is not None:
        return (np.subtract(255, X, dtype=np.uint8), ["ink inverted, as asked"]) if asked else (X, [])
    right, wrong = paper_share(X.reshape(-1, *shape))
    if wrong >= NEARLY_ALL:
        return 255 - X, [
            f"ink was dark on light paper (the border is brighter than the middle in {wrong:.0%} of images): inverted"
        ]
    if right < NEARLY_ALL and wrong > 1 - NEARLY_ALL:
        return X, [
            f"ink or paper is unclear: the border is darker than the middle in {right:.0%} of the images and brighter "
            f"in {wrong:.0%}; larger values were taken as ink, say ?invert=yes if that is wrong"
        ]
    return X, []


def _orient_axes(
    X: np.ndarray, y: np.ndarray, shape: tuple[int, int], asked: bool | None
) -> tuple[np.ndarray, tuple[int, int], list[str]]:
    """Turn images whose rows and columns are exchanged, as in EMNIST's files."""
    note = "rows and columns were exchanged, as asked"
    if asked is None:
        upright, turned = _likeness_to_digits(X, y, shape)
        asked = turned > TURNED_LIKENESS and turned - upright > TURNED_MARGIN
        note = (
            f"rows and columns were exchanged in the source: turned (class means correlate {turned:.2f} with real "
            f"digits when turned, {upright:.2f} as they were)"
        )
    if not asked:
        return X, shape, []
    turned_images = X.reshape(-1, *shape).transpose(0, 2, 1)
    return np.ascontiguousarray(turned_images).reshape(len(X), -1), shape[::-1], [note]


def _likeness_to_digits(X: np.ndarray, y: np.ndarray, shape: tuple[int, int]) -> tuple[float, float]:
    """Return the mean correlation of class means with those of real digits, upright and turned; 0 if not comparable."""
    classes = [label for label in DIGITS if np.any(y == label)]
    if shape != (28, 28) or len(classes) < 5 or len(classes) != len(np.unique(y)):
        return 0.0, 0.0
    means = np.stack([X[y == label].mean(axis=0) for label in classes]).reshape(-1, 28, 28)
    real = _digit_means()[[DIGITS.index(label) for label in classes]]
    return _correlation(means, real), _correlation(means.transpose(0, 2, 1), real)


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Mean Pearson correlation of matching images; 0 for images without contrast."""
    a, b = (images.reshape(len(images), -1) for images in (a, b))
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    scale = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return float(np.mean((a * b).sum(axis=1) / np.maximum(scale, 1e-12)))


@cache
def _digit_means() -> np.ndarray:
    """Mean image of each embedded digit (10, 28, 28)."""
    digits = load_embedded()
    return np.stack([digits.images()[digits.y == label].mean(axis=0) for label in DIGITS])


def parse_shape(text: str) -> tuple[int, int]:
    """Read ``"20x30"`` as rows and columns.

    >>> parse_shape("20x30")
    (20, 30)
    """
    rows, cols = (whole_number(side, MAX_SIDE) for side in text.lower().partition("x")[::2])
    if not rows or not cols:
        raise ParameterError(f"expected rows x columns such as ?shape=28x28 (1 to {MAX_SIDE} each), got {text[:40]!r}")
    return rows, cols
