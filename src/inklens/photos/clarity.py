"""Whether what was found stands out from the photo as pen strokes do."""

import numpy as np
from scipy import ndimage

from inklens.photos.connected import Box, dilated, outline

# bright    (rows, cols)  float32, ink is dark
# contrast  (rows, cols)  float32, 0 paper to 1 as far from paper as can be
# mask      (rows, cols)  bool, the digit's pixels

MARGIN_PIXELS = 3  # pixels beyond a pen's reach that are looked at
REACH_PENS = 0.6  # of a pen's width: from the middle of a stroke to beyond its edge
MIN_EDGE_DROP = 0.5  # of the ink's contrast: so much must an edge fall
BLUR_SIGMA = 0.7  # pixels: one pixel of noise must not lift the closing
MAX_HOLE_DARKNESS = 0.75  # from 0, paper, to 1, ink: more is a blot or a thing of which the middle was taken for paper
MIN_HOLE_SHARE = 0.03  # of the digit with its holes; less tells nothing
BLUR_PIXELS, AROUND_SHARE = 2, 0.3  # of an edge; of the digit's extent, how far the paper round it is looked at
MIN_TOP_HAT = 0.4  # of the ink's contrast: so much darker than both its sides is a stroke


def clarity(
    bright: np.ndarray, contrast: np.ndarray, mask: np.ndarray, *, box: Box, pen: float, full: float
) -> dict[str, float]:
    """Return three shares from 0 to 1, near 1 for pen strokes, wherever the light comes from.

    ``edges``: how much of the digit's outline the photo really shows as an edge. A shadow or a scribble of which a
    part was taken for paper has an outline where nothing changes.
    ``two_tones``: how much of the variance of contrast round the digit lies between ink and paper (Otsu's eta); clouds
    and gradients have every tone.
    ``both_sides``: how much of the ink is darker than what lies on both sides of it, a pen's width away (a black
    top-hat: closing less picture). The edge of a shadow has paper on one side only.

    Parameters
    ----------
    pen : float
        Width of the strokes in pixels.
    full : float
        Contrast of the middle of a stroke.
    """
    reach = int(np.ceil(REACH_PENS * pen)) + 1
    left, top, right, bottom = box
    pad = reach + MARGIN_PIXELS
    near = np.s_[max(0, top - pad) : bottom + pad, max(0, left - pad) : right + pad]
    inked, tones = mask[near], contrast[near]
    rim = outline(inked)
    size = 2 * reach + 1
    lightest, darkest = (f(bright[near], size)[rim] for f in (ndimage.maximum_filter, ndimage.minimum_filter))
    edges = (1 - darkest / np.maximum(lightest, 1e-3) > MIN_EDGE_DROP * full).mean() if rim.any() else 0.0
    share = inked.mean()
    sides = _darker_than_both_sides(bright, mask, box, int(np.ceil(pen)))
    raised = (sides > MIN_TOP_HAT * full).mean() if sides.size else 0.0
    apart = tones[inked].mean() - tones[~inked].mean() if 0 < share < 1 else 0.0
    two_tones = float(share * (1 - share) * apart**2 / max(tones.var(), 1e-9))
    return {"edges": float(edges), "two_tones": two_tones, "both_sides": float(raised)}


def _darker_than_both_sides(bright: np.ndarray, mask: np.ndarray, box: Box, pen: int) -> np.ndarray:
    """Return for each pixel of ink its contrast against a grey closing that no stroke of this pen survives."""
    step = max(1, pen // 4)
    size = 2 * pen // step + MARGIN_PIXELS
    left, top, right, bottom = box
    pad = (size + 2) * step
    near = np.s_[max(0, top - pad) : bottom + pad : step, max(0, left - pad) : right + pad : step]
    seen = bright[near]
    closed = ndimage.grey_closing(ndimage.gaussian_filter(seen, BLUR_SIGMA), size=(size, size), mode="nearest")
    return (1 - seen / np.maximum(closed, 1e-3))[mask[near]]


def hole_darkness(bright: np.ndarray, ink: np.ndarray, mask: np.ndarray, box: Box) -> float:
    """Return how dark the holes of a digit are in the photo itself, from 0, the paper round it, to 1, its strokes.

    A guess at the paper may run through a blot or a dark thing and leave its outline: its inside is no paper.

    Parameters
    ----------
    ink : bool array (rows, cols)
        All ink, which is not paper either.
    """
    left, top, right, bottom = box
    pad = int(AROUND_SHARE * max(right - left, bottom - top)) + 2 * BLUR_PIXELS
    near = np.s_[max(0, top - pad) : bottom + pad, max(0, left - pad) : right + pad]
    digit, tones = mask[near], bright[near]
    filled = ndimage.binary_fill_holes(digit)
    if filled.sum() - digit.sum() < MIN_HOLE_SHARE * filled.sum():
        return 0.0
    hole = filled & ~dilated(digit)
    paper = ~dilated(filled | ink[near], BLUR_PIXELS, BLUR_PIXELS)
    if hole.sum() < MIN_HOLE_SHARE * filled.sum() or not paper.any():
        return 0.0
    inked, inside, around = (float(np.median(tones[where])) for where in (digit, hole, paper))
    return (around - inside) / max(around - inked, 1e-3)
