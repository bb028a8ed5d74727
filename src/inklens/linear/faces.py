"""Newton steps on a face of the quadratic subproblem: its coordinates that are not zero, with their signs.

Shapes: hessian (n_pairs, n_pairs) float32, active (m,) places in it, ascending; vectors (m,).
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from inklens.linear import kernels

RIDGE = 1e-5  # of the diagonal, added before a factor is taken: float32's rounding must not make it indefinite
MAX_CHANGES = 96  # coordinates by which a face may differ from the one whose factor solves it


class Factor(NamedTuple):
    """Cholesky factor of a model's Hessian over a face."""

    active: np.ndarray  # (m,) places in the model
    compiled: np.ndarray | None
    by_scipy: Any = None

    @classmethod
    def of(
        cls,
        hessian: np.ndarray,
        active: np.ndarray,
        ridge: np.ndarray,
        n_threads: int,
        bend: np.ndarray | None = None,
    ) -> "Factor | None":
        """Factor the Hessian over `active` + ridge - bend; None where rounding made the matrix indefinite.

        `bend` (n_classes, n_classes, q) belongs to entries (k q + j, l q + j).
        """
        diagonal = hessian.diagonal()[active].astype(np.float64)
        ridge = ridge + RIDGE * diagonal + np.finfo(np.float32).tiny
        if kernels.active() != "numpy":
            out = kernels.aligned((kernels.call("factor_size", len(active)),), np.float32)
            width = 1 if bend is None else bend.shape[2]
            arguments = (len(hessian), hessian, len(active), active, ridge, bend, width, out, n_threads)
            return None if kernels.call("factor_face", *arguments) else cls(active, out)
        face = hessian[np.ix_(active, active)] + np.diag(ridge)
        if bend is not None:
            n_classes, _, q = bend.shape
            each = np.arange(q)
            for k in range(n_classes):
                for m in range(n_classes):
                    face[k * q + each, m * q + each] -= bend[k, m]
        try:
            return cls(active, None, cho_factor(face))
        except LinAlgError:
            return None

    def solve(self, slope: np.ndarray) -> np.ndarray:
        """Return the inverse times a vector, (m,)."""
        if self.compiled is None:
            return cho_solve(self.by_scipy, slope)
        solution = np.array(slope, dtype=np.float64)
        kernels.call("solve_factored", len(solution), self.compiled, solution)
        return solution

    def solve_many(self, sides: np.ndarray, n_threads: int) -> np.ndarray:
        """Return the inverse times some vectors, (m, n)."""
        if self.compiled is None:
            return cho_solve(self.by_scipy, sides)
        lanes = kernels.call("solve_lanes")
        groups = -(-sides.shape[1] // lanes)
        laid = kernels.aligned((groups, len(sides), lanes), np.float32)
        padded = np.zeros((len(sides), groups * lanes))
        padded[:, : sides.shape[1]] = sides
        laid[...] = padded.reshape(len(sides), groups, lanes).swapaxes(0, 1)
        kernels.call("solve_many", len(sides), self.compiled, groups, laid, n_threads)
        return laid.swapaxes(0, 1).reshape(padded.shape)[:, : sides.shape[1]].astype(np.float64)


class Faces:
    """Newton steps on the faces of one model: a face that differs little from the last one is solved by its factor."""

    def __init__(self) -> None:
        self.factor: Factor | None = None

    def solve(
        self, hessian: np.ndarray, active: np.ndarray, ridge: np.ndarray, slope: np.ndarray, n_threads: int
    ) -> np.ndarray | None:
        """Return (hessian over `active` + ridge)^-1 slope; None where rounding made the matrix indefinite."""
        if self.factor is not None:
            left = np.flatnonzero(~np.isin(self.factor.active, active, assume_unique=True))
            joined = np.flatnonzero(~np.isin(active, self.factor.active, assume_unique=True))
            if len(left) + len(joined) <= MAX_CHANGES:
                return self._bordered(hessian, active, ridge, slope, left, joined, n_threads)
        self.factor = Factor.of(hessian, active, ridge, n_threads)
        return None if self.factor is None else self.factor.solve(slope)

    def _bordered(
        self,
        hessian: np.ndarray,
        active: np.ndarray,
        ridge: np.ndarray,
        slope: np.ndarray,
        left: np.ndarray,
        joined: np.ndarray,
        n_threads: int,
    ) -> np.ndarray | None:
        """Solve A x + B z = slope, B' x + C z = side: z are the coordinates that joined, and what holds the others at 0.

        `left` counts in the factor's coordinates, `joined` in the new ones.
        """
        factor = self.factor
        assert factor is not None  # noqa: PT018 (for the type checker)
        old = factor.active
        stayed = np.ones(len(active), dtype=bool)
        stayed[joined] = False
        own = np.ones(len(old), dtype=bool)
        own[left] = False
        known = np.zeros(len(old))
        known[own] = slope[stayed]
        n_joined, n_left = len(joined), len(left)
        border = np.zeros((len(old), n_joined + n_left))
        border[:, :n_joined] = hessian[np.ix_(old, active[joined])]
        border[left, n_joined + np.arange(n_left)] = 1.0
        corner = np.zeros((n_joined + n_left,) * 2)
        corner[:n_joined, :n_joined] = hessian[np.ix_(active[joined], active[joined])]
        corner[range(n_joined), range(n_joined)] += ridge[joined] + RIDGE * corner.diagonal()[:n_joined]
        side = np.concatenate([slope[joined], np.zeros(n_left)])
        x = factor.solve(known)
        if n_joined + n_left:
            through = factor.solve_many(border, n_threads)
            try:
                z = np.linalg.solve(corner - border.T @ through, side - border.T @ x)
            except np.linalg.LinAlgError:
                return None
            x -= through @ z
        solution = np.empty(len(active))
        solution[stayed] = x[own]
        solution[joined] = z[:n_joined] if n_joined else 0.0
        return solution if np.isfinite(solution).all() else None
