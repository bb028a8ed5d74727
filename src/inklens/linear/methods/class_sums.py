"""What steps by classes sum over rows: the Hessian's blocks within each class, and moves of all classes alike.

Of most tables a few rows for each column stand for all, drawn by what they weigh. Sparse rows of few values each, as
of categories, are all summed: it costs about as much as the products of some steps, and no rare level is missed.

Shapes: proba (n_samples, n_classes), curvature c_i p_ik (1 - p_ik) likewise, a face (n_classes, q) over the q columns
that may move.
"""

from functools import cached_property
from typing import Protocol

import numpy as np

from inklens.linear import memory
from inklens.linear.kernels.storage import Storage
from inklens.linear.methods import costs
from inklens.linear.methods.class_blocks import Blocks, Shifts
from inklens.linear.methods.systems import lengths
from inklens.linear.problem.problem import Problem
from inklens.linear.rows.drawing import sample

MIN_UNEVEN_CLASSES = 16  # where few rows carry most of a column: drawn ones miss it, and steps are cut short
STANDS_OUT = 10.0  # times a column's size: 3 to 8 in numbers, images and embeddings, 20 and more in pixels and counts
ROWS_PER_COLUMN, SHIFT_ROWS_PER_COLUMN = 4, 2  # drawn for each class's block, and for moves of all classes alike
MAX_BYTES, MEMORY_SHARE = 1 << 30, 0.5  # of all blocks, and of the memory that a fit may take
COPIES = 3  # of all blocks, while all rows are summed
PRODUCTS = 50.0  # of a step, about; those in float64 count twice, and lanes are seldom full
WHOLE_RATIO = 3.0  # of sums over all rows to these, up to which they are worth it: they serve more steps than one


class ClassSums(Protocol):
    """Sums over the rows of one problem."""

    seconds: float  # that they take, about

    def blocks(self, curvature: np.ndarray, damping: float) -> Blocks:
        """Return the blocks at a curvature in float32, damped in units of their own."""

    def shifts(self, proba: np.ndarray, face: np.ndarray, added: np.ndarray) -> Shifts | None:
        """Return the moves of all classes alike on a face; `added` (n_classes, q) is what penalty and ridge add."""


def sums_of(problem: Problem) -> ClassSums | None:
    """Return the sums that are cheaper; None where drawn rows would tell too little, or blocks have no room."""
    whole = AllRows.of(problem)
    if whole is not None:
        return whole
    if not has_room(problem) or (problem.n_classes < MIN_UNEVEN_CLASSES and is_uneven(problem)):
        return None
    return DrawnRows(problem)


def has_room(problem: Problem, copies: int = 1) -> bool:
    """Tell whether a fit may take the memory of all blocks."""
    n_columns = int(np.count_nonzero(problem.free))
    return copies * 4 * problem.n_classes * n_columns**2 <= memory.share(MEMORY_SHARE, MAX_BYTES)


def is_uneven(problem: Problem) -> bool:
    """Tell whether a quarter of the columns have values that stand out, which rows that are drawn may miss."""
    rows, total = problem.rows, float(problem.weights.sum())
    largest = np.maximum(np.abs(rows.low), np.abs(rows.high))[problem.free]
    size = problem.magnitudes[problem.free] / total  # |x| on average, or its root mean square
    return bool(np.count_nonzero(largest > STANDS_OUT * size) > len(size) / 4)


class DrawnRows:
    """Sums over rows that are drawn by what they weigh, dense."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.features = problem, np.flatnonzero(problem.free)
        n_rows = ROWS_PER_COLUMN * (len(self.features) + 1)
        self.seconds = costs.drawn_class_sums_seconds(problem, n_rows)

    @cached_property
    def _all_rows(self) -> np.ndarray:
        return self._values(None)

    def _values(self, rows: np.ndarray | None) -> np.ndarray:
        every = len(self.features) == self.problem.rows.n_features
        return self.problem.rows.dense(None if every else self.features, rows)

    def _drawn(self, importance: np.ndarray, per_column: int) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
        """Return drawn rows over the columns that may move, (n_rows, q) float32, their numbers, and their weights.

        Where all are drawn, their numbers are None, and others hold them as well; else they may be written to.
        """
        rows, factor = sample(importance * self.lengths, per_column * (len(self.features) + 1))
        return self._all_rows if rows is None else self._values(rows), rows, factor

    @cached_property
    def lengths(self) -> np.ndarray:
        """What makes rows weigh more where they are drawn."""
        return lengths(self.problem)

    def blocks(self, curvature: np.ndarray, damping: float) -> Blocks:
        """See `ClassSums`."""

        def block(k: int) -> tuple[np.ndarray, np.ndarray, float]:
            X, rows, factor = self._drawn(curvature[:, k], ROWS_PER_COLUMN)
            h = curvature[:, k] if rows is None else curvature[rows, k] * factor
            root = np.sqrt(h)
            X = np.multiply(X, root[:, None], out=None if rows is None else X)
            return X.T @ X, X.T @ root, float(h.sum())

        return Blocks.of(self.features, block, self.problem.n_classes, self.problem.fit_intercept, damping)

    def shifts(self, proba: np.ndarray, face: np.ndarray, added: np.ndarray) -> Shifts | None:
        """See `ClassSums`."""
        p, weights = proba, self.problem.weights
        importance = ((1.0 - (p * p).sum(axis=1)) * weights).astype(np.float32)
        X, rows, factor = self._drawn(importance, SHIFT_ROWS_PER_COLUMN)
        p, weights = (p, weights) if rows is None else (p[rows], weights[rows])
        c = (weights * factor).astype(np.float32)
        return Shifts.of(X, p, c, face, added, self.problem.rows.n_threads)


class AllRows:
    """Sums over all rows, of which each has few values."""

    def __init__(self, problem: Problem, seconds: float) -> None:
        self.problem, self.features, self.seconds = problem, np.flatnonzero(problem.free), seconds

    @classmethod
    def of(cls, problem: Problem) -> "AllRows | None":
        """Return None where rows have more values, or sums would cost many times the products of a step.

        Groups of categories are left to steps by columns: of a group that is nearly 0 a face is too steep for float32.
        """
        rows = problem.rows
        if not rows.is_sparse or rows.column_visitor is None or rows.n_nonzeros > costs.FEW_VALUES * rows.n_samples:
            return None
        if problem.penalty.is_grouped or not has_room(problem, COPIES):
            return None
        seconds = costs.class_sums_seconds(problem)
        most = WHOLE_RATIO * PRODUCTS * costs.product_seconds(problem)
        return cls(problem, seconds) if seconds <= most else None

    @cached_property
    def _rows(self) -> Storage:
        return self.problem.rows.csr(self.features)

    def blocks(self, curvature: np.ndarray, damping: float) -> Blocks:
        """See `ClassSums`."""
        q, rows = len(self.features), self._rows
        grams = np.zeros((self.problem.n_classes, q + 1, q + 1), dtype=np.float32)
        rows.backend.class_grams(rows, curvature, grams, self.problem.rows.n_threads)

        def block(k: int) -> tuple[np.ndarray, np.ndarray, float]:
            own = grams[k]
            return symmetric(own[:q, :q]), own[q, :q], float(own[q, q])

        return Blocks.of(self.features, block, self.problem.n_classes, self.problem.fit_intercept, damping)

    def shifts(self, proba: np.ndarray, face: np.ndarray, added: np.ndarray) -> None:
        """Return nothing: of such rows these sums take longer than the products that they spare."""


def symmetric(lower: np.ndarray) -> np.ndarray:
    """Return the matrix of which this is the lower triangle.

    >>> symmetric(np.array([[1.0, 0.0], [2.0, 3.0]])).tolist()
    [[1.0, 2.0], [2.0, 3.0]]
    """
    found = np.tril(lower)
    found += np.tril(found, -1).T
    return found
