"""Truncated Newton for L2 and no penalty; `hessian_systems.py` solves for its steps.

Vectors here are (n_classes, n_features + 1), the intercept in the last column.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy import linalg

from inklens.linear.methods import dual_ascent
from inklens.linear.methods.iterate import Iterate
from inklens.linear.methods.systems import Metric, SubsampledHessian, conjugate_gradient, metric_at, times_hessian
from inklens.linear.problem.penalties import ElasticNet
from inklens.linear.problem.problem import Problem
from inklens.linear.proofs import certificates
from inklens.linear.proofs.dual import DualPoint, dual_value, linearised, softmax_gap
from inklens.linear.rows.rows import Evaluation

ASCENT_ROWS = 20  # rows per column that are enough for a start
TINY = 3e7  # multiply-adds of a dense Hessian and its factor up to which that is the quicker way
RIDGES = (1e-15, 1e-12, 1e-10, 1e-8, 1e-6, 1e-4)  # on a diagonal of ones: rounding shall not leave a matrix indefinite
ROUGH_START = 0.1  # relative gap of the fit to rows that stand for all, where a fit to all starts
STALE = 2.0  # the preconditioner is built anew when the conjugate gradient needs this many times the steps of its first
START = 1e-3  # first penalty without a penalty, in mean absolute column sums
FALL = 0.03  # of the penalty from one stage to the next
STAGES = 7
EASY = 300.0  # mean c_i |x_i|^2 / l2 up to which a cold start needs no larger penalty first
DROP = 10.0  # by how much a larger penalty falls at most from one stage to the next
ROUGH = 1.0  # relative duality gap that ends the stage of a larger penalty
MAX_FINAL_STEPS = 60
STAGE_GAP = 10.0  # relative duality gap that ends a stage
FLOAT32_FLOOR = 1e-6  # foretold relative progress below which passes run in float64


class Point(NamedTuple):
    """Coefficients with what one pass tells about them."""

    vector: np.ndarray
    at: Evaluation
    objective: float
    gradient: np.ndarray  # of the objective


# ---- the method ------------------------------------------------------------------------------------------------------


def newton(problem: Problem, coef: np.ndarray, intercept: np.ndarray, tol: float) -> Iterator[Iterate]:
    """Yield Newton iterates for an L2 penalty; a cold start has dual ascent and larger penalties before that.

    Where rows are not held, some that stand for all are fitted first.
    """
    vector = np.column_stack([coef, intercept])
    is_cold = not vector.any() and not is_tiny(problem)
    is_held = problem.rows.holds(problem.n_classes)
    stages = _stages(problem) if is_cold and is_held else [problem]
    for iterate in (_ascended(stages[0]) if is_held else _portrayed(problem)) if is_cold else ():
        yield _under(problem, stages[0], iterate)
        vector = np.column_stack([iterate.coef, iterate.intercept])
    for stage in stages:
        is_last = stage is problem
        for point, _, iterate in _iterate(stage, vector, None, tol if is_last else ROUGH):
            vector = point
            yield _under(problem, stage, iterate)
            if not is_last and iterate.gap <= ROUGH * iterate.objective:
                break


def _stages(problem: Problem) -> list[Problem]:
    """Return the problem under falling penalties, its own the last; the first is easy from a cold start."""
    free = problem.free
    l2 = np.broadcast_to(problem.penalty.l2, free.shape)[free]
    squares = problem.rows.column_squares(problem.weights)[free]
    factor = float((squares / np.maximum(l2, np.finfo(float).tiny)).sum()) / problem.rows.n_samples / EASY
    n_steps = int(np.ceil(np.log(max(factor, 1.0)) / np.log(DROP)))
    return [*(problem.at(factor ** (k / n_steps - 1.0)) for k in range(n_steps)), problem]


def _under(problem: Problem, stage: Problem, iterate: Iterate) -> Iterate:
    """Return a stage's iterate as one of the problem."""
    if stage is problem:
        return iterate
    value = iterate.objective - stage.penalty.value(iterate.coef) + problem.penalty.value(iterate.coef)
    return Iterate(iterate.coef, iterate.intercept, value)


def _ascended(problem: Problem) -> Iterator[Iterate]:
    """Yield points of dual ascent, on some of the rows where these are many."""
    n_samples, n_wanted = problem.rows.n_samples, ASCENT_ROWS * max(100, int(problem.free.sum()))
    if n_samples <= 2 * n_wanted:
        yield from dual_ascent.ascend(problem)
        return
    part = problem.restrict(np.sort(np.random.default_rng(0).choice(n_samples, n_wanted, replace=False)))
    for iterate in dual_ascent.ascend(part):
        yield iterate._replace(objective=np.inf, gap=np.inf)
    problem.rows.n_passes += part.rows.n_passes * part.rows.n_samples / n_samples


def _portrayed(problem: Problem) -> Iterator[Iterate]:
    """Yield points of a rough fit to the rows that stand for all."""
    small = problem.subsample
    for iterate in newton(
        small, np.zeros((problem.n_classes, problem.rows.n_features)), np.zeros(problem.n_classes), 0.0
    ):
        yield iterate._replace(objective=np.inf, gap=np.inf)
        if iterate.gap <= ROUGH_START * iterate.objective or iterate.stationary:
            return


def _iterate(problem: Problem, vector, metric, tol: float) -> Iterator[tuple[np.ndarray, Metric, Iterate]]:
    exact = is_tiny(problem)
    dtype, stalled, steps, first_steps = np.float64 if exact else np.float32, 0, 0, None
    point = _evaluate(problem, vector, dtype)
    while True:
        if exact:
            step = _exact_step(problem, point)
        else:
            if (
                metric is None
                or point.at.proba.held is None
                or (first_steps is not None and steps > STALE * first_steps)
            ):
                metric, first_steps = metric_at(problem, point.vector, point.at.proba), None
            step = _newton_step(problem, point, metric, 0.1 * tol * point.objective)
            steps = step.n_products
            first_steps = steps if first_steps is None else first_steps
        whole = _evaluate(problem, point.vector + step.direction, dtype)
        gap, dual = np.inf, None
        if not problem.is_penalised:
            gap = step.foretold - min(whole.objective, point.objective)
        elif step.foretold <= max(20.0 * tol, 1e-8) * point.objective:
            gap, dual = _linearised(problem, point, step, whole)
        following = _search(problem, point, step, whole, dtype)
        stalled = 0 if following.objective < point.objective * (1.0 - 1e-14) else stalled + 1
        if dtype == np.float32 and (stalled or step.foretold <= FLOAT32_FLOOR * point.objective):
            dtype, stalled = np.float64, 0
            following = _evaluate(problem, following.vector, dtype)
        point = following
        W, b = point.vector[:, :-1], point.vector[:, -1]
        gap = gap + point.objective
        if problem.is_penalised:
            gap = min(gap, softmax_gap(problem.penalty, W, point.at.gradient))
        yield point.vector, metric, Iterate(W, b, point.objective, gap, dual, stalled >= 2)


def _evaluate(problem: Problem, vector: np.ndarray, dtype) -> Point:
    W = np.ascontiguousarray(vector[:, :-1])
    at = problem.evaluate(W, vector[:, -1], dtype=dtype)
    gradient = np.column_stack([at.gradient + problem.penalty.gradient(W), at.intercept_gradient])
    return Point(vector, at, at.loss + problem.penalty.value(W), gradient)


def _linearised(problem: Problem, point: Point, step: "Step", whole: Point) -> tuple[float, DualPoint]:
    """Return minus the bound that the Newton step's own dual point gives, and the point."""
    bound = dual_value(problem, linearised(point.at, whole.at))
    W, b = point.vector[:, :-1], point.vector[:, -1]
    return -bound, DualPoint(W, b, step.direction[:, :-1], step.direction[:, -1])


# ---- one step --------------------------------------------------------------------------------------------------------


class Step(NamedTuple):
    """A Newton direction, and what its model foretells."""

    direction: np.ndarray
    foretold: float  # fall of the objective
    slope: float  # directional derivative
    n_products: int


def _newton_step(problem: Problem, point: Point, metric: Metric | SubsampledHessian, accuracy: float) -> Step:
    penalty, curve = problem.penalty, times_hessian(problem, point.at.proba)
    l2 = np.maximum(penalty.l2, np.finfo(float).tiny)

    def is_close(residual: np.ndarray, size: float) -> bool:
        """The model is minimal up to `accuracy`, and so is the gap of the dual point that the step gives."""
        return size <= accuracy and float((residual[:, :-1] ** 2 / l2).sum()) <= accuracy

    scale = max(point.objective, np.finfo(float).tiny)
    direction, n_products = conjugate_gradient(curve, metric.solve, -point.gradient, is_close, scale)
    slope = float(np.vdot(point.gradient, direction))
    return Step(direction, -0.5 * slope, slope, n_products)


def is_tiny(problem: Problem) -> bool:
    """Tell whether a dense Hessian over all coefficients costs less than the steps that it saves."""
    size = problem.n_classes * (int(problem.free.sum()) + 1)
    return problem.rows.n_samples * size**2 + size**3 / 3 <= TINY


def _exact_step(problem: Problem, point: Point) -> Step:
    """Return the Newton step by a dense Cholesky factor in float64, the gauge filled in."""
    K, columns = problem.n_classes, np.flatnonzero(problem.free)
    X = np.column_stack([problem.rows.dense(columns, dtype=np.float64), np.ones(problem.rows.n_samples)])
    q = X.shape[1]
    hessian = dense_hessian(X, np.asarray(point.at.proba, dtype=np.float64), problem.weights)
    l2 = np.append(np.broadcast_to(problem.penalty.l2, problem.rows.n_features)[columns], 0.0)
    diagonal = np.tile(l2, K)
    gauge, each = np.maximum(np.diag(hessian).reshape(K, q).sum(axis=0), 1e-12) / K, np.arange(q)
    hessian.reshape(K, q, K, q)[:, each, :, each] += (gauge * (1.0 / K))[:, None, None]
    place = np.append(columns, problem.rows.n_features)
    gradient = point.gradient[:, place]
    if not problem.fit_intercept:
        hessian[q - 1 :: q, :] = hessian[:, q - 1 :: q] = 0.0
        diagonal[q - 1 :: q] = 1.0
    hessian.ravel()[:: K * q + 1] += diagonal
    direction = np.zeros_like(point.gradient)
    direction[:, place] = -solve_positive(hessian, gradient.ravel()).reshape(K, q)
    direction -= direction.mean(axis=0)
    slope = float(np.vdot(point.gradient, direction))
    return Step(direction, -0.5 * slope, slope, 1)


def dense_hessian(X: np.ndarray, proba: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return sum_i c_i (diag p_i - p_i p_i') (x) x_i x_i', (n_classes * q, n_classes * q), classes outside."""
    K, q = proba.shape[1], X.shape[1]
    spread = ((proba * np.sqrt(weights)[:, None])[:, :, None] * X[:, None, :]).reshape(len(X), K * q)
    hessian = -(spread.T @ spread)
    for k in range(K):
        own = slice(k * q, (k + 1) * q)
        hessian[own, own] += X.T @ (X * (proba[:, k] * weights)[:, None])
    return hessian


def solve_positive(matrix: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return matrix^-1 target, by Cholesky in units in which the diagonal is 1; a ridge grows until it succeeds.

    Where rounding has spoilt the matrix altogether, its negative eigenvalues are taken for small positive ones.
    """
    diagonal = np.diag(matrix)
    scale = np.divide(1.0, np.sqrt(np.maximum(diagonal, 0.0)), out=np.zeros(len(target)), where=diagonal > 0.0)
    scaled = matrix * scale * scale[:, None]
    for ridge in RIDGES:
        scaled.ravel()[:: len(target) + 1] += ridge
        try:
            factor = linalg.cho_factor(scaled, check_finite=False)
        except linalg.LinAlgError:
            continue
        return scale * linalg.cho_solve(factor, scale * target, check_finite=False)
    values, vectors = linalg.eigh(scaled, check_finite=False)
    return scale * (vectors @ ((scale * target) @ vectors / np.maximum(values, RIDGES[-1])))


def _search(problem: Problem, point: Point, step: Step, whole: Point, dtype) -> Point:
    """Return the point after the whole step, or after a part of it where the objective would not fall (Armijo).

    Scores are linear in the coefficients, so trying a part of the step costs no pass where they are held.
    """
    rounding = (1e-14 if dtype == np.float64 else 1e-7) * point.objective
    if whole.objective <= point.objective + 1e-4 * step.slope + rounding:
        return whole
    for t in 0.5 ** np.arange(1, 40):
        vector = point.vector + t * step.direction
        loss = problem.loss_between(point.at.scores, whole.at.scores, t)
        if loss + problem.penalty.value(vector[:, :-1]) <= point.objective + 1e-4 * t * step.slope:
            return _evaluate(problem, vector, dtype)
    return point


# ---- no penalty ------------------------------------------------------------------------------------------------------


def continuation(problem: Problem, coef: np.ndarray, intercept: np.ndarray, tol: float) -> Iterator[Iterate]:
    """Yield points on an L2 path whose penalty falls to nothing, until separation is proven or an optimum found.

    The unpenalised loss of the points is reported. On separable data the last point separates the classes.
    """
    scale = problem.rows.absolute().column_sums(problem.weights)[problem.free]
    first = START * float(scale.mean()) if scale.any() else 1.0
    vector, metric = np.column_stack([coef, intercept]), None
    for l2 in [*(first * FALL ** np.arange(STAGES)), 0.0]:
        stage = replace(problem, penalty=ElasticNet(0.0, l2))
        stage.__dict__["free"] = problem.free
        for n_steps, (point, found, iterate) in enumerate(_iterate(stage, vector, metric, tol if l2 == 0.0 else 0.1)):
            W, b = iterate.coef, iterate.intercept
            loss = iterate.objective - stage.penalty.value(W)
            proof = certificates.separation(problem.rows, problem.codes, W, b) if loss < problem.weights.sum() else None
            ends = l2 == 0.0 and (iterate.stationary or n_steps == MAX_FINAL_STEPS)
            yield Iterate(W, b, loss, iterate.gap if l2 == 0.0 else np.inf, None, ends, proof)
            vector, metric = point, found
            if iterate.stationary or (l2 > 0.0 and iterate.gap <= STAGE_GAP * iterate.objective):
                break
