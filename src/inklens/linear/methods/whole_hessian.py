"""The whole Hessian at a point, in float64, over the coefficients that may move; the best intercepts follow these.

With the Laplacian L of the classes' pairs (`direct.py`), and the intercepts' part C and border B of it,

    H = L - B' C^-1 B

Coordinates are (class, feature) pairs, classes outside: n of them. Of two classes under the penalty of one row
(`of_one_row`) only the second moves.
"""

from typing import NamedTuple

import numpy as np

from inklens.linear.methods.direct import Inverse, edge_grams, inverse_of, n_held
from inklens.linear.methods.face_descent import Quadratic
from inklens.linear.methods.points import Point
from inklens.linear.problem.penalties import Penalty
from inklens.linear.problem.problem import Problem
from inklens.linear.softmax import laplacian


class Slopes(NamedTuple):
    """The loss's gradient, or its expansion's: where a solution starts."""

    coef: np.ndarray  # (n_classes, n_features)
    intercept: np.ndarray  # (n_classes,)


class Model(NamedTuple):
    """A Hessian with its intercepts eliminated."""

    moving: tuple[np.ndarray, np.ndarray]  # classes (n_moving, 1) and columns (q,)
    H: np.ndarray  # (n, n)
    response: np.ndarray  # (n_intercepts, n): C^-1 B
    corner: Inverse | None  # of C; None without intercepts

    def quadratic(self, penalty: Penalty, slopes: Slopes) -> Quadratic:
        """Return the model of loss and penalty as a function of the coefficients."""
        columns, n_features = self.moving[1], slopes.coef.shape[1]
        l1, l2 = (np.broadcast_to(size, n_features)[columns].astype(float) for size in (penalty.l1, penalty.l2))
        gradient = slopes.coef[self.moving].ravel()
        if self.corner is not None:
            gradient = gradient - self.response.T @ slopes.intercept[1:]
        return Quadratic(self.H, gradient, l1, l2, penalty.is_grouped)

    def step(self, d: np.ndarray, slopes: Slopes) -> tuple[np.ndarray, np.ndarray]:
        """Return a change of the coefficients in their places, and that of the intercepts, whose sum stays."""
        direction, intercept_step = np.zeros_like(slopes.coef), np.zeros(len(slopes.coef))
        direction[self.moving] = d.reshape(direction[self.moving].shape)
        if self.corner is not None:
            intercept_step[1:] = -(self.response @ d) - self.corner(slopes.intercept[1:])
        return direction, intercept_step - intercept_step.mean()


def model_at(problem: Problem, point: Point) -> Model:
    """Return the model at a point."""
    n_classes, n_features = problem.n_classes, problem.rows.n_features
    columns, first = np.flatnonzero(problem.free), n_held(problem.penalty)
    moving = np.arange(first, n_classes)[:, None], columns
    grams, q = edge_grams(problem, point), len(columns)
    if q < n_features:
        place = np.append(columns, n_features)
        grams = grams[:, place[:, None], place]
    inside, last = slice(None, -1), slice(-1, None)

    def between(rows: slice, columns: slice) -> np.ndarray:
        some = grams[:, rows, columns]
        return np.ascontiguousarray(some[0]) if first else laplacian(some, n_classes)

    H = between(inside, inside)
    if not problem.fit_intercept:
        return Model(moving, H, np.zeros((0, len(H))), None)
    own = slice(1 - first, None)  # all but one of the intercepts
    border, corner = between(last, inside)[own], inverse_of(between(last, last)[own, own])
    response = corner(border)
    H -= border.T @ response
    return Model(moving, H, response, corner)
