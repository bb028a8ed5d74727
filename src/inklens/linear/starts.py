"""Where a fit begins that is given a start."""

import math

import numpy as np

from inklens.linear.problem.problem import Problem

Weights = tuple[np.ndarray, np.ndarray]  # coefficients (n_classes, n_features) and intercepts (n_classes,)


def nowhere(problem: Problem) -> Weights:
    """Return no weights at all."""
    return np.zeros((problem.n_classes, problem.rows.n_features)), np.zeros(problem.n_classes)


def begun(problem: Problem, start: Weights | None) -> Weights:
    """Return where a fit begins: at its start, unless the objective is higher there than without weights.

    From far beyond the optimum steps are of rounding alone, and the first of many sizes overflow; no proof needs such
    a start, whatever it was good for.
    """
    if start is None:
        return nowhere(problem)
    with np.errstate(over="ignore", invalid="ignore"):
        coef, intercept = _without_idle(problem, start[0]), start[1]
        return (coef, intercept) if _is_lower(problem, coef, intercept) else nowhere(problem)


def ahead(before: tuple[float, Weights], last: tuple[float, Weights], at: float) -> Weights:
    """Return where a path leads from two of its points, by a line over log C, no farther than these are apart.

    >>> one, two = (1.0, (np.zeros((2, 1)), np.zeros(2))), (2.0, (np.array([[-1.0], [1.0]]), np.zeros(2)))
    >>> [ahead(one, two, at)[0].ravel().tolist() for at in (2.5, 3.0, 9.0)]
    [[-1.5, 1.5], [-2.0, 2.0], [-2.0, 2.0]]
    """
    share = min(1.0, (at - last[0]) / (last[0] - before[0]))
    (coef, intercept), (coef_before, intercept_before) = last[1], before[1]
    return coef + share * (coef - coef_before), intercept + share * (intercept - intercept_before)


def _without_idle(problem: Problem, coef: np.ndarray) -> np.ndarray:
    """Return a start without what no step would take away: weight of constant columns, and what classes share.

    The loss feels neither; where the penalty is smooth every Newton direction sums to zero over the classes.
    """
    coef = problem.penalty.feasible(np.where(problem.free, coef, 0.0))
    return coef - coef.mean(axis=0) if problem.penalty.is_smooth else coef


def _is_lower(problem: Problem, coef: np.ndarray, intercept: np.ndarray) -> bool:
    """Tell whether a start has no higher objective than no weights; most are believed without a pass over the rows.

    Those are under a penalty that alone is no higher, with intercepts that alone are no worse than none. Not a number,
    where the start is too large for one, is higher.
    """
    total, largest = float(problem.class_weights.sum()), float(intercept.max())
    level = total * math.log(problem.n_classes)
    alone = total * (largest + math.log(np.exp(intercept - largest).sum())) - float(problem.class_weights @ intercept)
    penalty, is_bounded = problem.penalty.value(coef), problem.is_penalised and problem.unpenalised is None
    if problem.offset is None and not penalty <= level:
        return False
    if is_bounded and penalty <= level and alone <= level:
        return True
    here = problem.evaluate(coef, intercept, dtype=np.float64).loss + penalty
    return bool(here <= problem.evaluate(*nowhere(problem), dtype=np.float64).loss)
