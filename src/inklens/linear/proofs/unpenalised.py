"""Proofs without a penalty: whether an optimum exists, and a lower bound on the loss.

Rounding is counted against us, as in `certificates.py`, whose shapes these are.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress

import numpy as np
from scipy import linalg
from scipy.special import entr

from inklens.linear import deadline, memory
from inklens.linear.kernels.backend import SUMMED_AT_ONCE
from inklens.linear.kernels.by_class import of_others
from inklens.linear.problem.problem import Problem
from inklens.linear.proofs.certificates import balanced, gamma, value_rounding
from inklens.linear.proofs.dual import dual_gradient, entropies
from inklens.linear.rows.row_arrays import RowArray
from inklens.linear.softmax import laplacian, pairs_of

RADIUS_RATIO = 10.0  # of norms to the solution's: without existence the bound holds up to there
MAX_COEFFICIENTS = 1500  # up to which existence is looked for
MAX_WORK = 2e10  # multiply-adds of its matrix
MATRICES = 4  # as large as that, which its eigenvalues take at most
MAX_WHOLE = 1e5  # of whole numbers whose sums of products stay far below 2^53
ROWS_AT_ONCE = 4096  # a multiple of SUMMED_AT_ONCE


def bound(
    problem: Problem,
    coef: np.ndarray,
    probas: Sequence[RowArray],
    seconds: float | None = None,
    *,
    enough: float = np.inf,
    looks_for_existence: bool = True,
) -> tuple[float, bool | None]:
    """Return a lower bound on the unpenalised loss, and True if an optimum is proven to exist, else None.

    The best of several dual points counts, the first that proves `enough` is the last. The proof of existence is given
    up after so many seconds; without it the bound holds over all coefficients whose norm ||W||_1 is at most
    RADIUS_RATIO times that of `coef`.
    """
    bounds: list[float | None] = []
    if looks_for_existence and may_prove_existence(problem):
        with suppress(deadline.OutOfTime), deadline.scope(seconds):
            for proba in probas:
                bounds.append(found := existence(problem, np.asarray(proba)))
                if found is not None and found >= enough:
                    break
    proven = [bound for bound in bounds if bound is not None]
    if proven:
        return max(proven), True
    radius = RADIUS_RATIO * float(np.abs(coef).sum())
    return max(norm_bounded(problem, proba, radius) for proba in probas), None


def norm_bounded(problem: Problem, proba: RowArray, radius: float) -> float:
    """Return a proven lower bound on the unpenalised loss over all coefficients with ||W||_1 <= radius.

    The Frank-Wolfe gap: sum_i c_i H(p_i) - radius max |G|.
    """
    proba, leak = balanced(proba, problem.codes, problem.weights) if problem.fit_intercept else (proba, 0.0)
    G = dual_gradient(problem, proba)
    found, largest = entropies(proba, problem.codes, problem.weights, [1.0])
    relative, shift = value_rounding(proba, largest, leak, problem.rows.n_added)
    widest = float((np.abs(G) + shift * problem.magnitudes)[:, problem.free].max(initial=0.0))
    sure, total = float(found[0]), float(problem.weights.sum())
    return max(0.0, sure - problem.n_classes * (shift * total + relative * sure) - radius * widest)


def may_prove_existence(problem: Problem) -> bool:
    """Tell whether the matrix of `existence` is affordable."""
    n_columns = int(problem.free.sum()) + problem.fit_intercept
    size = (problem.n_classes - 1) * n_columns
    work = problem.rows.n_samples * size * n_columns
    is_affordable = work <= MAX_WORK and 8 * MATRICES * size**2 <= memory.limit()
    return 0 < size <= MAX_COEFFICIENTS and is_affordable and problem.rows.holds(problem.n_classes)


def existence(problem: Problem, proba: np.ndarray) -> float | None:
    """Return a proven lower bound on the unpenalised loss if `proba` proves that an optimum exists, or None.

    An optimum exists if some P with all entries positive has G(P) = 0: by Stiemke's theorem no direction then separates
    the classes even partly (Albert and Anderson 1984). Let u_ik = c_i p_ik and d_ik = (e_yi - e_k) (x) (x_i, 1) of the
    other classes k, so that G = sum u_ik d_ik, and Q = sum u_ik^2 d_ik d_ik'. Moving u_ik by -u_ik^2 d_ik' Q^-1 G gives
    G = 0 exactly. As u_ik^2 d_ik d_ik' is a part of Q, no u_ik changes by a larger share than tau = (G' Q^-1 G)^(1/2),
    in any coordinates; where that is below 1/2, all stay positive.

    All of them divided by 1 + tau are less than they were, by a share of 2 tau at most, and the row's own class has
    the rest. -p log p is concave: it falls by no larger share than p does, and for the own class by no more than that
    gains.
    """
    n_classes = problem.n_classes
    if not may_prove_existence(problem) or not (proba > 0.0).all():
        return None
    columns = Columns(problem)
    width = len(columns.kept)
    first, second = pairs_of(n_classes)
    number = np.zeros((n_classes, n_classes), dtype=int)  # of the pair of two classes
    number[first, second] = number[second, first] = np.arange(len(first))
    edges, totals = np.zeros((len(first), width, width)), np.zeros((n_classes, n_classes, width))
    sizes = np.zeros((n_classes, width))  # of the terms of G
    for own in range(n_classes):
        for rows in _some(np.flatnonzero(problem.codes == own)):
            X, u = columns.of(rows), proba[rows] * problem.weights[rows, None]
            for k in range(n_classes):
                if k == own:
                    continue
                deadline.check()
                spread = X * u[:, k, None]
                edges[number[own, k]] += spread.T @ spread
                totals[own, k] += _sums(spread)
            u[:, own] = 0.0
            u[:, own] = u.sum(axis=1)
            sizes += u.T @ np.abs(X)
    size = (n_classes - 1) * width  # the last class is determined by the others
    G, sizes = (totals.sum(axis=1) - totals.sum(axis=0))[:-1], sizes[:-1]
    Q = laplacian(edges, n_classes)[:size, :size]
    # Coordinates in which Q has about ones on its diagonal; powers of two, which round nothing.
    unit = np.exp2(-np.round(0.5 * np.log2(np.maximum(np.diag(Q), np.finfo(float).tiny))))
    Q = Q * unit * unit[:, None]
    n_samples = len(proba)
    rounding = (gamma(n_samples * n_classes) + size**2 * np.finfo(float).eps) * float(np.trace(Q))
    deadline.check()
    least = float(np.linalg.eigvalsh(Q)[0]) - 4.0 * rounding
    of_sums = gamma(SUMMED_AT_ONCE + n_samples // SUMMED_AT_ONCE + n_classes**2 + 5)
    unsure = float(of_sums * np.linalg.norm(unit * sizes.ravel()))
    if least <= 0.0:
        return None
    tau = np.sqrt(inverse_form(Q, unit * G.ravel(), least, 4.0 * rounding)) + unsure / np.sqrt(least)
    if not tau < 0.5:
        return None
    sure = float(problem.weights @ entr(proba).sum(axis=1))
    rest = of_others(proba, problem.codes)
    change = float(problem.weights @ (entr(rest) + rest).sum(axis=1))
    terms = sure + change + float(problem.weights.sum())
    return float(max(0.0, sure - 2.0 * tau * change - gamma(n_samples + 8 * n_classes) * terms))


def inverse_form(Q: np.ndarray, g: np.ndarray, least: float, error: float) -> float:
    """Return a proven upper bound on g' Q^-1 g, where Q is known to `error` and has no eigenvalue below `least` > 0.

    With any x, g' Q^-1 g = 2 g'x - x'Qx + r' Q^-1 r where r = g - Qx; the last is at most |r|^2 / least, and as small
    as rounding where x is nearly Q^-1 g. So one small eigenvalue costs little where g has nothing along it.

    >>> round(inverse_form(np.diag([1.0, 1e-6]), np.array([1.0, 0.0]), 1e-6, 0.0), 12)
    1.0
    """
    try:
        x = linalg.cho_solve(linalg.cho_factor(Q, check_finite=False), g, check_finite=False)
    except linalg.LinAlgError:
        return np.inf
    product, length, of_terms = Q @ x, float(np.linalg.norm(x)), gamma(2 * len(g) + 8)
    rounded = of_terms * (float(np.linalg.norm(g)) + float(np.trace(Q)) * length)
    left = float(np.linalg.norm(g - product)) + rounded + error * length
    value = float(2.0 * g @ x - x @ product) + (2.0 * rounded + error * length) * length + left**2 / least
    return float((1.0 + of_terms) * max(0.0, value))


def _sums(X: np.ndarray) -> np.ndarray:
    """Return the sums of the columns, over some rows at a time: their rounding is that of much shorter sums."""
    if not len(X):
        return np.zeros(X.shape[1])
    return np.asarray(np.add.reduceat(X, np.arange(0, len(X), SUMMED_AT_ONCE), axis=0).sum(axis=0))


def _some(rows: np.ndarray) -> Iterator[np.ndarray]:
    """Yield some rows after the other."""
    for start in range(0, len(rows), ROWS_AT_ONCE):
        yield rows[start : start + ROWS_AT_ONCE]


class Columns:
    """The columns that count, the one of ones last: without those that are proven to be sums of others.

    Dummies of one table add up to the intercept, and G(P) = 0 on what is kept is G(P) = 0 on all.
    """

    def __init__(self, problem: Problem) -> None:
        self.rows, self.has_ones = problem.rows, problem.fit_intercept
        free = np.flatnonzero(problem.free)
        self.every = free if len(free) < problem.rows.n_features else None  # None: all, without a copy
        low, high = (np.append(ends[free], [1.0] * self.has_ones) for ends in (problem.rows.low, problem.rows.high))
        largest = np.maximum(np.maximum(-low, high), np.finfo(float).tiny)
        self.units = np.exp2(np.ceil(np.log2(largest)))  # powers of two, which round nothing
        may_be_whole = (low == np.rint(low)) & (high == np.rint(high)) & (largest < MAX_WHOLE)
        self.kept = np.arange(len(largest))
        self.kept = self._independent(np.flatnonzero(may_be_whole))

    def of(self, rows: np.ndarray) -> np.ndarray:
        """Return the columns of some rows (sorted), each in a unit of its own."""
        X = self._as_they_are(rows)
        return np.asarray(X[:, self.kept] / self.units[self.kept])

    def _as_they_are(self, rows: np.ndarray) -> np.ndarray:
        X = self.rows.dense(self.every, rows, dtype=np.float64)
        return np.column_stack([X, np.ones(len(X))]) if self.has_ones else X

    def _independent(self, whole: np.ndarray) -> np.ndarray:
        """Return the columns that are kept; only those of whole numbers are looked at, whose sums are not rounded."""
        if len(whole) < 2:
            return self.kept
        is_whole, gram = np.ones(len(whole), dtype=bool), np.zeros((len(whole), len(whole)))
        for X in self._of_all(whole):
            is_whole &= (X == np.rint(X)).all(axis=0)
            gram += X.T @ X
        whole, gram = whole[is_whole], gram[np.ix_(is_whole, is_whole)]
        if len(whole) < 2:
            return self.kept
        _, triangle, order = linalg.qr(gram, pivoting=True)
        diagonal = np.abs(np.diag(triangle))
        rank = int((diagonal > 1e-10 * diagonal[0]).sum())
        kept, left = np.sort(order[:rank]), order[rank:]
        factors = np.rint(np.linalg.lstsq(gram[np.ix_(kept, kept)], gram[np.ix_(kept, left)], rcond=None)[0])
        is_exact = bool(np.abs(factors).sum(axis=0).max(initial=0.0) < MAX_WHOLE)
        if not len(left) or not is_exact:
            return self.kept
        if not all((X[:, kept] @ factors == X[:, left]).all() for X in self._of_all(whole)):
            return self.kept
        return np.setdiff1d(self.kept, whole[left])

    def _of_all(self, columns: np.ndarray) -> Iterator[np.ndarray]:
        """Yield some columns of all rows, some rows after the other."""
        for rows in _some(np.arange(self.rows.n_samples)):
            yield self._as_they_are(rows)[:, columns]
