"""The loss's quadratic expansion at a point, minimised together with the penalty by answers of a rougher one."""

from typing import Any

import numpy as np

from inklens.linear.methods.subproblem import minimise


def inner(G: np.ndarray, direction: np.ndarray) -> float:
    """Return <G, direction>; most columns of a direction are 0.

    >>> inner(np.array([[1.0, 2.0]]), np.array([[0.0, 3.0]]))
    6.0
    """
    columns = np.flatnonzero(direction.any(axis=0))
    return float((G[:, columns] * direction[:, columns]).sum())


class Quadratic:
    """Value and slope of the expansion at the end of a step that grows; one pass for each addition."""

    def __init__(self, problem: Any, penalty: Any, point: Any) -> None:
        self.problem, self.penalty, self.point = problem, penalty, point
        self.direction, self.moves = np.zeros_like(point.coef), np.zeros_like(point.at.intercept_gradient)
        self.slope, self.still = point.at.gradient, point.at.intercept_gradient
        self.value = self.start = penalty.value(point.coef)  # of the penalty, at the end and at the start

    def fall(self) -> float:
        """Return by how much expansion and penalty are lower at the end than at the start."""
        start = self.point.at
        both = inner(start.gradient, self.direction) + inner(self.slope, self.direction)
        both += float((start.intercept_gradient + self.still) @ self.moves)
        return -(0.5 * both + self.value - self.start)

    def breach(self, features: np.ndarray) -> float:
        """Return the breach of the optimality conditions at the end, in thresholds; nothing else than `features` moves.

        Coefficients of other features that do move are held to no more than the others.
        """
        penalty, own = self.penalty, np.unique(features)
        at = self.point.coef[:, own] + self.direction[:, own]
        breach = penalty.over(own, self.slope.shape[1]).violation(at, -self.slope[:, own])
        beyond = np.delete(penalty.strength(self.slope), own, axis=1)
        return max(breach, float(beyond.max(initial=0.0)) - 1.0)

    def add(self, direction: np.ndarray, moves: np.ndarray) -> float:
        """Lengthen the step by the share of (direction, moves), at most 1, that lowers the sum; return the share."""
        problem = self.problem
        product, sums = problem.rows.hessian_product(self.point.at.proba, problem.weights, direction, moves)
        product[:, ~problem.free] = 0.0
        sums = sums * problem.fit_intercept
        bend = inner(product, direction) + float(moves @ sums)
        grown = self._growth(direction)
        fall = -inner(self.slope, direction) - float(self.still @ moves) - grown  # convex: share * fall at least
        if not fall > 0.0:
            return 0.0
        share = 1.0
        if fall < bend:
            share = fall / bend
            direction, product = share * direction, share * product
            grown = self._growth(direction)
        self.direction, self.moves = self.direction + direction, self.moves + share * moves
        self.value += grown
        self.slope, self.still = self.slope + product, self.still + share * sums
        return share

    def _growth(self, direction: np.ndarray) -> float:
        """Return by how much a longer step raises the penalty."""
        columns = np.flatnonzero(direction.any(axis=0))
        penalty = self.penalty.over(columns, direction.shape[1])
        at = self.point.coef[:, columns] + self.direction[:, columns]
        return float(penalty.value(at + direction[:, columns]) - penalty.value(at))

    def end_at(self, direction: np.ndarray, moves: np.ndarray) -> None:
        """Lengthen the step for the last time: the slope there stays unknown, and the pass is saved."""
        self.direction, self.moves = self.direction + direction, self.moves + moves

    def answer(self, surrogate: Any, tolerance: float, outside: bool = False) -> tuple[np.ndarray, np.ndarray, float]:
        """Return the step that the surrogate takes from here, and the fall that it foretells.

        Coefficients outside the working set that want to move do so each for itself, by the true curvature.
        """
        pairs, model = surrogate.pairs, surrogate.model
        moving = ~model.is_intercept
        v, gradient = (np.zeros(len(moving)) for _ in range(2))
        v[moving], gradient[moving] = self.point.coef[pairs] + self.direction[pairs], self.slope[pairs]
        felt = gradient - model.intercept_response @ self.still
        u, pull = minimise(model, self.penalty, felt, v, tolerance)
        direction = np.zeros_like(self.direction)
        direction[pairs] = (u - v)[moving]
        moves = -(u - v) @ model.intercept_response - model.intercept_inverse @ self.still
        if outside:
            direction += self._alone(surrogate)
        return direction, moves, -(0.5 * float((felt + pull) @ (u - v)) + self._growth(direction))

    def _alone(self, surrogate: Any) -> np.ndarray:
        """Return the steps of what lies outside the working set, (n_classes, n_features)."""
        penalty, curvature, at = self.penalty, surrogate.curvature, self.point.coef + self.direction
        curvature = np.broadcast_to(curvature.max(axis=0), at.shape) if penalty.is_grouped else curvature
        outside = (penalty.strength(self.slope) > 1.0) | penalty.support(at)
        outside &= self.problem.free & (curvature > 0.0)
        outside[surrogate.pairs] = False
        steps = 1.0 / np.where(outside, curvature, np.inf)
        steps = steps[0] if penalty.is_grouped else steps
        return np.where(outside, penalty.prox(at - steps * self.slope, steps) - at, 0.0)
