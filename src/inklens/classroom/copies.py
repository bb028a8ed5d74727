"""Likeness: of two pictures, of a picture and a training image, of two texts. What is found is a question, no verdict.

Pictures are compared as they were given, not as frames: two upright strokes give nearly the same frame, whoever made
them. The square around each digit is brought to 96 x 96 pixels, one is moved and scaled until it fits the other best
(Lucas & Kanade 1981), and their correlation is taken. Pictures that were stored again, resized or cropped keep more
than 0.99 of it; two sevens of different people hardly reach 0.98.

A single stroke has no shape to tell it by. Such pictures also need the same place on their picture, or the same paper:
its folds, lines and shadows, without what light does slowly over all of it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from PIL import Image
from scipy import ndimage

from inklens.classroom.texts import QUESTIONS

PATCH_SIDE = 96  # pixels: of a photo about as many as a digit on it has
MARGIN = 0.15  # of the digit's longer side, around it
SOFT = 1.0  # pixels of blur: what JPEG and resampling change of an edge is finer
SAME_PICTURE = 0.99  # correlation of pictures that are one; of 362 open photos two different ones reach 0.985
SAME_STROKE = 0.994  # the same, of strokes and of training images, where thousands of pairs are compared
WORTH_A_LOOK = 0.8  # correlation before they are brought together, below which that finds nothing
COARSE_SIDE = 24  # pixels, for the first look at thousands of training images
COARSE_LOOKS = 3  # training images that are looked at closely
FITTING_STEPS = 5
HOPELESS = 0.95  # correlation after two of these steps
FARTHEST, MOST_GROWTH = 8.0, 0.15  # pixels and share by which one is moved and scaled

STROKE = 0.3  # spread of the ink across its direction, in that along it: below, it is a stroke; a 7 has 0.5
SAME_PLACE = 0.01  # of the picture's longer side: distances of the digit from the four edges, of a copy without a crop
TRAINING_PLACE = 0.04  # the same, of an image of 28 x 28 pixels, in which a pixel is 0.036
SMALL_CROP = 0.12  # the same, of a copy with a small crop
PAPER_SIDE = 64  # cells of the square of paper, twice as wide as the digit
SAME_PAPER = 0.5  # correlation of what is left of it
FAINTEST = 0.4  # grey levels: below, a paper is blank and proves nothing
FEWEST_CELLS = 400

SHINGLE = 5  # words in a row
FEWEST_SHINGLES = 12  # of the shorter text: two people may well say ten words alike
COPIED_WORDS = 0.5  # share of the shorter text's shingles that the other has too

# gray    (rows, cols)  0 to 1, the picture as it was given
# levels  (96, 96)      uint8
# paper   (64, 64)      uint16, 0 to 65535; 0 beyond the picture's edge


@dataclass(frozen=True, eq=False)
class Look:
    """What a picture is compared by.

    Parameters
    ----------
    sha256 : str
        Of its bytes.
    levels : uint8 array (96, 96)
        The square around the digit.
    paper : uint16 array (64, 64)
        A wider square.
    edges : (left, top, right, bottom)
        How far the digit is from the picture's edges, in lengths of the digit.
    extent : float
        The picture's longer side, in lengths of the digit.
    spread : float
        Of the ink across its direction, in that along it.
    """

    sha256: str
    levels: np.ndarray
    paper: np.ndarray
    edges: tuple[float, float, float, float]
    extent: float
    spread: float

    @cached_property
    def patch(self) -> np.ndarray:
        """The square blurred a little, ink positive, with mean 0 and norm 1."""
        return _standardised(ndimage.gaussian_filter(_ink_up(self.levels), SOFT))

    @cached_property
    def coarse(self) -> np.ndarray:
        """The same in few pixels, in one row."""
        n = PATCH_SIDE // COARSE_SIDE
        small = self.patch.reshape(COARSE_SIDE, n, COARSE_SIDE, n).mean(axis=(1, 3))
        return _standardised(small).ravel()

    @property
    def is_stroke(self) -> bool:
        """Whether the digit is one stroke, such as any two people make."""
        return self.spread < STROKE


def look_at(gray: np.ndarray, box: tuple[float, float, float, float], *, sha256: str, frame: np.ndarray) -> Look:
    """Return what a picture is compared by.

    Parameters
    ----------
    gray : array (rows, cols)
        The picture, from 0 to 1.
    box : (left, top, right, bottom)
        The digit, in pixels of `gray`.
    sha256 : str
        Of the picture's bytes.
    frame : array (28, 28)
        The digit's ink.
    """
    left, top, right, bottom = box
    length = max(right - left, bottom - top, 1.0)
    middle = ((left + right) / 2, (top + bottom) / 2)
    rows, cols = gray.shape
    near = _square(gray, middle, (0.5 + MARGIN) * length, PATCH_SIDE, mode="edge")
    wide = _square(gray * (1 - 1e-4) + 1e-4, middle, length, PAPER_SIDE, mode="constant")
    edges = (left / length, top / length, (cols - right) / length, (rows - bottom) / length)
    levels, paper = np.rint(255 * near).astype(np.uint8), np.rint(65535 * wide).astype(np.uint16)
    return Look(sha256, levels, paper, edges, max(rows, cols) / length, spread_of(frame))


def spread_of(frame: np.ndarray) -> float:
    """Return how far ink spreads across its main direction, in how far along it: 0 for a line, 1 for a ring.

    >>> bar = np.zeros((28, 28))
    >>> bar[4:24, 13:15] = 1
    >>> round(spread_of(bar), 2)
    0.09
    """
    rows, cols = np.nonzero(frame)
    if len(rows) < 2:
        return 0.0
    low, high = np.linalg.eigvalsh(np.cov(np.stack([rows, cols]), aweights=frame[rows, cols], bias=True))
    return float(np.sqrt(max(low, 0.0) / max(high, 1e-9)))


def same_picture(first: Look, second: Look) -> bool:
    """Return whether two pictures are one, as far as that can be seen."""
    if first.sha256 == second.sha256:
        return True
    if float((first.patch * second.patch).sum()) < WORTH_A_LOOK:
        return False
    is_stroke = first.is_stroke or second.is_stroke
    if is_stroke and not same_surroundings(first, second):
        return False
    return likeness(first.patch, second.patch) >= (SAME_STROKE if is_stroke else SAME_PICTURE)


def same_surroundings(first: Look, second: Look) -> bool:
    """Return whether a digit lies at the same place, or nearly the same on the same paper."""
    apart = displacement(first, second)
    return apart <= SAME_PLACE or (apart <= SMALL_CROP and same_paper(first.paper, second.paper) >= SAME_PAPER)


def displacement(first: Look, second: Look) -> float:
    """Return the largest difference of two digits' distances from the four edges, in longer sides of the picture."""
    apart = max(abs(a - b) for a, b in zip(first.edges, second.edges, strict=True))
    return apart / max(first.extent, second.extent)


def same_paper(first: np.ndarray, second: np.ndarray) -> float:
    """Return the correlation of what two papers show besides ink and slow changes of light; 0 where one is blank."""
    both = _is_paper(first) & _is_paper(second)
    if both.sum() < FEWEST_CELLS:
        return 0.0
    y, x = (grid[both] / PAPER_SIDE - 0.5 for grid in np.indices(both.shape))
    slow = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], axis=1)
    left = np.stack([paper[both] / 257.0 for paper in (first, second)], axis=1)
    left -= slow @ np.linalg.lstsq(slow, left, rcond=None)[0]
    if left.std(axis=0).min() < FAINTEST:
        return 0.0
    return float(np.corrcoef(left.T)[0, 1])


def likeness(first: np.ndarray, second: np.ndarray) -> float:
    """Return the correlation of two standardised squares once the second is brought onto the first; 1 for one picture.

    Gauss-Newton on the second's place and size: the residual is expanded in dy, dx and a change of scale.

    >>> patch = np.zeros((96, 96))
    >>> patch[20:76, 40:48] = 1
    >>> one, other = (_standardised(ndimage.gaussian_filter(np.roll(patch, n, axis=1), 1.5)) for n in (0, 3))
    >>> float((one * other).sum()) < 0.8 < 0.99 < likeness(one, other)
    True
    """
    best = float((first * second).sum())
    rows, cols = (grid - (PATCH_SIDE - 1) / 2 for grid in np.indices(first.shape))
    move, here = np.zeros(3), second
    for step in range(FITTING_STEPS):
        down, right = np.gradient(here)
        directions = np.stack([down, right, down * rows + right * cols]).reshape(3, -1)
        normal = directions @ directions.T + 1e-9 * np.eye(3)
        move = move + np.linalg.solve(normal, directions @ (first - here).ravel())
        if np.abs(move[:2]).max() > FARTHEST or abs(move[2]) > MOST_GROWTH or (step == 2 and best < HOPELESS):
            break
        here = _moved(second, *move)
        best = max(best, float((first * here).sum()))
    return best


def shared_pictures(looks: Sequence[tuple[int, Look]]) -> list[tuple[int, int]]:
    """Return pairs of places in the list whose pictures are one, though they are of different owners.

    Parameters
    ----------
    looks : sequence of (owner, Look)
    """
    if len(looks) < 2:
        return []
    coarse = np.stack([look.coarse for _, look in looks])
    close = np.triu(coarse @ coarse.T >= WORTH_A_LOOK - 0.1, 1)
    return [
        (int(i), int(j))
        for i, j in np.argwhere(close)
        if looks[i][0] != looks[j][0] and same_picture(looks[i][1], looks[j][1])
    ]


class TrainingImages:
    """The images that a model was trained on, to be recognised on a photo.

    Parameters
    ----------
    images : uint8 array (n, 28, 28)
        Ink, 0 to 255.
    """

    def __init__(self, images: np.ndarray) -> None:
        self.images = images
        self._coarse = np.stack([_coarse_of(ink) for ink in images]).astype(np.float32)

    def find(self, look: Look) -> int | None:
        """Return which one a picture shows; None if none."""
        close = self._coarse @ look.coarse.astype(np.float32)
        for i in np.argsort(-close)[:COARSE_LOOKS]:
            if close[i] >= WORTH_A_LOOK and self._is(int(i), look):
                return int(i)
        return None

    def _is(self, i: int, look: Look) -> bool:
        image = self._look(i)
        placed = not look.is_stroke or displacement(look, image) <= TRAINING_PLACE
        return placed and likeness(look.patch, image.patch) >= SAME_STROKE

    def _look(self, i: int) -> Look:
        ink = self.images[i]
        return look_at(1 - ink / 255.0, _box_of(ink), sha256="", frame=ink)


def _coarse_of(ink: np.ndarray) -> np.ndarray:
    """Return `Look.coarse` of an image, made in one step."""
    left, top, right, bottom = _box_of(ink)
    half = (0.5 + MARGIN) * max(right - left, bottom - top)
    small = _square(ink / 255.0, ((left + right) / 2, (top + bottom) / 2), half, COARSE_SIDE, mode="edge")
    return _standardised(small).ravel()


def _box_of(ink: np.ndarray) -> tuple[float, float, float, float]:
    rows, cols = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if not rows.size:
        return 0.0, 0.0, float(ink.shape[1]), float(ink.shape[0])
    return float(cols[0]), float(rows[0]), float(cols[-1]) + 1, float(rows[-1]) + 1


# ------------------------------------------------------------------------------------------------- words


def shingles(text: str) -> set[str]:
    """Return all runs of five words, without signs and capitals, and without those of the questions.

    >>> sorted(shingles("The ink in the middle, says: It is a 4!"))[:2]
    ['in the middle says it', 'ink in the middle says']
    """
    return _runs(text) - _ASKED


def copied_words(texts: Mapping[int, str]) -> list[tuple[int, int, float]]:
    """Return pairs of owners whose texts share most of their words in a row, with the share of the shorter text.

    >>> said = "there is ink where a nine has it and none at the top where a four stays open as mine does here"
    >>> copied_words({0: said, 1: f"I think that {said.upper()}!", 2: "It is a four."})
    [(0, 1, 1.0)]
    """
    runs = {owner: found for owner, text in texts.items() if len(found := shingles(text)) >= FEWEST_SHINGLES}
    pairs = []
    for one, other in combinations(runs, 2):
        share = len(runs[one] & runs[other]) / min(len(runs[one]), len(runs[other]))
        if share >= COPIED_WORDS:
            pairs.append((one, other, share))
    return pairs


def _runs(text: str) -> set[str]:
    words = re.findall(r"\w+", text.casefold())
    return set(_joined(words))


def _joined(words: Sequence[str]) -> Iterator[str]:
    for start in range(len(words) - SHINGLE + 1):
        yield " ".join(words[start : start + SHINGLE])


_ASKED = frozenset().union(*map(_runs, QUESTIONS))


# ------------------------------------------------------------------------------------------------- squares


def _square(gray: np.ndarray, middle: tuple[float, float], half: float, side: int, *, mode: str) -> np.ndarray:
    """Return a square of a picture as side x side pixels; beyond its edge lies the edge, or 0."""
    x, y = middle
    pad = int(np.ceil(max(half - x, half - y, x + half - gray.shape[1], y + half - gray.shape[0], 0))) + 1
    left, top = int(max(x - half, -pad)), int(max(y - half, -pad))
    right, bottom = int(np.ceil(x + half)) + 1, int(np.ceil(y + half)) + 1
    part = gray[max(top - 1, 0) : bottom + 1, max(left - 1, 0) : right + 1].astype(np.float32)
    wide = np.pad(part, pad, mode="edge" if mode == "edge" else "constant")
    x, y = x - max(left - 1, 0) + pad, y - max(top - 1, 0) + pad
    box = (x - half, y - half, x + half, y + half)
    small = Image.fromarray(wide).resize((side, side), Image.Resampling.BILINEAR, box=box)
    return np.clip(np.asarray(small), 0, 1)


def _ink_up(levels: np.ndarray) -> np.ndarray:
    """Return levels with ink above paper, which the border of the square is."""
    border = np.concatenate([levels[0], levels[-1], levels[:, 0], levels[:, -1]])
    return levels.astype(np.float32) * (1 if np.median(border) < levels.mean() else -1)


def _is_paper(paper: np.ndarray) -> np.ndarray:
    """Return where a square of paper holds neither ink nor anything beyond the picture."""
    within = ndimage.binary_erosion(paper > 0, iterations=1, border_value=1)
    away = np.abs(paper.astype(float) - np.median(paper[paper > 0] if within.any() else paper))
    ink = away > 0.25 * max(float(away[within].max(initial=0.0)), 1.0)
    return within & ~ndimage.binary_dilation(ink, iterations=2)


def _moved(patch: np.ndarray, down: float, right: float, growth: float) -> np.ndarray:
    middle, factor = (PATCH_SIDE - 1) / 2, 1 + growth
    offset = (middle - factor * middle + down, middle - factor * middle + right)
    return _standardised(ndimage.affine_transform(patch, np.full(2, factor), offset, order=1, mode="nearest"))


def _standardised(values: np.ndarray) -> np.ndarray:
    centred = values - values.mean()
    norm: float = max(float(np.sqrt((centred * centred).sum())), 1e-9)
    return centred / norm
