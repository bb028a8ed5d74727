"""Proximal Newton by columns, for sparse rows: L1, elastic net and group penalties without a matrix.

Where rows have few values, a sweep of coordinate descent over the columns costs less than a pass, and a Hessian over
thousands of coefficients far more. A round expands the loss at a point, sweeps over the columns that want to move, the
classes of each at once (`column_descent.c`), looks by one product with the Hessian whether others want to move now, and
steps. Where sweeps are slow, Newton steps on the face of the coefficients in use follow, by conjugate gradients.
Continuation, precision, damping and proofs are those of `prox_newton.py`, which asks for a step where it costs less.

Friedman, Hastie, Tibshirani (2010), J. Stat. Softw. 33, sections 2.4 and 4; Yuan, Ho, Lin (2012), J. Mach. Learn. Res.
13.

Shapes: `model` arrays hold the columns in use, (n_columns, lanes), and rows as (n_samples, lanes).
"""

from functools import cached_property

import numpy as np

from inklens.linear.kernels.backend import ColumnModel, ColumnVisitor
from inklens.linear.kernels.buffers import aligned, pad, padded
from inklens.linear.kernels.storage import Storage, take
from inklens.linear.methods import accuracy, costs, subproblem
from inklens.linear.methods.points import Asked, Point, Step
from inklens.linear.methods.quadratic import Quadratic
from inklens.linear.methods.subproblem import Pairs
from inklens.linear.problem.penalties import Penalty
from inklens.linear.problem.problem import Problem

MAX_CLASSES = 512  # what the kernel has room for
MAX_DENSITY = (
    0.05  # of the rows: columns that share most of their rows, as neighbouring pixels do, take too many sweeps
)
NEAR_RATIO = 0.9  # a zero may move where its gradient exceeds this share of the threshold
MAX_SWEEPS = 200  # of one descent
FAR_SWEEPS = 8  # and on the way down to the penalty that is asked for
MAX_DESCENTS = 4  # of a step; each costs a product with the Hessian, and lets the columns move that it shows
SWEEP_ACCURACY = 0.5  # of the tolerance: columns are compared when they are visited, not at the end

FARTHEST = 100.0  # that one coefficient's move may change a score: odds by 43 powers of ten
SWEEPS = 60  # of a step, about, where it is asked what that costs and none has been taken yet


class Columns:
    """The columns of a problem's rows, and what a step by them costs."""

    is_rough = False

    def __init__(self, problem: Problem, visitor: ColumnVisitor) -> None:
        self.problem, self.visitor = problem, visitor
        self.n_sweeps = float(SWEEPS)  # of a step that is not far, by what the last one read

    @classmethod
    def of(cls, problem: Problem) -> "Columns | None":
        """Return the columns where steps by them are possible: of sparse rows whose probabilities are held."""
        rows = problem.rows
        visitor = rows.column_visitor
        if visitor is None or not rows.is_sparse or rows.density > MAX_DENSITY or not rows.holds(problem.n_classes):
            return None
        return cls(problem, visitor) if problem.n_classes <= MAX_CLASSES else None

    @cached_property
    def storage(self) -> Storage:
        """The columns one after the other."""
        return self.problem.rows.transposed()

    @cached_property
    def reach(self) -> np.ndarray:
        """How far a step may move a coefficient of each column, (n_features,).

        A word of one row that is sure of a wrong class has a slope and no curvature: the model's minimum is nowhere.
        """
        rows = self.problem.rows
        largest = np.maximum(np.abs(rows.low), np.abs(rows.high))
        return np.asarray(FARTHEST / np.maximum(largest, FARTHEST * np.finfo(float).tiny))

    def seconds(self, pairs: Pairs, *, is_far: bool) -> float:
        """Return about how long the sweeps of a step take in which some pairs move."""
        _, starts = self.storage.csr
        n_values = int(np.diff(starts)[np.unique(pairs.features)].sum())
        return costs.column_step_seconds(self.problem, n_values, FAR_SWEEPS if is_far else self.n_sweeps)

    def step(self, penalty: Penalty, point: Point, asked: Asked) -> Step:
        """Return a step from a point."""
        descent = _Descent(self.problem, penalty, point, self, asked)
        step = descent.step()
        if not asked.is_far:
            self.n_sweeps = max(SWEEPS, descent.n_read / max(1, descent.n_values))
        return step


class _Descent:
    """The expansion at a point, minimised together with the penalty over ever more columns."""

    def __init__(self, problem: Problem, penalty: Penalty, point: Point, columns: Columns, asked: Asked) -> None:
        self.problem, self.penalty, self.point, self.columns = problem, penalty, point, columns
        self.asked = asked
        self.proba = padded(np.asarray(point.at.proba, dtype=np.float32), np.float32)
        self.products = aligned(self.proba.shape, np.float32)
        self.products[...] = 0.0
        self.weights = problem.weights.astype(np.float32)
        self.intercept_step = np.zeros(self.proba.shape[1])
        self.coef = point.coef.copy()
        self.n_values = self.n_read = 0  # in the columns of the last descent; by all of them
        self.most_read = asked.worth / costs.visit_seconds(problem)

    def step(self) -> Step:
        """Return the minimiser as a step; roughly while far."""
        problem, penalty, point, is_far = self.problem, self.penalty, self.point, self.asked.is_far
        wanted, _ = accuracy.tolerances(problem, penalty, point, self.asked.violation, self.asked.tol)
        gradient, in_use, least = point.at.gradient, np.zeros_like(problem.free), NEAR_RATIO
        for _ in range(1 if is_far else MAX_DESCENTS):
            ratio = penalty.threshold_ratio(-gradient).max(axis=0)
            wants = problem.free & (penalty.support(self.coef).any(axis=0) | (ratio > least))
            if in_use.any() and (not (wants & ~in_use).any() or self.n_read > self.most_read):
                break
            in_use |= wants
            self._descend(np.flatnonzero(in_use), SWEEP_ACCURACY * wanted, FAR_SWEEPS if is_far else MAX_SWEEPS)
            whole = self.coef - point.coef
            move = np.clip(whole, -self.columns.reach, self.columns.reach)
            quadratic = Quadratic(problem, penalty, point)
            quadratic.add(move, self.intercept_step[: problem.n_classes])
            gradient, least = quadratic.gradient, 1.0 + wanted
            if (move != whole).any():
                break
        return quadratic.step()

    def _descend(self, features: np.ndarray, tolerance: float, max_sweeps: int) -> None:
        """Sweep over some columns, and keep what they did to the rows."""
        n_classes, width = self.problem.n_classes, self.proba.shape[1]
        penalty = self.penalty.over(features)
        coef = pad(self.coef[:, features].T, np.float64)
        model = ColumnModel(
            columns=take(self.columns.storage, features),
            proba=self.proba,
            weights=self.weights,
            products=self.products,
            slope=pad(self.point.at.gradient[:, features].T, np.float64),
            coef=coef,
            l1=np.ascontiguousarray(np.broadcast_to(penalty.l1, len(features)), dtype=np.float64),
            l2=np.ascontiguousarray(np.broadcast_to(penalty.l2, len(features)), dtype=np.float64),
            curvature=aligned((len(features), n_classes, width), np.float32),
            is_known=np.zeros(len(features), dtype=np.uint8),
            intercept_slope=pad(self.point.at.intercept_gradient, np.float64),
            intercept_inverse=self._intercept_inverse(),
            intercept_step=self.intercept_step,
            n_classes=n_classes,
            first_class=0 if self.penalty.held is None else int(np.count_nonzero(self.penalty.held)),
            is_grouped=self.penalty.is_grouped,
            damping=self.asked.damping,
        )
        self.n_read += self.columns.visitor.descend(model, tolerance, max_sweeps, self.most_read - self.n_read)
        self.n_values = len(model.columns.values)
        self.coef[:, features] = coef[:, :n_classes].T

    def _intercept_inverse(self) -> np.ndarray | None:
        if not self.problem.fit_intercept:
            return None
        p = self.proba[:, : self.problem.n_classes]
        weighted = p * self.weights[:, None]
        hessian = -(weighted.T @ p).astype(np.float64)
        np.fill_diagonal(hessian, 0.0)
        np.fill_diagonal(hessian, -hessian.sum(axis=1))
        return np.ascontiguousarray(subproblem.intercept_inverse(hessian, self.asked.damping))
