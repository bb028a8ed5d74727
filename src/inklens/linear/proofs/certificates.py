"""Proofs about a point: a lower bound on the optimum, and separation of the classes. Rounding is counted against us.

With p_i in the simplex, R = Y - P and G = R' diag(c) X, weak duality gives for every P whose weighted column sums equal
those of Y (the intercept is not penalised)

    objective(W, b)  >=  sum_i c_i H(p_i) - g*(G),      H(p) = -sum_k p_k log p_k.

Every quantity is computed in float64 from the values as given, up to `layouts.ROUNDED` = 4 u of each; |error of a sum
of n terms| <= gamma_n sum |terms| with gamma_n = n u / (1 - n u), u = 2^-53 (Higham 2002, section 3.1). The terms are
residuals, not probabilities: with p_own = 1 - sum of the others, as `dual.py` means it, a row that is sure to 1e-9 adds
a billionth of what its weight would.

Shapes: proba (n_samples, n_classes), weights (n_samples,), coef and G (n_classes, n_features).
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, cast

import numpy as np
from scipy import sparse

from inklens.linear import arrays
from inklens.linear.arrays import Array
from inklens.linear.kernels.by_class import is_own_class, of_others, of_own_class
from inklens.linear.kernels.mixing import MOST_MOVES, Mixing
from inklens.linear.problem.penalties import Penalty
from inklens.linear.problem.problem import Problem
from inklens.linear.proofs.dual import (
    DualPoint,
    balanced_gradient,
    dual_gradient,
    entropies,
    excess_of,
    feasible_scales,
    flows,
    flows_added,
    mixed,
    mixed_gain,
    mixing,
)
from inklens.linear.rows.row_arrays import RowArray
from inklens.linear.rows.rows import Evaluation, Rows
from inklens.linear.softmax import log_softmax

SURE_OF_SCORES = 0.01  # up to which error of scores e^2d - 1 is below 2.2 d, that of a residual below its tenth
COSTLY_RATIO = 0.1  # of g* to the bound, from which smaller scales of a dual point are tried
SCALE_STEP = 2.0  # from one scale to the next: the bound is concave in it, and flat near the best
MOVED_TERMS = 8.0  # sums of all rows' weights, at most, whose rounding what is moved between classes adds
LEAST_BLOCK = 256  # rows of X' R that are summed at a time


class Certificate(NamedTuple):
    """What is proven about one point."""

    objective: float
    lower_bound: float
    dual: DualPoint
    gradient_norm: float  # largest violation of the optimality conditions, by a proximal step of length 1
    gradient: np.ndarray  # of the loss


class Separation(NamedTuple):
    """A direction that separates the classes: every row's own score leads by at least `margin`, rounding included."""

    coef: np.ndarray
    intercept: np.ndarray
    margin: float


def gamma(n_terms: int) -> float:
    """Return the factor of the rounding error of a sum of `n_terms` products.

    >>> bool(0.0 < gamma(10_000) < 1.2e-12)
    True
    """
    unit = np.finfo(float).eps / 2.0
    return n_terms * unit / (1.0 - n_terms * unit)


def certify(
    problem: Problem, coef: np.ndarray, intercept: np.ndarray, dual: DualPoint | None = None, *, tol: float = 0.0
) -> Certificate:
    """Return objective and proven lower bound in float64; one and a half passes, one and a half more with a dual point.

    Without `dual` the dual point is the softmax at (coef, intercept); with one it is tried where `dual` proves a gap
    above `tol` only.
    """
    near, best, bound = problem.near(coef), DualPoint(coef, intercept), -np.inf
    if dual is not None and dual.direction is not None:  # first, while nothing else is held for each row
        proba = dual.proba(problem.rows, problem.offset)
        best, bound = dual, _bound(near, proba, dual_gradient(near, proba))
        del proba
    at = problem.evaluate(coef, intercept, dtype=np.float64, keeps_scores=False)
    objective = at.loss + problem.penalty.value(coef)
    slack = loss_rounding(problem, coef, intercept, at)
    bound -= slack
    if objective - bound > tol * objective:
        plain = _bound(near, at.proba, -at.gradient) - slack
        best, bound = (best, bound) if bound >= plain else (DualPoint(coef, intercept), plain)
    return Certificate(objective, max(0.0, bound), best, proximal_gradient_norm(problem, coef, at), at.gradient)


def proximal_gradient_norm(problem: Problem, coef: np.ndarray, at: Evaluation) -> float:
    """Return the largest change that a proximal gradient step of length 1 makes."""
    moved = problem.penalty.prox(coef - at.gradient, 1.0) - coef
    return float(max(np.abs(moved).max(initial=0.0), np.abs(at.intercept_gradient).max(initial=0.0)))


def _bound(problem: Problem, proba: RowArray, G: np.ndarray) -> float:
    """Return the bound of probabilities, whose class sums are repaired, and of their G."""
    mix, leak = Mixing.none(problem.n_classes), 0.0
    if problem.fit_intercept:
        mix, leak = balance_of(proba, problem.codes, problem.weights)
    G = balanced_gradient(problem, proba, mix, G) * problem.free  # what may not move is held at 0, whatever pulls at it
    return dual_bound(
        problem.penalty, proba, problem.codes, problem.weights, G, problem.magnitudes * problem.free, leak, mix,
        offset=problem.offset, n_added=problem.rows.n_added,
    )  # fmt: skip


def dual_bound(
    penalty: Penalty,
    proba: RowArray,
    codes: np.ndarray,
    weights: np.ndarray,
    G: np.ndarray,
    magnitudes: np.ndarray,
    leak: float = 0.0,
    mix: Mixing | None = None,
    *,
    offset: np.ndarray | None = None,
    n_added: int | None = None,
) -> float:
    """Return a proven bound from a row-stochastic `proba` and G = (Y - P)' diag(c) X, both with rounding errors.

    `leak` is the share of probability by which the class sums may still be wrong; with `mix` the dual point is P M, and
    G belongs to that; `offset` (n_samples, n_classes) are fixed parts of the scores; `n_added` is how many additions a
    term of G has passed through, by default all.
    """
    n_classes = proba.shape[1]
    mix = mix or Mixing.none(n_classes)
    known, largest = entropies(proba, codes, weights, [1.0], mix)
    relative, shift = value_rounding(proba, largest, leak, n_added, mix.moved)
    total = float(weights.sum())
    widest = penalty.farthest(G, shift * magnitudes)
    gain, size = mixed_gain(proba, codes, weights, offset, mix)
    farthest = 0.0 if offset is None else float(np.abs(offset).max())
    gain -= relative * size + 2.0 * shift * total * farthest

    def values(scales: Sequence[float]) -> list[float]:
        sure = known if list(scales) == [1.0] else entropies(proba, codes, weights, scales, mix)[0]
        slack = n_classes * (shift * total + relative * sure)
        lost = [penalty.conjugate(scale * widest) for scale in scales]
        return list(map(float, sure + np.asarray(scales) * gain - slack - lost))

    return _best_scale(penalty, widest, values)


def _best_scale(penalty: Penalty, G: np.ndarray, values: Callable[[Sequence[float]], list[float]]) -> float:
    """Return about the largest `values([s])` over the scales s of (1 - s) Y + s P; G belongs to s = 1.

    Under a ridge every scale is feasible, and g* grows with its square: far from the optimum, where g* takes more than
    entropy gives, a small scale still proves something, as entropy begins with an infinite slope.
    """
    scales = sorted(feasible_scales(penalty, G))
    best, scale = max(zip(values(scales), scales, strict=True))
    cost = penalty.conjugate(scale * G)
    if not (cost > COSTLY_RATIO * best and best + cost > 0.0):  # NaN of rows that were changed, too
        return best
    # Where s E - s^2 g* is largest: E(s) >= s E, as entropy E is concave.
    scale *= min(1.0, (best + cost) / (2.0 * cost))
    best = max(best, smaller := values([scale])[0])
    while smaller >= best and scale * SCALE_STEP < 1.0:
        scale *= SCALE_STEP
        best = max(best, smaller := values([scale])[0])
    return best


def value_rounding(
    proba: RowArray, largest: float, leak: float, n_added: int | None = None, moved: float = 0.0
) -> tuple[float, float]:
    """Return the error of sums over rows, relative to their terms, and that of G, relative to the terms' weights.

    `largest` is the largest residual of any row, `moved` how much of it a mixing has moved, with sums of all rows that
    are known relatively: two of them, and the residuals from which it came (MOVED_TERMS). A term of a sum that is made
    in blocks passes fewer additions than there are rows (Higham 2002, section 4.2).
    """
    of_rows = 8 * proba.shape[1] + 20
    relative = gamma(len(proba) + of_rows)
    of_gradient = relative if n_added is None else gamma(n_added + of_rows)
    return relative + 2.0 * leak, of_gradient * (largest + MOVED_TERMS * moved) + 2.0 * leak


def gradient_rounding(problem: Problem, proba: RowArray) -> np.ndarray:
    """Return what rounding may add to a G of dual points like this one, for each column, (n_features,)."""
    moved, leak = 0.0, 0.0
    if problem.fit_intercept:
        mix, leak = balance_of(proba, problem.codes, problem.weights)
        moved = mix.moved
    largest = entropies(proba, problem.codes, problem.weights, [])[1]
    return np.asarray(value_rounding(proba, largest, leak, problem.rows.n_added, moved)[1] * problem.magnitudes)


def balanced(proba: RowArray, codes: np.ndarray, weights: np.ndarray) -> tuple[RowArray, float]:
    """Return probabilities whose class sums are those of the labels, and what `balance_of` tells of them."""
    mix, leak = balance_of(proba, codes, weights)
    return mixed(proba, mix), leak


def balance_of(proba: RowArray, codes: np.ndarray, weights: np.ndarray) -> tuple[Mixing, float]:
    """Return what moves probability between classes until weighted class sums are those of the labels (`dual.balance`).

    Also returns a bound on the share of any class that rounding leaves misplaced. One reading tells what rows of each
    class give to each; what any mixture of these gives follows, as its terms have no sign to cancel.
    """
    n_classes = proba.shape[1]
    wanted = np.bincount(codes, weights, minlength=n_classes)
    flow, mix = flows(proba, codes, weights), Mixing.none(n_classes)
    of_flows = gamma(flows_added(proba) + 8 * n_classes)
    excess, crossing = excess_of(flow)
    for _ in range(MOST_MOVES):
        if (np.abs(excess) <= of_flows * crossing).all():
            break
        step = mixing(wanted, excess)
        flow, mix = step.of(flow), mix.then(step)
        excess, crossing = excess_of(flow)
    unsure = np.abs(excess) + of_flows * crossing
    sure = (1.0 - gamma(len(proba) + 2)) * wanted
    with np.errstate(divide="ignore", invalid="ignore"):
        leak = float(np.max(np.where(unsure > 0.0, unsure / (sure - unsure), 0.0)))
    return mix, leak if 0.0 <= leak < 1.0 and (unsure <= sure).all() else 1.0


def loss_rounding(problem: Problem, coef: np.ndarray, intercept: np.ndarray, at: Evaluation) -> float:
    """Return a bound on the error of the loss: scores are sums of n_features + 1 products, logs and sums follow.

    Where all scores are known to d, a row's loss is known to (e^2d - 1) times its residual.
    """
    n_samples, n_classes, n_features = len(problem.codes), *coef.shape
    widest, constant, total = np.abs(coef).max(axis=0, initial=0.0), np.abs(intercept).max(), problem.weights.sum()
    of_scores = gamma(n_features + n_classes + 20)
    farthest = np.maximum(np.abs(problem.rows.low), np.abs(problem.rows.high)) @ widest + constant
    if problem.offset is not None:
        constant = constant + np.abs(problem.offset).max()
        farthest += constant
    is_sure = of_scores * farthest <= SURE_OF_SCORES
    largest = 1.2 * entropies(at.proba, problem.codes, problem.weights, [])[1] if is_sure else 1.0
    moved = 2.0 * min(1.0, largest) * of_scores * (problem.magnitudes @ widest + total * constant)
    return float(moved + gamma(n_classes + 12) * total + gamma(n_samples + 20) * at.loss)


@np.errstate(under="ignore")
def lower_bound(
    X: np.ndarray | sparse.sparray | sparse.spmatrix,
    codes: np.ndarray,
    weights: np.ndarray,
    penalty: Penalty,
    dual: DualPoint,
    *,
    fit_intercept: bool = True,
    offset: np.ndarray | None = None,
) -> float:
    """Return the proven lower bound that a dual point gives, with plain NumPy: an independent check of a saved model.

    Parameters
    ----------
    X : ndarray or sparse matrix (n_samples, n_features)
        The rows, in float64.
    codes, weights : ndarray (n_samples,)
        Class of each row, and its weight in the loss (C times sample weight).
    penalty : Penalty
    dual : DualPoint
        Coefficients, and the direction along which the softmax is moved (or None).
    offset : ndarray (n_samples, n_classes) or None
        Fixed parts of the scores.

    Examples
    --------
    >>> from inklens.linear.problem.penalties import ElasticNet
    >>> X, codes = np.array([[0.0], [1.0]]), np.array([0, 1])
    >>> dual = DualPoint(np.zeros((2, 1)), np.zeros(2))
    >>> bound = lower_bound(X, codes, np.ones(2), ElasticNet(0.0, 1.0), dual)
    >>> bool(1.13 < bound < 2 * np.log(2))
    True
    """
    fixed = 0.0 if offset is None else offset
    proba = np.exp(log_softmax(np.asarray(X @ dual.coef.T) + dual.intercept + fixed))
    if dual.direction is not None:
        along = np.asarray(X @ dual.direction.T) + dual.intercept_direction
        moved = proba * np.maximum(1.0 + along - (proba * along).sum(axis=1, keepdims=True), 0.0)
        proba = np.where(moved.any(axis=1, keepdims=True), moved, proba)  # a row moved so far that all rounds to 0
    proba /= proba.sum(axis=1, keepdims=True)
    point, leak = balanced(RowArray.of(proba), codes, weights) if fit_intercept else (RowArray.of(proba), 0.0)
    indicator = np.eye(proba.shape[1])[codes]
    residual = -of_others(np.asarray(point), codes)
    residual += indicator * -residual.sum(axis=1, keepdims=True)
    G, n_added = _by_blocks(residual * weights[:, None], X)
    magnitudes = np.asarray(abs(X).T @ weights)
    bound = dual_bound(penalty, point, codes, weights, G, magnitudes, leak, offset=offset, n_added=n_added)
    return max(0.0, bound)


def _by_blocks(residual: np.ndarray, X: np.ndarray | sparse.sparray | sparse.spmatrix) -> tuple[np.ndarray, int]:
    """Return residual' X, summed over some rows at a time, and how many additions a term passes through."""
    X = X if isinstance(X, np.ndarray) else sparse.csr_array(X)
    step = max(LEAST_BLOCK, int(np.sqrt(len(residual))))
    starts = range(0, len(residual), step)
    G = np.zeros((residual.shape[1], X.shape[1]))
    for start in starts:
        G += np.asarray(residual[start : start + step].T @ X[start : start + step])
    return G, step + len(starts)


# ---- separation ------------------------------------------------------------------------------------------------------


def separation(rows: Rows, codes: np.ndarray, coef: np.ndarray, intercept: np.ndarray) -> Separation | None:
    """Return the proof that (coef, intercept) puts every row on the right side of every other class, or None.

    Then the unpenalised loss can be driven to 0 and attains no minimum (Albert and Anderson 1984, Biometrika 71). The
    margin is the smallest lead of a row's own class, less what rounding may have added.
    """
    leads = RowArray.combine(lead_of_own, rows.row_scores(coef, intercept, dtype=np.float64), codes)
    if not cast(float, RowArray.total(smallest, leads, by=np.minimum)) > 0.0:
        return None
    widest = np.abs(coef).max(axis=0)[None], np.abs(intercept).max()[None]
    reach = rows.absolute().row_scores(*widest, dtype=np.float64)
    slack = float(4.0 * gamma(rows.n_features + 7))
    margin = float(cast(float, RowArray.total(partial(least_sure, slack=slack), leads, reach, by=np.minimum)))
    return Separation(coef, intercept, margin) if margin > 0.0 else None


def lead_of_own(z: Array, codes: Array) -> Array:
    """Return by how much the score of each row's own class is above the others', (n_rows,)."""
    xp = arrays.namespace(z)
    others = xp.where(is_own_class(z, codes), xp.full_like(z, -np.inf), z)
    return of_own_class(z, codes) - xp.max(others, axis=1)


def smallest(values: Array) -> Array:
    """Return the smallest of the numbers of some rows."""
    return arrays.namespace(values).min(values)


def least_sure(lead: Array, size: Array, *, slack: float) -> Array:
    """Return the smallest lead of some rows, less what rounding may have added."""
    return smallest(lead - slack * size[:, 0])
