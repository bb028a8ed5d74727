"""Working-set proximal Newton for L1, elastic net and group penalties.

Each round: the gradient tells which coefficients want to move (the working set), the exact Hessian over these is summed
over the class pairs that are still undecided (`subproblem.c`), the quadratic subproblem is solved in Gram form, and the
step is taken if the objective falls. Far from the optimum the penalty starts larger and comes down as fast as the
gradient allows. Near it, the step's own linearised dual point proves the bound (`dual.py`).

Lee, Sun, Saunders (2014), SIAM J. Optim. 24, for proximal Newton; Friedman, Hastie, Tibshirani (2010), section 2.5, for
working sets.
"""

from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

import numpy as np

from inklens.linear import subproblem
from inklens.linear.dual import DualPoint, balance, dual_value, moved
from inklens.linear.iterate import Iterate
from inklens.linear.kernels import loss_of_scores
from inklens.linear.subproblem import Pairs

PULL = 9.0  # the penalty starts where the strongest pull is this many thresholds, found on MNIST: 6 to 13 are alike
NEAR = 0.9  # a zero coefficient joins the working set when its pull exceeds this share of the threshold
GROWTH = 2.0  # the working set is at most this many times the non-zeros, while far
SMALLEST_SET = 300
LIGHT = 2.7e-6  # class pairs of rows lighter than this times n_samples, in mean row weights, are sampled while far
COARSEST = 0.25  # breach of the subproblem's optimality conditions, in thresholds, while far
FORCING = 0.03  # and as a share of the violation, near
EXACT_BELOW = 0.02  # violation, in thresholds, from which passes run in float64


class Point(NamedTuple):
    """Coefficients with what one pass tells about them."""

    coef: np.ndarray
    intercept: np.ndarray
    scores: np.ndarray
    proba: np.ndarray
    loss: float
    gradient: np.ndarray  # of the loss; 0 where a coefficient is fixed at 0
    intercept_gradient: np.ndarray


class Step(NamedTuple):
    """A proximal Newton direction, and the fall of the objective that its model foretells."""

    coef: np.ndarray
    intercept: np.ndarray
    foretold: float
    slope: float  # directional derivative of the objective


def proximal_newton(problem, coef: np.ndarray, intercept: np.ndarray, tol: float) -> Iterator[Iterate]:
    """Yield ever better points for a penalty with thresholds."""
    fixed = problem.rows.constant & (problem.fit_intercept | (problem.rows.high == 0.0))
    point = _evaluate(problem, np.where(fixed, 0.0, coef), intercept, fixed, np.float32)
    factor, stalled, dtype = np.inf, 0, np.float32
    for seed in count():
        factor = min(factor, max(1.0, float(problem.penalty.strength(point.gradient).max(initial=0.0)) / PULL))
        penalty = problem.penalty.scaled(factor) if factor > 1.0 else problem.penalty
        violation = penalty.violation(point.coef, -point.gradient)
        if factor == 1.0 and violation < EXACT_BELOW and dtype == np.float32:
            dtype = np.float64
            point = _evaluate(problem, point.coef, point.intercept, fixed, dtype)
        step = _newton_step(problem, penalty, point, violation, tol, fixed, seed)
        before = point.loss + problem.penalty.value(point.coef)
        gap, dual = np.inf, None
        following = _evaluate(problem, point.coef + step.coef, point.intercept + step.intercept, fixed, dtype)
        if factor == 1.0 and step.foretold <= 10.0 * max(tol, 1e-9) * before:
            along = following.scores - point.scores
            bound = _estimate(problem, moved(point.proba, along))
            dual = DualPoint(point.coef, point.intercept, step.coef, step.intercept)
        point = _search(problem, penalty, point, step, following, fixed, dtype)
        objective = point.loss + problem.penalty.value(point.coef)
        if dual is not None:
            gap = objective - bound
        fell = before - objective > 1e-13 * before or factor > 1.0
        stalled = 0 if fell else stalled + 1
        yield Iterate(point.coef, point.intercept, objective, gap, dual, stationary=stalled == 4)


def _evaluate(problem, coef: np.ndarray, intercept: np.ndarray, fixed: np.ndarray, dtype) -> Point:
    at = problem.rows.loss_and_gradient(coef, intercept, problem.codes, problem.weights, dtype=dtype)
    at.gradient[:, fixed] = 0.0
    return Point(coef, intercept, at.scores, at.proba, at.loss, at.gradient, at.intercept_gradient * problem.fit_intercept)


def _newton_step(problem, penalty, point: Point, violation: float, tol: float, fixed: np.ndarray, seed: int) -> Step:
    pairs = _working_set(penalty, point, violation, fixed)
    mean_weight = float(problem.weights.mean())
    light = mean_weight * min(0.25, LIGHT * problem.rows.n_samples) * min(1.0, violation / 8.0)
    model = subproblem.newton_model(
        problem.rows,
        point.proba,
        problem.weights,
        pairs,
        fit_intercept=problem.fit_intercept,
        light=light if violation > 1e-3 else 0.0,
        seed=seed,
    )
    w, gradient = (np.zeros(len(model.pairs.classes)) for _ in range(2))
    moving = ~model.is_intercept
    w[moving], gradient[moving] = point.coef[pairs], point.gradient[pairs]
    value = penalty.value(point.coef)
    finest = 0.3 * tol * (point.loss + value) / value if value > 0.0 else COARSEST
    tolerance = max(min(COARSEST, FORCING * violation), finest, 1e-6)
    felt = gradient - model.follow @ point.intercept_gradient
    moves = penalty.solve_quadratic(model, felt, w, tolerance) - w
    intercept_moves = -(moves @ model.follow) - model.inverse @ point.intercept_gradient
    direction = np.zeros_like(point.coef)
    direction[pairs] = moves[moving]
    grown = penalty.value(point.coef + direction) - value
    curved = 0.5 * float(moves @ (model.hessian @ moves.astype(np.float32)))
    slope = float(gradient @ moves + point.intercept_gradient @ intercept_moves) + grown
    return Step(direction, intercept_moves, -(float(felt @ moves) + curved + grown), slope)


def _working_set(penalty, point: Point, violation: float, fixed: np.ndarray) -> Pairs:
    """Return the non-zeros and the zeros with the strongest pull, sorted by class."""
    pull = np.where(penalty.support(point.coef), np.inf, penalty.strength(point.gradient))
    pull[:, fixed] = 0.0
    least = NEAR
    if violation > 1.0:
        limit = max(SMALLEST_SET, int(GROWTH * np.count_nonzero(point.coef)))
        if np.count_nonzero(pull > least) > limit:
            least = np.partition(pull.ravel(), -limit)[-limit]
    return Pairs(*np.nonzero(pull >= least))


def _search(problem, penalty, point: Point, step: Step, following: Point, fixed: np.ndarray, dtype) -> Point:
    """Return the point after the whole step, or after a part of it where the objective would not fall (Armijo)."""
    before = point.loss + penalty.value(point.coef)
    rounding = 1e-14 * before if dtype == np.float64 else 1e-7 * before
    if following.loss + penalty.value(following.coef) <= before + 1e-3 * step.slope + rounding:
        return following
    along = following.scores - point.scores
    for t in 0.5 ** np.arange(1, 30):
        coef = point.coef + t * step.coef
        loss = loss_of_scores(point.scores + dtype(t) * along, problem.codes, problem.weights)
        if loss + penalty.value(coef) <= before + 1e-3 * t * step.slope:
            return _evaluate(problem, coef, point.intercept + t * step.intercept, fixed, dtype)
    return point


def _estimate(problem, proba: np.ndarray) -> float:
    """Return the lower bound that `proba` gives, in its own precision (the driver proves it in float64)."""
    if problem.fit_intercept:
        proba = balance(proba, problem.codes, problem.weights)
    residual = -proba
    residual[np.arange(len(proba)), problem.codes] += 1.0
    gradient = problem.rows.transpose_product(residual * problem.weights[:, None].astype(residual.dtype))
    return dual_value(problem.penalty, proba, problem.codes, problem.weights, gradient)
