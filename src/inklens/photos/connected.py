"""Connected components of ink, and those that make up the digit: lines taken out, specks and borders left out."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

Box = tuple[int, int, int, int]  # left, top, right, bottom; right and bottom are outside

EIGHT_NEIGHBOURS = np.ones((3, 3), bool)
LINE_SHARE = 0.8  # of the picture's side: a run of ink this long may be a printed line
SPECK_SHARE = 0.02  # of the largest component's area: less is a speck
SMALL_PRINT_SHARE = 0.15  # of the largest component's area: what lies near and has less may be print in a corner
JOIN_GAP = 0.12  # of the digit's extent: components nearer than this belong together
FLAW_EXTENT = 0.04  # of the digit's extent: a smaller hole is a flaw
STACK_GAP = 0.3  # the same for components above one another, such as the bar of a 5
MAX_COMPONENTS = 5_000  # the largest are kept; a page of noise has a hundred thousand


@dataclass(frozen=True, eq=False)
class Component:
    """One connected component of the ink (eight neighbours)."""

    label: int
    box: Box
    area: int
    border: float  # share of its outline that lies on the picture's border
    along: float  # of its extent, how much runs along one side of the picture

    @property
    def extent(self) -> int:
        """Longer side of the box in pixels."""
        left, top, right, bottom = self.box
        return max(right - left, bottom - top)


def label(mask: np.ndarray) -> tuple[np.ndarray, list[Component]]:
    """Return labels (rows, cols) and components of a mask, eight-connected, largest first.

    At most `MAX_COMPONENTS` are returned; the labels count all of them.
    """
    labels, count = ndimage.label(mask, EIGHT_NEIGHBOURS)
    if count == 0:
        return labels, []
    inked = labels[mask]
    areas = np.bincount(inked, minlength=count + 1)
    sides = (labels[0], labels[-1], labels[:, 0], labels[:, -1])
    contact = np.array([np.bincount(side, minlength=count + 1) for side in sides])
    rim = np.bincount(labels[outline(mask)], minlength=count + 1)
    chosen = 1 + np.argsort(-areas[1:], kind="stable")[:MAX_COMPONENTS]
    boxes, touching = boxes_of(mask, inked, count)[chosen], contact[:, chosen]
    border = touching.sum(axis=0) / np.maximum(rim[chosen], 1)
    along = touching.max(axis=0) / (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    parts = (chosen, areas[chosen], border, along)
    numbers = zip(*(part.tolist() for part in parts), strict=True)
    return labels, [
        Component(number, tuple(box), area, share, run)
        for box, (number, area, share, run) in zip(boxes.tolist(), numbers, strict=True)
    ]


def boxes_of(mask: np.ndarray, numbers: np.ndarray, count: int) -> np.ndarray:
    """Return the box of each label, (count + 1, 4): of its pixels sorted along an axis, the first and the last."""
    rows, cols = np.nonzero(mask)
    boxes = np.zeros((count + 1, 4), np.int64)
    by_column = np.argsort(cols.astype(np.uint16), kind="stable")  # sorted by radix: no side of a picture is longer
    for axis, order in ((1, slice(None)), (0, by_column)):
        at, number = (cols, rows)[axis][order], numbers[order]
        boxes[number[::-1], axis] = at[::-1]
        boxes[number, axis + 2] = at + 1
    return boxes


def mask_of(group: list[Component], labels: np.ndarray) -> np.ndarray:
    """Return the pixels of some components, bool (rows, cols)."""
    chosen = np.zeros(int(labels.max(initial=0)) + 1, bool)
    chosen[[component.label for component in group]] = True
    return chosen[labels]


def dilated(mask: np.ndarray, rows: int = 1, cols: int = 1) -> np.ndarray:
    """Dilate a mask with a rectangle of 2 `rows` + 1 by 2 `cols` + 1 pixels."""
    for axis, steps in ((0, rows), (1, cols)):
        for _ in range(steps):
            wider = mask.copy()
            ahead, back = (np.s_[1:], np.s_[:-1]) if axis == 0 else (np.s_[:, 1:], np.s_[:, :-1])
            wider[ahead] |= mask[back]
            wider[back] |= mask[ahead]
            mask = wider
    return mask


def outline(mask: np.ndarray) -> np.ndarray:
    """Return the pixels of ink with paper, or the picture's border, beside them."""
    inner = np.zeros_like(mask)
    inner[1:-1, 1:-1] = (
        mask[1:-1, 1:-1] & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
    )  # fmt: skip
    return mask & ~inner


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
    if np.convolve(np.count_nonzero(mask, axis=1), (1, 1, 1)).max() < length:  # no three rows have ink enough
        return mask
    run = long_runs(dilated(mask, 1, 0), length)
    if not run.any():
        return mask
    bands, count = ndimage.label(dilated(run) & mask, EIGHT_NEIGHBOURS)
    result = mask.copy()
    runs = run_lengths(mask)
    for number in range(1, count + 1):
        band = bands == number
        heights = band.sum(axis=0)
        thickness = np.median(heights[heights > 0])
        if thickness <= 0.06 * max(rows, cols) + 2:
            result &= ~(band & (runs <= 1.6 * thickness + 1))
    return result


def long_runs(mask: np.ndarray, length: int) -> np.ndarray:
    """Return the pixels in horizontal runs of at least `length` (an opening with a line)."""
    rows, cols = mask.shape
    if length > cols:
        return np.zeros_like(mask)
    so_far = np.zeros((rows, cols + 1), np.int32)
    np.cumsum(mask, axis=1, out=so_far[:, 1:])
    starts = so_far[:, length:] - so_far[:, :-length] == length  # (rows, cols - length + 1)
    change = np.zeros((rows, cols + 1), np.int32)
    change[:, : starts.shape[1]] += starts
    change[:, length:] -= starts
    return np.cumsum(change, axis=1)[:, :-1] > 0


def run_lengths(mask: np.ndarray) -> np.ndarray:
    """Return for each pixel the length of the vertical run of ink through it."""
    rows = len(mask)
    at = np.arange(rows, dtype=np.int32)[:, None]
    last_gap = np.maximum.accumulate(np.where(mask, -1, at), axis=0)
    next_gap = np.minimum.accumulate(np.where(mask, rows, at)[::-1], axis=0)[::-1]
    return np.where(mask, next_gap - last_gap - 1, 0)


def main_groups(components: list[Component], shape: tuple[int, ...]) -> list[list[Component]]:
    """Choose the component most likely to be a digit, with all that lies near it, and without what the border cuts off.

    Never simply the largest: that may be the page's edge. A component counts by its area, less if it lies along the
    border or far from the middle.
    """
    if not components:
        return []
    first = main(components, shape)
    groups = [
        grow([first], components),
        grow([first], [component for component in components if component.border == 0]),
    ]
    groups = groups if len(groups[0]) != len(groups[1]) else groups[:1]
    extras = [component for component in groups[-1] if component is not first]
    apart = all(not _surrounds(first.box, component.box) for component in extras)
    small = sum(component.area for component in extras) < SMALL_PRINT_SHARE * first.area
    return [*groups, [first]] if extras and apart and small else groups


def main(components: list[Component], shape: tuple[int, ...]) -> Component:
    """Return the component with the largest area, weighed by where it stands."""
    areas = np.array([component.area for component in components])
    return components[int(np.argmax(areas * standing(components, shape)))]


def grow(group: list[Component], components: list[Component]) -> list[Component]:
    """Add the components that lie near enough to a group to belong to it."""
    group, chosen = list(group), set(group)
    rest = [component for component in components if component not in chosen and component.border < 0.3]
    smallest = SPECK_SHARE * max(component.area for component in group)
    rest = [component for component in rest if component.area >= smallest]
    while rest:
        near = belongs(_corners(rest), union(group))
        if not near.any():
            break
        group += [component for component, is_near in zip(rest, near, strict=True) if is_near]
        rest = [component for component, is_near in zip(rest, near, strict=True) if not is_near]
    return group


def _corners(components: list[Component]) -> np.ndarray:
    return np.array([component.box for component in components]).T


def rivals(group: list[Component], others: tuple[Component, ...]) -> int:
    """Count the other components about as large as the digit, neither cut off by the border nor round it."""
    extent = max(component.extent for component in group)
    area = sum(component.area for component in group)
    box = union(group)
    near_in_size = (p for p in others if 0.5 < p.extent / extent < 2 and p.area > 0.25 * area)
    return sum(p.border == 0 and not _surrounds(p.box, box) for p in near_in_size)


def _surrounds(outer: Box, inner: Box) -> bool:
    return outer[0] <= inner[0] and outer[1] <= inner[1] and outer[2] >= inner[2] and outer[3] >= inner[3]


def holes(mask: np.ndarray) -> int:
    """Count the holes in a component that are wider than a flaw of the paper."""
    labels, count = ndimage.label(~np.pad(mask, 1))
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    return int((areas > (FLAW_EXTENT * max(mask.shape)) ** 2).sum()) - 1


def union(group: list[Component]) -> Box:
    """Return the box round all components."""
    left, top, right, bottom = zip(*(component.box for component in group), strict=True)
    return min(left), min(top), max(right), max(bottom)


def standing(components: list[Component], shape: tuple[int, ...]) -> np.ndarray:
    """Return a weight from 0 to 1 for each: away from the border, near the middle."""
    left, top, right, bottom = _corners(components)
    off = np.maximum(abs((left + right) / shape[1] - 1), abs((top + bottom) / shape[0] - 1))
    border = np.array([component.border for component in components])
    return np.asarray(np.maximum(0.02, 1 - 3 * border) * (1 - 0.6 * off**2))


def belongs(boxes: Box | np.ndarray, group: Box | np.ndarray) -> np.ndarray:
    """Say whether a box lies near enough to a digit's to belong to it; of either there may be many, (4, n)."""
    left, top, right, bottom = boxes
    gap_x = np.maximum(left - group[2], group[0] - right)
    gap_y = np.maximum(top - group[3], group[1] - bottom)
    extent = np.maximum(group[2] - group[0], group[3] - group[1])
    overlap = np.minimum(right, group[2]) - np.maximum(left, group[0])
    above = (overlap >= 0.5 * (right - left)) & (gap_y <= STACK_GAP * extent)
    return np.asarray((np.maximum(gap_x, gap_y) <= JOIN_GAP * extent) | above)
