"""Systems with the Hessian of a smooth objective: conjugate gradient, with one Cholesky factor per class before it.

Adding the same vector to every class's coefficients leaves the softmax unchanged, so the Hessian is singular along that
gauge while a class-block preconditioner is not; projecting on "the classes sum to zero" before and after the blocks
brings the conjugate gradient from dozens of steps to a handful.

Vectors here are (n_classes, n_features + 1), the intercept in the last column.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from inklens.linear import deadline
from inklens.linear.kernels.choice import backend_of
from inklens.linear.problem.problem import Problem
from inklens.linear.rows.row_arrays import RowArray

MAX_BLOCK_COLUMNS = 1500  # with a full block; the others, those with the least curvature, get their diagonal
HEAVY_CURVATURE = 1.0  # times the penalty's: of wide data, columns with more than that enter the block
ROWS_PER_COLUMN = 3  # of a block, in the preconditioner's Gram matrices
LONG_ROW = 10.0  # times the mean |x_i|^2: where a row is longer than that, rows are drawn by their lengths, too
FORCING_RATIO = 0.2  # of the residual, at which the conjugate gradient stops
MAX_PRODUCTS = 60  # with the Hessian, in one conjugate gradient
RELATIVE_RIDGE = np.float32(1e-6)  # on a block's diagonal: float32 cannot factor what is closer to singular
INTERCEPT_RIDGE = 1e-3  # on the intercept's and the spare diagonals, relatively; the intercepts' gauge is singular
MIN_ENTRIES_FOR_THREADS = 1_000_000  # of the factors, below which one thread solves
SUBSAMPLE_ACCURACY = 0.03  # of solutions with the rows that stand for all
THRESHOLD_ROUNDS = 8  # in which rows become certain to be drawn; few take more than two


# ---- solving ---------------------------------------------------------------------------------------------------------


def conjugate_gradient(
    curve: Callable[[np.ndarray], np.ndarray],
    precondition: Callable[[np.ndarray], np.ndarray],
    target: np.ndarray,
    is_close: Callable[[np.ndarray, float], bool],
    scale: float,
) -> tuple[np.ndarray, int]:
    """Return x with H x close to `target`, and the number of products with H.

    Stops when the residual, in the preconditioner's norm, is below the forcing term, or `is_close(residual, its squared
    norm)` (Nocedal and Wright 2006, algorithms 5.3 and 7.1).
    """
    x, residual = np.zeros_like(target), target
    z = precondition(residual)
    direction, size = z, float(np.vdot(residual, z))
    forcing = min(FORCING_RATIO, np.sqrt(size / scale)) ** 2 * size
    for n_products in range(1, MAX_PRODUCTS + 1):
        if size <= 0.0:
            return x, n_products
        deadline.check()
        product = curve(direction)
        curvature = float(np.vdot(direction, product))
        if curvature <= 0.0:  # rounding: what there is must do
            return x if x.any() else direction, n_products
        x = x + size / curvature * direction
        residual = residual - size / curvature * product
        z = precondition(residual)
        smaller = float(np.vdot(residual, z))
        if smaller <= forcing or is_close(residual, smaller):
            break
        direction, size = z + smaller / size * direction, smaller
    return x, n_products


def times_hessian(problem: Problem, proba: RowArray | np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function that multiplies a vector by the Hessian of the objective."""

    def curve(v: np.ndarray) -> np.ndarray:
        W = np.ascontiguousarray(v[:, :-1])
        product, sums = problem.rows.hessian_product(proba, problem.weights, W, v[:, -1])
        product[:, ~problem.free] = 0.0
        return np.column_stack([product + problem.penalty.gradient(W), sums * problem.fit_intercept])

    return curve


def solve_system(
    problem: Problem, proba: RowArray | np.ndarray, metric: "Metric", target: np.ndarray, accuracy: float
) -> np.ndarray:
    """Return H^-1 target for a target that sums to zero over the classes, `accuracy` relative to its size in M^-1."""
    enough = accuracy**2 * float(np.vdot(target, metric.solve(target)))
    return conjugate_gradient(
        times_hessian(problem, proba), metric.solve, target, lambda _, size: size <= enough, scale=np.inf
    )[0]


# ---- the preconditioner ----------------------------------------------------------------------------------------------


class Metric(NamedTuple):
    """One Cholesky factor per class over the `head` columns and the intercept, diagonals for the `tail`."""

    factors: np.ndarray  # (n_classes, q, stride) float32: what the backend made of the blocks
    head: np.ndarray  # columns of the block, the intercept last
    tail: np.ndarray
    tail_inverse: np.ndarray  # (n_classes, n_tail)
    n_threads: int

    def solve(self, v: np.ndarray) -> np.ndarray:
        """Return Pi M^-1 Pi v, Pi the projection on vectors that sum to zero over the classes."""
        v = v - v.mean(axis=0)
        out = np.zeros_like(v)
        block = np.zeros(self.factors.shape[:2], dtype=np.float32)
        block[:, : len(self.head)] = v[:, self.head]
        solved = backend_of(self.factors).solve_blocks(self.factors, block, self.n_threads)
        out[:, self.head] = solved[:, : len(self.head)]
        out[:, self.tail] = v[:, self.tail] * self.tail_inverse
        return np.asarray(out - out.mean(axis=0))


class SubsampledHessian(NamedTuple):
    """The Hessian over rows that stand for all, where a product with all costs more than a solution with these."""

    problem: Problem
    proba: RowArray
    metric: Metric

    def solve(self, v: np.ndarray) -> np.ndarray:
        """Return the solution of the smaller system, to SUBSAMPLE_ACCURACY."""
        return solve_system(self.problem, self.proba, self.metric, v, SUBSAMPLE_ACCURACY)


def metric_at(problem: Problem, vector: np.ndarray, proba: RowArray) -> Metric | SubsampledHessian:
    """Return the preconditioner at coefficients with these probabilities.

    Where rows are not held, it takes two readings: one for the rows that weigh most there, one to take them.
    """
    if proba.held is not None:
        return build_metric(problem, proba.held)
    spread = RowArray.combine(lambda part, p: p * (1.0 - p) * problem.weights[part, None], proba)
    importance = np.concatenate([rows.max(axis=1).astype(np.float32) for _, rows in spread.readings()])
    rows, factor = draw_rows(importance, problem.rows.n_subsample)
    rows = np.arange(len(importance)) if rows is None else rows
    small = problem.over(rows, problem.rows.take(rows), problem.weights[rows] * factor)
    own = small.evaluate(np.ascontiguousarray(vector[:, :-1]), vector[:, -1]).proba
    return SubsampledHessian(small, own, build_metric(small, np.asarray(own)))


def build_metric(problem: Problem, proba: np.ndarray) -> Metric:
    """Return the preconditioner at these probabilities."""
    n_features = problem.rows.n_features
    curvature = (
        proba.astype(np.float32) * (1.0 - proba.astype(np.float32)) * problem.weights[:, None].astype(np.float32)
    )
    l2 = np.broadcast_to(np.asarray(problem.penalty.l2, dtype=np.float64), n_features)
    columns = np.flatnonzero(problem.free)
    tail = np.empty(0, dtype=np.intp)
    tail_inverse = np.empty((problem.n_classes, 0))
    if len(columns) > MAX_BLOCK_COLUMNS:
        diagonal = problem.rows.transpose_product(curvature, squared=True)
        heavy = np.partition(diagonal.max(axis=0), -MAX_BLOCK_COLUMNS)[-MAX_BLOCK_COLUMNS]
        in_block = problem.free & (diagonal.max(axis=0) > np.maximum(heavy, HEAVY_CURVATURE * l2))
        columns, tail = np.flatnonzero(in_block), np.flatnonzero(problem.free & ~in_block)
        tail_inverse = 1.0 / np.maximum(diagonal[:, tail] + l2[tail], np.finfo(np.float32).tiny)
    n_wanted = ROWS_PER_COLUMN * (len(columns) + 1)
    importance = curvature.max(axis=1)
    rows, factor = draw_rows(importance if n_wanted >= len(proba) else importance * _lengths(problem), n_wanted)
    used = curvature if rows is None else curvature[rows] * factor[:, None]
    q = len(columns) + 1
    size, stride = -(-q // 4) * 4, -(-q // 16) * 16
    factors = np.zeros((problem.n_classes, size, stride), dtype=np.float32)
    problem.rows.add_class_grams(columns, rows, used, factors)
    place = np.arange(q - 1)
    diagonal = factors[:, place, place]
    ridge = np.maximum(l2[columns].astype(np.float32), RELATIVE_RIDGE * diagonal)
    factors[:, place, place] += np.where(ridge > 0.0, ridge, diagonal.max(initial=1.0))  # else: short steps
    place = np.arange(q - 1, size)
    factors[:, place, place] += np.float32(1e-6) + INTERCEPT_RIDGE * factors[:, place, place]
    if not problem.fit_intercept:
        factors[:, q - 1, : q - 1] = 0.0
    backend_of(factors).factor_blocks(factors, problem.rows.n_threads)
    n_threads = problem.rows.n_threads if factors.size > MIN_ENTRIES_FOR_THREADS else 1
    return Metric(factors, np.append(columns, n_features), tail, tail_inverse, n_threads)


def _lengths(problem: Problem) -> np.ndarray:
    """Return |x_i|^2 in units of its mean, (n_samples,), or 1 where rows are about as long as each other.

    A rare pixel that was standardised has values of 50 or more: without the rows that hold them it has no curvature.
    """
    squares = problem.rows.row_squares(problem.free.astype(np.float32))
    if squares.max() <= LONG_ROW * squares.mean():
        return np.ones(1, dtype=np.float32)
    return np.asarray(squares / squares.mean(), dtype=np.float32)


def draw_rows(importance: np.ndarray, n_wanted: int) -> tuple[np.ndarray | None, np.ndarray]:
    """Return rows drawn with probability min(1, importance / threshold), and their weights; None for all rows."""
    if n_wanted >= len(importance):
        return None, np.ones(len(importance), dtype=np.float32)
    threshold = float(importance.sum()) / n_wanted
    for _ in range(THRESHOLD_ROUNDS):  # rows that are certain to enter leave the others more room
        certain = importance >= threshold
        room = n_wanted - int(certain.sum())
        if room <= 0:
            break
        threshold = float(importance[~certain].sum()) / room
    probability = np.minimum(1.0, importance / max(threshold, np.finfo(np.float32).tiny))
    rows = np.flatnonzero(np.random.default_rng(0).random(len(importance)) < probability)
    return rows, (1.0 / probability[rows]).astype(np.float32)
