"""A primal interior-point method for L1, elastic net and group penalties on small problems, at any strength.

A weak penalty leaves the working set's model nearly singular, beyond what float32 and coordinate descent can solve.
Here every coefficient (or feature, for groups) gets a bound u > |w| that costs l1 u, kept by the barrier
-mu log(u^2 - |w|^2); mu follows the duality gap down to nothing. Everything is dense and in float64.

Koh, Kim, Boyd (2007), J. Mach. Learn. Res. 8, 1519-1555, sections 4 and 5; here for several classes, with the bounds
eliminated and groups as second-order cones.

Shapes: v (n_classes, q + 1) coefficients of the q free columns, the intercept last; u (n_classes, q), or (1, q) for
groups. Weights sum to 1, columns reach about 1.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy import linalg

from inklens.linear import deadline
from inklens.linear.methods.direct import solve_positive
from inklens.linear.methods.iterate import Iterate
from inklens.linear.methods.method import GeneratorMethod
from inklens.linear.methods.prox_newton import proximal_newton
from inklens.linear.problem.penalties import Penalty
from inklens.linear.problem.problem import Problem
from inklens.linear.proofs.dual import DualPoint, balance, best_scaled
from inklens.linear.rows.row_arrays import RowArray
from inklens.linear.softmax import log_softmax

BARRIER_RATIO = 5.0  # the barrier falls by this factor after a good step
ACCEPTED_LENGTH = 0.3  # share of a Newton step from which it was a good one
SUFFICIENT_SHARE = 0.01  # of the linear decrease, that a step must keep (Armijo)
SHRINK_RATIO = 0.5  # of a step that does not lower the barrier function enough
MAX_SHRINKS = 40  # 2^-40 of a step is none
MAX_STALLED_ROUNDS = 20  # rounds in which neither barrier nor gap fall before the method gives up
MAX_NEWTON_ROUNDS = 100  # of proximal Newton before it counts as lost; it needs 5 to 20 where its models are sound
TINY_WORK = 3e7  # multiply-adds of a dense Hessian and its factor
MAX_NEWTON_ROUNDS_IF_TINY = 30  # where a round here costs no more than one of those
MAX_ROUND_WORK = 5e9  # multiply-adds of a round up to which the method is worth it


class _Small(NamedTuple):
    """The problem in its own units."""

    X: np.ndarray  # (n_samples, q + 1)
    codes: np.ndarray
    weights: np.ndarray  # sum to 1
    penalty: Penalty
    columns: np.ndarray
    units: np.ndarray  # largest value of each column, about
    total: float  # weight
    fit_intercept: bool

    @classmethod
    def of(cls, problem: Problem) -> "_Small":
        """Read the free columns."""
        columns = np.flatnonzero(problem.free)
        X = problem.rows.dense(columns, dtype=np.float64)
        units = np.exp2(np.round(np.log2(np.maximum(np.abs(X).max(axis=0), np.finfo(float).tiny))))
        total = float(problem.weights.sum())
        penalty = problem.penalty.over(columns).in_units(units).scaled(1.0 / total)
        X = np.column_stack([X / units, np.full(len(X), float(problem.fit_intercept))])
        return cls(X, problem.codes, problem.weights / total, penalty, columns, units, total, problem.fit_intercept)

    def dual_gradient(self, proba: np.ndarray) -> np.ndarray:
        """Return (Y - P)' diag(c) X, minus the gradient of the loss, (n_classes, q + 1)."""
        residual = -proba * self.weights[:, None]
        own = np.arange(len(proba)), self.codes
        residual[own] = 0.0
        residual[own] = -residual.sum(axis=1)  # 1 - p_own without cancellation
        return np.asarray(residual.T @ self.X)

    def loss(self, z: np.ndarray) -> float:
        """Return the mean loss of scores z."""
        return -float(self.weights @ log_softmax(z)[np.arange(len(z)), self.codes])


def is_simple(problem: Problem) -> bool:
    """Tell whether every coefficient has a threshold and may have any sign, and nothing but it moves scores."""
    return bool(np.all(problem.penalty.l1)) and problem.penalty.signs is None and problem.offset is None


def is_small(problem: Problem) -> bool:
    """Tell whether a round costs little enough."""
    size = problem.n_classes * (int(problem.free.sum()) + 1)
    affordable = problem.rows.n_samples * size**2 + size**3 / 3 <= MAX_ROUND_WORK
    return affordable and problem.rows.holds(problem.n_classes)


def is_tiny(problem: Problem) -> bool:
    """Tell whether a dense Hessian over all coefficients costs hardly anything."""
    size = problem.n_classes * (int(problem.free.sum()) + 1)
    return problem.rows.n_samples * size**2 + size**3 / 3 <= TINY_WORK


def proximal_then_interior(problem: Problem, coef: np.ndarray, intercept: np.ndarray, tol: float) -> Iterator[Iterate]:
    """Yield the points of proximal Newton, and where that gets nowhere those of the interior-point method."""
    best = Iterate(coef, intercept, np.inf)
    most = MAX_NEWTON_ROUNDS_IF_TINY if is_tiny(problem) else MAX_NEWTON_ROUNDS
    for n_rounds, best in enumerate(proximal_newton(problem, coef, intercept, tol), 1):
        yield best._replace(stationary=False)
        if best.stationary and best.gap <= tol * best.objective:
            yield best  # rounding hides its proof, and would that of any other point
            return
        if best.stationary or n_rounds == most:
            break
    for point in interior_point(problem, coef, intercept, tol):
        if point.objective <= best.objective * (1.0 + tol):
            best = point
        yield best._replace(stationary=point.stationary)


def interior_point(problem: Problem, coef: np.ndarray, intercept: np.ndarray, tol: float) -> Iterator[Iterate]:
    """Yield points on the central path, with what is as good as zero set to zero; it starts at zero, not at `coef`."""
    small = _Small.of(problem)
    K, penalty, n_features = problem.n_classes, small.penalty, coef.shape[1]
    v = np.zeros((K, small.X.shape[1]))
    l1 = np.broadcast_to(penalty.l1, (1 if penalty.is_grouped else K, len(small.columns)))
    mu, stalled, least = np.log(K) / max(1, 2 * l1.size), 0, np.inf
    u = np.minimum(2.0 * mu / l1, 1.0) if l1.size else np.ones(l1.shape)
    while True:
        deadline.check()
        gap, G = _gap(small, v)
        rounded = _rounded(v, G, l1, penalty)
        objective = small.loss(small.X @ rounded.T) + penalty.value(rounded[:, :-1])
        bound = small.loss(small.X @ v.T) + penalty.value(v[:, :-1]) - gap
        point, behind = (_in_full(small, vector, n_features) for vector in (rounded, v))
        dual = DualPoint(*behind, *(np.zeros_like(part) for part in behind))
        is_lower = gap < least - 0.01 * abs(least)  # rounding takes the gap below 0
        stalled, least, before = 0 if is_lower else stalled + 1, min(gap, least), mu
        v, u, length = _step(small, v, u, l1, mu)
        if length >= ACCEPTED_LENGTH:
            mu = min(mu, max(gap / max(1, 2 * l1.size), mu / BARRIER_RATIO) / BARRIER_RATIO)
        stalled = 0 if mu < 0.9 * before else stalled
        stationary = stalled == MAX_STALLED_ROUNDS or length == 0.0
        yield Iterate(*point, objective * small.total, (objective - bound) * small.total, dual, stationary)


def _gap(small: _Small, v: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the duality gap at v, and G = (Y - P)' diag(c) X without the intercept."""
    z = small.X @ v.T
    penalty, codes, weights = small.penalty, small.codes, small.weights
    proba = RowArray.of(np.exp(log_softmax(z)))
    if small.fit_intercept:
        proba = balance(proba, codes, weights)
    G = small.dual_gradient(np.asarray(proba))[:, :-1]
    bound = best_scaled(penalty, G, proba, codes, weights)
    return small.loss(z) + small.penalty.value(v[:, :-1]) - bound, G


def _rounded(v: np.ndarray, G: np.ndarray, l1: np.ndarray, penalty: Penalty) -> np.ndarray:
    """Return v with a coefficient (a feature) at 0 where it is smaller than its gradient's lack to the threshold."""
    size, ratio = penalty.sizes(v[:, :-1]), penalty.sizes(G) / l1
    out = v.copy()
    out[:, :-1] *= size > np.maximum(1.0 - ratio, 0.0) * size.max(initial=0.0)
    return out


def _in_full(small: _Small, v: np.ndarray, n_features: int) -> tuple[np.ndarray, np.ndarray]:
    coef = np.zeros((len(v), n_features))
    coef[:, small.columns] = v[:, :-1] / small.units
    return coef, v[:, -1] - v[:, -1].mean()


def _step(
    small: _Small, v: np.ndarray, u: np.ndarray, l1: np.ndarray, mu: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return (v, u) after a Newton step on the barrier function, and its length."""
    penalty, w = small.penalty, v[:, :-1]
    z = small.X @ v.T
    proba = np.exp(log_softmax(z))
    gradient = -small.dual_gradient(proba)
    size = penalty.sizes(w)
    slack, spread = (u - size) * (u + size), u**2 + size**2
    gradient_u = l1 - 2.0 * mu * u / slack
    gradient[:, :-1] += penalty.gradient(w) + 2.0 * mu * w / slack
    target = -gradient
    target[:, :-1] -= 2.0 * u * w / spread * gradient_u  # the bounds are eliminated
    direction = _solve(small, proba, _added_curvature(penalty, w, slack, spread, mu), target)
    along_w = penalty.inner(w, direction[:, :-1])
    direction_u = (-gradient_u * slack**2 / (2.0 * mu) + 2.0 * u * along_w) / spread
    slope = float(np.vdot(gradient, direction) + np.vdot(gradient_u, direction_u))

    def value(t: float) -> float:
        there, bounds = w + t * direction[:, :-1], u + t * direction_u
        lengths = penalty.sizes(there)
        if not (bounds > lengths).all():
            return np.inf
        barrier = -mu * float(np.log((bounds - lengths) * (bounds + lengths)).sum())
        smooth = 0.5 * float((penalty.l2 * there * there).sum())
        return small.loss(z + t * along) + float((l1 * bounds).sum()) + smooth + barrier

    along = small.X @ direction.T
    before = value(0.0)
    rounding = 1e-15 * (1.0 + abs(before))
    for t in SHRINK_RATIO ** np.arange(MAX_SHRINKS):
        if value(t) <= before + SUFFICIENT_SHARE * t * slope + rounding:
            return v + t * direction, u + t * direction_u, float(t)
    return v, u, 0.0


def _added_curvature(penalty: Penalty, w: np.ndarray, slack: np.ndarray, spread: np.ndarray, mu: float) -> np.ndarray:
    """Return the penalty's and the barrier's curvature, bounds eliminated, (n_classes, n_classes, q)."""
    K, q = w.shape
    ridge = np.broadcast_to(penalty.l2, (K, q))
    if penalty.is_grouped:
        return np.asarray(
            np.eye(K)[:, :, None] * (ridge + 2.0 * mu / slack) - 4.0 * mu * w[:, None] * w[None] / (slack * spread)
        )
    return np.eye(K)[:, :, None] * (ridge + 2.0 * mu / spread)


def _solve(small: _Small, proba: np.ndarray, added: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the direction d with (Hessian of the loss + added) d = target.

    The loss has no curvature where all classes move alike, the barrier may have 1e-16 times that of the loss: only in
    coordinates of their own, the first row of a Helmert matrix, is it not lost in rounding.
    """
    K, width = target.shape
    turn = linalg.helmert(K, full=True)
    deadline.check()
    blocks = dense_hessian(small.X, proba, small.weights).reshape(K, width, K, width)
    blocks = np.tensordot(turn, np.tensordot(blocks, turn, axes=(2, 1)), axes=1).transpose(0, 1, 3, 2)
    blocks[0] = blocks[:, :, 0] = 0.0
    turned = np.einsum("ak,kmj,bm->abj", turn, added, turn)
    each = np.arange(width - 1)
    for a in range(K):
        for b in range(K):
            blocks[a, each, b, each] += turned[a, b]
    blocks[0, -1, 0, -1] = 1.0
    if not small.fit_intercept:
        blocks[:, -1, :, -1] = np.eye(K)
    hessian = blocks.reshape(K * width, K * width)
    return np.asarray(turn.T @ solve_positive(hessian, (turn @ target).ravel()).reshape(K, width))


def dense_hessian(X: np.ndarray, proba: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return sum_i c_i (diag p_i - p_i p_i') (x) x_i x_i', (n_classes * q, n_classes * q), classes outside."""
    K, q = proba.shape[1], X.shape[1]
    spread = ((proba * np.sqrt(weights)[:, None])[:, :, None] * X[:, None, :]).reshape(len(X), K * q)
    hessian = -(spread.T @ spread)
    for k in range(K):
        deadline.check()
        own = slice(k * q, (k + 1) * q)
        hessian[own, own] += X.T @ (X * (proba[:, k] * weights)[:, None])
    return np.asarray(hessian)


PROXIMAL_THEN_INTERIOR = GeneratorMethod(
    proximal_then_interior, lambda problem: not problem.penalty.is_smooth and is_simple(problem) and is_small(problem)
)
INTERIOR_POINT = GeneratorMethod(interior_point, lambda problem: not problem.penalty.is_smooth)
