"""How far a step of proximal Newton may take a coefficient.

Few rows hold a rare pixel. Once these are sure of a wrong class they have a slope and no curvature, and the model
sends that one coefficient a hundred times too far, which would shorten the step of all. So no coefficient changes the
score of a row by more than MAX_CHANGE in one step, or by what it makes of it already.
"""

import numpy as np

from inklens.linear.methods.points import Point, Step
from inklens.linear.methods.quadratic import Quadratic, Surrogate
from inklens.linear.problem.penalties import Penalty
from inklens.linear.problem.problem import Problem

MAX_CHANGE = 4.0  # of a row's score by a coefficient that is small
ROUNDING = 1e-12  # of a step that goes as far as it may
FARTHEST = 1e30  # that an intercept may follow: float32 holds its products
LEAST_SHARE = 0.1  # of a step within reach, that the loss's expansion has to want
DAMPINGS = 0.0, 0.01, 0.04, 0.16, 0.64, 2.56, 10.24  # in units of the model's own curvature, until it does


@np.errstate(over="ignore", under="ignore", invalid="ignore")  # of values that nearly no number can multiply
def within(problem: Problem, point: Point, direction: np.ndarray) -> np.ndarray:
    """Return a step whose coefficients go no farther than they may: the very same where none does.

    Where the largest value of most columns stands for few rows, it says nothing about the others.
    """
    largest = problem.facts.largest
    allowed = np.maximum(MAX_CHANGE, np.abs(point.coef) * largest)
    if not (np.abs(direction) * largest > (1.0 + ROUNDING) * allowed).any() or problem.facts.has_tails:
        return direction
    longest = allowed / np.maximum(largest, np.finfo(float).tiny)
    return np.asarray(np.clip(direction, -longest, longest))


def step_along(
    problem: Problem, penalty: Penalty, point: Point, surrogate: Surrogate, direction: np.ndarray
) -> tuple[Step, float]:
    """Return the share of a direction that lowers the loss's expansion and the penalty most, as a step, and that share.

    The intercepts follow the coefficients as the model says.
    """
    model, pairs, quadratic = surrogate.model, surrogate.pairs, Quadratic(problem, penalty, point)
    moves, own = np.zeros(len(model.is_intercept)), np.zeros_like(direction)
    moves[~model.is_intercept] = own[pairs] = direction[pairs]
    intercept_step = -moves @ model.intercept_response - model.intercept_inverse @ point.at.intercept_gradient
    is_near = bool((np.abs(intercept_step) <= FARTHEST).all())
    share = quadratic.add(own, intercept_step) if is_near else 0.0
    return quadratic.step()._replace(dual_lag=np.inf), share
