"""Columns that cannot move are left out before the first pass: under thresholds, most words of a text."""

import numpy as np

from inklens.linear.conditioning import SMALL
from inklens.linear.coordinates import SomeColumns
from inklens.linear.problem.problem import Facts, Problem
from inklens.linear.rows.filled import are_narrowable, narrowed

# Numbers of the rows for each coefficient left out, up to which a copy of them pays: it takes 8 bytes for each, and a
# method holds at least eight vectors of float64 over all coefficients.
MOST_STORED = 8.0


class Movable(SomeColumns):
    """The columns that can move, alone.

    A residual y_i - p_i is the difference of two distributions: none of its entries exceeds 1, nor its norm sqrt(2). So
    of no W is the gradient of column j larger than m_j = sum_i c_i |x_ij| in any class, or sqrt(2) m_j over all. Where
    that does not pass the threshold, the loss falls by less than the penalty costs, from any W on: without the column
    the objective is as small or smaller, and every bound for the others is one for all. (A safe rule as in El Ghaoui,
    Viallon and Rabbani 2012, Pacific J. Optim. 8, with the residual's own bound in place of a dual point.)

    Columns so small that `conditioning.unheard` may tell of them stay.
    """

    @classmethod
    def of(cls, problem: Problem) -> "Movable | None":
        """Return the columns; None where most can move, or where rows hold far more numbers than coefficients."""
        rows = problem.rows
        if not np.any(problem.penalty.l1) or not are_narrowable(rows):
            return None
        longest = np.sqrt(2.0) if problem.penalty.is_grouped else 1.0
        span = rows.high - rows.low
        can_move = (longest * problem.magnitudes > problem.penalty.l1) | ((span > 0.0) & (span < SMALL))
        if rows.n_nonzeros > MOST_STORED * problem.n_classes * np.count_nonzero(~can_move):
            return None
        found = narrowed(rows, can_move)
        if found is None:
            return None
        columns, some = found
        free = problem.free[columns]
        known = Facts(some, problem.codes, problem.weights, problem.n_classes, problem.fit_intercept, free)
        return cls(columns, known, rows.n_features)
