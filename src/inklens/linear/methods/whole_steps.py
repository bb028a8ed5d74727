"""Steps under thresholds by a whole Hessian: the point's own, or one that still serves.

Where a Hessian costs many passes, that of a point nearby serves for some steps: a product with the true one, which
costs a pass, corrects what it finds, and each correction leaves about the same share of the KKT violation.
"""

from typing import NamedTuple

import numpy as np

from inklens.linear.methods import accuracy, costs
from inklens.linear.methods.face_descent import minimise
from inklens.linear.methods.points import Point, Step
from inklens.linear.methods.quadratic import Quadratic as Expansion
from inklens.linear.methods.whole_hessian import Model, Slopes, model_at
from inklens.linear.problem.problem import Problem

FORCING_RATIO = 1e-3  # of a solution's KKT violation to the point's
FINEST_SHARE = 0.1  # of the violation that costs a bound more than it may
MIN_TOLERANCE = 1e-10  # thresholds: what float64 can tell

# A Hessian that serves again.
DEAR_PASSES = 10.0  # that it costs, at least
NEAR_RATIO = 0.35  # of the violation to the one where it was summed: farther away, curvature changes too much
KEPT_FORCING_RATIO = 0.03  # of a corrected step's KKT violation to the point's
MAX_CORRECTIONS = 6
INNER_RATIO = 0.3  # of a solution's KKT violation to the one that corrections are to reach
SLOW_RATIO = 0.7  # a correction that leaves this share of the violation is the last
SERVED_RATIO = 0.5  # and beyond this share a Hessian serves no more


class Aim(NamedTuple):
    """How well a step has to solve its model, in thresholds of KKT violation."""

    violation: float  # at the point
    finest: float  # that costs a bound as much as it may
    bearable: float  # what that is, of the objective

    @classmethod
    def at(cls, problem: Problem, point: Point, tol: float) -> "Aim":
        """Return the aim of a step that may prove a relative gap of `tol`."""
        penalty = problem.penalty
        bearable = accuracy.LOSS_SHARE * tol * point.objective(penalty)
        finest = accuracy.violation_that_costs(bearable, problem, penalty, point)
        return cls(penalty.kkt_violation(point.coef, -point.at.gradient), finest, bearable)

    def tolerance(self, forcing_ratio: float) -> float:
        """Return the violation that a step may leave."""
        return max(forcing_ratio * self.violation, FINEST_SHARE * self.finest, MIN_TOLERANCE)

    def cost(self, left: float) -> float:
        """Return what a violation costs a bound: it starts with a line, or where there is a ridge with a parabola."""
        return self.bearable * left / self.finest * max(1.0, left / self.finest)


class Left(NamedTuple):
    """What a step leaves of its model's minimum."""

    cost: float  # of its dual point's bound
    is_little: bool
    is_own: bool = True  # whether the model's Hessian was the point's own
    ratio: float = 0.0  # the largest share of a violation that a correction has left


class Hessians:
    """Which Hessian the steps of one problem take."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.model: Model | None = None  # that serves
        self.violation = 0.0  # where it was summed
        self.is_dear = costs.direct_seconds(problem) >= DEAR_PASSES * costs.exact_pass_seconds(problem)

    def step(self, point: Point, tol: float) -> tuple[Step, Left]:
        """Return a step that may prove a relative gap of `tol`, and what it leaves."""
        aim = Aim.at(self.problem, point, tol)
        if self.model is not None and 0.0 < aim.violation <= NEAR_RATIO * self.violation:
            step, left = corrected_step(self.problem, point, self.model, aim)
            if left.ratio > SERVED_RATIO:
                self.forget()
            return step, left
        self.forget()  # its memory is wanted for the next
        model = model_at(self.problem, point)
        if self.is_dear:
            self.model, self.violation = model, aim.violation
        return newton_step(self.problem, point, model, aim)

    def forget(self) -> None:
        """Let the next step take the Hessian at its own point."""
        self.model = None


def newton_step(problem: Problem, point: Point, model: Model, aim: Aim) -> tuple[Step, Left]:
    """Return the step to the minimum of the point's own model."""
    penalty, slopes = problem.penalty, Slopes(point.at.gradient, point.at.intercept_gradient)
    tolerance, w = aim.tolerance(FORCING_RATIO), point.coef[model.moving].ravel()
    v, gradient, left = minimise(model.quadratic(penalty, slopes), w, tolerance)
    direction, intercept_step = model.step(v - w, slopes)
    growth = penalty.value(point.coef + direction) - penalty.value(point.coef)
    fall = float(np.vdot(slopes.coef, direction) + slopes.intercept @ intercept_step)
    decrease = -0.5 * (fall + float(gradient @ (v - w))) - growth  # intercepts have no slope at the end
    return Step(direction, intercept_step, decrease, fall + growth), Left(aim.cost(left), left <= tolerance)


def corrected_step(problem: Problem, point: Point, model: Model, aim: Aim) -> tuple[Step, Left]:
    """Return the step to the minimum of the point's own model, found with another's: as far as corrections lead."""
    expansion, tolerance = Expansion(problem, problem.penalty, point), aim.tolerance(KEPT_FORCING_RATIO)
    violation, ratio, n_products = aim.violation, 0.0, 0
    while n_products < MAX_CORRECTIONS:
        slopes = Slopes(expansion.gradient, expansion.intercept_gradient)
        w = expansion.end[model.moving].ravel()
        v, _, _ = minimise(model.quadratic(problem.penalty, slopes), w, INNER_RATIO * tolerance)
        share, before = expansion.add(*model.step(v - w, slopes)), violation
        violation, n_products = expansion.kkt_violation(model.moving[1]), n_products + 1
        ratio = max(ratio, violation / before)
        if share == 0.0 or violation <= tolerance or violation > SLOW_RATIO * before:
            break
    step = expansion.step()._replace(n_products=n_products)
    return step, Left(aim.cost(violation), violation <= tolerance, is_own=False, ratio=ratio)
