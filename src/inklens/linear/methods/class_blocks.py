"""What stands for the Hessian in steps by classes: its blocks within each class, and moves of all classes alike.

Within a class the Hessian is X' diag(c p_k (1 - p_k)) X. The blocks take a move of all classes of a feature alike to be
as steep as any other, while the loss hardly feels it: alone before conjugate gradients they leave such moves to many
products. On a face, the coefficients in use, a second term takes them up (an additive coarse space; Smith, Bjorstad,
Gropp 1996, Domain Decomposition, chapter 2): B_F^-1 + Z (Z' H Z)^-1 Z', Z the moves of each feature's classes in use.

Shapes: matrices (n_classes, q, q) over the q columns that may move, a face (n_classes, q).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from inklens.linear import deadline
from inklens.linear.kernels.backend import FaceFactor
from inklens.linear.kernels.choice import backend_of
from inklens.linear.methods.costs import CLASS_SWEEPS
from inklens.linear.methods.faces import regular_factor
from inklens.linear.problem.penalties import Penalty

MAX_TOGETHER = 128  # columns of blocks that are factored whole, off their faces as well
LEAST_RIDGE = 1e-6  # on the diagonal of a face, in units of its own: float32 cannot factor what is closer to singular
ROUNDED = 1e-5  # of the sums of which the curvature of such moves is a difference: less of it is float32's rounding
SHIFT_RIDGE = 1e-3  # on the diagonal of the moves of all classes alike, in units of its own


@dataclass(frozen=True, eq=False)
class Blocks:
    """The Hessian's blocks within each class, the intercepts eliminated."""

    features: np.ndarray  # (q,)
    matrices: np.ndarray  # (n_classes, q, q) float32
    border: np.ndarray  # (n_classes, q): between the columns and the intercept
    corner: np.ndarray  # (n_classes,): of the intercept
    has_intercept: bool

    @classmethod
    def of(
        cls,
        features: np.ndarray,
        block: Callable[[int], tuple[np.ndarray, np.ndarray, float]],
        n_classes: int,
        has_intercept: bool,
        damping: float = 0.0,
    ) -> "Blocks":
        """Return them, diagonals damped in units of their own.

        `block(k)` is that of a class (q, q), which is written to, with its border (q,) to the intercept and the corner.
        """
        q = len(features)
        matrices, border = np.empty((n_classes, q, q), dtype=np.float32), np.zeros((n_classes, q))
        corner, least = np.ones(n_classes), float(np.finfo(np.float32).tiny)
        for k in range(n_classes):
            deadline.check()
            own, beside, of_intercept = block(k)
            own.ravel()[:: q + 1] += np.float32(damping) * own.diagonal() + least
            if has_intercept:
                border[k], corner[k] = beside, (1.0 + damping) * of_intercept + least
                own = own - np.outer(border[k] / corner[k], border[k])
            matrices[k] = own
        return cls(features, matrices, border, corner, has_intercept)

    @property
    def diagonal(self) -> np.ndarray:
        """That of the blocks with their intercepts, (n_classes, q + 1)."""
        eliminated = self.border**2 / self.corner[:, None]
        return np.column_stack([self.matrices.diagonal(axis1=1, axis2=2) + eliminated, self.corner])

    def raise_diagonal(self, exact: np.ndarray) -> None:
        """Raise the diagonal to that over all rows, (n_classes, q): what few rows carry must not run away."""
        lost = np.maximum(exact - self.matrices.diagonal(axis1=1, axis2=2), 0.0)
        each = np.arange(len(self.features))
        self.matrices[:, each, each] += lost.astype(np.float32)

    def mean_of(self, direction: np.ndarray) -> np.ndarray:
        """Return the mean by curvature of what a direction (n_classes, q) adds to each class's scores, (n_classes,)."""
        return np.asarray(np.einsum("kj,kj->k", self.border, direction) / self.corner * self.has_intercept)

    def intercept_step(self, direction: np.ndarray, intercept_gradient: np.ndarray) -> np.ndarray:
        """Return how the intercepts follow."""
        return np.asarray(-self.mean_of(direction) - intercept_gradient / self.corner * self.has_intercept)

    def proximal_step(
        self, penalty: Penalty, coef: np.ndarray, gradient: np.ndarray, intercept_gradient: np.ndarray, tolerance: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the minimiser of each class's own quadratic plus penalty, as a step."""
        q = len(self.features)
        l1, l2 = (np.array(np.broadcast_to(size, q), dtype=np.float64) for size in (penalty.l1, penalty.l2))
        w, slope = coef.copy(), self._eliminated(gradient, intercept_gradient)
        for k, H in enumerate(self.matrices):
            deadline.check()
            backend_of(H).gram_descent(H, slope[k], w[k], l1, l2, tolerance=tolerance, max_sweeps=CLASS_SWEEPS)
        return w - coef, self.intercept_step(w - coef, intercept_gradient)

    def grouped_step(
        self, penalty: Penalty, coef: np.ndarray, gradient: np.ndarray, intercept_gradient: np.ndarray, tolerance: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return about the minimiser of all classes' quadratics plus groups, by descent over the features, as a step.

        A feature's classes move together, by the largest of their curvatures.
        """
        q = len(self.features)
        l1, l2 = (np.array(np.broadcast_to(size, q), dtype=np.float64) for size in (penalty.l1, penalty.l2))
        w, slope = coef.copy(), self._eliminated(gradient, intercept_gradient)
        columns = np.ascontiguousarray(self.matrices.transpose(2, 0, 1))
        bound = self.matrices.diagonal(axis1=1, axis2=2).max(axis=0).astype(np.float64)
        for _ in range(CLASS_SWEEPS):
            deadline.check()
            largest = 0.0
            for j in range(q):
                target = bound[j] * w[:, j] - slope[:, j]
                size = float(np.sqrt(target @ target))
                moved = target * (max(size - l1[j], 0.0) / (max(size, l1[j]) * (bound[j] + l2[j]))) - w[:, j]
                w[:, j] += moved
                slope += columns[j] * moved[:, None]
                largest = max(largest, bound[j] * float(np.abs(moved).max()) / l1[j])
            if largest <= tolerance:
                break
        return w - coef, self.intercept_step(w - coef, intercept_gradient)

    def _eliminated(self, gradient: np.ndarray, intercept_gradient: np.ndarray) -> np.ndarray:
        """Return the gradient along the columns where the intercepts follow."""
        follows = intercept_gradient * self.has_intercept / self.corner
        return np.asarray(gradient - self.border * follows[:, None])

    def on_face(self, face: np.ndarray, added: np.ndarray, n_threads: int) -> Callable[[np.ndarray], np.ndarray]:
        """Return the product of (n_classes, q + 1), the intercept last, with the inverses of the blocks over a face.

        `added` (n_classes, q) is what the penalty, about, and a ridge add to the diagonals. Small blocks are solved
        together.
        """
        added = added + LEAST_RIDGE * self.diagonal[:, :-1] + np.finfo(np.float32).tiny
        small = self.matrices.shape[1] <= MAX_TOGETHER
        columns = (_together if small else _one_by_one)(self.matrices, face, added, n_threads)

        def solve(v: np.ndarray) -> np.ndarray:
            found = columns(self._eliminated(v[:, :-1], v[:, -1]) * face)
            return np.column_stack([found, self.intercept_step(found, -v[:, -1])])

        return solve


def _together(
    matrices: np.ndarray, face: np.ndarray, added: np.ndarray, n_threads: int
) -> Callable[[np.ndarray], np.ndarray]:
    """Return the product with the inverses of small blocks over faces, all at once."""
    n_classes, q = face.shape
    A = np.zeros((n_classes, -(-q // 4) * 4, -(-q // 4) * 4), dtype=np.float32)
    A[:, :q, :q] = matrices * (face[:, :, None] & face[:, None, :])
    each = np.arange(A.shape[1])
    A[:, each, each] += 1.0
    A[:, each[:q], each[:q]] = np.where(face, matrices.diagonal(axis1=1, axis2=2) + added, 1.0)
    backend = backend_of(A)
    backend.factor_blocks(A, n_threads)

    def solve(v: np.ndarray) -> np.ndarray:
        x = np.zeros(A.shape[:2], dtype=np.float32)
        x[:, :q] = v
        return np.asarray(backend.solve_blocks(A, x, n_threads)[:, :q] * face, dtype=np.float64)

    return solve


def _one_by_one(
    matrices: np.ndarray, face: np.ndarray, added: np.ndarray, n_threads: int
) -> Callable[[np.ndarray], np.ndarray]:
    """Return the product with the inverses of large blocks over faces that are often far smaller."""
    found: list[tuple[int, np.ndarray, FaceFactor]] = []
    for k, (matrix, own, more) in enumerate(zip(matrices, face, added, strict=True)):
        deadline.check()
        at = np.flatnonzero(own)
        if len(at):
            found.append((k, at, regular_factor(matrix, at, more[at], n_threads)))

    def solve(v: np.ndarray) -> np.ndarray:
        out = np.zeros(v.shape)
        for k, at, factor in found:
            out[k, at] = factor.solve(v[k, at])
        return out

    return solve


@dataclass(frozen=True, eq=False)
class Shifts:
    """The Hessian over moves of all classes of a feature alike that are in use, two of them at least."""

    features: np.ndarray  # places of the features among the columns
    factor: FaceFactor
    unit: np.ndarray  # of each move: one over the root of its curvature

    @classmethod
    def of(
        cls, X: np.ndarray, proba: np.ndarray, weights: np.ndarray, face: np.ndarray, added: np.ndarray, n_threads: int
    ) -> "Shifts | None":
        """Return them from some rows X (n_rows, q) with their weights; None where no feature has two classes in use.

        For v a number of each feature, a row adds the variance over its probabilities of sum_j x_j v_j over the
        features in use in each class: sum_k p_k a_k^2 - (sum_k p_k a_k)^2.
        """
        features = np.flatnonzero(np.count_nonzero(face, axis=0) > 1)
        if not len(features):
            return None
        on = face[:, features]
        X = X[:, features] * np.sqrt(weights)[:, None]
        mean = X * (proba @ on)
        H = (mean.T @ mean).astype(np.float64)
        rounded = ROUNDED * H.diagonal()
        np.negative(H, out=H)
        for own, p in zip(on, proba.T, strict=True):
            deadline.check()
            at = np.flatnonzero(own)
            Z = X[:, at] * np.sqrt(p)[:, None]
            H[np.ix_(at, at)] += Z.T @ Z
        size = np.maximum(H.diagonal(), rounded) + (added[:, features] * on).sum(axis=0)
        unit = 1.0 / np.sqrt(np.maximum(size, np.finfo(np.float32).tiny))
        H *= unit * unit[:, None]
        place = np.arange(len(features))
        H[place, place] = 1.0
        return cls(
            features, regular_factor(H.astype(np.float32), place, np.full(len(place), SHIFT_RIDGE), n_threads), unit
        )

    def solve(self, v: np.ndarray, face: np.ndarray) -> np.ndarray:
        """Return what the moves add to the product of (n_classes, q) with the inverse on a face."""
        out, on = np.zeros(v.shape), face[:, self.features]
        along = (v[:, self.features] * on).sum(axis=0)
        out[:, self.features] = self.unit * self.factor.solve(self.unit * along) * on
        return out
