"""The loss's quadratic expansion at a point, minimised together with the penalty by solutions of a rougher model."""

from typing import NamedTuple

import numpy as np

from inklens.linear import deadline
from inklens.linear.methods.points import Point, Step
from inklens.linear.methods.subproblem import Model, Pairs, minimise
from inklens.linear.problem.penalties import Penalty
from inklens.linear.problem.problem import Problem


class Surrogate(NamedTuple):
    """The loss's Newton model over a working set, kept for as long as its steps do well."""

    pairs: Pairs  # without the intercepts
    model: Model
    factor: float  # on the penalty, when it was built
    kkt_violation: float  # at the last point that it served, in thresholds
    is_damped: bool
    curvature: np.ndarray | None  # the true Hessian's diagonal, (n_classes, n_features), where the model's is sampled
    is_partial: bool = False  # whether non-zeros had no room in the working set
    seconds: float = 0.0  # that the model cost, by estimate


def inner(G: np.ndarray, direction: np.ndarray) -> float:
    """Return <G, direction>; most columns of a direction are 0.

    >>> inner(np.array([[1.0, 2.0]]), np.array([[0.0, 3.0]]))
    6.0
    """
    columns = np.flatnonzero(direction.any(axis=0))
    return float((G[:, columns] * direction[:, columns]).sum())


class Quadratic:
    """Value and gradient of the expansion at the end of a step that grows; one pass for each addition."""

    def __init__(self, problem: Problem, penalty: Penalty, point: Point) -> None:
        self.problem, self.penalty, self.point = problem, penalty, point
        # The end is kept, not the way there: what comes to zero is zero, whatever is added before and after.
        self.end, self.intercept_step = point.coef, np.zeros_like(point.at.intercept_gradient)
        self.gradient, self.intercept_gradient = point.at.gradient, point.at.intercept_gradient
        self.penalty_value = self.penalty_before = penalty.value(point.coef)  # at the end, and at the start

    @property
    def direction(self) -> np.ndarray:
        """The step's coefficients."""
        return np.asarray(self.end - self.point.coef)

    def predicted_decrease(self) -> float:
        """Return by how much expansion and penalty are lower at the end than at the start."""
        start = self.point.at
        both = inner(start.gradient + self.gradient, self.direction)
        both += float((start.intercept_gradient + self.intercept_gradient) @ self.intercept_step)
        return -(0.5 * both + self.penalty_value - self.penalty_before)

    def kkt_violation(self, features: np.ndarray) -> float:
        """Return the largest KKT violation at the end, in thresholds; nothing else than `features` moves.

        Coefficients of other features that do move are held to no more than the others.
        """
        penalty, own = self.penalty, np.unique(features)
        at = self.end[:, own]
        inside = penalty.over(own).kkt_violation(at, -self.gradient[:, own])
        outside = np.delete(penalty.threshold_ratio(-self.gradient), own, axis=1)
        return max(inside, float(outside.max(initial=0.0)) - 1.0)

    def add(self, direction: np.ndarray, intercept_step: np.ndarray) -> float:
        """Lengthen the step by the share, at most 1, of a direction that lowers the sum most; return the share."""
        deadline.check()
        problem = self.problem
        product, sums = problem.rows.hessian_product(self.point.at.proba, problem.weights, direction, intercept_step)
        product[:, ~problem.free] = 0.0
        sums = sums * problem.fit_intercept
        curvature = inner(product, direction) + float(intercept_step @ sums)
        growth = self._penalty_growth(direction)
        # The sum is convex: a share of the direction lowers its linear part by that share of this at least.
        decrease = -inner(self.gradient, direction) - float(self.intercept_gradient @ intercept_step) - growth
        if not decrease > 0.0:
            return 0.0
        share = 1.0
        if decrease < curvature:
            share = decrease / curvature
            direction, product = share * direction, share * product
            growth = self._penalty_growth(direction)
        self.end = self.end + direction
        self.intercept_step = self.intercept_step + share * intercept_step
        self.penalty_value += growth
        self.gradient = self.gradient + product
        self.intercept_gradient = self.intercept_gradient + share * sums
        return share

    def step(self) -> Step:
        """Return what has been added as a step."""
        point, penalty, decrease = self.point, self.penalty, self.predicted_decrease()
        growth = penalty.value(self.end) - penalty.value(point.coef)
        slope = inner(point.at.gradient, self.direction) + float(point.at.intercept_gradient @ self.intercept_step)
        return Step(self.direction, self.intercept_step, decrease, slope + growth, 2.0 * decrease)

    def _penalty_growth(self, direction: np.ndarray) -> float:
        """Return by how much a longer step raises the penalty."""
        columns = np.flatnonzero(direction.any(axis=0))
        penalty = self.penalty.over(columns)
        at = self.end[:, columns]
        return float(penalty.value(at + direction[:, columns]) - penalty.value(at))

    def add_unevaluated(self, direction: np.ndarray, intercept_step: np.ndarray) -> None:
        """Lengthen the step for the last time: the gradient there stays unknown, and the pass is saved."""
        self.end, self.intercept_step = self.end + direction, self.intercept_step + intercept_step

    def end_at(self, coef: np.ndarray) -> None:
        """Let the step end where the loss is the same: all classes of a feature have moved alike."""
        self.penalty_value += self.penalty.value(coef) - self.penalty.value(self.end)
        self.end = coef

    def solve_model(
        self, surrogate: Surrogate, tolerance: float, outside: bool = False
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """Return the step that minimises the surrogate from here, and the decrease that it predicts.

        With `outside`, coefficients outside the working set that violate their conditions move as well, each for itself
        by the true curvature.
        """
        pairs, model = surrogate.pairs, surrogate.model
        moving = ~model.is_intercept
        v, gradient = (np.zeros(len(moving)) for _ in range(2))
        v[moving], gradient[moving] = self.end[pairs], self.gradient[pairs]
        reduced_gradient = gradient - model.intercept_response @ self.intercept_gradient  # intercepts eliminated
        u, end_gradient = minimise(model, self.penalty, reduced_gradient, v, tolerance)
        direction = np.zeros_like(self.end)
        direction[pairs] = (u - v)[moving]
        intercept_step = -(u - v) @ model.intercept_response - model.intercept_inverse @ self.intercept_gradient
        if outside and surrogate.curvature is not None:
            direction += self._coordinate_steps(surrogate.pairs, surrogate.curvature)
        change = 0.5 * float((reduced_gradient + end_gradient) @ (u - v)) + self._penalty_growth(direction)
        return direction, intercept_step, -change

    def _coordinate_steps(self, pairs: Pairs, curvature: np.ndarray) -> np.ndarray:
        """Return proximal steps of single coefficients outside the working set, (n_classes, n_features)."""
        penalty, at = self.penalty, self.end
        curvature = np.broadcast_to(curvature.max(axis=0), at.shape) if penalty.is_grouped else curvature
        outside = (penalty.threshold_ratio(-self.gradient) > 1.0) | penalty.support(at)
        outside &= self.problem.free & (curvature > 0.0)
        outside[pairs] = False
        columns = np.flatnonzero(outside.any(axis=0))
        steps = np.zeros(at.shape)
        if len(columns):
            outside, curvature, at = outside[:, columns], curvature[:, columns], at[:, columns]
            lengths = 1.0 / np.where(outside, curvature, np.inf)
            lengths = lengths[0] if penalty.is_grouped else lengths
            to = np.asarray(penalty.over(columns).prox(at - lengths * self.gradient[:, columns], lengths))
            steps[:, columns] = np.where(outside, to - at, 0.0)
        return steps
