"""Few coefficients under thresholds: Newton's steps by whole Hessians, and others where these do not get on.

Where a whole Hessian costs more than a round of proximal Newton, rounds come first: most fits need a dozen, of few
pairs. A weak penalty leaves nearly all pairs in use, and float32 and sampled rows too little to tell them apart by; so
when rounds have cost as much as some whole steps, these take over.
"""

import math
from collections.abc import Iterator

import numpy as np

from inklens.linear.methods import costs, direct, sampling, thresholded
from inklens.linear.methods.classes import Classes
from inklens.linear.methods.interior import PROXIMAL_THEN_INTERIOR
from inklens.linear.methods.iterate import Iterate
from inklens.linear.methods.matrices import matrix_seconds
from inklens.linear.methods.method import GeneratorMethod, by_one_row
from inklens.linear.methods.prox_newton import PROXIMAL_NEWTON, proximal_newton
from inklens.linear.problem.problem import Problem

LAST_STEPS = 3.0  # by whole Hessians, that rounds of proximal Newton may cost before these take over
SPARED_RATIO = 1.4  # of proximal Newton's rounds to these, at least: its matrices are in float32, of some rows
USED_SHARE, USED_RATIO = 0.25, 4.0  # of the pairs, that thresholds may leave in use: rounds of these to such steps
SAMPLED_ROUNDS = 4.0  # with Hessians of some class pairs, for one with all of them
SPARSE_ROUNDS = 2.5  # by classes of sparse rows, for such a step: faces of categories change for long
CORRECTION_PASSES = 6.0  # of such a round, beside what others take


def has_few(problem: Problem) -> bool:
    """Tell whether the whole Hessian costs less than a round without it, or little more: rounds are fewer.

    A round of all pairs, and one of the share that may be in use: of thousands of pairs it costs much less.
    """
    if problem.penalty.is_smooth or not thresholded.solves(problem):
        return False
    n_pairs = _n_rows(problem) * int(problem.free.sum())
    step, used = costs.whole_step_seconds(problem, n_pairs), math.ceil(USED_SHARE * n_pairs)
    return step <= min(SPARED_RATIO * _rounds_seconds(problem, n_pairs), USED_RATIO * _rounds_seconds(problem, used))


def _rounds_seconds(problem: Problem, n_pairs: int) -> float:
    """Return the seconds of what does as much as a step by the whole Hessian, where so many pairs are in use."""
    n_rounds = SAMPLED_ROUNDS if sampling.is_cheaper(problem, n_pairs) else 1.0
    n_by_classes = SPARSE_ROUNDS if problem.rows.is_sparse else 1.0
    return min(n_rounds * _round_seconds(problem, n_pairs), n_by_classes * _seconds_by_classes(problem))


def _n_rows(problem: Problem) -> int:
    return 1 if problem.n_classes == 2 else problem.n_classes  # of coefficients that move


def _round_seconds(problem: Problem, n_pairs: int) -> float:
    corrections = CORRECTION_PASSES * sampling.is_cheaper(problem, n_pairs) * costs.pass_seconds(problem)
    others = costs.ROUND_CALL + costs.round_seconds(problem) + corrections
    return others + matrix_seconds(problem, n_pairs, n_pairs)


def _seconds_by_classes(problem: Problem) -> float:
    """Return the seconds of a round without a matrix over all pairs; infinite where there is none."""
    classes = Classes.of(problem)
    if classes is None:
        return math.inf
    return costs.ROUND_CALL + costs.round_seconds(problem) + classes.step_seconds(is_far=False)


def has_room(problem: Problem) -> bool:
    """Tell whether whole Hessians are small enough to be tried where nothing but lost rounds asks for them."""
    if problem.penalty.is_smooth or not thresholded.solves(problem):
        return False
    return direct.memory_of(problem) <= direct.MAX_BYTES


def proximal_then_whole(problem: Problem, coef: np.ndarray, intercept: np.ndarray, tol: float) -> Iterator[Iterate]:
    """Yield points of proximal Newton, and of `thresholded_newton` once rounds have cost LAST_STEPS of its steps."""
    n_rows, spent, by_classes = _n_rows(problem), 0.0, _seconds_by_classes(problem)
    step = costs.whole_step_seconds(problem, n_rows * int(problem.free.sum()))
    for point in proximal_newton(problem, coef, intercept, tol):
        yield point._replace(stationary=False)
        coef, intercept = point.coef, point.intercept
        spent += min(by_classes, _round_seconds(problem, int(np.count_nonzero(coef)) * n_rows // problem.n_classes))
        if point.stationary or spent > LAST_STEPS * step:
            break
    yield from thresholded_newton(problem, coef, intercept, tol)


def thresholded_newton(problem: Problem, coef: np.ndarray, intercept: np.ndarray, tol: float) -> Iterator[Iterate]:
    """Yield the points of steps by whole Hessians, and where columns nearly agree those of proximal Newton after them.

    Of two classes one row moves, w of W = (-w/2, w/2).
    """
    for point in by_one_row(thresholded.iterates, problem, coef, intercept, tol):
        coef, intercept = point.coef, point.intercept
        yield point
    others = PROXIMAL_THEN_INTERIOR if PROXIMAL_THEN_INTERIOR.accepts(problem) else PROXIMAL_NEWTON
    yield from others.iterates(problem, coef, intercept, tol)


FEW_COEFFICIENTS = GeneratorMethod(thresholded_newton, has_few)
PROXIMAL_THEN_WHOLE = GeneratorMethod(proximal_then_whole, has_room)
