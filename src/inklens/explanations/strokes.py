"""The smallest straight stroke of a pen, drawn or erased, that makes a model answer another class.

The pen is round, `width` pixels wide; its ink falls off over the last pixel. A stroke covers pixel j by

    c_j = clip(width / 2 + 1/2 - distance(j, segment), 0, 1),      drawn: max(x_j, c_j),  erased: min(x_j, 1 - c_j).

Every pixel centre is tried as a start, with `DIRECTIONS` directions and all lengths in whole pixels. Longer strokes
change more ink, and scores are linear in the change, so each length costs only the pixels at the stroke's tip.

On features that are not linear in the ink the model itself judges every stroke that is tried, so fewer are: those of a
coarser grid, least ink first, and then those near the best.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice, product

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from inklens.errors import ParameterError
from inklens.explanations.flips import MARGIN, class_margin
from inklens.model.linear_model import LinearModel
from inklens.reprs import Shown, listed

DIRECTIONS = 12  # every 15 degrees of half a turn; the other half is the same stroke from its other end
NARROWEST, WIDEST = 0.5, 10.0  # pixels
COARSE = 3  # pixels between starts, and between lengths, where the model judges every stroke: some 10,000 of them
BATCH = 500  # strokes that it judges at once
BATCH_ROUNDING = 1e-3  # log-odds by which float32 features of a batch and of one frame may differ
REFINEMENTS = 6  # moves of the ends by one pixel, at most
ROUNDING_MARGIN = 1e-9  # log-odds that sums in another order may take away

# rows, cols of a frame; starts are all its pixels; z (n_classes, rows, cols): scores after the stroke from each start


@dataclass(frozen=True, eq=False, repr=False)
class Stroke(Shown):
    """One straight stroke and what it does.

    Parameters
    ----------
    kind : {"draw", "erase"}
        With the pen, or with an eraser of the same shape.
    start, end : (float, float)
        Row and column of the two ends of the pen's path; 0, 0 is the centre of the upper left pixel.
    width : float
        Width of the pen in pixels.
    target : str
        The answer after.
    ink : float
        Ink that it changes, in full pixels.
    margin : float
        Log-odds of the new answer against the next best class, from the model itself.
    flipped : array (rows, cols)
        The frame after.
    """

    kind: str
    start: tuple[float, float]
    end: tuple[float, float]
    width: float
    target: str
    ink: float
    margin: float
    flipped: np.ndarray

    def __repr__(self) -> str:  # one line: strokes come as lists
        (top, left), (bottom, right) = self.start, self.end
        return (
            f"<Stroke: {self.kind} from ({top:.1f}, {left:.1f}) to ({bottom:.1f}, {right:.1f}) for {self.target}, "
            f"ink of {self.ink:.2f} full pixels>"
        )

    @property
    def length(self) -> float:
        """Length of the pen's path in pixels."""
        return float(np.hypot(self.end[0] - self.start[0], self.end[1] - self.start[1]))

    def to_json(self) -> dict[str, object]:
        """Return everything but the changed frame."""
        names = ("kind", "start", "end", "width", "length", "target", "ink", "margin")
        return {name: getattr(self, name) for name in names}


def strokes(
    reader: LinearModel, photo_or_frame: object, to: str | None = None, *, width: float = 2.0, margin: float = MARGIN
) -> list[Stroke]:
    """Return the strokes that flip the answer, least ink first: the best of each kind for each class.

    On pixels, all straight strokes of the pen on the grid of starts, directions and lengths were tried. No change at
    all, of any shape, can take less ink than the lower bound of `flip`. On other features a coarser grid was searched,
    and a stroke with less ink may exist.

    Parameters
    ----------
    reader : LinearModel
        On any features.
    photo_or_frame
        As for `explain`.
    to : str, optional
        The class to reach; by default any other.
    width : float
        Width of the pen in pixels of the frame, 0.5 to 10.
    margin : float
        By how much, in log-odds, the class must beat every other.

    Raises
    ------
    ParameterError
        A width out of range, an unknown class, or a margin below 0.

    Examples
    --------
    >>> from inklens import DigitReader
    >>> coef = np.array([[0.0, 0.0, 0.0], [-1.0, 2.0, -1.0]])
    >>> reader = DigitReader(coef, np.array([0.5, 0.0]), ("blank", "dot"), (1, 3))
    >>> best = strokes(reader, np.zeros((1, 3)), width=1.0)[0]
    >>> best.kind, best.target, best.start, best.ink
    ('draw', 'dot', (0.0, 1.0), 1.0)
    """
    _check(reader, to, width, margin)
    frame = reader.frame(photo_or_frame)
    z = reader.raw_prediction(frame[None])[0]
    wanted = np.ones(len(z), dtype=bool) if to is None else np.array([c == to for c in reader.classes])
    wanted[int(z.argmax())] = False
    if reader.features != "pixels":
        searched = _search(reader, frame, wanted, width, margin + BATCH_ROUNDING)
        alone = (_apply(reader, stroke, frame, reader.classes.index(stroke.target)) for stroke in searched)
        return sorted((stroke for stroke in alone if stroke.margin >= margin), key=lambda stroke: stroke.ink)
    maps = reader.coef.reshape(len(z), *frame.shape)
    found = []
    for kind, free, sign in (("draw", 1.0 - frame, 1.0), ("erase", frame, -1.0)):
        for target, start, end in _best(free, sign * maps, z, wanted, width, margin + ROUNDING_MARGIN):
            stroke = Stroke(kind, start, end, width, reader.classes[target], 0.0, 0.0, frame)
            found.append(_apply(reader, stroke, frame, target))
    return sorted((stroke for stroke in found if stroke.margin >= margin), key=lambda stroke: stroke.ink)


def coverage(
    start: tuple[float, float], end: tuple[float, float], width: float, image_shape: tuple[int, int]
) -> np.ndarray:
    """Return how much of each pixel a stroke covers, 0..1, (rows, cols).

    >>> coverage((0.0, 0.0), (0.0, 1.0), 1.0, (2, 4)).tolist()
    [[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]
    """
    row, col = np.indices(image_shape)
    along = np.array(end, dtype=float) - start
    fraction = ((row - start[0]) * along[0] + (col - start[1]) * along[1]) / max(float(along @ along), 1e-300)
    fraction = np.clip(fraction, 0.0, 1.0)
    distance = np.hypot(row - start[0] - fraction * along[0], col - start[1] - fraction * along[1])
    return np.asarray(np.clip(width / 2 + 0.5 - distance, 0.0, 1.0))


def _check(model: LinearModel, to: str | None, width: float, margin: float) -> None:
    if to is not None and to not in model.classes:
        raise ParameterError(f"expected a class out of {listed(model.classes)}, got {to!r}")
    if not NARROWEST <= width <= WIDEST:
        raise ParameterError(f"a pen is {NARROWEST:g} to {WIDEST:g} pixels wide, got {width:g}")
    if not 0.0 <= margin < np.inf:
        raise ParameterError(f"a margin is in log-odds and at least 0, got {margin:g}")


def _apply(model: LinearModel, stroke: Stroke, frame: np.ndarray, target: int) -> Stroke:
    """Draw the stroke for good and let the model judge it."""
    flipped = _changed(stroke, frame)
    margin = class_margin(model.raw_prediction(flipped[None])[0], target)
    return replace(stroke, ink=float(np.abs(flipped - frame).sum()), margin=margin, flipped=flipped)


def _changed(stroke: Stroke, frame: np.ndarray) -> np.ndarray:
    covered = coverage(stroke.start, stroke.end, stroke.width, frame.shape)
    return np.asarray(np.maximum(frame, covered) if stroke.kind == "draw" else np.minimum(frame, 1.0 - covered))


# ---- features that are not linear in the ink -------------------------------------------------------------------------


def _search(model: LinearModel, frame: np.ndarray, wanted: np.ndarray, width: float, margin: float) -> Iterator[Stroke]:
    """Yield a stroke of each kind for each wanted class that the coarse grid reaches, made smaller where that works."""
    classes = {name for name, is_wanted in zip(model.classes, wanted, strict=True) if is_wanted}
    for kind in ("draw", "erase"):
        blank = Stroke(kind, (0.0, 0.0), (0.0, 0.0), width, "", 0.0, 0.0, frame)
        tried = (replace(blank, start=start, end=end) for start, end in _coarse_grid(frame.shape))
        ordered, found = iter(_least_ink_first(tried, frame)), set[str]()
        while found < classes and (batch := list(islice(ordered, BATCH))):
            for stroke in _judged(model, batch):
                if stroke.margin >= margin and stroke.target in classes - found:
                    found.add(stroke.target)
                    yield _refined(model, stroke, frame, margin)


def _coarse_grid(image_shape: tuple[int, int]) -> Iterator[tuple[tuple[float, float], tuple[float, float]]]:
    rows, cols = image_shape
    for direction, length in product(range(DIRECTIONS), range(0, max(image_shape), COARSE)):
        step = _step(direction)
        for row, col in product(range(0, rows, COARSE), range(0, cols, COARSE)):
            end = (row + length * step[0], col + length * step[1])
            if (length or not direction) and _is_inside(end, image_shape):
                yield (float(row), float(col)), end


def _is_inside(place: tuple[float, float], image_shape: tuple[int, int]) -> bool:
    return all(0.0 <= coordinate <= size - 1 for coordinate, size in zip(place, image_shape, strict=True))


def _least_ink_first(strokes: Iterator[Stroke], frame: np.ndarray) -> list[Stroke]:
    """Draw strokes, and return those that change ink, in the order of how much."""
    drawn = [replace(stroke, flipped=_changed(stroke, frame)) for stroke in strokes]
    drawn = [replace(stroke, ink=float(np.abs(stroke.flipped - frame).sum())) for stroke in drawn]
    return sorted((stroke for stroke in drawn if stroke.ink > 0.0), key=lambda stroke: stroke.ink)


def _judged(model: LinearModel, strokes: Sequence[Stroke]) -> list[Stroke]:
    """Return drawn strokes with the answers of the model and their margins."""
    z = model.raw_prediction(np.stack([stroke.flipped for stroke in strokes]))
    best = z.argmax(axis=1).tolist()
    return [
        replace(stroke, target=model.classes[k], margin=class_margin(scores, k))
        for stroke, scores, k in zip(strokes, z, best, strict=True)
    ]


def _refined(model: LinearModel, stroke: Stroke, frame: np.ndarray, margin: float) -> Stroke:
    """Move both ends by a pixel while that takes less ink and keeps the answer."""
    moves = list(product((-1.0, 0.0, 1.0), repeat=4))
    for _ in range(REFINEMENTS):
        (r0, c0), (r1, c1) = stroke.start, stroke.end
        moved = (replace(stroke, start=(r0 + a, c0 + b), end=(r1 + c, c1 + d)) for a, b, c, d in moves)
        inside = (s for s in moved if _is_inside(s.start, frame.shape) and _is_inside(s.end, frame.shape))
        smaller = [s for s in _least_ink_first(inside, frame) if s.ink < stroke.ink]
        judged = _judged(model, smaller) if smaller else []
        better = next((s for s in judged if s.target == stroke.target and s.margin >= margin), None)
        if better is None:
            break
        stroke = better
    return stroke


def _best(
    free: np.ndarray, maps: np.ndarray, z: np.ndarray, wanted: np.ndarray, width: float, margin: float
) -> Iterator[tuple[int, tuple[float, float], tuple[float, float]]]:
    """Yield (target, start, end) of the stroke with least ink for each wanted class that can be reached.

    `free` is what a full cover changes at each pixel: a cover c changes max(0, c - (1 - free)).
    """
    least: np.ndarray = np.where(wanted, np.inf, -np.inf)  # (n_classes,)
    where: dict[int, tuple[int, tuple[float, float], tuple[float, float]]] = {}
    for direction in range(DIRECTIONS):
        step = _step(direction)
        for length, (scores, ink) in enumerate(_lengthen(free, maps, z, direction, width)):
            if ink.min() >= least.max():
                break
            answer = scores.argmax(axis=0)
            cheaper = np.flatnonzero(ink < least[answer])
            two = np.partition(scores.reshape(len(z), -1)[:, cheaper], -2, axis=0)[-2:]
            for start in cheaper[two[1] - two[0] >= margin]:
                target = int(answer.flat[start])
                if ink.flat[start] < least[target]:
                    least[target] = ink.flat[start]
                    row, col = (float(i) for i in np.unravel_index(start, free.shape))
                    where[target] = (target, (row, col), (row + length * step[0], col + length * step[1]))
    yield from where.values()


def _lengthen(
    free: np.ndarray, maps: np.ndarray, z: np.ndarray, direction: int, width: float
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield scores (n_classes, rows, cols) and changed ink (rows, cols) for strokes of length 0, 1, ... at every start.

    Only pixels whose cover grew are looked at; what lies outside the frame has no free ink and no weight.
    """
    pad = _reach(free.shape, width)
    free_from = sliding_window_view(np.pad(free, pad), free.shape)
    maps_from = sliding_window_view(np.pad(maps, ((0, 0), (pad, pad), (pad, pad))), free.shape, axis=(1, 2))
    scores, ink = np.repeat(z, free.size).reshape(len(z), *free.shape), np.zeros(free.shape)
    for row, col, before, after, inside in _tips(free.shape, width, direction):
        taken = 1.0 - free_from[row, col]  # (n_tip, rows, cols), seen from every start
        grown = np.maximum(after - taken, 0.0) - np.maximum(before - taken, 0.0)
        ink += grown.sum(axis=0)
        scores += np.einsum("kors,ors->krs", maps_from[:, row, col], grown)
        yield scores, np.where(inside & (ink > 0.0), ink, np.inf)


@lru_cache(maxsize=2 * DIRECTIONS)
def _tips(image_shape: tuple[int, int], width: float, direction: int) -> list[tuple[np.ndarray, ...]]:
    """Return for each length the pixels whose cover grows, by offset, their cover before and after, and valid starts.

    Offsets are counted from `_reach` rows and columns before the start.
    """
    pad, step = _reach(image_shape, width), _step(direction)
    covered = np.zeros((2 * pad + 1, 2 * pad + 1))
    tips: list[tuple[np.ndarray, ...]] = []
    for length in range(max(image_shape)):
        along = (length * step[0], length * step[1])
        longer = coverage((pad, pad), (pad + along[0], pad + along[1]), width, covered.shape)
        row, col = np.nonzero(longer > covered)
        before, after = (cover[row, col][:, None, None] for cover in (covered, longer))
        tips.append((row, col, before, after, _ends_inside(image_shape, along)))
        covered = longer
    return tips


def _step(direction: int) -> tuple[float, float]:
    angle = direction * np.pi / DIRECTIONS
    return float(np.sin(angle)), float(np.cos(angle))


def _reach(image_shape: tuple[int, int], width: float) -> int:
    return max(image_shape) + int(np.ceil(width)) + 1


def _ends_inside(image_shape: tuple[int, int], along: tuple[float, float]) -> np.ndarray:
    row, col = np.indices(image_shape)
    end_row, end_col = row + along[0], col + along[1]
    return (end_row >= 0) & (end_row <= image_shape[0] - 1) & (end_col >= 0) & (end_col <= image_shape[1] - 1)
