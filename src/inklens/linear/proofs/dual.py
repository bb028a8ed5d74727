"""Dual points: rows of probabilities that prove a lower bound, described by a few coefficients.

The linearised dual point at (W, b) along a Newton direction (D, d) is P + U, U_i = (diag p_i - p_i p_i')(D x_i + d):
its gradient is the Newton model's own, so that it is feasible up to what the model leaves out and its gap is of second
order in the direction. Rows that leave the simplex are clipped and normalised.

A row is meant as its probabilities of the other classes tell it: its own is 1 less these, and where that is close to 1
nothing is lost in rounding.

Shapes: coef, direction (n_classes, n_features), intercept, intercept_direction (n_classes,), proba (n_samples,
n_classes).
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, cast

import numpy as np
from scipy.special import entr, xlog1py

from inklens.linear.problem.penalties import Penalty
from inklens.linear.problem.problem import Problem, with_offset
from inklens.linear.rows.row_arrays import RowArray
from inklens.linear.rows.rows import Evaluation, Rows
from inklens.linear.softmax import row_sums, softmax


class DualPoint(NamedTuple):
    """Softmax at (coef, intercept), moved along (direction, intercept_direction) where these are given."""

    coef: np.ndarray
    intercept: np.ndarray
    direction: np.ndarray | None = None
    intercept_direction: np.ndarray | None = None

    def proba(self, rows: Rows, offset: np.ndarray | None = None) -> RowArray:
        """Return the point in float64; half a pass for each of coef and direction."""
        z = with_offset(rows.row_scores(self.coef, self.intercept, dtype=np.float64), offset)
        if self.direction is None or self.intercept_direction is None:
            return RowArray.combine(softmax, z)
        along = rows.row_scores(self.direction, self.intercept_direction, dtype=np.float64)
        return RowArray.combine(moved_softmax, z, along)


def moved_softmax(z: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Return the softmax of scores, `moved`."""
    return moved(softmax(z), along)


def moved(proba: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Return proba + (diag p - p p') v for each row, clipped to the simplex; a row of which nothing is left stays.

    >>> moved(np.array([[0.5, 0.5]]), np.array([[0.2, 0.0]]))
    array([[0.55, 0.45]])
    >>> moved(np.array([[0.5, 0.5]]), np.array([[8.0, 0.0]]))
    array([[1., 0.]])
    """
    mean = np.einsum("ik,ik->i", proba, along)[:, None]
    point = proba * np.maximum(1.0 + along - mean, 0.0)
    total = row_sums(point)[:, None]
    return np.asarray(np.divide(point, total, out=proba.copy(), where=total > 0.0))


def linearised(start: Evaluation, end: Evaluation) -> RowArray:
    """Return the softmax at one point moved along the scores to another, in the precision of these."""
    along = RowArray.combine(np.subtract, end.scores, start.scores)
    return RowArray.combine(moved, start.proba, along)


def class_sums(proba: RowArray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted sum of each class's probabilities, (n_classes,)."""
    return np.asarray(RowArray.total(weighted_sum, proba, weights))


def weighted_sum(p: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return sum_i c_i p_i of some rows."""
    return np.asarray(weights @ p)


def others(p: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the probabilities of the classes that a row does not belong to, 0 for its own, (n_rows, n_classes)."""
    out = p.astype(np.float64)
    out[np.arange(len(p)), codes] = 0.0
    return out


def flows(proba: RowArray, codes: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the weighted probability that each class gets from rows of others, and that its own rows give away."""
    gained, given = np.asarray(RowArray.total(flows_of, proba, codes, weights))
    return gained, given


def flows_of(p: np.ndarray, codes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return what classes gain and give of some rows, (2, n_classes)."""
    q = others(p, codes)
    return np.array([weights @ q, np.bincount(codes, weights * row_sums(q), minlength=p.shape[1])])


def balance(proba: RowArray, codes: np.ndarray, weights: np.ndarray, excess: np.ndarray | None = None) -> RowArray:
    """Move probability from over- to under-represented classes until the weighted class sums are those of the labels.

    A row-stochastic (n_classes, n_classes) matrix does it, so rows stay in the simplex. `excess` is by how much class
    sums are too large, where that is known without cancellation.

    >>> proba = balance(RowArray.of(np.array([[0.9, 0.1], [0.7, 0.3]])), np.array([0, 1]), np.ones(2))
    >>> class_sums(proba, np.ones(2))
    array([1., 1.])
    """
    wanted = np.bincount(codes, weights, minlength=proba.shape[1])
    if excess is None:
        excess = class_sums(proba, weights) - wanted
    present, surplus, shortage = wanted + excess, np.maximum(excess, 0.0), np.maximum(-excess, 0.0)
    if shortage.sum() == 0.0:
        return proba
    share = np.divide(surplus, present, out=np.zeros_like(surplus), where=present > 0.0)
    mix = (np.diag(1.0 - share) + np.outer(share, shortage / shortage.sum())).astype(proba.dtype)
    return RowArray.combine(partial(mixed, by=mix), proba)


def mixed(p: np.ndarray, *, by: np.ndarray) -> np.ndarray:
    """Return p_i M for some rows."""
    return np.asarray(p @ by)


def softmax_gap(penalty: Penalty, coef: np.ndarray, gradient: np.ndarray) -> float:
    """Return the gap at the softmax itself, g(W) + g*(G) - <G, W> with G = -gradient; no repair for the intercept."""
    return penalty.value(coef) + penalty.conjugate(-gradient) + float(np.vdot(gradient, coef))


def dual_gradient(problem: Problem, proba: RowArray) -> np.ndarray:
    """Return G = (Y - P)' diag(c) X, (n_classes, n_features), in the type of `proba`; half a pass."""
    return problem.rows.transpose_product(problem.residual(proba))


def offset_gain(proba: RowArray, codes: np.ndarray, weights: np.ndarray, offset: np.ndarray | None) -> np.ndarray:
    """Return sum_i c_i <p_i - y_i, o_i>, which fixed offsets o add to every bound, and the sum of its terms' sizes."""
    if offset is None:
        return np.zeros(2)
    return np.asarray(RowArray.total(offset_gain_of, proba, codes, weights, offset))


def offset_gain_of(p: np.ndarray, codes: np.ndarray, weights: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Return the terms of some rows."""
    terms = others(p, codes) * (offset - offset[np.arange(len(p)), codes][:, None])
    return np.array([weights @ terms.sum(axis=1), weights @ np.abs(terms).sum(axis=1)])


def entropy(proba: RowArray, codes: np.ndarray, weights: np.ndarray, scale: float) -> float:
    """Return sum_i c_i H((1 - s) y_i + s p_i), H(p) = -sum_k p_k log p_k, in float64."""
    return float(cast(float, RowArray.total(partial(entropy_of, scale=scale), proba, codes, weights)))


def entropy_of(p: np.ndarray, codes: np.ndarray, weights: np.ndarray, *, scale: float) -> float:
    """Return the entropy of some rows."""
    q = others(p, codes) * scale
    given = np.minimum(row_sums(q), 1.0)
    own = -xlog1py(1.0 - given, -given)
    return float(weights @ (row_sums(entr(q)) + own))


def best_scaled(penalty: Penalty, G: np.ndarray, value: Callable[[float], float]) -> float:
    """Return the largest `value(s)` of the scales s of (1 - s) Y + s P that are worth trying; G belongs to s = 1."""
    return max(value(scale) for scale in feasible_scales(penalty, G))


def feasible_scales(penalty: Penalty, G: np.ndarray) -> set[float]:
    """Return the largest scale with a finite g*(s G), and the largest at which no gradient passes its threshold."""
    safe = min(1.0, 1.0 / max(1.0, float(penalty.threshold_ratio(G).max(initial=0.0))))
    return {penalty.largest_feasible_scale(G), safe}


def dual_value(problem: Problem, proba: RowArray) -> float:
    """Return the largest D((1 - s) Y + s P), in the precision of `proba`; half a pass.

    D(P) = sum_i c_i (H(p_i) + <p_i - y_i, o_i>) - g*(G) with G = (Y - P)' diag(c) X bounds the optimum from below where
    the class sums are those of the labels, which they are made to be if there is an intercept.
    """
    codes, weights, penalty = problem.codes, problem.weights, problem.penalty
    if problem.fit_intercept:
        proba = balance(proba, codes, weights)
    G, gain = dual_gradient(problem, proba), offset_gain(proba, codes, weights, problem.offset)[0]
    return best_scaled(penalty, G, lambda s: entropy(proba, codes, weights, s) + s * gain - penalty.conjugate(s * G))
