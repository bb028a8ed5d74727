"""Newton steps on a face of the quadratic subproblem: its coordinates that are not zero, with their signs.

Shapes: hessian (n_pairs, n_pairs) float32, active (m,) places in it, ascending; vectors (m,).
"""

from typing import NamedTuple

import numpy as np

from inklens.linear.kernels.backend import FaceFactor
from inklens.linear.kernels.choice import backend_of

RELATIVE_RIDGE = 1e-5  # of the diagonal, added before a factor is taken: float32's rounding must not make it indefinite
RIDGES = (0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # of the diagonal: sampled rows leave a matrix indefinite
MAX_CHANGED_SHARE = 1 / 32  # of its coordinates by which a face may differ from the one whose factor solves it


def regular_factor(matrix: np.ndarray, active: np.ndarray, ridge: np.ndarray, n_threads: int) -> FaceFactor:
    """Return the Cholesky factor of a matrix (float32) over `active` + ridge; a ridge grows until there is one."""
    diagonal = matrix.diagonal()[active].astype(np.float64)
    outweighing = (len(active) * 1e3**power for power in range(5))  # all other entries, and what rounding made of these
    shares = (*RIDGES, *outweighing)
    backend = backend_of(matrix)
    factors = (backend.factor_face(matrix, active, ridge + share * diagonal, n_threads=n_threads) for share in shares)
    return next(factor for factor in factors if factor is not None)


class Factor(NamedTuple):
    """Cholesky factor of a model's Hessian over a face."""

    active: np.ndarray  # (m,) places in the model
    factor: FaceFactor

    @classmethod
    def of(
        cls,
        hessian: np.ndarray,
        active: np.ndarray,
        ridge: np.ndarray,
        n_threads: int,
        curvature: np.ndarray | None = None,
    ) -> "Factor | None":
        """Factor the Hessian over `active` + ridge - curvature; None where rounding made the matrix indefinite.

        `curvature` (n_classes, n_classes, q) belongs to entries (k q + j, l q + j).
        """
        diagonal = hessian.diagonal()[active].astype(np.float64)
        ridge = ridge + RELATIVE_RIDGE * diagonal + np.finfo(np.float32).tiny
        factor = backend_of(hessian).factor_face(hessian, active, ridge, curvature, n_threads)
        return None if factor is None else cls(active, factor)

    def solve(self, slope: np.ndarray) -> np.ndarray:
        """Return the inverse times a vector, (m,)."""
        return self.factor.solve(slope)


class Faces:
    """Solves on the faces of one model: a face that differs little from an earlier one is solved by its factor."""

    def __init__(self) -> None:
        self.factor: Factor | None = None

    def solve(
        self, hessian: np.ndarray, active: np.ndarray, ridge: np.ndarray, slope: np.ndarray, n_threads: int
    ) -> np.ndarray | None:
        """Return (hessian over `active` + ridge)^-1 slope; None where rounding made the matrix indefinite."""
        if self.factor is not None and len(np.setxor1d(self.factor.active, active)) <= MAX_CHANGED_SHARE * len(active):
            return _bordered(self.factor, hessian, active, ridge, slope, n_threads)
        self.factor = Factor.of(hessian, active, ridge, n_threads)
        return None if self.factor is None else self.factor.solve(slope)


def _bordered(
    factor: Factor, hessian: np.ndarray, active: np.ndarray, ridge: np.ndarray, slope: np.ndarray, n_threads: int
) -> np.ndarray | None:
    """Solve A x + B z = slope, B' x + C z = rest, where A is what `factor` factors.

    z are the coordinates that joined the face, and what holds at 0 those that left it.
    """
    old = factor.active
    stayed, own = np.isin(active, old), np.isin(old, active)
    joined, n_left = active[~stayed], np.count_nonzero(~own)
    n = len(joined)
    border = np.zeros((len(old), n + n_left))
    border[:, :n] = hessian[joined][:, old].T
    border[np.flatnonzero(~own), n + np.arange(n_left)] = 1.0
    corner = np.zeros((n + n_left, n + n_left))
    corner[:n, :n] = hessian[np.ix_(joined, joined)]
    corner[range(n), range(n)] += ridge[~stayed] + RELATIVE_RIDGE * corner.diagonal()[:n]
    known = np.zeros(len(old))
    known[own] = slope[stayed]
    rest = np.append(slope[~stayed], np.zeros(n_left))
    x, through = factor.solve(known), factor.factor.solve_many(border, n_threads)
    try:
        z = np.linalg.solve(corner - border.T @ through, rest - border.T @ x)
    except np.linalg.LinAlgError:
        return None
    solution = np.empty(len(active))
    solution[stayed], solution[~stayed] = (x - through @ z)[own], z[:n]
    return solution if np.isfinite(solution).all() else None
