"""Where a method stands, and the steps that it takes from there."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from inklens.linear.problem.penalties import Penalty
from inklens.linear.problem.problem import Problem
from inklens.linear.rows.rows import Evaluation


class Point(NamedTuple):
    """Coefficients with what one pass tells about them."""

    coef: np.ndarray  # (n_classes, n_features)
    intercept: np.ndarray  # (n_classes,)
    at: Evaluation

    @classmethod
    def of(cls, problem: Problem, coef: np.ndarray, intercept: np.ndarray, dtype: npt.DTypeLike) -> "Point":
        """Evaluate the loss; one pass."""
        coef = problem.penalty.feasible(coef)
        return cls(coef, intercept, problem.evaluate(coef, intercept, dtype=dtype))

    def without_scores(self, problem: Problem) -> "Point":
        """Return the point with scores that are made again when they are read."""
        lazy = problem.scores(self.coef, self.intercept, dtype=self.at.scores.dtype, is_held=False)
        return self._replace(at=self.at._replace(scores=lazy))

    def objective(self, penalty: Penalty) -> float:
        """Return loss plus penalty."""
        return self.at.loss + penalty.value(self.coef)

    def gradient(self, penalty: Penalty) -> np.ndarray:
        """Return the gradient of a smooth objective, (n_classes, n_features + 1), the intercept in the last column."""
        return np.column_stack([self.at.gradient + penalty.gradient(self.coef), self.at.intercept_gradient])


class Asked(NamedTuple):
    """What is asked of a step."""

    violation: float  # of the KKT conditions, that is left now
    tol: float  # of the gap, as a share of the objective
    damping: float  # of the model, in units of its own curvature
    is_far: bool  # from the penalty that is asked for: then roughly will do
    worth: float = np.inf  # seconds of the next best way: a step that has taken as long may end


class Step(NamedTuple):
    """A direction, and what the model that it minimises predicts of it."""

    coef: np.ndarray
    intercept: np.ndarray
    predicted_decrease: float  # of the objective, by the whole step
    slope: float  # directional derivative of the objective
    dual_lag: float = np.inf  # estimate of the gap that the step's own dual point leaves
    n_products: int = 0  # with the Hessian, that it took

    @classmethod
    def along(cls, direction: np.ndarray, gradient: np.ndarray, n_products: int, lag: float = 0.0) -> "Step":
        """Return the step that minimises a quadratic with this gradient, (n_classes, n_features + 1)."""
        slope = float(np.vdot(gradient, direction))
        return cls(np.ascontiguousarray(direction[:, :-1]), direction[:, -1], -0.5 * slope, slope, lag, n_products)

    def from_point(self, problem: Problem, point: Point, dtype: npt.DTypeLike) -> Point:
        """Return the point after the whole step; one pass."""
        return Point.of(problem, point.coef + self.coef, point.intercept + self.intercept, dtype)
