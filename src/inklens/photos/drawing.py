"""Drawing -> frame: as for a photo, where the ink is known and no paper has to be found.

`core.js` of the web views does the same, number by number: what a browser shows and what Python answers agree.
"""

import numpy as np

from inklens.errors import DataError, ParameterError
from inklens.photos import checks, connected, frames
from inklens.photos.connected import Box, Component
from inklens.photos.frames import BOX_SIDE, FRAME_SIDE
from inklens.photos.normalise import Normalised, Step

INKED = 0.5  # ink from which a pixel belongs to a stroke; below lies its soft edge
EDGE_PIXELS = 2  # of the soft edge round a stroke
MAX_SIDE = 1024  # pixels of a drawing
MIN_FILL = 8  # pixels; smaller digits are blots

# ink    (rows, cols)  0 paper to 1 full ink
# frame  (28, 28)      float64


def normalise_drawing(
    ink: np.ndarray, *, fill: int = BOX_SIDE, centre: bool = True, pen: str | float | None = "auto"
) -> Normalised:
    """Turn a drawing into a frame, keeping every step.

    Parameters
    ----------
    ink : array (rows, cols)
        From 0, paper, to 1; at most 1024 x 1024.
    fill : int
        Pixels of the frame that the digit's longer side takes; 20 for MNIST.
    centre : bool
        Whether the centre of mass comes to the middle of the frame, as in MNIST, or the digit's box.
    pen : "auto", float or None
        Width of the strokes relative to the digit's longer side; auto changes only what MNIST hardly has.

    Raises
    ------
    DataError, ParameterError
        The ink is no such array, or a parameter is out of range.

    Examples
    --------
    >>> ink = np.zeros((60, 60))
    >>> ink[10:50, 27:32] = 1
    >>> result = normalise_drawing(ink)
    >>> [step.name for step in result.steps], float(result.frame.sum())
    (['ink', 'digit', '20 x 20', 'frame'], 50.0)
    """
    ink = _checked(ink)
    if not isinstance(fill, int) or not MIN_FILL <= fill <= FRAME_SIDE:
        raise ParameterError(f"fill is a whole number of pixels from {MIN_FILL} to {FRAME_SIDE}, got {fill!r}")
    if not (pen in ("auto", None) or (isinstance(pen, float) and 0 < pen < 0.5)):
        raise ParameterError(f"pen is 'auto', None or a width relative to the digit (0 to 0.5), got {pen!r}")
    mask = ink >= INKED
    labels, components = connected.label(mask)
    if not components:
        frame = np.zeros((FRAME_SIDE, FRAME_SIDE))
        return _judged(frame, [Step("ink", ink), Step("frame", frame, "blank")], (0, 0, *ink.shape[::-1]), {})
    group, others = _chosen(components, ink.shape)
    own = connected.mask_of(group, labels)
    box = connected.union(group)
    left, top, right, bottom = box
    crop = np.s_[top:bottom, left:right]
    inked = _without(ink, own, connected.mask_of(others, labels))[crop]
    width = frames.pen_width(own[crop]) / max(inked.shape)
    steps = [Step("ink", ink), Step("digit", inked, f"{right - left} x {bottom - top} pixels")]
    target = float(np.clip(width, *frames.PEN_WIDTHS)) if pen == "auto" else width if pen is None else float(pen)
    if abs(target - width) > 1e-9:
        inked = frames.with_pen(own[crop], width, target)
        steps.append(Step("pen", inked, f"{width:.3f} of the digit wide, drawn again {target:.3f} wide"))
    square = frames.fit_box(inked, fill)
    frame = frames.centred(square) if centre else _in_the_middle(square)
    steps += [Step(f"{fill} x {fill}", square, "proportions kept, areas averaged"), Step("frame", frame)]
    measures = {
        "pen": width,
        "border": max(component.along for component in group),
        "holes": float(connected.holes(own[crop])),
        "rivals": float(connected.rivals(group, tuple(others))),
        "left_over": sum(part.area for part in others) / sum(part.area for part in components),
    }
    return _judged(frame, steps, box, measures)


def _checked(ink: np.ndarray) -> np.ndarray:
    ink = np.asarray(ink, np.float32)
    if ink.ndim != 2 or not 1 <= min(ink.shape, default=0) or max(ink.shape) > MAX_SIDE:
        raise DataError(f"expected a drawing of at most {MAX_SIDE} x {MAX_SIDE} pixels of ink, got shape {ink.shape}")
    if not (ink.min() >= 0 and ink.max() <= 1):  # NaN fails both
        raise DataError("a drawing holds ink from 0 (paper) to 1; divide 0..255 pixels by 255")
    return ink


def _chosen(components: list[Component], shape: tuple[int, ...]) -> tuple[list[Component], list[Component]]:
    """Return the components of the digit, and the others."""
    main = connected.main(components, shape)
    group = connected.grow([main], components)
    chosen = set(group)
    return group, [component for component in components if component not in chosen]


def _without(ink: np.ndarray, own: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Take out what belongs to others, with their soft edges."""
    if not others.any():
        return ink
    return np.where(connected.dilated(others, EDGE_PIXELS, EDGE_PIXELS) & ~own, np.float32(0), ink)


def _in_the_middle(square: np.ndarray) -> np.ndarray:
    before = (FRAME_SIDE - len(square)) // 2
    return np.pad(square, (before, FRAME_SIDE - len(square) - before))


def _judged(frame: np.ndarray, steps: list[Step], box: Box, measures: dict[str, float]) -> Normalised:
    verdict = checks.judge(frame, measures)
    return Normalised(frame, tuple(steps), box, verdict.like_training, verdict.accepted, verdict.reasons, measures)
