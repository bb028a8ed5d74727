"""Far more columns than rows, under L2: the same problem with a column for each row.

The optimum lies in the span of the rows (representer theorem, Kimeldorf and Wahba 1971, J. Math. Anal. Appl. 33). With
D = diag(l2)^-1/2 over the columns that may move and X D^2 X' = L L', coefficients W = V L^-1 X D^2 have the scores
X W' = L V' and the penalty |V|^2 / 2: a problem in V whose rows are those of L. Points, and dual points, go back by one
product with X', and are proven on the data as given.

Shapes: X (n, p), L (n, n), V (n_classes, n), W (n_classes, p).
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from scipy import linalg

from inklens.linear import blas, deadline
from inklens.linear.methods import costs
from inklens.linear.methods.iterate import Iterate
from inklens.linear.problem.penalties import ElasticNet
from inklens.linear.problem.problem import Problem
from inklens.linear.proofs.dual import DualPoint
from inklens.linear.rows.rows import Rows

COLUMNS_PER_ROW = 2  # at least, before it is worth the trouble
PASSES_SPARED = 25.0  # that a fit over all columns takes at least, to pay for X X'
LEAST_COUPLING = 10.0  # mean c_i |x_i|^2 / l2; below, dual ascent is at the optimum after a few epochs
COLUMNS_AT_ONCE = 1 << 22  # entries of X that are held in float64 at a time
POINTS_BETWEEN = 5  # of which one is brought back before one is believed to be good enough: that costs half a pass
RIDGES = (0.0, 1e-14, 1e-12, 1e-10)  # of the mean diagonal: rows that repeat leave X X' singular

Solver = Callable[[Problem, np.ndarray, np.ndarray, float], Iterator[Iterate]]


def suits(problem: Problem) -> bool:
    """Tell whether the row space is so much smaller that going there is quicker."""
    n, p = problem.rows.n_samples, int(problem.free.sum())
    if COLUMNS_PER_ROW * n > p or not problem.rows.holds(problem.n_classes):
        return False
    l2 = np.broadcast_to(problem.penalty.l2, problem.rows.n_features)[problem.free]
    if not (l2 > 0.0).all() or costs.row_space_seconds(problem) > PASSES_SPARED * costs.pass_seconds(problem):
        return False
    squares = problem.rows.row_squares(_unit(problem) * np.float32(problem.rows.scale))
    return float(problem.weights @ squares) > LEAST_COUPLING * n


def iterates(problem: Problem, solver: Solver, tol: float) -> Iterator[Iterate]:
    """Yield a solver's points in the row space as points of the problem."""
    gram = _gram(problem)
    L = _cholesky(gram)
    small = replace(problem, rows=Rows.of(L, n_threads=problem.rows.n_threads), penalty=ElasticNet(0.0, 1.0))
    unit = _unit(problem).astype(np.float64) ** 2

    def back(V: np.ndarray) -> np.ndarray:
        """Return V L^-1 X D^2."""
        A = linalg.solve_triangular(L, V.T, lower=True, trans="T", check_finite=False)
        return np.asarray(problem.rows.transpose_product(np.ascontiguousarray(A)) * unit)

    start = np.zeros((problem.n_classes, len(L))), np.zeros(problem.n_classes)
    for number, iterate in enumerate(solver(small, *start, tol)):
        believed = iterate.stationary or iterate.gap <= tol * iterate.objective < np.inf
        if not believed and number % POINTS_BETWEEN:
            continue
        dual = iterate.dual
        if dual is not None and dual.direction is not None:
            dual = DualPoint(back(dual.coef), dual.intercept, back(dual.direction), dual.intercept_direction)
        yield iterate._replace(coef=back(iterate.coef), dual=dual, stationary=False)
        if iterate.stationary:
            return


def _unit(problem: Problem) -> np.ndarray:
    """Return the diagonal of D, 0 for columns that may not move, (n_features,) float32."""
    l2 = np.broadcast_to(problem.penalty.l2, problem.rows.n_features)
    unit = np.zeros(len(l2))
    unit[problem.free] = 1.0 / np.sqrt(l2[problem.free])
    return unit.astype(np.float32)


def _gram(problem: Problem) -> np.ndarray:
    """Return X D^2 X', in float64."""
    n = problem.rows.n_samples
    gram, unit, step = np.zeros((n, n)), _unit(problem).astype(np.float64), max(1, COLUMNS_AT_ONCE // n)
    columns = np.flatnonzero(problem.free)
    for start in range(0, len(columns), step):
        deadline.check()
        some = columns[start : start + step]
        X = problem.rows.dense(some, dtype=np.float64) * unit[some]
        with blas.for_work(0.5 * n * n * len(some), problem.rows.n_threads):
            gram += X @ X.T
    problem.rows.n_passes += n / problem.n_classes / 2.0
    return gram


def _cholesky(gram: np.ndarray) -> np.ndarray:
    """Return L, L L' = gram, with the least ridge that rounding leaves necessary."""
    size = float(np.trace(gram)) / len(gram)
    for ridge in RIDGES:
        try:
            return np.asarray(linalg.cholesky(gram + ridge * size * np.eye(len(gram)), lower=True, check_finite=False))
        except linalg.LinAlgError:
            continue
    values, vectors = linalg.eigh(gram)
    return np.asarray(linalg.qr((vectors * np.sqrt(np.maximum(values, RIDGES[-1] * size))).T, mode="r")[0].T)
