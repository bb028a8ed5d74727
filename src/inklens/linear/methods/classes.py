"""Proximal Newton by classes, for many of them: L1, elastic net and groups without a matrix over all coefficients.

The Hessian's blocks within a class are matrices over the columns alone, X' diag(c p_k (1 - p_k)) X, for which a few
rows drawn by their weights do. A round takes proximal steps in the metric of these blocks, which find the signs, and
between them Newton steps on the face by conjugate gradients with the true Hessian, before which the blocks stand.

Shapes: vectors (n_classes, q + 1) over the columns that move, the intercept last.
"""

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy import linalg

from inklens.linear import deadline
from inklens.linear.kernels.choice import backend_of
from inklens.linear.methods import accuracy, costs
from inklens.linear.methods.points import Asked, Point, Step
from inklens.linear.methods.quadratic import Quadratic
from inklens.linear.methods.subproblem import Pairs
from inklens.linear.problem.penalties import Penalty
from inklens.linear.problem.problem import Problem
from inklens.linear.rows.drawing import sample

MIN_CLASSES = 16  # fewer are better served by one matrix
MAX_COLUMNS = 1500  # of a block
MAX_GROUPED = 400  # and of groups, which are visited one by one
MAX_TOGETHER = 128  # columns of blocks that are factored whole, off their faces as well
ROWS_PER_COLUMN = 10  # drawn for each class's block
FIRST_RIDGE, LEAST_RIDGE, MOST_RIDGE = 1e-2, 1e-5, 1.0  # on the diagonal of a face, in units of its own
RIDGE_RATIO = 3.0  # by which it grows after a step that was cut short, and falls after one that stays on its face
STAYING = 3e-3  # of a face's coefficients, that may leave it where a step stays there
MAX_TURNS = 6  # of proximal and face steps
FAR_TURNS = 1  # and on the way down to the penalty that is asked for
SWEEPS = 20  # of a proximal step
MAX_PRODUCTS = 15  # with the Hessian, of a face step
FACE_ACCURACY = 0.1  # of its residual, in the norm of the blocks
PASSES, FAR_PASSES = 25.0, 6.0  # of a round, about


class Blocks(NamedTuple):
    """The Hessian's blocks within each class."""

    features: np.ndarray  # (q,)
    matrices: np.ndarray  # (n_classes, q + 1, q + 1) float64
    has_intercept: bool

    def proximal_step(
        self, penalty: Penalty, coef: np.ndarray, gradient: np.ndarray, intercept_gradient: np.ndarray, tolerance: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the minimiser of each class's own quadratic plus penalty, as a step."""
        q = len(self.features)
        l1, l2 = (np.array(np.broadcast_to(size, q), dtype=np.float64) for size in (penalty.l1, penalty.l2))
        direction, intercept_step = np.zeros_like(coef), np.zeros(len(coef))
        for k, matrix in enumerate(self.matrices):
            deadline.check()
            border, corner = matrix[:q, q], matrix[q, q]
            own, g = matrix[:q, :q], gradient[k]
            if self.has_intercept:
                own, g = own - np.outer(border, border / corner), g - border * (intercept_gradient[k] / corner)
            H, w, slope = own.astype(np.float32), coef[k].copy(), g.copy()
            backend_of(H).gram_descent(H, slope, w, l1, l2, tolerance=tolerance, max_sweeps=SWEEPS)
            direction[k] = w - coef[k]
            if self.has_intercept:
                intercept_step[k] = -(intercept_gradient[k] + border @ direction[k]) / corner
        return direction, intercept_step

    def grouped_step(
        self, penalty: Penalty, coef: np.ndarray, gradient: np.ndarray, intercept_gradient: np.ndarray, tolerance: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return about the minimiser of all classes' quadratics plus groups, by descent over the features, as a step.

        A feature's classes move together, by the largest of their curvatures.
        """
        q = len(self.features)
        l1, l2 = (np.array(np.broadcast_to(size, q), dtype=np.float64) for size in (penalty.l1, penalty.l2))
        border, corner = self.matrices[:, :q, q], self.matrices[:, q, q]
        own, w, slope = self.matrices[:, :q, :q], coef.copy(), gradient.copy()
        if self.has_intercept:
            own = own - border[:, :, None] * (border / corner[:, None])[:, None, :]
            slope = slope - border * (intercept_gradient / corner)[:, None]
        bound = own.diagonal(axis1=1, axis2=2).max(axis=0)
        columns = np.ascontiguousarray(own.transpose(2, 0, 1))
        for _ in range(SWEEPS):
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
        direction = w - coef
        if not self.has_intercept:
            return direction, np.zeros(len(coef))
        return direction, -(intercept_gradient + np.einsum("kj,kj->k", border, direction)) / corner

    def preconditioner(self, face: np.ndarray, added: np.ndarray, n_threads: int) -> Callable[[np.ndarray], np.ndarray]:
        """Return the product with the inverses of the blocks over each class's face, the intercept among it.

        `added` (n_classes, n_columns + 1) is what the penalty, about, and a ridge add to the diagonals. Small blocks
        are solved together.
        """
        n_classes, size = self.matrices.shape[:2]
        on = np.column_stack([face, np.full(n_classes, self.has_intercept)])
        diagonal = self.matrices.diagonal(axis1=1, axis2=2)
        if size > MAX_TOGETHER:
            return _one_by_one(self.matrices, on, added)
        A = np.zeros((n_classes, -(-size // 4) * 4, -(-size // 4) * 4), dtype=np.float32)
        A[:, :size, :size] = self.matrices * (on[:, :, None] & on[:, None, :])
        each = np.arange(A.shape[1])
        A[:, each, each] += 1.0
        A[:, each[:size], each[:size]] = np.where(on, diagonal + added, 1.0)
        backend = backend_of(A)
        backend.factor_blocks(A, n_threads)

        def solve(v: np.ndarray) -> np.ndarray:
            x = np.zeros(A.shape[:2], dtype=np.float32)
            x[:, :size] = v * on
            return np.asarray(backend.solve_blocks(A, x, n_threads)[:, :size] * on, dtype=np.float64)

        return solve


def _one_by_one(matrices: np.ndarray, on: np.ndarray, added: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return the product with the inverses of large blocks over faces that are often far smaller."""
    places = [np.flatnonzero(own) for own in on]
    factors = [
        linalg.cho_factor(matrix[np.ix_(at, at)] + np.diag(more[at]), lower=True, check_finite=False)
        for matrix, at, more in zip(matrices, places, added, strict=True)
    ]

    def solve(v: np.ndarray) -> np.ndarray:
        out = np.zeros_like(v)
        for k, (at, factor) in enumerate(zip(places, factors, strict=True)):
            out[k, at] = linalg.cho_solve(factor, v[k, at], check_finite=False)
        return out

    return solve


class Classes:
    """What steps by classes need of a problem, and what they cost."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.ridge = problem, FIRST_RIDGE

    @classmethod
    def of(cls, problem: Problem) -> "Classes | None":
        """Return None where steps by classes are not possible."""
        n_columns = np.count_nonzero(problem.free)
        most = MAX_GROUPED if problem.penalty.is_grouped else MAX_COLUMNS
        suits = problem.n_classes >= MIN_CLASSES and n_columns <= most
        return cls(problem) if suits and problem.rows.holds(problem.n_classes) else None

    @cached_property
    def features(self) -> np.ndarray:
        """The columns that may move."""
        return np.flatnonzero(self.problem.free)

    @cached_property
    def X(self) -> np.ndarray:
        """Their values and ones, (n_samples, q + 1) float32."""
        values = self.problem.rows.dense(self.features)
        return np.column_stack([values, np.ones(len(values), dtype=np.float32)])

    def seconds(self, pairs: Pairs, *, is_far: bool) -> float:
        """Return about how long a step takes."""
        n_visits = SWEEPS * (FAR_TURNS if is_far else MAX_TURNS / 2.0) * self.problem.penalty.is_grouped
        return costs.class_step_seconds(self.problem, FAR_PASSES if is_far else PASSES, n_visits)

    def step(self, penalty: Penalty, point: Point, asked: Asked) -> Step:
        """Return a step from a point."""
        wanted, _ = accuracy.tolerances(self.problem, penalty, point, asked.violation, asked.tol)
        quadratic = Quadratic(self.problem, penalty, point)
        blocks = self._blocks(np.asarray(point.at.proba), asked.damping)
        for turn in range(FAR_TURNS if asked.is_far else MAX_TURNS):
            self._add_proximal_step(blocks, quadratic, wanted)
            if self._violation(quadratic) <= wanted or turn == MAX_TURNS - 1:  # near the end signs are to be right
                break
            if not self._add_face_step(blocks, quadratic) or self._violation(quadratic) <= wanted:
                break
        return quadratic.step()

    def _blocks(self, proba: np.ndarray, damping: float) -> Blocks:
        q = len(self.features)
        matrices = np.empty((self.problem.n_classes, q + 1, q + 1))
        for k in range(self.problem.n_classes):
            deadline.check()
            curvature = (proba[:, k] * (1.0 - proba[:, k]) * self.problem.weights).astype(np.float32)
            rows, factor = sample(curvature, ROWS_PER_COLUMN * (q + 1))
            X, h = (self.X, curvature) if rows is None else (self.X[rows], curvature[rows] * factor)
            X = X * np.sqrt(h)[:, None]
            matrices[k] = X.T @ X
            diagonal = matrices[k].diagonal()
            matrices[k].ravel()[:: q + 2] += damping * diagonal + np.finfo(np.float32).tiny
        return Blocks(self.features, matrices, self.problem.fit_intercept)

    @staticmethod
    def _violation(quadratic: Quadratic) -> float:
        return quadratic.penalty.kkt_violation(quadratic.point.coef + quadratic.direction, -quadratic.gradient)

    def _add_proximal_step(self, blocks: Blocks, quadratic: Quadratic, wanted: float) -> None:
        features = self.features
        at = (quadratic.point.coef + quadratic.direction)[:, features]
        penalty = quadratic.penalty.over(features)
        own, intercept_step = (blocks.grouped_step if penalty.is_grouped else blocks.proximal_step)(
            penalty, at, quadratic.gradient[:, features], quadratic.intercept_gradient, 0.3 * wanted
        )
        direction = np.zeros_like(quadratic.direction)
        direction[:, features] = own
        quadratic.add(direction, intercept_step - intercept_step.mean())

    def _add_face_step(self, blocks: Blocks, quadratic: Quadratic) -> bool:
        """Add the Newton step on the face, cut off where an L1 norm's signs would change; tell whether it moved.

        Columns that depend on each other leave a face directions without curvature, along which a step would change
        every sign. A ridge keeps it short: the step minimises the expansion and ridge / 2 |d|^2 in units of the blocks'
        diagonals (a proximal point, Rockafellar 1976). It follows what becomes of the steps.
        """
        features, problem = self.features, self.problem
        at = (quadratic.point.coef + quadratic.direction)[:, features]
        penalty = quadratic.penalty.over(features)
        face, l2 = penalty.support(at), np.array(np.broadcast_to(penalty.l2, len(features)), dtype=np.float64)
        # Of a group the norm's own Hessian is l1 / |w| (I - u u') with u = w / |w|; an L1 norm has none.
        norm = np.maximum(penalty.sizes(at), np.finfo(float).tiny)
        bend = np.where(face.any(axis=0), penalty.l1 / norm[0], 0.0) if penalty.is_grouped else 0.0 * l2
        ridge = self.ridge * blocks.matrices.diagonal(axis1=1, axis2=2)
        precondition = blocks.preconditioner(face, np.append(l2 + bend, 0.0) + ridge, problem.rows.n_threads)
        slope = quadratic.gradient[:, features] + penalty.gradient(at) + penalty.l1 * at / norm
        target = -np.column_stack([slope * face, quadratic.intercept_gradient])

        def curve(v: np.ndarray) -> np.ndarray:
            W = np.zeros_like(quadratic.direction)
            W[:, features] = v[:, :-1]
            product, sums = problem.rows.hessian_product(quadratic.point.at.proba, problem.weights, W, v[:, -1])
            along = (at * v[:, :-1]).sum(axis=0) / norm[0] ** 2 if penalty.is_grouped else 0.0
            own = (product[:, features] + l2 * v[:, :-1] + bend * (v[:, :-1] - at * along)) * face
            return np.asarray(np.column_stack([own, sums * problem.fit_intercept]) + ridge * v)

        found = _conjugate_gradient(curve, precondition, target)
        moved = at + found[:, :-1]
        leaves = face & (moved * at <= 0.0) & (not penalty.is_grouped)
        direction = np.zeros_like(quadratic.direction)
        direction[:, features] = np.where(leaves, 0.0, moved) - at
        share = quadratic.add(direction, found[:, -1] - found[:, -1].mean())
        if share < 1.0:
            self.ridge = min(MOST_RIDGE, RIDGE_RATIO * self.ridge)
        elif np.count_nonzero(leaves) <= STAYING * np.count_nonzero(face):
            self.ridge = max(LEAST_RIDGE, self.ridge / RIDGE_RATIO)
        return share > 0.0


def _conjugate_gradient(
    curve: Callable[[np.ndarray], np.ndarray], precondition: Callable[[np.ndarray], np.ndarray], target: np.ndarray
) -> np.ndarray:
    """Return x with H x close to `target` (Nocedal and Wright 2006, algorithm 5.3)."""
    x, residual = np.zeros_like(target), target
    z = precondition(residual)
    direction, size = z, float(np.vdot(residual, z))
    enough = FACE_ACCURACY**2 * size
    for _ in range(MAX_PRODUCTS):
        deadline.check()
        product = curve(direction)
        curvature = float(np.vdot(direction, product))
        if not curvature > 0.0:
            break
        x = x + size / curvature * direction
        residual = residual - size / curvature * product
        z = precondition(residual)
        smaller = float(np.vdot(residual, z))
        if smaller <= enough:
            break
        direction, size = z + smaller / size * direction, smaller
    return x
