"""Rows that are sure of their class: how finely they must be sampled and read.

Under a weak penalty nearly every row is decided, its loss is about exp(-lead), and both curvature and slope are small
differences of numbers near 1. What may be left out, or rounded away, is a share of what is left, not of the rows.
"""

import numpy as np

from inklens.linear.problem.problem import Problem
from inklens.linear.rows.row_arrays import RowArray

LIGHT = 1.4e-5  # class pairs of rows lighter than this times the non-zeros per column, in mean row weights, are sampled
EARLY = 4.0  # times lighter than that, on the way down to the penalty asked for
LIGHTEST = 0.25  # and never from more than this
KEPT = 8.0  # class pairs of rows kept for each coefficient, or more: fewer leave directions without curvature
WHOLE = 1e-3  # violation, in thresholds, below which nothing is sampled
OPEN = 0.05  # mean sum of a row's class pairs p_k p_l, k < l, below which rows count as sure


def undecided(problem: Problem, proba: RowArray) -> float:
    """Return sum_i c_i sum_{k<l} p_ik p_il, what all class pairs of all rows weigh together."""
    return 0.5 * sum(
        float(problem.weights[part] @ (1.0 - np.einsum("ik,ik->i", p, p, dtype=np.float64)))
        for part, p in proba.readings()
    )


def are_sure(problem: Problem, proba: RowArray) -> bool:
    """Tell whether most rows are decided, so that the loss is nearly exponential along a step."""
    return undecided(problem, proba) < OPEN * float(problem.weights.sum())


def lightest(problem: Problem, proba: RowArray, n_pairs: int, violation: float, *, is_far: bool) -> float:
    """Return the weight below which class pairs of rows are sampled in a Hessian over `n_pairs` coefficients.

    Sampling keeps `undecided / lightest` class pairs, or a few more, each worth one direction of curvature.
    """
    if violation <= WHOLE:
        return 0.0
    rows = problem.rows
    share = LIGHT * rows.n_nonzeros / max(1, rows.n_features) * (EARLY if is_far else 1.0)
    coarsest = float(problem.weights.mean()) * min(LIGHTEST, share)
    return min(1.0, violation / 3.0) * min(coarsest, undecided(problem, proba) / (KEPT * max(1, n_pairs)))


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
    return float(problem.penalty.strength(noise[None]).max(initial=0.0))
