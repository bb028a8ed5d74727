"""Columns of hostile scale: the same problem in better coordinates.

With x' = (x - m) / s, w' = s w and b' = b + w . m the scores are the same numbers, and the penalty becomes l1 / s and
l2 / s^2. s is a power of two, and m is subtracted only where x lies in [m/2, 2m], so that no bit of the data is lost
(Sterbenz 1974, theorem 4.3.1). The solved problem is unchanged.

Small columns stay small where the penalty presses their coefficients to zero: units are a part of that problem.
`unheard` finds those that would have something to say, for which their values have to be more than subnormal numbers.
A penalty that measures columns by their own deviation, or none, presses none.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from inklens.errors import DataError
from inklens.linear.coordinates import Coordinates
from inklens.linear.problem.problem import Facts, Problem

MAX_UNSCALED = 1e4  # columns that reach further are scaled to about 1
TINY = 1e-3  # columns that reach no further are scaled to about 1 where their units cost them nothing
PRESSED = 3.0  # a column whose coefficients cost more than that, in its own units, feels them
SUBNORMAL = 2.0**-970  # columns that reach no further hold values, or their last bits, that kernels take for 0
LIFTED = 2.0**-60  # what those of them that are pressed are divided by: small enough for their penalty to stay a number
MIN_SCALE = 1e-290  # of a column, so that its coefficient in the units of the data stays a number
SMALL = 0.03  # a column of that span feels a penalty a thousand times as much as one of span 1
SURELY = 3.0  # deviations, beyond which an agreement is not chance
AGREEMENT = 0.02  # of residuals with a column, as a share of the largest possible: what is lost if it is not used
NARROW_RATIO = 0.01  # columns whose values spread less than this share of their middle are centred,
EXACT_RATIO = 0.6  # and if rows change anyway, up to this, below 2/3, where x - m is exact


@dataclass(frozen=True, eq=False)
class Conditioning(Coordinates):
    """Shift m and scale s of each column, (n_features,)."""

    shift: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, problem: Problem) -> "Conditioning | None":
        """Return what the problem needs; None for most."""
        rows = problem.rows
        low, high = rows.low, rows.high
        middle = 0.5 * (low + high)
        size = np.maximum(np.abs(low), np.abs(high))
        span, far = high - low, np.abs(middle)
        movable = ~rows.constant & problem.fit_intercept
        narrow = movable & (span < NARROW_RATIO * far)
        hostile = ~narrow & ((size > MAX_UNSCALED) | ((size > 0.0) & (size < TINY) & ~pressed(problem, size)))
        subnormal = (size > 0.0) & (size < SUBNORMAL)
        if not (narrow | hostile | subnormal).any():
            return None
        if not rows.is_sparse:  # the rows are copied anyway: centred columns correlate less
            narrow |= movable & (span < EXACT_RATIO * far)
        shift = np.where(narrow, middle.astype(np.float32), 0.0)  # so that float32 rows may stay float32
        size = np.maximum(np.abs(low - shift), np.abs(high - shift))
        hostile = (size > MAX_UNSCALED) | ((size > 0.0) & (size < TINY) & ~pressed(problem, size))
        left = np.where(subnormal, LIFTED, 1.0)
        scale = np.where(hostile, np.exp2(np.ceil(np.log2(np.where(hostile, np.maximum(size, MIN_SCALE), 1.0)))), left)
        return cls(shift, scale)

    def apply(self, problem: Problem) -> Problem:
        """Return the problem in the new coordinates."""
        rows = problem.rows.standardised(self.shift, self.scale)
        known = Facts(rows, problem.codes, problem.weights, problem.n_classes, problem.fit_intercept, problem.free)
        return replace(problem, rows=rows, penalty=problem.penalty.in_units(self.scale), known=known)

    def start(self, coef: np.ndarray, intercept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return coefficients in the new coordinates."""
        return coef * self.scale, intercept + coef @ self.shift

    def restore(self, coef: np.ndarray, intercept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return coefficients in the coordinates of the data.

        Raises
        ------
        DataError
            A column is so small that its coefficient is beyond float64.
        """
        with np.errstate(over="ignore"):
            coef = coef / self.scale
        lost = np.flatnonzero(~np.isfinite(coef).all(axis=0))
        if len(lost):
            raise DataError(
                f"column {lost[0]} (counted from 0) holds values so small that no float64 holds its coefficient; bring "
                "columns to similar sizes, for example with sklearn.preprocessing.StandardScaler"
            )
        return coef, intercept - coef @ self.shift


def pressed(problem: Problem, size: np.ndarray) -> np.ndarray:
    """Return which columns of that size pay for their small units, (n_features,): their l1 / size or l2 / size^2."""
    l1, l2 = problem.penalty.l1, problem.penalty.l2
    return np.asarray((l1 > PRESSED * size) | (l2 > (PRESSED * size) ** 2))


def unheard(problem: Problem, gradient: np.ndarray) -> np.ndarray:
    """Return which small columns still agree with the residuals at an optimum, (n_features,).

    A gradient G_kj = sum_i c_i r_ik x_ij is at most sum_i c_i times the column's span. Where a column of span 1 has a
    large share of that, a larger coefficient pays; where a small one has, the penalty on its units forbids it.
    """
    rows, total = problem.rows, float(problem.weights.sum())
    span = rows.high - rows.low
    possible = np.where(span > 0.0, total * span, np.inf)
    agreement = np.abs(gradient).max(axis=0, initial=0.0) / possible
    # of a column with noise, by chance: the deviation of a residual is at most 1/2
    deviation = 0.5 * total * _spread(problem) / possible / np.sqrt(rows.n_samples)
    return np.asarray((span < SMALL) & pressed(problem, span) & (agreement > np.maximum(AGREEMENT, SURELY * deviation)))


def _spread(problem: Problem) -> np.ndarray:
    """Return a bound on the deviation of each column, about its mean where an intercept takes that, (n_features,).

    E x^2 <= max |x| E |x|; of columns of one sign the mean is known, and the variance is at most
    (high - mean) (mean - low) (Bhatia and Davis 2000, theorem 1).
    """
    rows, mean = problem.rows, problem.magnitudes / float(problem.weights.sum())
    low, high = np.where(rows.high <= 0.0, -rows.high, rows.low), np.where(rows.high <= 0.0, -rows.low, rows.high)
    square = np.maximum(np.abs(low), np.abs(high)) * mean
    if problem.fit_intercept:
        about_mean = np.maximum(high - mean, 0.0) * np.maximum(mean - low, 0.0)
        square = np.where(low >= 0.0, np.minimum(square, about_mean), square)
    return np.asarray(np.sqrt(square))


def remark_on(columns: np.ndarray, names: Sequence[str] | np.ndarray | None = None) -> str:
    """Return the sentence about columns that are unheard, by their names or numbers; nothing where there are none."""
    named = np.flatnonzero(columns)
    if not len(named):
        return ""
    which = ", ".join(str(k) if names is None else repr(str(names[k])) for k in named[:3])
    which += f" and {len(named) - 3:,} more" if len(named) > 3 else ""
    which += " (counted from 0)" if names is None else ""
    subject = f"columns {which} tell" if len(named) > 1 else f"column {which} tells"
    return (
        f"{subject} classes apart, but in values so small that this penalty keeps their coefficients near 0; bring "
        "columns to similar sizes, for example with sklearn.preprocessing.StandardScaler, or raise C"
    )
