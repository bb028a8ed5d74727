"""Find the one digit of a photo: several guesses at paper and lines, the most digit-like result wins."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from inklens.photos import ink as inks
from inklens.photos import parts as pieces
from inklens.photos.ink import Ink
from inklens.photos.parts import Box, Part

# gray  (rows, cols)  float32, the photo
# work  (rows, cols)  float32, the photo at a size where strokes have a few pixels

WORK_SIDE = 224
SMALLEST_SIDE = 112  # smaller photos are enlarged to this, so that strokes have an inside
ZOOM_SHARE = 0.3  # a digit smaller than this share of the photo is looked at again from nearer


@dataclass(frozen=True, eq=False)
class Found:
    """A digit found: its ink, and where it lies."""

    ink: Ink
    mask: np.ndarray  # the digit's pixels, of the size of ink.mask
    box: Box  # in pixels of the mask
    window: tuple[float, float]  # left, top of the searched window in pixels of `gray`
    scale: float  # pixels of `gray` per pixel of the mask
    polarity: str  # the ink is "dark" or "light"
    bright: np.ndarray  # what was searched, ink dark
    group: tuple[Part, ...]
    others: tuple[Part, ...]
    lines: bool  # printed lines were taken out
    score: float

    @property
    def extent(self) -> float:
        """Longer side of the digit in pixels of `gray`."""
        left, top, right, bottom = self.box
        return max(right - left, bottom - top) * self.scale

    @property
    def gray_box(self) -> tuple[float, float, float, float]:
        """The box in pixels of `gray`."""
        (x, y), s = self.window, self.scale
        left, top, right, bottom = self.box
        return x + left * s, y + top * s, x + right * s, y + bottom * s


def best(gray: np.ndarray, *, polarity: str = "auto", threshold: float | None = None, lines: bool = True) -> Found | None:
    """Return the most digit-like ink of a photo, or None if there is none."""
    found = _best(gray, (0, 0), polarity, threshold, lines)
    if found is None or found.extent > ZOOM_SHARE * max(gray.shape) or max(gray.shape) <= WORK_SIDE:
        return found
    left, top, right, bottom = found.gray_box
    margin = 0.6 * found.extent
    x, y = max(0, int(left - margin)), max(0, int(top - margin))
    nearer = gray[y : int(bottom + margin) + 1, x : int(right + margin) + 1]
    return _best(nearer, (x, y), found.polarity, threshold, lines) or found


def _best(
    gray: np.ndarray, window: tuple[float, float], polarity: str, threshold: float | None, lines: bool
) -> Found | None:
    work = inks.resize_longer(gray, WORK_SIDE)
    if max(work.shape) < SMALLEST_SIDE:
        work = inks.resize_longer(work, SMALLEST_SIDE, enlarge=True)
    scale = max(gray.shape) / max(work.shape)
    dark = inks.is_dark(work) if polarity == "auto" else polarity == "dark"
    bright = work if dark else 1 - work
    candidates = list(_candidates(bright, window, scale, "dark" if dark else "light", threshold, lines))
    return max(candidates, key=lambda found: found.score, default=None)


def _candidates(
    bright: np.ndarray, window: tuple[float, float], scale: float, polarity: str, threshold: float | None, lines: bool
) -> Iterator[Found]:
    for name, paper in inks.papers(bright):
        seen = inks.find(bright, name, paper, threshold)
        for mask in _with_and_without_lines(seen.mask, lines):
            labels, parts = pieces.label(mask)
            group = pieces.main_group(parts, mask.shape)
            if not group:
                continue
            digit = np.isin(labels, [part.label for part in group])
            others = tuple(part for part in parts if part not in group)
            found = Found(
                seen, digit, pieces.union(group), window, scale, polarity, bright, tuple(group), others,
                mask is not seen.mask, 0.0,
            )
            yield _scored(found)


def _with_and_without_lines(mask: np.ndarray, lines: bool) -> Iterator[np.ndarray]:
    yield mask
    if lines:
        cleaned = pieces.without_lines(mask)
        if cleaned is not mask and not np.array_equal(cleaned, mask):
            yield cleaned


def _scored(found: Found) -> Found:
    from dataclasses import replace

    return replace(found, score=likeness(found))


def likeness(found: Found) -> float:
    """Return how digit-like the ink is, as a sum of logarithms."""
    from inklens.photos import frames

    left, top, right, bottom = found.box
    mask = found.mask[top:bottom, left:right]
    extent = max(mask.shape)
    area = float(mask.sum())
    everything = float(sum(part.area for part in (*found.group, *found.others)))
    width = frames.pen_width(mask) / extent
    clarity = (found.ink.full - found.ink.threshold) / (found.ink.noise + 0.02)
    border = max(part.border for part in found.group)
    size = extent / max(found.mask.shape)
    return float(
        -0.5 * (np.log(width / 0.13) / 0.5) ** 2
        + np.log(area / everything)
        + 0.5 * np.log(min(clarity, 8.0) + 1e-3)
        - 4 * border
        + 0.5 * np.log(min(size, 0.4))
        - 0.2 * (len(found.group) - 1)
    )
