"""Ink -> the parts that belong to the digit: lines taken out, specks and borders left out."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

Box = tuple[int, int, int, int]  # left, top, right, bottom; right and bottom are outside

EIGHT = np.ones((3, 3), bool)
LINE_SHARE = 0.8  # of the picture's side: a run of ink this long may be a printed line
SPECK_SHARE = 0.02  # of the largest part's area: less is a speck
JOIN_GAP = 0.12  # of the digit's extent: parts nearer than this belong together
STACK_GAP = 0.3  # the same for parts above one another, such as the bar of a 5


@dataclass(frozen=True)
class Part:
    """One connected piece of ink."""

    label: int
    box: Box
    area: int
    border: float  # share of its outline that lies on the picture's border

    @property
    def extent(self) -> int:
        """Longer side of the box in pixels."""
        left, top, right, bottom = self.box
        return max(right - left, bottom - top)


def label(mask: np.ndarray) -> tuple[np.ndarray, list[Part]]:
    """Return labels and parts of a mask, eight-connected, largest first."""
    labels, count = ndimage.label(mask, EIGHT)
    if count == 0:
        return labels, []
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    edge = np.concatenate([labels[0], labels[-1], labels[1:-1, 0], labels[1:-1, -1]])
    contact = np.bincount(edge, minlength=count + 1)
    outline = np.bincount(labels[mask & ~ndimage.binary_erosion(mask, border_value=0)], minlength=count + 1)
    parts = []
    for number, where in enumerate(ndimage.find_objects(labels), 1):
        rows, cols = where
        box = (cols.start, rows.start, cols.stop, rows.stop)
        parts.append(Part(number, box, int(areas[number]), contact[number] / max(outline[number], 1)))
    return labels, sorted(parts, key=lambda part: -part.area)


def without_lines(mask: np.ndarray) -> np.ndarray:
    """Take out printed lines: long straight runs, where nothing thicker crosses them."""
    return _without_rules(_without_rules(mask).T).T


def _without_rules(mask: np.ndarray) -> np.ndarray:
    """Take out lines that run along the rows, tilted by a few degrees at most.

    As with the staff lines of music, a column's run of ink is deleted only where it is about as thin as the line.
    """
    rows, cols = mask.shape
    length = int(LINE_SHARE * cols)
    if length < 12:
        return mask
    thickened = ndimage.binary_dilation(mask, np.ones((3, 1)))
    run = ndimage.binary_opening(thickened, np.ones((1, length)))
    if not run.any():
        return mask
    labels, count = ndimage.label(ndimage.binary_dilation(run, np.ones((3, 3))) & mask, EIGHT)
    result = mask.copy()
    for number in range(1, count + 1):
        band = labels == number
        heights = band.sum(axis=0)
        thickness = np.median(heights[heights > 0])
        if thickness > 0.06 * max(rows, cols) + 2:
            continue
        result &= ~(band & (_run_lengths(mask, band) <= 1.6 * thickness + 1))
    return result


def _run_lengths(mask: np.ndarray, band: np.ndarray) -> np.ndarray:
    """Return for each pixel of `band` the length of the vertical run of ink through it."""
    lengths = np.zeros(mask.shape, np.int32)
    count = np.zeros(mask.shape[1], np.int32)
    down = np.zeros(mask.shape, np.int32)
    for row in range(mask.shape[0]):
        count = np.where(mask[row], count + 1, 0)
        down[row] = count
    total = np.zeros(mask.shape[1], np.int32)
    for row in range(mask.shape[0] - 1, -1, -1):
        total = np.where(mask[row], np.maximum(total, down[row]), 0)
        lengths[row] = total
    return np.where(band, lengths, 0)


def main_group(parts: list[Part], shape: tuple[int, ...]) -> list[Part]:
    """Choose the part most likely to be a digit, and all that belongs to it.

    Never simply the largest: that may be the page's edge. A part counts by its area, less if it lies along the
    border or far from the middle.
    """
    if not parts:
        return []
    main = max(parts, key=lambda part: part.area * _standing(part, shape))
    return grow([main], parts)


def grow(group: list[Part], parts: list[Part]) -> list[Part]:
    """Add the parts that lie near enough to a group to belong to it."""
    group = list(group)
    rest = [part for part in parts if part not in group and part.border < 0.3]
    smallest = SPECK_SHARE * max(part.area for part in group)
    rest = [part for part in rest if part.area >= smallest]
    grown = True
    while grown:
        box = union(group)
        near = [part for part in rest if _belongs(part.box, box)]
        grown = bool(near)
        group += near
        rest = [part for part in rest if part not in near]
    return group


def union(group: list[Part]) -> Box:
    """Return the box round all parts."""
    left, top, right, bottom = zip(*(part.box for part in group), strict=True)
    return min(left), min(top), max(right), max(bottom)


def _standing(part: Part, shape: tuple[int, ...]) -> float:
    """Return a weight from 0 to 1: away from the border, near the middle."""
    left, top, right, bottom = part.box
    off = max(abs((left + right) / shape[1] - 1), abs((top + bottom) / shape[0] - 1))
    return max(0.02, 1 - 3 * part.border) * (1 - 0.6 * off**2)


def _belongs(box: Box, group: Box) -> bool:
    gap_x = max(box[0] - group[2], group[0] - box[2])
    gap_y = max(box[1] - group[3], group[1] - box[3])
    extent = max(group[2] - group[0], group[3] - group[1])
    if max(gap_x, gap_y) <= JOIN_GAP * extent:
        return True
    overlap = min(box[2], group[2]) - max(box[0], group[0])
    return overlap >= 0.5 * (box[2] - box[0]) and gap_y <= STACK_GAP * extent
