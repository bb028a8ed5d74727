"""Few coefficients under thresholds: Newton's steps by whole Hessians, and others where these do not get on."""

from collections.abc import Iterator

import numpy as np

from inklens.linear.methods import costs, thresholded
from inklens.linear.methods.interior import PROXIMAL_THEN_INTERIOR
from inklens.linear.methods.iterate import Iterate
from inklens.linear.methods.method import GeneratorMethod
from inklens.linear.methods.prox_newton import PROXIMAL_NEWTON, matrix_seconds
from inklens.linear.problem.penalties import of_one_row
from inklens.linear.problem.problem import Problem

SPARED_RATIO = 1.4  # of proximal Newton's rounds to these, at least: its matrices are in float32, of some rows


def has_few(problem: Problem) -> bool:
    """Tell whether the whole Hessian costs less than a round without it, or little more: rounds are fewer."""
    if problem.penalty.is_smooth or not thresholded.solves(problem):
        return False
    n_rows = 1 if problem.n_classes == 2 else problem.n_classes
    n_pairs = n_rows * int(problem.free.sum())
    others = costs.ROUND_CALL + costs.round_seconds(problem) + matrix_seconds(problem, n_pairs, is_far=False)
    return costs.whole_step_seconds(problem, n_pairs) <= SPARED_RATIO * others


def thresholded_newton(problem: Problem, coef: np.ndarray, intercept: np.ndarray, tol: float) -> Iterator[Iterate]:
    """Yield the points of steps by whole Hessians, and where columns nearly agree those of proximal Newton after them.

    Of two classes one row moves, w of W = (-w/2, w/2).
    """
    one = of_one_row(problem.penalty) if problem.n_classes == 2 else None
    if one is None:
        points = thresholded.iterates(problem, coef, intercept, tol)
    else:
        halves = thresholded.iterates(problem.under(one), coef - coef[0], intercept, tol)
        points = (point._replace(coef=point.coef - 0.5 * point.coef[1]) for point in halves)
    for point in points:
        coef, intercept = point.coef, point.intercept
        yield point
    others = PROXIMAL_THEN_INTERIOR if PROXIMAL_THEN_INTERIOR.accepts(problem) else PROXIMAL_NEWTON
    yield from others.iterates(problem, coef, intercept, tol)


FEW_COEFFICIENTS = GeneratorMethod(thresholded_newton, has_few)
