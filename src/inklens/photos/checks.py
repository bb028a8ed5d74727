"""Before any answer: is there a digit as the training data has them?"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from inklens.photos import typical

MIN_CONTRAST = 0.08  # of the ink against its paper
MIN_CONTRAST_TO_NOISE = 5.0  # contrast over the noise of the paper
MAX_BORDER_SHARE = 0.7  # of the digit's length along one side of the picture
MAX_HOLES = 2  # an 8 has two
MAX_LEFT_OVER_SHARE = 0.5  # share of the ink that is not the digit's
MAX_PEN_WIDTH = 0.35  # pen's width relative to the digit's longer side
MIN_EDGE_SHARE = 0.85  # share of the outline
MIN_BETWEEN_SHARE = 0.62  # share of the variance; a Gaussian cloud cut at its mean has 0.64
MIN_BOTH_SIDES_SHARE = 0.5  # share of the ink
MIN_LIKENESS = 0.5


@dataclass(frozen=True)
class Verdict:
    """What was found out before any classifier was asked.

    Parameters
    ----------
    like_training : float
        0 nothing like the training digits, 1 an ordinary one.
    accepted : bool
        Whether an answer can be trusted.
    reasons : tuple of str
        Why not, in words.
    """

    like_training: float
    accepted: bool
    reasons: tuple[str, ...]


def judge(frame: np.ndarray, measures: dict[str, float]) -> Verdict:
    """Judge a frame (28, 28) by its likeness, and by what was measured on its way from the photo.

    Examples
    --------
    >>> judge(np.zeros((28, 28)), {}).reasons
    ('blank: no ink was found',)
    """
    if not frame.any():
        return Verdict(0.0, False, ("blank: no ink was found",))
    like = float(typical.shipped().likeness(frame[None])[0])
    reasons = tuple(_reasons(measures))
    if like < MIN_LIKENESS:
        reasons += (f"not like a digit: likeness {like:.2f} to the training data",)
    return Verdict(like, not reasons, reasons)


def _reasons(measures: dict[str, float]) -> Iterator[str]:
    contrast, noise = measures.get("contrast", 1.0), measures.get("noise", 0.0)
    if contrast < MIN_CONTRAST or contrast < MIN_CONTRAST_TO_NOISE * noise:
        yield f"too faint: contrast {contrast:.2f} where the paper's own noise is {noise:.2f}"
    least = {"edges": MIN_EDGE_SHARE, "two_tones": MIN_BETWEEN_SHARE, "both_sides": MIN_BOTH_SIDES_SHARE}
    if any(measures.get(name, 1.0) < share for name, share in least.items()):
        yield "unclear: no strokes that stand out from the paper, but shades, as of a shadow or a scribble"
    if measures.get("border", 0.0) > MAX_BORDER_SHARE:
        yield f"cut off: {measures['border']:.0%} of its length lies along the border of the picture"
    if measures.get("pen", 0.0) > MAX_PEN_WIDTH:
        yield f"too thick: the pen is {measures['pen']:.0%} of the digit's length wide"
    if measures.get("holes", 0) > MAX_HOLES:
        yield f"not like a digit: {measures['holes']:.0f} holes"
    rivals = int(measures.get("rivals", 0))
    if rivals:
        yield f"several digits: {rivals} more of its size in the picture; read it as a page (--many)"
    elif measures.get("left_over", 0.0) > MAX_LEFT_OVER_SHARE:
        yield f"unclear: {measures['left_over']:.0%} of the ink is not part of the digit"
