"""Proximal Newton by columns, for sparse rows: L1, elastic net and group penalties without a matrix.

Where rows have few values, a sweep of coordinate descent over the columns costs less than a pass, and a Hessian over
thousands of coefficients far more. A round expands the loss at a point, sweeps over the columns that want to move, the
classes of each at once (`column_descent.c`), looks by one product with the Hessian whether others want to move now, and
steps. Continuation, precision, damping and proofs are those of `prox_newton.py`.

Friedman, Hastie, Tibshirani (2010), J. Stat. Softw. 33, sections 2.4 and 4; Yuan, Ho, Lin (2012), J. Mach. Learn. Res. 13.

Shapes: `model` arrays hold the columns in use, (n_columns, lanes), and rows as (n_samples, lanes).
"""

from collections.abc import Iterator
from itertools import count

import numpy as np
import numpy.typing as npt

from inklens.linear import deadline
from inklens.linear.kernels.backend import ColumnModel, ColumnVisitor
from inklens.linear.kernels.buffers import aligned, pad, padded
from inklens.linear.kernels.storage import Storage, take
from inklens.linear.methods import prox_newton, sampling, subproblem
from inklens.linear.methods.iterate import Iterate
from inklens.linear.methods.line_search import search
from inklens.linear.methods.method import GeneratorMethod
from inklens.linear.methods.points import Point, Step
from inklens.linear.methods.quadratic import Quadratic, inner
from inklens.linear.methods.stalling import Progress
from inklens.linear.problem.penalties import Penalty
from inklens.linear.problem.problem import Problem
from inklens.linear.proofs.dual import DualPoint, dual_value, linearised

MAX_CLASSES = 512  # what the kernel has room for
MAX_SWEEPS = 200  # of one descent, before the expansion is looked at again
MAX_DESCENTS = 6  # of a step; each costs a product with the Hessian, and lets the columns move that it shows
FORCING_RATIO = 0.1  # of a step's KKT violation to the point's
MAX_CURVATURE_BYTES = 256 << 20  # of the columns' own Hessians


def column_newton(problem: Problem, coef: np.ndarray, intercept: np.ndarray, tol: float) -> Iterator[Iterate]:
    """Yield ever better points for a penalty with thresholds."""
    visitor = problem.rows.column_visitor
    assert visitor is not None
    columns, dtype = problem.rows.transposed(), np.float32
    point = Point.of(problem, np.where(problem.free, coef, 0.0), intercept, dtype)
    factor, stalled, damping, progress = np.inf, 0, 0.0, Progress(prox_newton.MAX_LOST_ROUNDS)
    noise = prox_newton.FLOAT64_NOISE * sampling.float32_noise(problem)
    while True:
        deadline.check()
        factor = prox_newton.continuation(problem.penalty, point, factor)
        penalty = problem.penalty.scaled(factor)
        violation = penalty.kkt_violation(point.coef, -point.at.gradient)
        if dtype == np.float32 and violation < max(prox_newton.FLOAT64_VIOLATION * (factor == 1.0), noise / factor):
            dtype = np.float64
            point = Point.of(problem, point.coef, point.intercept, dtype)
        before = point.objective(problem.penalty)
        step = _Descent(problem, penalty, point, columns, visitor, damping).step(violation, tol)
        whole = step.from_point(problem, point, dtype)
        bound, dual = -np.inf, None
        if factor == 1.0 and step.dual_lag <= max(tol, 1e-9) * before:
            bound = dual_value(problem, linearised(point.at, whole.at))
            dual = DualPoint(point.coef, point.intercept, step.coef, step.intercept)
        start = point
        point, length = search(
            problem, penalty, start, step, whole, sufficient_share=prox_newton.SUFFICIENT_SHARE, dtype=dtype
        )
        if length < 1.0:
            damping = max(prox_newton.DAMPING_RATIO * damping, prox_newton.LEAST_DAMPING)
        else:
            damping = prox_newton.relaxed(damping, step, start.objective(penalty) - point.objective(penalty), before)
            if factor > 1.0:
                point = prox_newton.lengthened(problem, penalty, start, step, point, dtype)
        objective = point.objective(problem.penalty)
        stalled = stalled + 1 if factor == 1.0 and before - objective <= 1e-13 * before else 0
        gap = objective - bound
        is_lost = progress.is_lost(factor, violation if factor == 1.0 else np.inf, gap)
        ends = stalled == prox_newton.MAX_STALLED_ROUNDS or is_lost
        yield Iterate(point.coef, point.intercept, objective, gap, dual, stationary=ends)


class _Descent:
    """The expansion at a point, minimised together with the penalty over ever more columns."""

    def __init__(
        self,
        problem: Problem,
        penalty: Penalty,
        point: Point,
        columns: Storage,
        visitor: ColumnVisitor,
        damping: float,
    ) -> None:
        self.problem, self.penalty, self.point, self.columns, self.visitor = problem, penalty, point, columns, visitor
        self.damping = damping
        self.proba = padded(np.asarray(point.at.proba, dtype=np.float32), np.float32)
        self.products = aligned(self.proba.shape, np.float32)
        self.products[...] = 0.0
        self.weights = problem.weights.astype(np.float32)
        self.intercept_step = np.zeros(self.proba.shape[1])
        self.coef = point.coef.copy()

    def step(self, violation: float, tol: float) -> Step:
        """Return the minimiser as a step; roughly while far."""
        problem, penalty, point = self.problem, self.penalty, self.point
        objective = point.objective(penalty)
        share = prox_newton.LOSS_SHARE * min(tol, prox_newton.MAX_INNER_TOL)
        finest = prox_newton.violation_that_costs(share * objective, problem, penalty, point)
        wanted = max(min(prox_newton.MAX_TOLERANCE, FORCING_RATIO * violation), finest, prox_newton.MIN_TOLERANCE)
        gradient, in_use = point.at.gradient, np.zeros(problem.rows.n_features, dtype=bool)
        for turn in range(MAX_DESCENTS):
            ratio = penalty.threshold_ratio(gradient).max(axis=0)
            wants = penalty.support(self.coef).any(axis=0) | (ratio > (1.0 + 0.5 * wanted if turn else prox_newton.NEAR_RATIO))
            wants &= problem.free
            if turn and not (wants & ~in_use).any() and left <= wanted:
                break
            in_use |= wants
            self._descend(np.flatnonzero(in_use), 0.5 * wanted)
            quadratic = Quadratic(problem, penalty, point)
            quadratic.add(self.coef - point.coef, self.intercept_step[: problem.n_classes])
            gradient, left = quadratic.gradient, quadratic.kkt_violation_everywhere()
            if violation > prox_newton.CORRECTED_VIOLATION:
                break
        decrease = quadratic.predicted_decrease()
        direction, intercept_step = quadratic.direction, quadratic.intercept_step
        growth = penalty.value(point.coef + direction) - penalty.value(point.coef)
        slope = inner(point.at.gradient, direction) + float(point.at.intercept_gradient @ intercept_step) + growth
        return Step(direction, intercept_step, decrease, slope, 2.0 * decrease)

    def _descend(self, features: np.ndarray, tolerance: float) -> None:
        """Sweep over some columns, and keep what they did to the rows."""
        n_classes, lanes = self.problem.n_classes, self.proba.shape[1]
        penalty = self.penalty.over(features, self.problem.rows.n_features)
        coef = pad(self.coef[:, features].T, np.float64)
        model = ColumnModel(
            columns=take(self.columns, features),
            proba=self.proba,
            weights=self.weights,
            products=self.products,
            slope=pad(self.point.at.gradient[:, features].T, np.float64),
            coef=coef,
            l1=np.ascontiguousarray(np.broadcast_to(penalty.l1, len(features)), dtype=np.float64),
            l2=np.ascontiguousarray(np.broadcast_to(penalty.l2, len(features)), dtype=np.float64),
            curvature=aligned((len(features), n_classes, lanes), np.float32),
            is_known=np.zeros(len(features), dtype=np.uint8),
            intercept_slope=pad(self.point.at.intercept_gradient, np.float64),
            intercept_inverse=self._intercept_inverse(),
            intercept_step=self.intercept_step,
            n_classes=n_classes,
            is_grouped=self.penalty.is_grouped,
            damping=self.damping,
        )
        self.visitor.descend(model, tolerance, MAX_SWEEPS)
        self.coef[:, features] = coef[:, :n_classes].T

    def _intercept_inverse(self) -> np.ndarray | None:
        if not self.problem.fit_intercept:
            return None
        p = self.proba[:, : self.problem.n_classes]
        weighted = p * self.weights[:, None]
        hessian = -(weighted.T @ p).astype(np.float64)
        np.fill_diagonal(hessian, 0.0)
        np.fill_diagonal(hessian, -hessian.sum(axis=1))
        return np.ascontiguousarray(subproblem.intercept_inverse(hessian, self.damping))


def _suits(problem: Problem) -> bool:
    rows = problem.rows
    return (
        not problem.penalty.is_smooth
        and rows.column_visitor is not None
        and rows.is_sparse
        and rows.holds(problem.n_classes)
        and problem.n_classes <= MAX_CLASSES
    )


COLUMN_NEWTON = GeneratorMethod(column_newton, _suits)
