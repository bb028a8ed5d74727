"""Columns of hostile scale: the same problem in better coordinates.

With x' = (x - m) / s, w' = s w and b' = b + w . m the scores are the same numbers, and the penalty becomes l1 / s and
l2 / s^2. s is a power of two, and m is subtracted only where x lies in [m/2, 2m], so that no bit of the data is lost
(Sterbenz 1974, theorem 4.3.1). The solved problem is unchanged.
"""

from dataclasses import dataclass, replace

import numpy as np

from inklens.linear.problem.problem import Problem
from inklens.linear.proofs.certificates import Separation
from inklens.linear.proofs.dual import DualPoint

MAX_UNSCALED = 1e4  # columns that reach further are scaled to about 1
NARROW_RATIO = 0.01  # columns whose values spread less than this share of their middle are centred


@dataclass(frozen=True, eq=False)
class Conditioning:
    """Shift m and scale s of each column, (n_features,)."""

    shift: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, problem: Problem) -> "Conditioning | None":
        """Return what the problem needs; None for most."""
        rows = problem.rows
        low, high = rows.low, rows.high
        middle = 0.5 * (low + high)
        narrow = ~rows.constant & (high - low < NARROW_RATIO * np.abs(middle)) & problem.fit_intercept
        shift = np.where(narrow, middle, 0.0)
        size = np.maximum(np.abs(low - shift), np.abs(high - shift))
        scale = np.where(size > MAX_UNSCALED, np.exp2(np.ceil(np.log2(np.maximum(size, 1.0)))), 1.0)
        if not narrow.any() and (scale == 1.0).all():
            return None
        return cls(shift, scale)

    def apply(self, problem: Problem) -> Problem:
        """Return the problem in the new coordinates."""
        rows = problem.rows.standardised(self.shift, self.scale)
        return replace(problem, rows=rows, penalty=problem.penalty.in_units(self.scale))

    def start(self, coef: np.ndarray, intercept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return coefficients in the new coordinates."""
        return coef * self.scale, intercept + coef @ self.shift

    def restore(self, coef: np.ndarray, intercept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return coefficients in the coordinates of the data."""
        coef = coef / self.scale
        return coef, intercept - coef @ self.shift

    def restore_dual(self, dual: DualPoint | None) -> DualPoint | None:
        """Return a dual point in the coordinates of the data."""
        if dual is None:
            return None
        point = self.restore(dual.coef, dual.intercept)
        if dual.direction is None or dual.intercept_direction is None:
            return DualPoint(*point)
        return DualPoint(*point, *self.restore(dual.direction, dual.intercept_direction))

    def restore_separation(self, separation: Separation | None) -> Separation | None:
        """Return a separating direction in the coordinates of the data; the margin is that of the same scores."""
        if separation is None:
            return None
        return Separation(*self.restore(separation.coef, separation.intercept), separation.margin)
