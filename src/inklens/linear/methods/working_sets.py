"""Which coefficients a round of proximal Newton moves: those in use, and those whose gradients ask for it."""

from typing import NamedTuple

import numpy as np

from inklens.linear import memory
from inklens.linear.methods.points import Point
from inklens.linear.methods.subproblem import Pairs
from inklens.linear.problem.penalties import Penalty
from inklens.linear.problem.problem import Problem

NEAR_RATIO = 0.9  # a zero joins the working set where its gradient exceeds this share of the threshold
GROWTH_RATIO = 2.0  # the working set is at most this many times the non-zeros, while far
MIN_PAIRS = 300  # of a working set, while far
PAIRS_PER_RANK = 10  # of a working set, or GROWTH_RATIO: rows give the Hessian a rank of (n_classes - 1) each at most
MAX_HESSIAN_BYTES = 320 << 20  # of the model's Hessian in float32: 9,158 pairs, all of 784 pixels in ten classes
HESSIAN_SHARE = 0.5  # of the memory that a fit may take
USED_SHARE = 0.5  # of the room, up to which non-zeros are all in: more would leave none to zeros that violate more


class WorkingSet(NamedTuple):
    """Coefficients that move, without the intercepts."""

    pairs: Pairs
    is_partial: bool  # whether non-zeros had no room


def working_set(problem: Problem, penalty: Penalty, point: Point, violation: float) -> WorkingSet:
    """Return the non-zeros and the zeros with the largest gradients, by class.

    No more than the Hessian has room for: then those that violate their conditions most, the rest held for this round.
    As the largest violation always has room, every coefficient has its turn for as long as it wants one.
    """
    ratio = np.where(penalty.support(point.coef), np.inf, penalty.threshold_ratio(-point.at.gradient))
    ratio[:, ~problem.free] = 0.0
    least = NEAR_RATIO
    if violation > 1.0:
        limit = max(MIN_PAIRS, int(GROWTH_RATIO * np.count_nonzero(point.coef)))
        if np.count_nonzero(ratio > least) > limit:
            least = np.partition(ratio.ravel(), -limit)[-limit]
    chosen = ratio >= least
    room = min(max_pairs(problem), _pairs_worth_it(problem, int(np.count_nonzero(point.coef))))
    if np.count_nonzero(chosen) <= room:
        return WorkingSet(Pairs(*np.nonzero(chosen)), is_partial=False)
    is_used = np.isinf(ratio)
    rank = np.where(chosen, np.where(is_used, 0.0, ratio - 1.0), -np.inf)
    if np.count_nonzero(is_used) > USED_SHARE * room:
        rank[is_used] = penalty.kkt_violations(point.coef, -point.at.gradient)[is_used]
    else:
        rank[is_used] = np.inf
    some = _largest(rank, room, penalty.is_grouped)
    return WorkingSet(Pairs(*np.nonzero(some)), bool((is_used & ~some).any()))


def _pairs_worth_it(problem: Problem, n_nonzeros: int) -> int:
    """Return how many coefficients few rows can tell apart, with room to spare: of 200,000 columns many look alike."""
    rank = problem.rows.shape[0] * (problem.n_classes - 1)
    return max(MIN_PAIRS, PAIRS_PER_RANK * rank, int(GROWTH_RATIO * n_nonzeros))


def _largest(rank: np.ndarray, room: int, is_grouped: bool) -> np.ndarray:
    """Return which entries of rank (n_classes, n_features) are the `room` largest; for groups, whole columns."""
    n_classes = len(rank)
    by = rank.max(axis=0) if is_grouped else rank.ravel()
    n_kept = max(1, room // n_classes) if is_grouped else room
    some = np.zeros(len(by), dtype=bool)
    some[np.argpartition(by, -n_kept)[-n_kept:]] = True
    return np.broadcast_to(some, rank.shape) if is_grouped else some.reshape(rank.shape)


def max_pairs(problem: Problem) -> int:
    """Return how many coefficients a Hessian of MAX_HESSIAN_BYTES has room for, beside the intercepts.

    >>> from inklens.linear.rows.rows import Rows
    >>> from inklens.linear.problem.penalties import penalty_of
    >>> max_pairs(Problem(Rows.of(np.eye(2)), np.array([0, 1]), np.ones(2), 2, penalty_of(1.0)))
    9156
    """
    n_bytes = memory.share(HESSIAN_SHARE, MAX_HESSIAN_BYTES)
    n_pairs = int((n_bytes / np.dtype(np.float32).itemsize) ** 0.5)
    return max(1, n_pairs - problem.n_classes * problem.fit_intercept)
