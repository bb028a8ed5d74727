"""Columns of hostile scale: the same problem in better coordinates.

With x' = (x - m) / s, w' = s w and b' = b + w . m the scores are the same numbers, and the penalty becomes l1 / s and
l2 / s^2. s is a power of two, and m is subtracted only where x lies in [m/2, 2m], so that no bit of the data is lost
(Sterbenz 1974, theorem 4.3.1). The solved problem is unchanged.

Small columns are left as they are under a penalty, which presses their coefficients to zero, units being a part of the
problem; `silenced` finds those that this keeps out of every answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from inklens.linear.problem.problem import Problem
from inklens.linear.proofs.certificates import Separation
from inklens.linear.proofs.dual import DualPoint

MAX_UNSCALED = 1e4  # columns that reach further are scaled to about 1
SMALL = 1e-4  # columns that reach no further are scaled to about 1 without a penalty, and may be silenced under one
SILENCED_SHIFT = 1e-3  # of a score: columns that can move none by more add nothing to an answer
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
        hostile = size > MAX_UNSCALED
        if not problem.is_penalised:
            hostile |= (size > 0.0) & (size < SMALL)
        scale = np.where(hostile, np.exp2(np.ceil(np.log2(np.where(hostile, size, 1.0)))), 1.0)
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


def silenced(problem: Problem) -> np.ndarray:
    """Return which columns can, at the optimum, move no score by more than `SILENCED_SHIFT`, (n_features,).

    Residuals of a row lie in [-1, 1] and, with an intercept, sum to 0 over the rows; so the gradient of a coefficient
    is at most s = sum_i c_i * span, the coefficient at most (s - l1) / l2, and what it moves span times that.
    """
    rows, penalty = problem.rows, problem.penalty
    span = rows.high - rows.low if problem.fit_intercept else np.maximum(np.abs(rows.low), np.abs(rows.high))
    if not (problem.is_penalised and (span < SMALL).any()):
        return np.zeros(rows.n_features, dtype=bool)
    sharing = np.sqrt(2.0) if penalty.is_grouped else 1.0  # of a row's residuals, the norm over the classes
    excess = np.maximum(sharing * problem.weights.sum() * span - penalty.l1, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        moved = np.where(excess > 0.0, excess / penalty.l2, 0.0) * span
    return np.asarray(~rows.constant & (span < SMALL) & (moved < SILENCED_SHIFT))


def silence(columns: np.ndarray, names: Sequence[str] | np.ndarray | None = None) -> str:
    """Return the sentence about silenced columns, by their names or numbers; nothing where there are none."""
    named = np.flatnonzero(columns)
    if not len(named):
        return ""
    which = ", ".join(str(k) if names is None else repr(str(names[k])) for k in named[:3])
    which += f" and {len(named) - 3:,} more" if len(named) > 3 else ""
    which += " (counted from 0)" if names is None else ""
    subject = f"columns {which} hold" if len(named) > 1 else f"column {which} holds"
    return (
        f"{subject} values so small that this penalty keeps them out of every answer, whatever they tell; bring "
        "columns to similar sizes, for example with sklearn.preprocessing.StandardScaler, or raise C"
    )
