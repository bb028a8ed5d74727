"""Near-duplicates: test images that some training image repeats but for a tiny shift and a little noise.

The distance of two images is the Euclidean distance of their ink after the best shift, as a share of the larger norm.
For any orthonormal basis, with P x the coordinates in it and r(x) the norm of the rest,

    |x - y|^2  >=  |P x - P y|^2 + (r(x) - r(y))^2,

so that a few dozen principal directions rule out nearly all pairs, and no pair is missed.
"""

from dataclasses import dataclass

import numpy as np

from inklens.errors import DataError, ParameterError
from inklens.reprs import Shown

DIRECTIONS = 40  # of the basis; on MNIST they leave fewer than one pair in a million to look at
BASIS_ROWS = 10_000  # from which the basis is taken; any basis gives the same pairs
TEST_ROWS, TRAIN_ROWS = 256, 4096  # compared at a time: their products stay in the cache
SLACK = 1e-4  # of the largest squared norm, for float32
CLOSEST = 0.15  # share of the norm; on MNIST below it lie only upright strokes, read as 1 in both halves
_NONE = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, eq=False, repr=False)
class NearDuplicates(Shown):
    """Test rows with a training row nearly equal, the closest first.

    Parameters
    ----------
    test_rows, train_rows : int array (n_pairs,)
        Rows of the two halves, counted from 0 within each; each test row once, with its nearest training row.
    distances : array (n_pairs,)
        0 for equal images, 1 and more for images that share no ink.
    shifts : int array (n_pairs, 2)
        Rows down and columns right by which the test image was moved.
    n_test : int
        Test rows that were compared.
    """

    test_rows: np.ndarray
    train_rows: np.ndarray
    distances: np.ndarray
    shifts: np.ndarray
    n_test: int

    def __len__(self) -> int:
        return len(self.test_rows)

    @property
    def n_equal(self) -> int:
        """Pairs that are equal pixel by pixel, with no shift."""
        return int(np.sum((self.distances == 0.0) & ~self.shifts.any(axis=1)))


def near_duplicates(
    X_train: np.ndarray,
    X_test: np.ndarray,
    image_shape: tuple[int, int],
    *,
    closest: float = CLOSEST,
    shift: int = 1,
) -> NearDuplicates:
    """Return the test rows that lie nearer than `closest` to a training row, after a shift by up to `shift` pixels.

    Parameters
    ----------
    X_train, X_test : uint8 array (n_train, n_pixels), (n_test, n_pixels)
        Ink, 0 to 255. Ink that a shift moves over the border counts as gone.
    closest : float
        Largest distance, as a share of the larger of the two norms, in (0, 1).
    shift : int
        Largest shift in rows and in columns, 0 to 3.

    Raises
    ------
    ParameterError, DataError
        `closest` or `shift` out of range, or rows that are not of `image_shape`.

    Examples
    --------
    >>> train = np.zeros((2, 5, 5), np.uint8)
    >>> train[0, 1, 1:4], train[1, 1:4, 2] = 200, 200
    >>> test = np.roll(train[:1], 1, axis=1)
    >>> found = near_duplicates(train.reshape(2, -1), test.reshape(1, -1), (5, 5))
    >>> found.train_rows.tolist(), found.distances.tolist(), found.shifts.tolist()
    ([0], [0.0], [[-1, 0]])
    """
    _check(X_train, X_test, image_shape, closest, shift)
    by_norm = np.argsort(_norms(X_train), kind="stable")
    train, basis = X_train[by_norm], _basis(X_train)
    known = _Known(train, _norms(train), _coordinates(train, basis), closest)
    best, nearest = np.full(len(X_test), np.inf), np.zeros(len(X_test), dtype=np.int64)
    moved = np.zeros((len(X_test), 2), dtype=np.int64)
    for offset in _offsets(shift):
        shifted = _shift(X_test, image_shape, offset)
        norms, coordinates = _norms(shifted), _coordinates(shifted, basis)
        order = np.argsort(norms, kind="stable")
        for rows in np.array_split(order, -(-len(order) // TEST_ROWS)):
            test, found = known.candidates(coordinates[rows], norms[rows])
            distances = _distances(shifted[rows[test]], train[found])
            _keep(best, nearest, moved, rows[test], by_norm[found], distances, offset)
    chosen = np.flatnonzero(best <= closest)
    chosen = chosen[np.argsort(best[chosen], kind="stable")]
    return NearDuplicates(chosen, nearest[chosen], best[chosen], moved[chosen], len(X_test))


@dataclass(frozen=True, eq=False)
class _Known:
    """Training rows by rising norm, with their coordinates."""

    rows: np.ndarray
    norms: np.ndarray
    coordinates: np.ndarray
    closest: float

    def candidates(self, coordinates: np.ndarray, norms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return test row (within the block, whose norms are alike) and training row of all pairs not ruled out.

        |x - y| <= c max(|x|, |y|) bounds the norms' ratio, and asks of the coordinates p, q (with |p| = |x|)
        that p . q - |x|^2 / 2 - (|y|^2 - c^2 max(|x|, |y|)^2) / 2 >= 0: one product of matrices.
        """
        first = np.searchsorted(self.norms, (1 - self.closest) * norms.min())
        last = np.searchsorted(self.norms, norms.max() / (1 - self.closest), side="right")
        ones = np.ones((len(norms), 1), dtype=np.float32)
        left = np.column_stack([coordinates, -np.square(norms)[:, None] / 2, ones]).astype(np.float32)
        pairs = []
        for start in range(first, last, TRAIN_ROWS):
            rows = slice(start, min(start + TRAIN_ROWS, last))
            largest = np.maximum(self.norms[rows], norms.max()) ** 2
            needs = (np.square(self.norms[rows]) - (self.closest**2 + SLACK) * largest) / 2
            right = np.column_stack([self.coordinates[rows], np.ones(len(needs)), -needs]).astype(np.float32)
            lead = left @ right.T
            if lead.max(initial=-1.0) >= 0.0:  # nearly always there is no such pair
                test, train = np.nonzero(lead >= 0.0)
                pairs.append((test, start + train))
        sides = [np.concatenate([pair[side] for pair in pairs] or [_NONE]) for side in (0, 1)]
        return sides[0], sides[1]


def _keep(
    best: np.ndarray,
    nearest: np.ndarray,
    moved: np.ndarray,
    test_rows: np.ndarray,
    train_rows: np.ndarray,
    distances: np.ndarray,
    offset: tuple[int, int],
) -> None:
    """Take over every pair that is closer than what its test row has so far."""
    order = np.argsort(-distances, kind="stable")  # the last, smallest one stays
    closer = order[distances[order] < best[test_rows[order]]]
    best[test_rows[closer]] = distances[closer]
    nearest[test_rows[closer]] = train_rows[closer]
    moved[test_rows[closer]] = offset


def _check(X_train: np.ndarray, X_test: np.ndarray, image_shape: tuple[int, int], closest: float, shift: int) -> None:
    if not 0.0 < closest < 1.0:
        raise ParameterError(f"a distance is a share of the ink's norm between 0 and 1, got {closest:g}")
    if not 0 <= shift <= 3:
        raise ParameterError(f"a shift is 0 to 3 pixels, got {shift}")
    n_pixels = image_shape[0] * image_shape[1]
    for X in (X_train, X_test):
        if X.dtype != np.uint8 or X.ndim != 2 or X.shape[1] != n_pixels or not len(X):
            raise DataError(f"expected uint8 rows of {n_pixels} pixels, got {X.dtype} {X.shape}")


def _offsets(shift: int) -> list[tuple[int, int]]:
    """Return all shifts, none first, so that equal distances keep the smallest."""
    reach = range(-shift, shift + 1)
    return sorted(((down, right) for down in reach for right in reach), key=lambda o: (abs(o[0]) + abs(o[1]), o))


def _shift(X: np.ndarray, image_shape: tuple[int, int], offset: tuple[int, int]) -> np.ndarray:
    down, right = offset
    rows, cols = image_shape
    images = X.reshape(-1, rows, cols)
    moved = np.zeros_like(images)
    moved[:, max(down, 0) : rows + min(down, 0), max(right, 0) : cols + min(right, 0)] = images[
        :, max(-down, 0) : rows + min(-down, 0), max(-right, 0) : cols + min(-right, 0)
    ]
    return moved.reshape(len(X), -1)


def _norms(X: np.ndarray) -> np.ndarray:
    """Return the Euclidean norm of every row, exactly but for the root."""
    squares: np.ndarray = np.einsum("ij,ij->i", X, X, dtype=np.int64, casting="unsafe")
    return np.sqrt(squares.astype(np.float64))


def _basis(X: np.ndarray) -> np.ndarray:
    """Return principal directions of the rows (their mean not removed), (n_pixels, n_directions) float32."""
    sample = X[:: -(-len(X) // BASIS_ROWS)].astype(np.float32)
    vectors = np.linalg.eigh(sample.T @ sample)[1]
    return np.ascontiguousarray(vectors[:, ::-1][:, :DIRECTIONS]).astype(np.float32)


def _coordinates(X: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Return coordinates in the basis, and the norm of what they leave, (n_samples, n_directions + 1)."""
    inside = np.concatenate([X[i : i + 8192].astype(np.float32) @ basis for i in range(0, len(X), 8192)])
    rest = np.sqrt(np.maximum(_norms(X) ** 2 - np.square(inside, dtype=np.float64).sum(axis=1), 0.0))
    return np.column_stack([inside, rest.astype(np.float32)])


def _distances(X: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """Return |x - y| / max(|x|, |y|) row by row; 0 for two blank images."""
    parts = []
    for start in range(0, len(X), 8192):
        x, y = (part[start : start + 8192].astype(np.int64) for part in (X, Y))
        larger = np.sqrt(np.maximum((x * x).sum(axis=1), (y * y).sum(axis=1)))
        parts.append(np.sqrt(np.square(x - y).sum(axis=1)) / np.maximum(larger, 1.0))
    return np.concatenate(parts) if parts else np.zeros(0)
