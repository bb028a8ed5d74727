"""Newton's steps by a Cholesky factor of the whole Hessian, in float64: where coefficients are few.

One pass sums X' diag(c p_k p_l) X for each pair of classes k < l. W sums to zero over the classes, so the last class is
minus the others, W = A V with A = (I, -1)', and the Hessian over V is A' L A + l2 A' A, L the Laplacian whose edges are
the pairs.

Vectors here are (n_classes, n_features + 1), the intercept in the last column.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
from scipy import linalg

from inklens.linear import deadline, memory
from inklens.linear.kernels.rounds import Start
from inklens.linear.methods import costs
from inklens.linear.methods.iterate import Iterate
from inklens.linear.methods.line_search import SUFFICIENT_SHARE, search
from inklens.linear.methods.points import Point, Step
from inklens.linear.problem.penalties import ElasticNet, Penalty
from inklens.linear.problem.problem import Problem
from inklens.linear.proofs.dual import DualPoint, softmax_gap
from inklens.linear.rows.at_once import smooth_rounds
from inklens.linear.softmax import pairs_of, softmax

PRODUCTS_OF_A_STEP = 14.0  # with the Hessian, by conjugate gradients, its preconditioner counted
UNPENALISED_RATIO = 4.0  # times as many without a penalty, where nothing bounds how ill a Hessian is conditioned
MAX_BYTES = 300 << 20  # of matrices that nothing but systems that were given up asks for
CALLS_OF_A_START = 20.0  # costs.CALL, that a fit to rows that stand for all takes before it does any work
SURELY = 0.5  # of the gap that is asked for, up to which a believed one needs no better dual point
ROUNDS_AT_ONCE = 10  # of Newton in one call; few fits take more
MOST_AT_ONCE = 128  # coefficients that move, beyond which LAPACK's factors are quicker than those of `rounds.c`
LONGEST_AT_ONCE = 0.1  # seconds of a round: a call has an end when somebody wants the fit to stop
RIDGES = (1e-15, 1e-12, 1e-10, 1e-8, 1e-6, 1e-4)  # on a diagonal of ones: rounding shall not leave a matrix indefinite

Inverse = Callable[[np.ndarray], np.ndarray]  # of (n,) or (n, m)


def suits(problem: Problem) -> bool:
    """Tell whether a factor is quicker than the products with the Hessian that it spares."""
    if memory_of(problem) > memory.limit():
        return False
    n_products = PRODUCTS_OF_A_STEP * (1.0 if problem.is_penalised else UNPENALISED_RATIO)
    return costs.direct_seconds(problem) <= n_products * costs.product_seconds(problem)


def pays(problem: Problem, n_unsolved: int) -> bool:
    """Tell whether so many products, of systems that were given up, have cost as much as a factor."""
    if n_unsolved == 0 or memory_of(problem) > min(memory.limit(), MAX_BYTES):
        return False
    return costs.direct_seconds(problem) <= n_unsolved * costs.product_seconds(problem)


def is_at_once(problem: Problem) -> bool:
    """Tell whether a step costs so little that no start is worth looking for."""
    return suits(problem) and costs.direct_seconds(problem) <= CALLS_OF_A_START * costs.CALL


def memory_of(problem: Problem) -> int:
    """Return the bytes of all pairs' Gram matrices, of sparse rows with sums beside them, and of three systems."""
    n_pairs, size = problem.n_classes * (problem.n_classes - 1) // 2, problem.rows.n_features + 1
    return 8 * ((2 + problem.rows.is_sparse) * n_pairs * size**2 + 3 * (problem.n_classes * size) ** 2)


def iterates(problem: Problem, coef: np.ndarray, intercept: np.ndarray, tol: float) -> Iterator[Iterate]:
    """Yield Newton's points; the gap is believed to be that of the softmax, which the next step costs less than."""
    if goes_at_once(problem):
        for iterate in taken_at_once(problem, coef, intercept, tol):
            coef, intercept = iterate.coef, iterate.intercept
            yield iterate
    penalty, stalled = problem.penalty, 0
    point = Point.of(problem, np.require(coef, requirements=["C", "A"]), intercept, np.float64)
    while True:
        deadline.check()
        before, step, start = point.objective(penalty), newton_step(problem, point), point
        whole = step.from_point(problem, point, np.float64)
        gap = step.predicted_decrease + max(0.0, before - whole.objective(penalty))
        point, _ = search(problem, penalty, point, step, whole, sufficient_share=SUFFICIENT_SHARE, dtype=np.float64)
        after = point.objective(penalty)
        stalled = 0 if after < before * (1.0 - 1e-14) else stalled + 1
        if problem.is_penalised:
            gap = softmax_gap(problem.near(point.coef).penalty, point.coef, point.at.gradient)
        dual = None
        if gap > SURELY * tol * after or not problem.is_penalised:  # else the softmax at the point proves it
            dual = DualPoint(start.coef, start.intercept, step.coef, step.intercept)
        yield Iterate(point.coef, point.intercept, after, gap, dual, stalled >= 2)


def goes_at_once(problem: Problem) -> bool:
    """Tell whether some rounds fit into one call: coefficients are few, all have a ridge, and rows take little time."""
    penalty, n_columns = problem.penalty, int(np.count_nonzero(problem.free))
    if not (isinstance(penalty, ElasticNet) and penalty.is_smooth and penalty.reach is penalty.held is None):
        return False
    if problem.offset is not None or not problem.rows.takes_rounds:
        return False
    n_unknowns = (problem.n_classes - 1) * (n_columns + problem.fit_intercept)
    has_ridge = bool((np.broadcast_to(penalty.l2, problem.free.shape)[problem.free] > 0.0).all())
    return has_ridge and 0 < n_unknowns <= MOST_AT_ONCE and costs.direct_seconds(problem) <= LONGEST_AT_ONCE


def n_held(penalty: Penalty) -> int:
    """Return how many of the first classes have no coefficients that move."""
    return 0 if penalty.held is None else 1


def start_of(problem: Problem, coef: np.ndarray, intercept: np.ndarray, tol: float) -> Start:
    """Return what ROUNDS_AT_ONCE rounds in one call are told, of whatever penalty."""
    columns, penalty = np.flatnonzero(problem.free), problem.penalty
    l1, l2 = (np.broadcast_to(size, problem.free.shape)[columns].astype(float) for size in (penalty.l1, penalty.l2))
    return Start(
        np.where(problem.free, coef, 0.0), intercept, problem.codes, problem.weights, columns, l1, l2,
        problem.fit_intercept, ROUNDS_AT_ONCE, tol, first=n_held(penalty),
    )  # fmt: skip


def taken_at_once(problem: Problem, coef: np.ndarray, intercept: np.ndarray, tol: float) -> Iterator[Iterate]:
    """Yield the points of rounds that a kernel takes, ROUNDS_AT_ONCE in one call; end where it takes no more."""
    stalled, n_taken = 0, ROUNDS_AT_ONCE
    while n_taken:
        found = smooth_rounds(problem.rows, start_of(problem, coef, intercept, tol))
        if not np.isfinite(found.told).all():  # rows that were changed, which a pass of its own will say
            return
        n_taken = len(found.steps)
        for number, step in enumerate(found.steps):
            before, after, gap = (float(value) for value in (*found.told[number, :1], *found.told[number + 1, :2]))
            start, (coef, intercept) = (coef, intercept), _parts(found.points[number + 1])
            stalled = 0 if after < before * (1.0 - 1e-14) else stalled + 1
            dual = None if gap <= SURELY * tol * after else DualPoint(*start, *_parts(step))
            yield Iterate(coef, intercept, after, gap, dual, stalled >= 2)


def _parts(point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (n_features + 1, n_classes) as coefficients (n_classes, n_features) and intercept."""
    return np.ascontiguousarray(point[:-1].T), point[-1].copy()


def newton_step(problem: Problem, point: Point) -> Step:
    """Return the Newton step at a point."""
    columns, penalty = np.flatnonzero(problem.free), problem.penalty
    place = np.append(columns, problem.rows.n_features) if problem.fit_intercept else columns
    grams = edge_grams(problem, point)
    if len(place) < grams.shape[1]:
        grams = grams[:, place[:, None], place]
    l2 = np.zeros(len(place))
    l2[: len(columns)] = np.broadcast_to(penalty.l2, problem.rows.n_features)[columns]
    gradient = point.gradient(penalty)
    target = (gradient[:-1] - gradient[-1])[:, place]
    V = solve_positive(reduced_hessian(grams, problem.n_classes, l2), -target.ravel()).reshape(target.shape)
    direction = np.zeros_like(gradient)
    direction[:-1, place] = V
    direction[-1] = -direction[:-1].sum(axis=0)
    return Step.along(direction, gradient, 1)


def edge_grams(problem: Problem, point: Point) -> np.ndarray:
    """Return each pair's Gram matrix at a point; without coefficients all rows agree, and one matrix tells them all."""
    rows, n_pairs = problem.rows, problem.n_classes * (problem.n_classes - 1) // 2
    proba = point.at.proba
    if n_pairs == 1 or point.coef.any() or problem.offset is not None or proba.held is None:
        return rows.edge_grams(proba, problem.weights)
    own = softmax(point.intercept[None, :])[0]
    first, second = pairs_of(problem.n_classes)
    of_both = rows.edge_grams(np.ones((rows.n_samples, 2)), problem.weights)[0]
    return np.asarray((own[first] * own[second])[:, None, None] * of_both)


def reduced_hessian(grams: np.ndarray, n_classes: int, l2: np.ndarray) -> np.ndarray:
    """Return A' (L + diag(l2)) A from the pairs' matrices (n_pairs, q, q), (n_classes - 1) q rows, classes outside."""
    first, second = pairs_of(n_classes)
    n, q = n_classes - 1, len(l2)
    own = np.zeros((n_classes, q, q))
    for gram, a, b in zip(grams, first, second, strict=True):
        own[a] += gram
        own[b] += gram
    is_last = second == n
    to_last = grams[is_last]
    corner = own[n] + np.diag(l2)
    H = np.empty((n, q, n, q))
    for gram, a, b in zip(grams[~is_last], first[~is_last], second[~is_last], strict=True):
        H[a, :, b] = H[b, :, a] = corner + to_last[a] + to_last[b] - gram
    for k in range(n):
        H[k, :, k] = corner + own[k] + 2.0 * to_last[k] + np.diag(l2)
    return H.reshape(n * q, n * q)


def solve_positive(matrix: np.ndarray, target: np.ndarray, ridges: Sequence[float] = RIDGES) -> np.ndarray:
    """Return matrix^-1 target (n,) or (n, m); see `inverse_of`."""
    return inverse_of(matrix, ridges)(target)


def inverse_of(matrix: np.ndarray, ridges: Sequence[float] = RIDGES) -> Inverse:
    """Factor by Cholesky in units of a diagonal of 1; a ridge grows until it succeeds.

    Where rounding has spoilt the matrix altogether, its negative eigenvalues are taken for small positive ones.

    >>> inverse_of(np.array([[2.0, 0.0], [0.0, 4.0]]))(np.ones(2)).round(12).tolist()
    [0.5, 0.25]
    """
    diagonal = np.diag(matrix)
    scale = np.divide(1.0, np.sqrt(np.maximum(diagonal, 0.0)), out=np.zeros(len(matrix)), where=diagonal > 0.0)
    scaled = matrix * scale * scale[:, None]
    for ridge in ridges:
        scaled.ravel()[:: len(matrix) + 1] += ridge
        factor, info = linalg.lapack.dpotrf(scaled, lower=True, clean=False)
        if info == 0:
            return partial(_by_factor, factor, scale)
    values, vectors = linalg.eigh(scaled, check_finite=False)
    return partial(_by_eigenvectors, np.maximum(values, ridges[-1]), vectors, scale)


def _by_factor(factor: np.ndarray, scale: np.ndarray, target: np.ndarray) -> np.ndarray:
    return np.asarray((scale * linalg.lapack.dpotrs(factor, (scale * target.T).T, lower=True)[0].T).T)


def _by_eigenvectors(values: np.ndarray, vectors: np.ndarray, scale: np.ndarray, target: np.ndarray) -> np.ndarray:
    return np.asarray((scale * ((scale * target.T) @ vectors / values @ vectors.T)).T)
