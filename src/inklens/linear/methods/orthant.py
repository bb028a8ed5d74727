"""The minimum of a quadratic over an orthant, whose coordinates keep their signs or are 0: block principal pivoting.

    minimise over x:  slope' (x - own) + (x - own)' C (x - own) / 2,   x_j own_j >= 0

A solution over the coordinates that are free tells who is on the wrong side: free ones whose sign turns, and zeros
whose slope leads back into the orthant. All of these change sides at once (Judice, Pires 1994, Comput. Oper. Res. 21;
Kim, Park 2011, SIAM J. Sci. Comput. 33, section 3). Where columns nearly agree, of hundreds that turn, two to eight
solutions find all that stay: cut off at zero, a whole step moves one of such columns without the other, and is no step.

Some may go to and fro. A ridge, which keeps the end close to `own` (a proximal point), grows until they do not.

Shapes: (m,).
"""

from typing import Protocol

import numpy as np

from inklens.linear import deadline

PATIENCE = 3  # exchanges after which no fewer were on the wrong side
MAX_EXCHANGES = 15  # under one ridge
RIDGES = (1e-6, 1e-4, 1e-2, 1.0)  # on the diagonal, in units of its own
ROUNDING = 1e-12  # of a coordinate, that a step to zero may leave


class Curvature(Protocol):
    """A positive matrix C (m, m)."""

    @property
    def diagonal(self) -> np.ndarray:
        """That of C."""

    def times(self, step: np.ndarray) -> np.ndarray:
        """Return C step."""

    def solve(self, free: np.ndarray, ridge: np.ndarray, target: np.ndarray) -> np.ndarray | None:
        """Return the solution (n_free,) over the places `free`, with what a ridge (n_free,) adds to the diagonal.

        None where rounding left the matrix indefinite.
        """


def least(
    curvature: Curvature,
    slope: np.ndarray,
    own: np.ndarray,
    slack: np.ndarray | float = 0.0,
    may_turn: np.ndarray | bool = False,
) -> np.ndarray | None:
    """Return the minimiser under the smallest ridge with which it is found; None if with none.

    Zeros whose slope leads back by no more than `slack` stay; some coordinates may turn their signs.

    >>> class Plane:
    ...     diagonal = np.array([2.0, 2.0])
    ...     def times(self, step):
    ...         return np.array([[2.0, 1.0], [1.0, 2.0]]) @ step
    ...     def solve(self, free, ridge, target):
    ...         return np.linalg.solve(np.array([[2.0, 1.0], [1.0, 2.0]])[np.ix_(free, free)] + np.diag(ridge), target)
    >>> least(Plane(), np.array([-2.0, 5.0]), np.array([1.0, 1.0])).round(5).tolist()
    [2.5, 0.0]
    """
    for ridge in RIDGES:
        end = _exchanged(curvature, ridge * curvature.diagonal, slope, own, slack, may_turn)
        if end is not None:
            return within(own, end, may_turn)
    return None


def _exchanged(
    curvature: Curvature,
    ridge: np.ndarray,
    slope: np.ndarray,
    own: np.ndarray,
    slack: np.ndarray | float,
    may_turn: np.ndarray | bool,
) -> np.ndarray | None:
    """Return the minimiser under a ridge; None where coordinates go to and fro."""
    is_free, n_least, patience = np.ones(len(own), dtype=bool), len(own) + 1, PATIENCE
    for _ in range(MAX_EXCHANGES):
        deadline.check()
        free, step, leads_back = np.flatnonzero(is_free), np.where(is_free, 0.0, -own), np.zeros(len(own), dtype=bool)
        target = slope if len(free) == len(own) else slope + curvature.times(step)
        found = curvature.solve(free, ridge[free], -target[free])
        if found is None:
            return None
        step[free] = found
        if len(free) < len(own):
            leads_back = -np.sign(own) * (slope + curvature.times(step) + ridge * step) > slack
        wrong = np.where(is_free, ((own + step) * own < 0.0) & ~np.asarray(may_turn), leads_back)
        n_wrong = int(np.count_nonzero(wrong))
        if n_wrong == 0:
            return own + step
        patience = PATIENCE if n_wrong < n_least else patience - 1
        if patience == 0:
            return None
        n_least = min(n_least, n_wrong)
        is_free = is_free ^ wrong
    return None


def within(own: np.ndarray, end: np.ndarray, may_turn: np.ndarray | bool = False) -> np.ndarray:
    """Return an end with 0 where a coordinate would turn its sign.

    >>> within(np.array([1.0, -1.0]), np.array([-0.5, -2.0])).tolist()
    [0.0, -2.0]
    """
    return np.where((end * own > ROUNDING * own**2) | may_turn, end, 0.0)
