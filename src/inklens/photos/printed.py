"""Printed lines, boxes, combs and dotted rules: found in the ink, and taken out without harm to what a pen wrote."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from inklens.photos.connected import EIGHT_NEIGHBOURS, Box, boxes_of, dilated, label, long_runs, run_lengths

# mask  (rows, cols)  bool, True = ink

# shares of the picture's side; all were set on synthetic cells (`benchmarks/_cells.py`)
LINE_SHARE = 0.8  # a run of ink this long is a printed line wherever it lies
HELD_SHARE = 0.35  # so is a shorter one, if both its ends meet the border or another line
EDGE_LINE_SHARE = 0.6  # so is one along the border, of which one end does
WIDE_LINE_SHARE = 0.8  # so long must be one that is thicker than a pen's stroke
PIECE_SHARE = 0.12  # a straight piece of a line, perhaps tilted
GAP_SHARE = 0.05  # of a line that print or light has broken
DASH_SHARE, DOT_GAP_SHARE = 0.22, 0.16  # length of a dotted rule's dots or dashes at most, and of what parts them
OUTER_SHARE = 0.25  # from the border: where a cell's own lines lie
THIN_SHARE, THIN_PIXELS = 0.06, 2  # thickness of a line; so much of the side, and so many pixels more
OUTER_THIN_SHARE = 0.2  # the same along the border: thick lines of a puzzle
MEETING_SHARE = 0.05  # nearer than this, a line's end meets the border
CORNER_SHARE = 0.12  # the same for another line along the border: a box may have round corners
TOUCH_SHARE = 0.01  # the same for a line far from the border, such as the stem of a 1 in a box, which meets none

MAX_TILT = 0.15  # rise over run: more is a pen's stroke
TILTS = np.linspace(-MAX_TILT, MAX_TILT, 17)  # tried; a step lifts an end by 2% of the length
MIN_DOTS = 4  # of a dotted rule
MIN_STRIPES, STRIPES_SHARE = 3, 0.25  # so many lines, which cover so much of the side, are a texture
MIN_FILLED = 0.25  # share of a line's length that has ink
MAX_BEND = 0.3  # of its thickness: mean distance from a straight line
CROSSING = 1.6  # times the line's thickness: a longer run across it is a stroke that crosses
SMALLEST_SIDE = 12  # pixels


@dataclass(frozen=True)
class Line:
    """A straight, thin run of ink along the rows of a mask, or along the columns of a `turned` one."""

    turned: bool
    start: int
    stop: int
    level: float  # row of its middle at column 0
    slope: float
    thickness: float
    side: tuple[int, int]  # rows, cols of the mask in which it lies along the rows

    @property
    def length(self) -> int:
        """Length in pixels."""
        return self.stop - self.start

    @property
    def is_outer(self) -> bool:
        """Whether it lies along the picture's border."""
        middle = self.at((self.start + self.stop) / 2) / self.side[0]
        return min(middle, 1 - middle) < OUTER_SHARE

    @property
    def is_thin(self) -> bool:
        """Whether it is as thin as print; along the border and across the picture it may be as thick as a puzzle's."""
        wide = self.is_outer and self.length >= WIDE_LINE_SHARE * self.side[1]
        return self.thickness <= (OUTER_THIN_SHARE if wide else THIN_SHARE) * max(self.side) + THIN_PIXELS

    def at(self, col: float) -> float:
        """Return the row of its middle."""
        return self.level + self.slope * col

    def ends(self) -> list[tuple[float, float]]:
        """Return (row, col) of both ends in the picture."""
        points = [(self.at(col), float(col)) for col in (self.start, self.stop)]
        return [(col, row) for row, col in points] if self.turned else points


def without_lines(mask: np.ndarray) -> np.ndarray:
    """Take out printed lines, where nothing thicker crosses them, and the shreds that they leave along the border.

    >>> picture = np.zeros((60, 60), bool)
    >>> picture[5:55, 28:34] = picture[40:42] = True
    >>> rows = without_lines(picture).any(axis=0).nonzero()[0]
    >>> int(rows[0]), int(rows[-1])
    (28, 33)
    """
    return taken_out(mask, printed_lines(mask))


def taken_out(mask: np.ndarray, lines: list[Line]) -> np.ndarray:
    """Take out lines that were found, where nothing thicker crosses them, and the shreds that hung on them."""
    if not lines:
        return mask
    left = mask
    for turned in (False, True):
        left = _without(left, [line for line in lines if line.turned == turned])
    return left & ~_shreds(left, mask & ~left)


def printed_lines(mask: np.ndarray) -> list[Line]:
    """Return the straight runs of ink that no pen makes: they span the picture, or end at its border or each other."""
    if min(mask.shape) < SMALLEST_SIDE:
        return []
    dots = _dots(mask)
    found = [*_straight(mask, dots, turned=False), *_straight(mask.T, dots.T, turned=True)]
    if _is_texture(found):
        return []
    found = [line for line in found if line.is_thin]
    outer = [line for line in found if line.is_outer]
    return [line for line in found if _is_printed(line, [other for other in outer if other.turned != line.turned])]


def _is_texture(lines: list[Line]) -> bool:
    """Say whether there are so many and so thick lines across the picture that they are stripes."""
    for turned in (False, True):
        alike = [line for line in lines if line.turned == turned and line.length >= LINE_SHARE * line.side[1]]
        inked = sum(line.thickness for line in alike) / alike[0].side[0] if alike else 0.0
        if len(alike) >= MIN_STRIPES and inked > STRIPES_SHARE:
            return True
    return False


def _dots(mask: np.ndarray) -> np.ndarray:
    """Return the small components of which there are enough for a dotted rule."""
    labels, count = ndimage.label(mask, EIGHT_NEIGHBOURS)
    if count < MIN_DOTS:
        return np.zeros_like(mask)
    most = DASH_SHARE * max(mask.shape)
    boxes = boxes_of(mask, labels[mask], count)
    small = (boxes[:, 2:] - boxes[:, :2]).max(axis=1) <= most
    small[0] = False
    return small[labels] if small.sum() >= MIN_DOTS else np.zeros_like(mask)


def _straight(mask: np.ndarray, dots: np.ndarray, *, turned: bool) -> Iterator[Line]:
    """Yield straight runs of ink along the rows, tilted a little at most, dashed or not."""
    rows, cols = mask.shape
    bridged = _closed(dilated(mask, 1, 0), int(GAP_SHARE * cols))
    if dots.any():
        bridged |= _closed(dilated(dots, 1, 0), int(DOT_GAP_SHARE * cols))
    run = long_runs(bridged, max(3, int(PIECE_SHARE * cols)))
    bands, _ = ndimage.label(run, EIGHT_NEIGHBOURS)
    for number, place in enumerate(ndimage.find_objects(bands), 1):
        if place[1].stop - place[1].start < HELD_SHARE * cols:
            continue
        band = (bands[place] == number) & mask[place]
        line = _fitted(band, place, (rows, cols), turned)
        if line is not None:
            yield line


def _fitted(band: np.ndarray, place: tuple[slice, ...], side: tuple[int, int], turned: bool) -> Line | None:
    """Fit a straight line through the middles of a band's columns; None if it is not straight."""
    heights = band.sum(axis=0)
    at = np.flatnonzero(heights)
    if len(at) < 3:
        return None
    middle = (band * np.arange(len(band))[:, None]).sum(axis=0)[at] / heights[at]
    slope, level = _through_most(at, middle)
    off = np.abs(middle - level - slope * at)
    thickness = float(np.median(heights[at][off <= 1.5])) if (off <= 1.5).any() else np.inf
    straight = off <= max(1.5, 0.5 * thickness)
    start, stop = int(at[straight][0]), int(at[straight][-1]) + 1
    bend = float(off[straight].mean())
    level += place[0].start - slope * place[1].start
    line = Line(turned, start + place[1].start, stop + place[1].start, float(level), float(slope), thickness, side)
    filled = straight.sum() / (stop - start)
    if abs(slope) > MAX_TILT or filled < MIN_FILLED or bend > 0.5 + MAX_BEND * thickness:
        return None
    return line


def _through_most(at: np.ndarray, middle: np.ndarray) -> tuple[float, float]:
    """Return slope and level of the line that most points lie near (a Hough transform), then their least squares."""
    levels = middle - TILTS[:, None] * at
    places = np.rint(levels - levels.min()).astype(int) + 1
    width = int(places.max()) + 2
    counts = np.bincount((places + width * np.arange(len(TILTS))[:, None]).ravel(), minlength=width * len(TILTS))
    counts = counts + np.append(counts[1:], 0) + np.append(0, counts[:-1])  # three rows together
    tilt, place = divmod(int(counts.argmax()), width)
    near = np.abs(places[tilt] - place) <= 1
    if np.ptp(at[near]) == 0:
        return float(TILTS[tilt]), float(levels[tilt][near].mean())
    slope, level = np.polyfit(at[near], middle[near], 1)
    return float(slope), float(level)


def _is_printed(line: Line, across: list[Line]) -> bool:
    length = line.length / line.side[1]
    if length >= LINE_SHARE:
        return True
    met = sum(_is_met(end, line, across) for end in line.ends())
    return (met == 2 and length >= HELD_SHARE) or (line.is_outer and met >= 1 and length >= EDGE_LINE_SHARE)


def _is_met(end: tuple[float, float], line: Line, across: list[Line]) -> bool:
    """Say whether a line's end lies at the picture's border or at a line across."""
    row, col = end if not line.turned else end[::-1]  # as seen along the line
    near = MEETING_SHARE * max(line.side) + line.thickness
    if min(col, line.side[1] - col) <= near:
        return True
    near = (CORNER_SHARE if line.is_outer else TOUCH_SHARE) * max(line.side) + line.thickness / 2
    return any(
        abs(other.at(row) - col) <= near + other.thickness / 2 and other.start - near <= row <= other.stop + near
        for other in across
    )


def _without(mask: np.ndarray, lines: list[Line]) -> np.ndarray:
    """Delete lines of one direction; as with the staff lines of music, a column's run only if it is about as thin."""
    if not lines:
        return mask
    turned = lines[0].turned
    seen = mask.T if turned else mask
    result = seen.copy()
    runs = run_lengths(seen)
    rows, cols = seen.shape
    for line in lines:
        reach = int(MEETING_SHARE * cols)
        at = np.arange(max(0, line.start - reach), min(cols, line.stop + reach))
        middle = line.level + line.slope * at
        half = line.thickness / 2 + 1.5
        top, bottom = int(max(0, middle.min() - half)), int(min(rows, middle.max() + half + 2))
        near = np.abs(np.arange(top, bottom)[:, None] - middle) <= half
        window = np.s_[top:bottom, at[0] : at[-1] + 1]
        result[window] &= ~(near & (runs[window] <= CROSSING * line.thickness + 2))
    return result.T if turned else result


def _shreds(left: np.ndarray, removed: np.ndarray) -> np.ndarray:
    """Return what hung on the lines and lies along the border: ticks of a comb, corners, ink of the next cell."""
    labels, components = label(left)
    hung = np.zeros(int(labels.max(initial=0)) + 1, bool)
    hung[np.unique(labels[dilated(removed, 2, 2) & left])] = True
    shreds = np.zeros_like(hung)
    thin = THIN_SHARE * max(left.shape) + THIN_PIXELS
    for number, component in enumerate(components):
        x0, y0, x1, y1 = component.box
        is_tick = min(x1 - x0, y1 - y0) <= thin
        shreds[component.label] = hung[component.label] and is_outer(component.box, left.shape) and (number or is_tick)
    return shreds[labels]


def is_outer(box: Box, shape: tuple[int, ...]) -> bool:
    """Say whether a box lies along one side of the picture."""
    left, top, right, bottom = box
    rows, cols = shape
    return min(right, cols - left) <= OUTER_SHARE * cols or min(bottom, rows - top) <= OUTER_SHARE * rows


def _closed(mask: np.ndarray, gap: int) -> np.ndarray:
    """Fill gaps of at most so many pixels within the rows."""
    if gap < 1:
        return mask
    return mask | (~mask & ~long_runs(~mask, gap + 1))
