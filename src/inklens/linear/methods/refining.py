"""A dual point for a point that proves too little: one Newton step there, solved as exactly as float64 can.

A fit that is stopped, or that gets no lower, seldom has a step at hand that proves anything: the last one was rough,
sampled or damped. The step that minimises the whole model (all rows, all coefficients that want to move) has a dual
point in the domain of g*, with a gap of second order in what is left to go. It costs about as much as a round.
"""

import numpy as np

from inklens.linear import memory
from inklens.linear.methods import accuracy, costs, direct, subproblem
from inklens.linear.methods.points import Point, Step
from inklens.linear.methods.quadratic import Quadratic, Surrogate
from inklens.linear.methods.subproblem import Pairs
from inklens.linear.methods.systems import conjugate_gradient, metric_at, times_hessian
from inklens.linear.methods.working_sets import max_pairs
from inklens.linear.problem.problem import Problem
from inklens.linear.proofs import certificates
from inklens.linear.proofs.dual import DualPoint

MAX_EXACT_WORK = 5e9  # multiply-adds of a dense Hessian of all coefficients and its factor
RESIDUAL_SHARE = 0.2  # of a step's own decrease, or of the gap to be proven, that its residual may cost the bound
ROOM, MOST_ROOM = 1.1, 0.9  # times what rounding may add to a gradient, kept inside the thresholds; and most of these
NEAR_RATIO = 0.8  # zeros whose gradient exceeds this share of the threshold belong to the model
MAX_FACES = 4  # models; a further one has what the step before brought over the threshold
MAX_CORRECTIONS = 8  # of the solution of a float32 model by products with the true Hessian
INNER_RATIO = 0.3  # of a solution's KKT violation to the one that the step may keep
MIN_TOLERANCE = 1e-10  # thresholds, of a solution: what is summed is so in float64
ROUNDING = 1e-12  # of a coefficient, that is left where a step brought it to 0
SLOW_RATIO = 0.8  # a correction that leaves this share of the KKT violation is the last


@np.errstate(over="ignore", invalid="ignore")  # of a model without curvature somewhere: its step is of no use
def refined(problem: Problem, coef: np.ndarray, intercept: np.ndarray, tol: float = 0.0) -> DualPoint | None:
    """Return the dual point of a Newton step at these coefficients; None where its model has no room.

    The step is exact as far as a relative gap of `tol`, or of what is left to go at the point, asks for.
    """
    point = Point.of(problem, coef, intercept, np.float64)
    wanted = tol * point.objective(problem.penalty)
    if problem.penalty.is_smooth:
        found: tuple[np.ndarray, np.ndarray] | None = _smooth_step(problem, point, wanted)
    else:
        found = _thresholded_step(_inside(problem, point), point, wanted)
    if found is None or not all(np.isfinite(part).all() for part in found):
        return None
    return DualPoint(coef, intercept, *found)


def seconds(problem: Problem, coef: np.ndarray) -> float:
    """Return about how long such a step takes, by the sums of its first model."""
    if problem.penalty.is_smooth or not problem.rows.holds(problem.n_classes):
        return 0.0  # these are few products, or the driver waits for other reasons
    return costs.edge_seconds(problem, int(np.count_nonzero(coef)))


def end_of(dual: DualPoint) -> tuple[np.ndarray, np.ndarray]:
    """Return the coefficients at the end of the step behind a dual point; what rounding leaves of a zero is one."""
    coef, intercept = dual.coef + dual.direction, dual.intercept + dual.intercept_direction
    return np.where(np.abs(coef) <= ROUNDING * np.abs(dual.coef), 0.0, coef), intercept


def _smooth_step(problem: Problem, point: Point, wanted: float) -> tuple[np.ndarray, np.ndarray]:
    if _is_affordable(problem):
        step: Step = direct.newton_step(problem, point)
        return step.coef, step.intercept
    gradient = point.gradient(problem.penalty)
    metric = metric_at(problem, np.column_stack([point.coef, point.intercept]), point.at.proba)
    l2 = np.maximum(problem.penalty.l2, np.finfo(float).tiny)

    def is_close(residual: np.ndarray, size: float) -> bool:
        """What the residual costs the conjugate, 1/2 |r|^2 / l2, is little beside what the step gains."""
        return float((residual[:, :-1] ** 2 / l2).sum()) <= RESIDUAL_SHARE * max(size, wanted)

    direction, _ = conjugate_gradient(
        times_hessian(problem, point.at.proba), metric.solve, -gradient, is_close, np.inf, forcing_ratio=0.0
    )
    return np.ascontiguousarray(direction[:, :-1]), direction[:, -1]


def _is_affordable(problem: Problem) -> bool:
    """Tell whether a dense Hessian over all coefficients is."""
    n_samples, size = problem.rows.n_samples, problem.n_classes * (int(problem.free.sum()) + 1)
    n_bytes = 8 * (3 * n_samples + size) * size  # rows for each class, and products of them
    is_short = n_samples * size**2 + size**3 / 3 <= MAX_EXACT_WORK
    return problem.rows.holds(problem.n_classes) and is_short and n_bytes <= memory.limit()


def _inside(problem: Problem, point: Point) -> Problem:
    """Return the problem under thresholds less what rounding may add to G, where only thresholds bound it.

    The dual point of its Newton step needs no scaling back for that. Scaling moves every row towards its label, which
    costs v^2 / 2 times the weight of all rows; the step moves those that the face can tell apart, and costs v g(W).
    """
    penalty = problem.penalty
    if not np.all(penalty.l1) or np.any(penalty.l2):
        return problem
    in_norm = np.sqrt(problem.n_classes) if penalty.is_grouped else 1.0
    share = ROOM * in_norm * certificates.gradient_rounding(problem, point.at.proba) / penalty.l1
    return problem.under(penalty.times(1.0 - np.minimum(share, MOST_ROOM)))


def _thresholded_step(problem: Problem, point: Point, wanted: float) -> tuple[np.ndarray, np.ndarray] | None:
    penalty, quadratic = problem.penalty, Quadratic(problem, problem.penalty, point)
    used, gradient = penalty.support(point.coef), point.at.gradient
    for _ in range(MAX_FACES):
        chosen = (used | (penalty.threshold_ratio(-gradient) > NEAR_RATIO)) & problem.free
        if np.count_nonzero(chosen) > max_pairs(problem):
            return None
        _solve_over(quadratic, Pairs(*np.nonzero(chosen)), wanted)
        gradient, used = quadratic.gradient, chosen
        if not ((penalty.threshold_ratio(-gradient) > 1.0) & problem.free & ~chosen).any():
            break
    return quadratic.direction, quadratic.intercept_step


def _solve_over(quadratic: Quadratic, pairs: Pairs, wanted: float) -> None:
    """Lengthen the step until nothing among `pairs` violates its condition; products correct a model in float32."""
    problem, point = quadratic.problem, quadratic.point
    model = subproblem.newton_model(
        problem.rows, point.at.proba, problem.weights, pairs, fit_intercept=problem.fit_intercept
    )
    surrogate, violation = Surrogate(pairs, model, 1.0, 1.0, False, None), np.inf
    enough = _bearable(quadratic, wanted)
    for _ in range(MAX_CORRECTIONS):
        direction, intercept_step, _ = quadratic.solve_model(surrogate, max(INNER_RATIO * enough, MIN_TOLERANCE))
        share = quadratic.add(direction, intercept_step)
        before, violation = violation, quadratic.kkt_violation(pairs.features)
        enough = _bearable(quadratic, wanted)
        if share == 0.0 or violation <= enough or violation > SLOW_RATIO * before:
            return


def _bearable(quadratic: Quadratic, wanted: float) -> float:
    """Return the KKT violation, in thresholds, that costs a bound RESIDUAL_SHARE of the gap."""
    gap, penalty = max(wanted, quadratic.predicted_decrease()), quadratic.penalty
    by_scaling = RESIDUAL_SHARE * gap / max(quadratic.penalty_value, np.finfo(float).tiny)
    if not np.all(penalty.l1):
        return by_scaling
    cost = accuracy.violation_that_costs(RESIDUAL_SHARE * gap, quadratic.problem, penalty, quadratic.point)
    return min(by_scaling, cost)
