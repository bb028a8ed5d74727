"""How well a proximal Newton step's model has to be solved, in thresholds of KKT violation."""

import numpy as np

from inklens.linear.methods import sampling
from inklens.linear.methods.points import Point
from inklens.linear.problem.penalties import Penalty
from inklens.linear.problem.problem import Problem

MAX_TOLERANCE = 2.0  # of a solution, while far
MIN_TOLERANCE = 1e-6  # what float32 can tell
FORCING_RATIO = 0.1  # of a solution's KKT violation to the point's, near
LOSS_SHARE = 0.3  # of the gap to be proven that a rough solution of the model may cost
TAIL_RATIO = 2.0  # of the entropy's curvature over the steps that matter to that of rows as likely as the model says
MAX_INNER_TOL = 1e-4  # a looser tol leaves the model as well solved: proofs save rounds, rough steps cost some


def tolerances(problem: Problem, penalty: Penalty, point: Point, violation: float, tol: float) -> tuple[float, float]:
    """Return the KKT violation that a step may leave, and the one that a step need not better to prove `tol`."""
    finest = violation_that_costs(
        LOSS_SHARE * min(tol, MAX_INNER_TOL) * point.objective(penalty), problem, penalty, point
    )
    return max(min(MAX_TOLERANCE, FORCING_RATIO * violation), finest, MIN_TOLERANCE), finest


def violation_that_costs(bound: float, problem: Problem, penalty: Penalty, point: Point) -> float:
    """Return the KKT violation v, in thresholds, that lowers the bound of a step's dual point by `bound`.

    Scaling that point back by 1 / (1 + v) costs v g(W), and v^2 / 2 times the curvature of the entropy towards the
    labels, sum_i c_i (1 / p_own - 1), of which rows that the model thinks unlikely have the most and lose it at once:
    TAIL_RATIO times sum_i c_i (1 - |p_i|^2) is left. Under a ridge the point need not be scaled, and the conjugate
    costs at most (l1 v)^2 / (2 l2) for each coefficient that moves.
    """
    n_pairs, ridge = max(1, int(np.count_nonzero(point.coef))), float(np.min(penalty.l2))
    under_ridge = float(np.sqrt(2.0 * ridge * bound / n_pairs)) / float(np.max(penalty.unit))
    if not np.all(penalty.l1):  # scaling back serves thresholds only
        return under_ridge
    value, curvature = penalty.value(point.coef), TAIL_RATIO * sampling.class_pair_weight(problem, point.at.proba)
    root = value + np.sqrt(value**2 + 4.0 * curvature * bound)
    scaled = 2.0 * bound / root if root > 0.0 else MAX_TOLERANCE
    return float(max(scaled, under_ridge))
