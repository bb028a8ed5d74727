"""Why a fit is slow, and what would help: told while it works, and when it stops without a proof."""

import numpy as np

from inklens.linear.problem.problem import Problem

RANGE = 1e4  # of the columns' sizes, from which steps have to be found on very different scales
OUTWEIGHED = 1e8  # times the penalty's curvature, or its threshold: what the loss has in the largest column
COLLINEAR = 1e-6  # least eigenvalue of the columns' correlations, to which rounding leaves few digits
MAX_COLUMNS = 300  # that are looked at for that
ROWS_PER_COLUMN = 5


def difficulty(problem: Problem) -> str:
    """Return what makes a problem hard and what to do about it, in one sentence; nothing where nothing stands out.

    >>> from inklens.linear.rows.rows import Rows
    >>> from inklens.linear.problem.penalties import penalty_of
    >>> X, codes = np.array([[1e-3, 1e5], [0.0, 0.0], [2e-3, 3e4]]), np.array([0, 1, 0])
    >>> difficulty(Problem(Rows.of(X), codes, np.ones(3), 2, penalty_of(1.0)))
    'columns reach from 0.002 to 1e+05: bring them to similar sizes (standardize=True)'
    """
    reasons = _ranges(problem), _weak_penalty(problem), _collinear(problem)
    return "; ".join(filter(None, reasons))


def _sizes(problem: Problem) -> np.ndarray:
    """Return the largest |x| of each column that may move."""
    rows = problem.rows
    return np.asarray(np.maximum(np.abs(rows.low), np.abs(rows.high))[problem.free])


def _ranges(problem: Problem) -> str:
    sizes = _sizes(problem)
    if not len(sizes) or sizes.max() <= RANGE * sizes.min():
        return ""
    return f"columns reach from {sizes.min():.3g} to {sizes.max():.3g}: bring them to similar sizes (standardize=True)"


def _weak_penalty(problem: Problem) -> str:
    if not problem.is_penalised:
        return ""
    l1, l2 = (np.broadcast_to(size, problem.rows.n_features)[problem.free] for size in _strengths(problem))
    loss = problem.magnitudes[problem.free]  # of its gradient; times the column's size, of its curvature
    with np.errstate(divide="ignore", invalid="ignore"):
        outweighed = np.minimum(loss / l1, loss * _sizes(problem) / l2)
    most = float(np.max(outweighed, initial=0.0, where=np.isfinite(outweighed)))
    if most <= OUTWEIGHED:
        return ""
    return f"the penalty hardly acts (the loss outweighs it by {most:.0e}): give a smaller C"


def _strengths(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(problem.penalty.l1, dtype=float), np.asarray(problem.penalty.l2, dtype=float)


def _collinear(problem: Problem) -> str:
    columns = np.flatnonzero(problem.free)
    n_rows = ROWS_PER_COLUMN * len(columns)
    if not 2 <= len(columns) <= MAX_COLUMNS or problem.rows.n_samples < n_rows:
        return ""
    drawn = np.sort(np.random.default_rng(0).choice(problem.rows.n_samples, n_rows, replace=False))
    X = problem.rows.dense(columns, drawn, np.float64)
    X = X - X.mean(axis=0) * problem.fit_intercept
    X = X[:, X.any(axis=0)]
    X /= np.abs(X).max(axis=0)  # first: the squares of tiny numbers are 0, those of huge ones infinite
    X /= np.linalg.norm(X, axis=0)
    values, vectors = np.linalg.eigh(X.T @ X)
    if not len(values) or values[0] > COLLINEAR:
        return ""
    one = columns[np.abs(vectors[:, 0]).argmax()]
    return f"some columns are nearly sums of others (number {one}, counted from 0, is one of them): leave some out"
