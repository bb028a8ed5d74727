"""Armijo's line search along a Newton direction (Nocedal and Wright 2006, section 3.1)."""

import numpy as np
import numpy.typing as npt

from inklens.linear import deadline
from inklens.linear.methods.points import Point, Step
from inklens.linear.problem.penalties import Penalty
from inklens.linear.problem.problem import Problem

SUFFICIENT_SHARE = 1e-4  # of the linear decrease, that a step of a smooth objective must keep
MAX_HALVINGS = 39  # below 2^-39 of a step the objective no longer tells points apart
ROUNDING_FLOAT64, ROUNDING_FLOAT32 = 1e-14, 1e-7  # of the objective: a rise by less is none


def search(
    problem: Problem,
    penalty: Penalty,
    point: Point,
    step: Step,
    whole: Point,
    *,
    sufficient_share: float,
    dtype: npt.DTypeLike,
) -> tuple[Point, float]:
    """Return the point after the whole step or the share of it that lets the objective fall, and the share.

    `sufficient_share` of the linear decrease must be kept; `whole` is the point after the whole step. Scores are linear
    in the coefficients, so trying a part of the step costs no pass where they are held; elsewhere the pass that tries
    it finds the point.
    """
    before = point.objective(penalty)
    rounding = ROUNDING_FLOAT64 if dtype == np.float64 else ROUNDING_FLOAT32
    if whole.objective(penalty) <= before + sufficient_share * step.slope + rounding * before:
        return whole, 1.0
    for share in 0.5 ** np.arange(1, MAX_HALVINGS + 1):
        deadline.check()
        enough = before + sufficient_share * share * step.slope
        coef, intercept = point.coef + share * step.coef, point.intercept + share * step.intercept
        if point.at.scores.held is None:
            there = Point.of(problem, coef, intercept, dtype)
            if there.objective(penalty) <= enough:
                return there, float(share)
            continue
        if problem.loss_between(point.at.scores, whole.at.scores, share) + penalty.value(coef) <= enough:
            return Point.of(problem, coef, intercept, dtype), float(share)
    return point, 0.0
