"""Ink -> frame: the pen's width, MNIST's 20 x 20 box, its centre of mass."""

import numpy as np
from PIL import Image
from scipy import ndimage

from inklens.photos.connected import Box, dilated
from inklens.photos.ink import Ink, quantile

FRAME_SIDE = 28
BOX_SIDE = 20
TIE = 1e-9  # pixels; of two places equally near, the lower right one, whatever the rounding of sums
CENTRE = 14.0  # pixel index of MNIST's centre of mass: each of its images lies within 13.5 to 14.5
PEN_WIDTHS = (0.11, 0.16)  # widths relative to the box that are left as they are; MNIST has a median of 0.137
DRAWN_SIDE = 80  # pixels of the box in which a pen's width is changed
COARSE_PIXELS, FINE_PIXELS = 28, 60  # of a digit: up to the first its greys are kept, from the second its edge is sharp


def redraw(
    seen: Ink, digit: np.ndarray, box: Box, extent: float, pen: str | float | None = "auto"
) -> tuple[np.ndarray, float]:
    """Return the digit's ink, cropped, with its pen's width as MNIST has it, and the width that it had.

    `extent` is the digit's longer side in pixels of the photo: few of them carry grey edges that say where the outline
    runs between them, many are cut at the threshold, as MNIST's were before they were shrunk.
    """
    left, top, right, bottom = box
    crop = np.s_[top:bottom, left:right]
    mask, contrast = digit[crop], seen.contrast[crop]
    width = pen_width(mask) / max(mask.shape)
    target = float(np.clip(width, *PEN_WIDTHS)) if pen == "auto" else (float(pen) if pen else width)
    if abs(target - width) > 1e-9:
        return with_pen(mask, width, target), width
    near = dilated(mask, 2, 2)
    sharp = float(np.clip((extent - COARSE_PIXELS) / (FINE_PIXELS - COARSE_PIXELS), 0, 1))
    low = (1 - sharp) * min(3 * seen.noise + 0.04 * seen.full, 0.5 * seen.threshold) + sharp * 0.8 * seen.threshold
    high = (1 - sharp) * max(quantile(contrast[mask], 0.9), low + 0.02) + sharp * 1.2 * seen.threshold
    inked = np.clip((contrast - low) / (high - low), 0, 1) * near
    return np.maximum(inked, sharp * mask).astype(np.float32), width


def pen_width(mask: np.ndarray) -> float:
    """Return the mean width of the strokes in pixels: across one, the distance to paper averages a quarter of it."""
    step = 1 + max(mask.shape) // 120
    inside = ndimage.distance_transform_edt(np.pad(mask[::step, ::step], 1))
    return _mean_width(inside) * step


def _mean_width(inside: np.ndarray) -> float:
    """Return the mean width of strokes whose pixels lie at these distances from paper (paper's own are 0)."""
    inked = inside[inside > 0]
    return float(max(4 * inked.mean() - 2, 1.0)) if inked.size else 1.0


def with_pen(mask: np.ndarray, width: float, target: float) -> np.ndarray:
    """Redraw strokes from one relative width to another: move the outline along its distance map."""
    if abs(target - width) < 1e-9:
        return mask.astype(np.float32)
    factor = DRAWN_SIDE / max(mask.shape)
    size = [max(2, round(n * factor)) for n in mask.shape]
    big = np.asarray(Image.fromarray(mask.astype(np.float32)).resize(size[::-1], Image.Resampling.BILINEAR)) > 0.5
    big = np.pad(big, 12)
    inside = ndimage.distance_transform_edt(big)
    signed = inside - ndimage.distance_transform_edt(~big)
    change = (target * DRAWN_SIDE - _mean_width(inside)) / 2
    if change < 0:  # a thin stroke must not vanish: keep the middle of each
        change = max(change, 1 - quantile(signed[big], 0.8))
    inked = np.clip(signed + change + 0.5, 0, 1)
    box = bounding_box(inked > 0.5)
    if box is None:
        return mask.astype(np.float32)
    left, top, right, bottom = box
    return inked[top:bottom, left:right]


def bounding_box(mask: np.ndarray) -> Box | None:
    """Return (left, top, right, bottom) of the True pixels, or None."""
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return None
    return int(cols[0]), int(rows[0]), int(cols[-1]) + 1, int(rows[-1]) + 1


def fit_box(inked: np.ndarray, side: int = BOX_SIDE) -> np.ndarray:
    """Resample ink (areas averaged) so that its longer side fills a `side` x `side` square; maximum 1."""
    rows, cols = inked.shape
    extent = max(rows, cols)
    square = np.zeros((extent, extent), np.float32)
    top, left = (extent - rows) // 2, (extent - cols) // 2
    square[top : top + rows, left : left + cols] = inked
    method = Image.Resampling.BOX if extent >= side else Image.Resampling.BILINEAR
    small = np.asarray(Image.fromarray(square).resize((side, side), method), np.float64)
    return np.clip(small / max(small.max(), 1e-9), 0, 1)


def recentred(frame: np.ndarray) -> np.ndarray:
    """Shift a frame by whole pixels so that its centre of mass comes nearest to pixel `CENTRE`; what leaves it is lost.

    >>> bar = np.zeros((28, 28))
    >>> bar[3:10, 5] = 1
    >>> [int(where.min()) for where in np.nonzero(recentred(bar))]
    [11, 14]
    """
    mass = float(frame.sum())
    if mass <= 0:
        return frame
    at = np.arange(len(frame))
    shift = [int(np.floor(CENTRE + 0.5 - frame.sum(axis=axis) @ at / mass)) for axis in (1, 0)]
    room = max(map(abs, shift))
    padded = np.pad(frame, room)
    top, left = (room - s for s in shift)
    return padded[top : top + len(frame), left : left + len(frame)]


def centred(square: np.ndarray, side: int = FRAME_SIDE, centre: float = CENTRE) -> np.ndarray:
    """Paste a square so that its centre of mass comes nearest to pixel `centre` of a `side` x `side` frame."""
    mass = max(float(square.sum()), 1e-9)
    at = np.arange(len(square))
    middle = (square.sum(axis=1) @ at / mass, square.sum(axis=0) @ at / mass)
    top, left = (int(np.clip(np.floor(centre + 0.5 - m + TIE), 0, side - len(square))) for m in middle)
    frame = np.zeros((side, side))
    frame[top : top + len(square), left : left + len(square)] = square
    return frame
