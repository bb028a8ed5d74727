"""Saturated rows, whose class is nearly certain: how finely they must be sampled and read.

Under a weak penalty nearly every row is decided, its loss is about exp(-lead), and both curvature and slope are small
differences of numbers near 1. What may be left out, or rounded away, is a share of what is left, not of the rows.
"""

from typing import cast

import numpy as np

from inklens.linear import arrays
from inklens.linear.arrays import Array
from inklens.linear.methods import costs
from inklens.linear.problem.problem import Problem
from inklens.linear.rows.row_arrays import RowArray
from inklens.linear.softmax import row_sums

THRESHOLD_PER_NONZERO = 1.4e-5  # mean row weights, for each non-zero of a column: lighter class pairs are sampled
FAR_RATIO = 4.0  # on the threshold, on the way down to the penalty that is asked for
MAX_THRESHOLD = 0.25  # mean row weights: the most that the threshold may be
PAIRS_PER_COEFFICIENT = 8.0  # kept for each coefficient, or more: fewer leave directions without curvature
ENOUGH_PER_COEFFICIENT = 100.0  # kept for each: a step leaves a tenth, and corrections cost less than more
WHOLE_ROUNDS = 2.0  # without a model, that sums over all rows may cost
SMALL_SUM = 2e9  # multiply-adds of a matrix over columns of unequal sizes that is summed over all rows
ROWS_PER_PAIR = 400  # of raw columns, for each coefficient, from which all are summed near the optimum
FULL_VIOLATION = 3.0  # thresholds: nearer than that, the threshold falls with the KKT violation
UNSAMPLED_VIOLATION = 1e-3  # KKT violation, in thresholds, below which nothing is sampled
SATURATED_WEIGHT = 0.05  # mean sum of a row's class pairs p_k p_l, k < l, below which rows are saturated


def class_pair_weight(problem: Problem, proba: RowArray) -> float:
    """Return sum_i c_i sum_{k<l} p_ik p_il, what all class pairs of all rows weigh together."""
    return 0.5 * float(cast(float, RowArray.total(undecided, proba, problem.weights)))


def undecided(p: Array, weights: Array) -> Array:
    """Return sum_i c_i (1 - |p_i|^2) of some rows."""
    p = arrays.cast(p, np.float64)
    return weights @ (1.0 - row_sums(p * p))


def spread(p: Array, weights: Array) -> Array:
    """Return c_i p_ik (1 - p_ik) of some rows, in the precision of p."""
    return p * (1.0 - p) * arrays.cast(weights, arrays.dtype_of(p))[:, None]


def is_saturated(problem: Problem, proba: RowArray) -> bool:
    """Tell whether most rows are decided, so that the loss is nearly exponential along a step."""
    return class_pair_weight(problem, proba) < SATURATED_WEIGHT * float(problem.weights.sum())


def sampling_threshold(problem: Problem, proba: RowArray, n_pairs: int, kkt_violation: float, *, is_far: bool) -> float:
    """Return the weight below which class pairs of rows are sampled in a Hessian over `n_pairs` coefficients.

    Sampling keeps `class_pair_weight / sampling_threshold` class pairs, or a few more, each worth one direction of
    curvature.
    """
    rows = problem.rows
    if kkt_violation <= UNSAMPLED_VIOLATION or (problem.facts.is_raw and _are_summed(problem, n_pairs, is_far=is_far)):
        return 0.0
    if not is_far and costs.edge_seconds(problem, n_pairs) <= WHOLE_ROUNDS * costs.round_seconds(problem):
        return 0.0
    share = THRESHOLD_PER_NONZERO * rows.n_nonzeros / max(1, rows.n_features) * (FAR_RATIO if is_far else 1.0)
    coarsest = float(problem.weights.mean()) * min(MAX_THRESHOLD, share)
    for_each = class_pair_weight(problem, proba) / max(1, n_pairs)
    finer = min(1.0, kkt_violation / FULL_VIOLATION) * min(coarsest, for_each / PAIRS_PER_COEFFICIENT)
    return max(finer, for_each / ENOUGH_PER_COEFFICIENT)


def hessian_seconds(problem: Problem, n_pairs: int) -> float:
    """Return the seconds of a Hessian over `n_pairs` coefficients, of all class pairs or as many as are enough."""
    return _some_seconds(problem, n_pairs) if is_cheaper(problem, n_pairs) else costs.edge_seconds(problem, n_pairs)


def is_cheaper(problem: Problem, n_pairs: int) -> bool:
    """Tell whether a Hessian of as many class pairs as are enough costs less than one of all, and serves."""
    return not problem.facts.is_raw and _some_seconds(problem, n_pairs) < costs.edge_seconds(problem, n_pairs)


def _some_seconds(problem: Problem, n_pairs: int) -> float:
    return costs.some_edges_seconds(problem, n_pairs, ENOUGH_PER_COEFFICIENT * n_pairs)


def _are_summed(problem: Problem, n_pairs: int, *, is_far: bool) -> bool:
    """Tell whether a Hessian over raw columns is summed over all rows: of these a few carry most of the squares."""
    n_samples = problem.rows.n_samples
    if 0.5 * n_samples * n_pairs**2 <= SMALL_SUM:
        return True
    return n_samples > ROWS_PER_PAIR * n_pairs and not is_far and problem.rows.holds(problem.n_classes)


def float32_noise(problem: Problem) -> float:
    """Return the error of a gradient in thresholds, about, when probabilities are rounded to float32.

    Those near 1 lose 2^-24 each, which adds up to 2^-24 sqrt(sum_i c_i^2 x_ij^2) over independent rows.

    >>> from inklens.linear.rows.rows import Rows
    >>> from inklens.linear.problem.penalties import penalty_of
    >>> rows, codes = Rows.of(np.eye(2)), np.array([0, 1])
    >>> float32_noise(Problem(rows, codes, np.full(2, 2.0**24), 2, penalty_of(1.0)))
    1.0
    """
    rows = problem.rows
    largest = np.maximum(np.abs(rows.low), np.abs(rows.high)) * problem.weights.max(initial=0.0)
    noise = 2.0**-24 * np.sqrt(largest * problem.magnitudes) * problem.free
    return float(problem.penalty.threshold_ratio(noise[None]).max(initial=0.0))
