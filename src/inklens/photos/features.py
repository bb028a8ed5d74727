"""Frames -> what the linear model is fed: `pixels`, `upright` or `strokes`.

The same function serves training and reading, works on whole batches, and learns nothing, so each feature keeps its
meaning: a pixel, a pixel of the deskewed frame, or how much edge of one direction lies around one place.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np

from inklens.errors import DataError, ParameterError
from inklens.photos.threads import product

# frames (n, 28, 28)   float32, 0 paper to 1 ink
# maps   (n, K, 28, 28) float32, edge strength per direction and pixel
# cells  (n, K, c, c)   float32

SIDE = 28
DIRECTIONS = 8  # of the full circle: a stroke's left edge and its right edge are told apart
LEVELS = ((7, 4.0), (4, 8.0))  # (cells per side, pixels between their centres)
CENTRE = 14.0  # row and column of the centre of mass
ROW_SPREAD, COL_SPREAD = 5.2, 4.2  # standard deviation of the ink in pixels, medians of MNIST
MAX_SCALE = 2.0  # a 1 must not become as wide as a 0
BATCH = 256  # frames at a time: the maps of a batch stay in the processor's cache


def pixels(frames: np.ndarray) -> np.ndarray:
    """Return the frames as rows, float32 (n, 784)."""
    frames = _as_frames(frames)
    return frames.reshape(len(frames), SIDE * SIDE)


def upright(frames: np.ndarray) -> np.ndarray:
    """Return the deskewed frames as rows, float32 (n, 784)."""
    return deskew(frames).reshape(len(frames), SIDE * SIDE)


def strokes(frames: np.ndarray) -> np.ndarray:
    """Return oriented-gradient cells of the deskewed frames, float32 (n, 520).

    With g the gradient of the frame (Sobel) and u_k unit vectors in 8 directions, the strength of direction k at a
    pixel is max(0, g . u_k)^3. A cell holds the cube root of its average under a triangular window as wide as two
    distances between cells; each frame's vector is divided by its root mean square.
    Related to Dalal and Triggs (2005) and to the overlapping cells of Maji and Malik (2009).

    Examples
    --------
    >>> import numpy as np
    >>> bar = np.zeros((1, 28, 28), np.float32)
    >>> bar[0, 4:24, 12:16] = 1
    >>> layout = stroke_layout()
    >>> layout[int(strokes(bar).argmax())].direction_degrees in (0.0, 180.0)
    True
    """
    frames = _as_frames(frames)
    out = np.empty((len(frames), len(stroke_layout())), np.float32)
    for start in range(0, len(frames), BATCH):
        maps = edge_maps(deskew(frames[start : start + BATCH]))
        parts = [np.cbrt(window @ maps @ window.T).reshape(len(maps), -1) for window in stroke_windows()]
        rows = np.concatenate(parts, axis=1)
        rows /= np.sqrt((rows * rows).mean(axis=1, keepdims=True)) + 1e-3
        out[start : start + BATCH] = rows
    return out


FEATURES: dict[str, Callable[[np.ndarray], np.ndarray]] = {"pixels": pixels, "upright": upright, "strokes": strokes}


def compute(frames: np.ndarray, kind: str) -> np.ndarray:
    """Return the features `kind` of frames (n, 28, 28) or (n, 784) as float32 rows.

    Raises
    ------
    ParameterError
        There are no such features.
    DataError
        The frames have another shape.
    """
    if kind not in FEATURES:
        raise ParameterError(f"features must be one of {', '.join(FEATURES)}, got {kind!r}")
    return FEATURES[kind](_as_frames(frames))


def deskew(frames: np.ndarray) -> np.ndarray:
    """Shear each frame upright and bring its spread to that of an ordinary digit, about its centre of mass.

    With means, variances and covariance of the ink's rows r and columns c, alpha = cov(r, c) / var(r), the output pixel
    (i, j) shows the frame at

        r = mean(r) + (i - 14) / s_r                         s_r = 5.2 / std(r)
        c = mean(c) + (j - 14) / s_c + alpha (r - mean(r))   s_c = 4.2 / std(c - alpha r)

    by linear interpolation, both scales held within 1/2 to 2. Then the covariance vanishes, and both variances are
    those of an ordinary digit (moment normalisation: Casey 1970; Liu et al. 2004).

    Examples
    --------
    >>> import numpy as np
    >>> slanted = np.zeros((1, 28, 28), np.float32)
    >>> slanted[0, range(4, 24), range(23, 3, -1)] = 1
    >>> bool(deskew(slanted)[0][:, 11:18].sum() > 0.98 * deskew(slanted).sum())
    True
    """
    frames = _as_frames(frames)
    out = np.empty_like(frames)
    for start in range(0, len(frames), BATCH):
        out[start : start + BATCH] = _deskewed(frames[start : start + BATCH])
    return out


class Pose(NamedTuple):
    """Where frames lie and how they stand, float64 arrays (n,): what `deskew` takes away.

    Variances are differences of large sums: in single precision their rounding would move scores by 1e-4.
    """

    row: np.ndarray  # of the centre of mass
    col: np.ndarray
    row_step: np.ndarray  # rows of the frame per row of the deskewed one
    col_step: np.ndarray
    slant: np.ndarray  # columns per row

    def positions(self) -> tuple[np.ndarray, np.ndarray]:
        """Return row (n, 28) and column (n, 28, 28) of the frame that each deskewed pixel shows."""
        at = np.arange(SIDE)
        rise = (at - CENTRE) * self.row_step[:, None]
        along = self.col[:, None] + (at - CENTRE) * self.col_step[:, None]
        return self.row[:, None] + rise, along[:, None, :] + (self.slant[:, None] * rise)[:, :, None]


def pose(frames: np.ndarray) -> Pose:
    """Measure frames (n, 28, 28)."""
    at = np.arange(SIDE, dtype=np.float64)
    by_row, by_col = (frames.sum(axis=axis, dtype=np.float64) for axis in (2, 1))
    mass = np.maximum(by_row.sum(axis=1), 1e-6)
    row, col = by_row @ at / mass, by_col @ at / mass
    row_variance = np.maximum(by_row @ (at * at) / mass - row * row, 0.1)
    covariance = (frames @ at * at).sum(axis=1) / mass - row * col
    alpha = covariance / row_variance
    col_variance = np.maximum(by_col @ (at * at) / mass - col * col - alpha * covariance, 0.1)
    row_step = np.clip(np.sqrt(row_variance) / ROW_SPREAD, 1 / MAX_SCALE, MAX_SCALE)
    col_step = np.clip(np.sqrt(col_variance) / COL_SPREAD, 1 / MAX_SCALE, MAX_SCALE)
    return Pose(row, col, row_step, col_step, alpha)


def _deskewed(frames: np.ndarray) -> np.ndarray:
    at = np.arange(SIDE)
    source_row, source = pose(frames).positions()
    weights = np.maximum(0, 1 - np.abs(source_row[:, :, None] - at)).astype(np.float32)  # (n, 28, 28)
    rows = weights @ frames
    low = np.floor(source)
    share = (source - low).astype(np.float32)
    index = np.clip(low.astype(np.int32) + 1, 0, SIDE + 1)  # into rows with a blank column before and two after
    padded = np.pad(rows, ((0, 0), (0, 0), (1, 2)))
    left, right = (np.take_along_axis(padded, index + k, axis=2) for k in (0, 1))
    return left * (1 - share) + right * share


def deskew_matrix(frame: np.ndarray) -> np.ndarray:
    """Return the shares in which each deskewed pixel takes its ink from the pixels of a frame, (784, 784).

    Row p holds the interpolation weights of deskewed pixel p, scaled to a sum of 1; what lies beyond the frame's
    border counts to the nearest pixel inside.

    Examples
    --------
    >>> import numpy as np
    >>> frame = np.zeros((28, 28), np.float32)
    >>> frame[8:20, 10:18] = 1
    >>> shown = deskew_matrix(frame) @ frame.ravel()
    >>> bool(np.allclose(shown, deskew(frame[None]).ravel(), atol=1e-5))
    True
    """
    by_row, by_col = _interpolation(frame)
    return np.einsum("ir,ijc->ijrc", by_row, by_col).reshape(SIDE * SIDE, SIDE * SIDE)


def unwarp(maps: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """Return maps over the deskewed frame as maps over the frame, both (n, 28, 28), with the same sums.

    The same as ``maps @ deskew_matrix(frame)``, without that matrix.
    """
    by_row, by_col = _interpolation(frame)
    along = np.ascontiguousarray(maps.transpose(1, 0, 2)) @ by_col  # (28, n, 28)
    return product(by_row.T, along.reshape(SIDE, -1)).reshape(SIDE, -1, SIDE).transpose(1, 0, 2)


def _interpolation(frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights of rows (28, 28), and in each deskewed row those of columns (28, 28, 28)."""
    row, col = (np.clip(p[0].astype(np.float64), 0, SIDE - 1) for p in pose(_as_frames(frame[None])).positions())
    return _hats(row), _hats(col)


def _hats(where: np.ndarray) -> np.ndarray:
    return np.maximum(0.0, 1.0 - np.abs(where[..., None] - np.arange(SIDE)))


@np.errstate(under="ignore")
def edge_maps(frames: np.ndarray) -> np.ndarray:
    """Return max(0, g . u_k)^3 for each direction and pixel, float32 (n, 8, 28, 28)."""
    padded = np.pad(frames, ((0, 0), (1, 1), (1, 1)))
    rows = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    cols = padded[..., :-2] + 2 * padded[..., 1:-1] + padded[..., 2:]
    across, down = (rows[..., 2:] - rows[..., :-2]) / 4, (cols[:, 2:] - cols[:, :-2]) / 4
    maps = np.empty((len(frames), DIRECTIONS, SIDE, SIDE), np.float32)
    half = DIRECTIONS // 2
    for k, angle in enumerate(np.arange(half) * np.pi / half):
        along = np.float32(np.cos(angle)) * across + np.float32(np.sin(angle)) * down
        cube = along * along * along  # halves the response 37 degrees off its direction
        np.maximum(cube, 0, out=maps[:, k])
        np.maximum(-cube, 0, out=maps[:, k + half])
    return maps


def stroke_shares(frame: np.ndarray) -> np.ndarray:
    """Return where in the deskewed frame each of the `strokes` features comes from, float64 (520, 28, 28).

    The edges that a cell averages, as shares that sum to 1; all 0 for a cell that sees no edge, whose feature is 0.

    Examples
    --------
    >>> import numpy as np
    >>> bar = np.zeros((28, 28), np.float32)
    >>> bar[4:24, 12:16] = 1
    >>> sums = stroke_shares(bar).sum(axis=(1, 2))
    >>> bool(np.allclose(sums[strokes(bar[None])[0] > 0], 1))
    True
    """
    maps = edge_maps(deskew(frame[None]))[0].astype(np.float64)
    parts = [np.einsum("kij,ai,bj->kabij", maps, w, w).reshape(-1, SIDE, SIDE) for w in stroke_windows()]
    edges = np.concatenate(parts)
    totals = edges.sum(axis=(1, 2), keepdims=True)
    return np.divide(edges, totals, out=np.zeros_like(edges), where=totals > 0)


@dataclass(frozen=True)
class Cell:
    """Where a stroke feature looks and for what: ink grows in `direction_degrees` (0 right, 90 down)."""

    row: float
    col: float
    width: float
    direction_degrees: float


@cache
def stroke_layout() -> list[Cell]:
    """Return what each of the `strokes` features measures, in order."""
    return [
        Cell(row, col, 2 * pitch, k * 360 / DIRECTIONS)
        for count, pitch in LEVELS
        for k in range(DIRECTIONS)
        for row in _centres(count, pitch)
        for col in _centres(count, pitch)
    ]


def _centres(count: int, pitch: float) -> list[float]:
    return [(SIDE - 1) / 2 + (i - (count - 1) / 2) * pitch for i in range(count)]


@cache
def stroke_windows() -> list[np.ndarray]:
    """Return per level the triangular windows (cells, 28), each of sum 1."""
    windows = []
    for count, pitch in LEVELS:
        distance = np.abs(np.arange(SIDE) - np.array(_centres(count, pitch))[:, None]) / pitch
        window = np.maximum(0, 1 - distance)
        windows.append((window / window.sum(axis=1, keepdims=True)).astype(np.float32))
    return windows


def _as_frames(frames: np.ndarray) -> np.ndarray:
    frames = np.asarray(frames, np.float32)
    if frames.ndim == 2 and frames.shape[1] == SIDE * SIDE:
        frames = frames.reshape(-1, SIDE, SIDE)
    if frames.ndim != 3 or frames.shape[1:] != (SIDE, SIDE):
        raise DataError(f"expected frames (n, {SIDE}, {SIDE}) or (n, {SIDE * SIDE}), got shape {frames.shape}")
    return frames
