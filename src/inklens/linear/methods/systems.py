"""Systems with the Hessian of a smooth objective: conjugate gradient, with one Cholesky factor per class before it.

Adding the same vector to every class's coefficients leaves the softmax unchanged, so the Hessian is singular along that
gauge while a class-block preconditioner is not; projecting on "the classes sum to zero" before and after the blocks
brings the conjugate gradient from dozens of steps to a handful.

Vectors here are (n_classes, n_features + 1), the intercept in the last column.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np

from inklens.linear import arrays, deadline
from inklens.linear.arrays import Array
from inklens.linear.kernels.backend import FaceFactor
from inklens.linear.kernels.choice import backend_of
from inklens.linear.methods import costs
from inklens.linear.methods.faces import regular_factor
from inklens.linear.problem.problem import Problem
from inklens.linear.rows.drawing import sample
from inklens.linear.rows.row_arrays import RowArray

MAX_BLOCK_COLUMNS = 1500  # with a full block; the others, those with the least curvature, get their diagonal
HEAVY_CURVATURE = 1.0  # times the penalty's: of wide data, columns with more than that enter the block
ROWS_PER_COLUMN = 3  # of a block, in the preconditioner's Gram matrices, at least
GRAM_PASSES = 4.0  # that the Gram matrices of more rows may cost: they spare about as many products
ENOUGH_ROWS = 20  # for each coefficient: more would not spare a product
BUY_SHARE = 0.5  # of the price of a better or newer preconditioner, from which on it is bought
REBUILD_SHARE = 0.1  # of the price, from which one that is out of date is built again on the way to no penalty at all
FEW_READINGS = 4  # products for one system with rows that are not held; beyond, more rows stand for all
FEW_PRODUCTS = 8  # for one system: with so few a preconditioner is good enough
AT_ONCE = 80.0  # passes up to which a factor for each class is worth its price before any product has been tried
LONG_ROW = 10.0  # times the mean |x_i|^2: where a row is longer than that, rows are drawn by their lengths, too
FORCING_RATIO = 0.2  # of the residual, at which the conjugate gradient stops
MAX_PRODUCTS = 60  # with the Hessian, in one conjugate gradient
RELATIVE_RIDGES = 1e-6, 1e-5, 1e-4, 1e-2  # on a block's diagonal: the first that float32 can factor
INTERCEPT_RIDGE = 1e-3  # on the intercept's and the spare diagonals, relatively; the intercepts' gauge is singular
MIN_ENTRIES_FOR_THREADS = 1_000_000  # of the factors, below which one thread solves
SUBSAMPLE_ACCURACY = 0.03  # of solutions with the rows that stand for all
STALE_RATIO = 2.0  # of conjugate gradient steps to those of a preconditioner's first use, from which it is built anew


# ---- solving ---------------------------------------------------------------------------------------------------------


def conjugate_gradient(
    curve: Callable[[np.ndarray], np.ndarray],
    precondition: Callable[[np.ndarray], np.ndarray],
    target: np.ndarray,
    is_close: Callable[[np.ndarray, float], bool] = lambda *_: False,
    scale: float = 0.0,
    forcing_ratio: float = FORCING_RATIO,
    most_products: int = MAX_PRODUCTS,
) -> tuple[np.ndarray, int]:
    """Return x with H x close to `target`, and the number of products with H.

    Stops when the residual, in the preconditioner's norm, is below the forcing term (with a `scale`, less where the
    target is small beside it), or `is_close(residual, its squared norm)` (Nocedal, Wright 2006, algorithms 5.3, 7.1).
    """
    x, residual = np.zeros_like(target), target
    z = precondition(residual)
    direction, size = z, float(np.vdot(residual, z))
    forcing = (min(forcing_ratio, np.sqrt(size / scale)) if scale else forcing_ratio) ** 2 * size
    for n_products in range(1, most_products + 1):
        if size <= 0.0:
            return x, n_products
        deadline.check()
        product = curve(direction)
        curvature = float(np.vdot(direction, product))
        if not curvature > 0.0:  # rounding: what there is must do
            return x if x.any() else direction, n_products
        x = x + size / curvature * direction
        residual = residual - size / curvature * product
        z = precondition(residual)
        smaller = float(np.vdot(residual, z))
        if is_close(residual, smaller) or smaller <= forcing:
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
    problem: Problem, proba: RowArray | np.ndarray, metric: "Preconditioner", target: np.ndarray, accuracy: float
) -> np.ndarray:
    """Return H^-1 target for a target that sums to zero over the classes, `accuracy` relative to its size in M^-1."""
    return _solved(problem, proba, metric, target, accuracy)[0]


def _solved(
    problem: Problem, proba: RowArray | np.ndarray, metric: "Preconditioner", target: np.ndarray, accuracy: float
) -> tuple[np.ndarray, int]:
    enough = accuracy**2 * float(np.vdot(target, metric.solve(target)))
    return conjugate_gradient(
        times_hessian(problem, proba), metric.solve, target, lambda _, size: size <= enough, scale=np.inf
    )


# ---- the preconditioner ----------------------------------------------------------------------------------------------


class Preconditioner(Protocol):
    """What is close to the inverse of a Hessian."""

    def solve(self, v: np.ndarray) -> np.ndarray:
        """Return nearly H^-1 v for a v that sums to zero over the classes; so does what is returned."""


class Metric(NamedTuple):
    """One Cholesky factor per class over the `head` columns and the intercept, diagonals for the `tail`."""

    factors: np.ndarray  # (n_classes, q, stride) float32: what the backend made of the blocks
    head: np.ndarray  # columns of the block, the intercept last
    tail: np.ndarray
    tail_inverse: np.ndarray  # (n_classes, n_tail)
    n_threads: int

    def solve(self, v: np.ndarray) -> np.ndarray:
        """Return Pi M^-1 Pi v, Pi the projection on vectors that sum to zero over the classes."""
        return _projected(self, v)

    def solve_head(self, v: np.ndarray) -> np.ndarray:
        """Return what the factors make of the columns of the block, (n_classes, n_head)."""
        block = np.zeros(self.factors.shape[:2], dtype=np.float32)
        block[:, : len(self.head)] = v
        solved = backend_of(self.factors).solve_blocks(self.factors, block, self.n_threads)
        return np.asarray(solved[:, : len(self.head)])


class SubsampledHessian(NamedTuple):
    """The Hessian over rows that stand for all, where a product with all costs more than a solution with these."""

    problem: Problem
    proba: RowArray
    metric: Preconditioner
    told: Callable[[int], None]  # how many products a solution took

    def solve(self, v: np.ndarray) -> np.ndarray:
        """Return the solution of the smaller system, to SUBSAMPLE_ACCURACY."""
        found, n_products = _solved(self.problem, self.proba, self.metric, v, SUBSAMPLE_ACCURACY)
        self.told(n_products)
        return found


class SharedMetric(NamedTuple):
    """One Cholesky factor for all classes, T_k M T_k with a diagonal T_k that gives each class its own diagonal."""

    factor: FaceFactor
    head: np.ndarray
    units: np.ndarray  # (n_classes, q): 1 / T_k
    tail: np.ndarray
    tail_inverse: np.ndarray  # (n_classes, n_tail)
    n_threads: int

    def solve(self, v: np.ndarray) -> np.ndarray:
        """Return Pi M^-1 Pi v, as `Metric` does."""
        return _projected(self, v)

    def solve_head(self, v: np.ndarray) -> np.ndarray:
        """Return what the factor makes of the columns of the block, (n_classes, n_head)."""
        return np.asarray(self.units * self.factor.solve_many((v * self.units).T, self.n_threads).T)


def _projected(metric: Metric | SharedMetric, v: np.ndarray) -> np.ndarray:
    """Return Pi M^-1 Pi v, Pi the projection on vectors that sum to zero over the classes."""
    v = v - v.mean(axis=0)
    out = np.zeros_like(v)
    out[:, metric.head] = metric.solve_head(v[:, metric.head])
    out[:, metric.tail] = v[:, metric.tail] * metric.tail_inverse
    return np.asarray(out - out.mean(axis=0))


class Preconditioning:
    """Which preconditioner the systems of one problem use, and when a new one is due.

    A factor for each class spares the most products. Where it costs many passes, one factor for all comes first, and
    stays until the products with it have cost as much (`costs.py`).

    Where products read rows that are not held, each system has rows of its own that stand for all, those that weigh
    most there. What preconditions the systems of these in turn is kept from one to the next.
    """

    def __init__(self, problem: Problem, rebuild_share: float = BUY_SHARE) -> None:
        self.problem, self.rebuild_share = problem, rebuild_share
        self.metric: Preconditioner | None = None
        self.size = min(int(problem.free.sum()) + 1, MAX_BLOCK_COLUMNS)
        self.n_rows = n_gram_rows(problem, self.size, problem.n_classes)
        self.is_shared = problem.n_classes > 2 and self._price(self.n_rows) > AT_ONCE
        self.n_products, self.spent = 0, 0.0
        self.first_products: int | None = None
        self.n_unsolved = 0  # products of systems that were given up
        self.n_drawn = problem.rows.n_subsample
        self.of_drawn: Preconditioning | None = None

    def forget_counts(self) -> None:
        """Keep the preconditioner for a penalty that is a little smaller, and count anew."""
        self.n_products, self.first_products = 0, None

    def at(self, vector: np.ndarray, proba: RowArray) -> Preconditioner:
        """Return the preconditioner for a system at these coefficients and probabilities."""
        if proba.held is None and not self.problem.rows.reads_quickly:
            return self._with_some(vector, proba)
        if self.metric is None or self._is_due():
            self.metric, self.first_products = self._build(vector, proba), None
            self.spent = self.spent if self.is_shared else 0.0
        return self.metric

    def _with_some(self, vector: np.ndarray, proba: RowArray) -> SubsampledHessian:
        """Return the Hessian over rows that weigh most at a point: more of them after many products with all."""
        if self.n_products > FEW_READINGS and self.n_drawn < self.problem.rows.n_larger_subsample:
            self.n_drawn, self.of_drawn = self.problem.rows.n_larger_subsample, None
        small, own = heaviest(self.problem, vector, proba, self.n_drawn)
        if self.of_drawn is None:
            self.of_drawn = Preconditioning(small)
            self.of_drawn.n_rows = min(self.problem.rows.n_subsample, small.rows.n_samples)  # for many solutions
        self.of_drawn.problem = small
        brought = RowArray.of(np.asarray(own))  # of a device, too: few rows are enough for a factor
        return SubsampledHessian(small, own, self.of_drawn.at(vector, brought), self.of_drawn.count)

    def count(self, n_products: int) -> None:
        """Take the number of products that a system has cost."""
        self.n_products, self.spent = n_products, self.spent + n_products
        self.first_products = n_products if self.first_products is None else self.first_products
        self.n_unsolved += n_products if n_products >= MAX_PRODUCTS else 0

    def _price(self, n_rows: int) -> float:
        """Return what factors for each class cost, in passes."""
        seconds = costs.metric_seconds(self.problem, n_rows, self.size, self.problem.n_classes)
        return seconds / costs.pass_seconds(self.problem)

    def _is_due(self) -> bool:
        """Tell whether a better preconditioner has become worth its price, or this one is out of date."""
        better = min(self.n_rows if self.is_shared else 4 * self.n_rows, self.problem.rows.n_samples)
        is_wanted = self.is_shared or (better > self.n_rows and self.n_products > FEW_PRODUCTS)
        if is_wanted and self.spent > BUY_SHARE * self._price(better):
            self.is_shared, self.n_rows = False, better
            return True
        price = 0.0 if self.is_shared else self._price(self.n_rows)
        is_stale = self.n_products > STALE_RATIO * (self.first_products or np.inf)
        return is_stale and self.spent > self.rebuild_share * price

    def _build(self, vector: np.ndarray, proba: RowArray) -> Preconditioner:
        if self.is_shared and proba.held is not None:
            return build_shared(self.problem, proba.held)
        return metric_at(self.problem, vector, proba, self.n_rows)


def metric_at(problem: Problem, vector: np.ndarray, proba: RowArray, n_rows: int | None = None) -> Preconditioner:
    """Return the preconditioner at coefficients with these probabilities.

    Where rows are not held, it takes two readings: one for the rows that weigh most there, one to take them.
    """
    if proba.held is not None:
        return build_metric(problem, proba.held, n_rows)
    if not problem.rows.reads_quickly:
        return Preconditioning(problem).at(vector, proba)
    small, own = heaviest(problem, vector, proba, problem.rows.n_subsample if n_rows is None else n_rows)
    return build_metric(small, np.asarray(own), small.rows.n_samples)


def heaviest(problem: Problem, vector: np.ndarray, proba: RowArray, n_wanted: int) -> tuple[Problem, RowArray]:
    """Return the problem on about so many rows, drawn by what they weigh in the Hessian, and their probabilities."""
    importance = RowArray.combine(largest_spread, proba, problem.weights)
    if problem.rows.reads_quickly:
        importance = RowArray.combine(np.multiply, importance, np.broadcast_to(lengths(problem), len(proba)))
    rows, factor = importance.sample(n_wanted)
    rows = np.arange(len(proba)) if rows is None else rows
    small = problem.over(rows, problem.rows.take(rows), problem.weights[rows] * factor)
    return small, small.evaluate(np.ascontiguousarray(vector[:, :-1]), vector[:, -1]).proba


def largest_spread(p: Array, weights: Array) -> Array:
    """Return max_k c_i p_ik (1 - p_ik) of some rows, (n_rows,) float32."""
    return arrays.cast(arrays.namespace(p).max(p * (1.0 - p), axis=1) * weights, np.float32)


def build_metric(problem: Problem, proba: np.ndarray, n_rows: int | None = None) -> Metric:
    """Return the preconditioner at these probabilities, from so many rows.

    Where columns are nearly sums of others, rounding may leave a block indefinite: then it is summed again, and a
    larger ridge added.
    """
    curvature = _curvature(problem, proba)
    l2 = np.broadcast_to(np.asarray(problem.penalty.l2, dtype=np.float64), problem.rows.n_features)
    columns, tail, tail_inverse = _head_and_tail(problem, curvature, l2)
    every = np.arange(len(columns) + 1)
    for share in RELATIVE_RIDGES:
        factors = _grams(problem, curvature, curvature.max(axis=1), columns, n_rows)
        _add_ridges(factors, l2[columns].astype(np.float32), share)
        if not problem.fit_intercept:
            factors[:, every[-1], every[:-1]] = 0.0
        backend_of(factors).factor_blocks(factors, problem.rows.n_threads)
        if np.isfinite(factors).all():
            break
    n_threads = problem.rows.n_threads if factors.size > MIN_ENTRIES_FOR_THREADS else 1
    return Metric(factors, np.append(columns, problem.rows.n_features), tail, tail_inverse, n_threads)


def _add_ridges(grams: np.ndarray, l2: np.ndarray, share: float) -> None:
    """Add the penalty's ridge to the diagonals (n_matrices, n_columns), at least a share of these."""
    place = np.arange(len(l2))
    diagonal = grams[:, place, place]
    ridge = np.maximum(l2, np.float32(share) * diagonal)
    grams[:, place, place] += np.where(ridge > 0.0, ridge, diagonal.max(initial=1.0))  # else: short steps
    place = np.arange(len(l2), grams.shape[1])
    grams[:, place, place] += np.float32(1e-6) + INTERCEPT_RIDGE * grams[:, place, place]


def build_shared(problem: Problem, proba: np.ndarray) -> SharedMetric:
    """Return the preconditioner with one factor, of the curvature summed over the classes."""
    curvature = _curvature(problem, proba)
    total = curvature.sum(axis=1, keepdims=True)
    l2 = np.broadcast_to(np.asarray(problem.penalty.l2, dtype=np.float64), problem.rows.n_features)
    columns, tail, tail_inverse = _head_and_tail(problem, curvature, l2)
    q = len(columns) + 1
    M = np.tril(_grams(problem, total, total[:, 0], columns)[0, :q, :q], -1).astype(np.float64) / problem.n_classes
    M += M.T
    own = problem.rows.transpose_product(curvature, squared=True)[:, columns]
    own = np.column_stack([own, curvature.sum(axis=0)])  # (n_classes, q): the diagonal of each class
    ridge = np.append(l2[columns], 0.0)
    mean = np.maximum(own.mean(axis=0) + ridge, np.finfo(np.float32).tiny)
    unit = 1.0 / np.sqrt(mean)
    place = np.arange(q)
    M[place, place] = own.mean(axis=0)  # known from all rows
    M *= unit * unit[:, None]
    M[place, place] += np.append(l2[columns] / mean[:-1], INTERCEPT_RIDGE)
    if not problem.fit_intercept:
        M[q - 1, : q - 1] = M[: q - 1, q - 1] = 0.0
    units = 1.0 / np.sqrt(np.maximum(own + ridge, 1e-3 * mean))
    n_threads = problem.rows.n_threads if M.size > MIN_ENTRIES_FOR_THREADS else 1
    head = np.append(columns, problem.rows.n_features)
    factor = regular_factor(M.astype(np.float32), np.arange(q), np.zeros(q), n_threads)
    return SharedMetric(factor, head, units, tail, tail_inverse, n_threads)


def _curvature(problem: Problem, proba: np.ndarray) -> np.ndarray:
    """Return c_i p_ik (1 - p_ik), (n_samples, n_classes) float32."""
    p = proba.astype(np.float32)
    return np.asarray(p * (1.0 - p) * problem.weights[:, None].astype(np.float32))


def _head_and_tail(
    problem: Problem, curvature: np.ndarray, l2: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the columns that enter blocks, the others that may move, and one over the diagonals of these."""
    columns = np.flatnonzero(problem.free)
    if len(columns) <= MAX_BLOCK_COLUMNS:
        return columns, np.empty(0, dtype=np.intp), np.empty((problem.n_classes, 0))
    diagonal = problem.rows.transpose_product(curvature, squared=True)
    heavy = np.partition(diagonal.max(axis=0), -MAX_BLOCK_COLUMNS)[-MAX_BLOCK_COLUMNS]
    in_block = problem.free & (diagonal.max(axis=0) > np.maximum(heavy, HEAVY_CURVATURE * l2))
    columns, tail = np.flatnonzero(in_block), np.flatnonzero(problem.free & ~in_block)
    return columns, tail, 1.0 / np.maximum(diagonal[:, tail] + l2[tail], np.finfo(np.float32).tiny)


def _grams(
    problem: Problem, curvature: np.ndarray, importance: np.ndarray, columns: np.ndarray, n_rows: int | None = None
) -> np.ndarray:
    """Return [X 1]' diag(h_k) [X 1] over some columns and important rows, lower triangles with room for factors."""
    q, n_matrices = len(columns) + 1, curvature.shape[1]
    n_wanted = n_rows or n_gram_rows(problem, q, n_matrices)
    rows, factor = sample(importance if n_wanted >= len(importance) else importance * lengths(problem), n_wanted)
    used = curvature if rows is None else curvature[rows] * factor[:, None]
    grams = np.zeros((n_matrices, -(-q // 4) * 4, -(-q // 16) * 16), dtype=np.float32)
    problem.rows.add_class_grams(columns, rows, used, grams)
    return grams


def n_gram_rows(problem: Problem, size: int, n_matrices: int) -> int:
    """Return from how many rows Gram matrices are summed: as many as cost little, at least some for each column."""
    per_row = costs.gram_seconds(problem, 1.0, size, n_matrices) - costs.gram_seconds(problem, 0.0, size, n_matrices)
    affordable = GRAM_PASSES * costs.pass_seconds(problem) / max(per_row, np.finfo(float).tiny)
    enough = ENOUGH_ROWS * size * problem.n_classes
    wanted, n_samples = max(ROWS_PER_COLUMN * size, min(affordable, enough)), problem.rows.n_samples
    return n_samples if wanted > 0.5 * n_samples else int(wanted)  # all: no chance, and no copy


def lengths(problem: Problem) -> np.ndarray:
    """Return |x_i|^2 in units of its mean, (n_samples,), or 1 where rows are about as long as each other.

    A rare pixel that was standardised has values of 50 or more: without the rows that hold them it has no curvature.
    """
    squares = problem.rows.row_squares(problem.free.astype(np.float32))
    if squares.max() <= LONG_ROW * squares.mean():
        return np.ones(1, dtype=np.float32)
    return np.asarray(squares / squares.mean(), dtype=np.float32)
