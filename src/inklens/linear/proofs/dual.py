"""Dual points: rows of probabilities that prove a lower bound, described by a few coefficients.

The linearised dual point at (W, b) along a Newton direction (D, d) is P + U, U_i = (diag p_i - p_i p_i')(D x_i + d):
its gradient is the Newton model's own, so that it is feasible up to what the model leaves out and its gap is of second
order in the direction. Rows that leave the simplex are clipped and normalised.

A row is meant as its probabilities of the other classes tell it: its own is 1 less these, and where that is close to 1
nothing is lost in rounding.

Shapes: coef, direction (n_classes, n_features), intercept, intercept_direction (n_classes,), proba (n_samples,
n_classes).
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple, cast

import numpy as np

from inklens.linear import arrays
from inklens.linear.arrays import Array
from inklens.linear.kernels.backend import SUMMED_AT_ONCE
from inklens.linear.kernels.by_class import of_others, of_own_class
from inklens.linear.kernels.choice import backend_of
from inklens.linear.kernels.mixing import Mixing
from inklens.linear.problem.penalties import Penalty
from inklens.linear.problem.problem import Problem, with_offset
from inklens.linear.rows.row_arrays import RowArray
from inklens.linear.rows.rows import Evaluation, Rows
from inklens.linear.softmax import softmax


class DualPoint(NamedTuple):
    """Softmax at (coef, intercept), moved along (direction, intercept_direction) where these are given."""

    coef: np.ndarray
    intercept: np.ndarray
    direction: np.ndarray | None = None
    intercept_direction: np.ndarray | None = None

    def proba(self, rows: Rows, offset: np.ndarray | None = None) -> RowArray:
        """Return the point in float64; half a pass for each of coef and direction."""
        is_held = rows.holds(len(self.coef))
        z = with_offset(rows.row_scores(self.coef, self.intercept, dtype=np.float64, is_held=False), offset)
        if self.direction is None or self.intercept_direction is None:
            return RowArray.combine(softmax, z, is_held=is_held)
        along = rows.row_scores(self.direction, self.intercept_direction, dtype=np.float64, is_held=False)
        return RowArray.combine(moved_softmax, z, along, is_held=is_held)


def linearised(start: Evaluation, end: Evaluation) -> RowArray:
    """Return the softmax at one point moved along the scores to another, in the precision of these."""
    is_held = start.proba.held is not None
    return RowArray.combine(moved_between, start.proba, start.scores, end.scores, is_held=is_held)


# ---- class sums: those of a dual point have to be the labels' --------------------------------------------------------


def flows(proba: RowArray, codes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted probability that rows of each class give to each class, (n_classes, n_classes).

    What any mixture of the probabilities gives follows: that of p M is the matrix times M.
    """
    return np.asarray(RowArray.total(flows_of, proba, codes, weights))


def flows_added(proba: RowArray) -> int:
    """Return how many additions a term of `flows` passes through, at most."""
    at_once = max(SUMMED_AT_ONCE, proba.shape[1])
    return at_once + len(proba) // at_once + 2 * proba.n_readings


def excess_of(flow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return by how much class sums exceed those of the labels, without cancellation, and what crosses classes for it.

    The first is what each class gets from rows of others less what its own rows give away, the second their sum.
    """
    crossing = flow.copy()
    np.fill_diagonal(crossing, 0.0)
    gained, given = crossing.sum(axis=0), crossing.sum(axis=1)
    return gained - given, gained + given


def mixing(wanted: np.ndarray, excess: np.ndarray) -> Mixing:
    """Return what moves each class's excess to those short of it."""
    present, surplus, shortage = wanted + excess, np.maximum(excess, 0.0), np.maximum(-excess, 0.0)
    short = float(shortage.sum())
    if short == 0.0:
        return Mixing.none(len(wanted))
    share = np.divide(surplus, present, out=np.zeros_like(surplus), where=present > 0.0)
    return Mixing.move(share, shortage / short)


def mixed(proba: RowArray, mix: Mixing) -> RowArray:
    """Return p M for each row p, which stays in the simplex."""
    return RowArray.combine(partial(mixed_of, mix=mix), proba) if mix.moved else proba


def balance(proba: RowArray, codes: np.ndarray, weights: np.ndarray) -> RowArray:
    """Move probability from over- to under-represented classes until the weighted class sums are those of the labels.

    >>> proba = balance(RowArray.of(np.array([[0.9, 0.1], [0.7, 0.3]])), np.array([0, 1]), np.ones(2))
    >>> np.asarray(proba).sum(axis=0)
    array([1., 1.])
    """
    wanted = np.bincount(codes, weights, minlength=proba.shape[1])
    return mixed(proba, mixing(wanted, excess_of(flows(proba, codes, weights))[0]))


# ---- values ----------------------------------------------------------------------------------------------------------


def softmax_gap(penalty: Penalty, coef: np.ndarray, gradient: np.ndarray) -> float:
    """Return the gap at the softmax itself, g(W) + g*(G) - <G, W> with G = -gradient; no repair for the intercept."""
    return penalty.value(coef) + penalty.conjugate(-gradient) + float(np.vdot(gradient, coef))


def dual_gradient(problem: Problem, proba: RowArray) -> np.ndarray:
    """Return G = (Y - P)' diag(c) X, (n_classes, n_features), in the type of `proba`; half a pass."""
    return problem.rows.residual_product(proba, problem.codes, problem.weights)


def balanced_gradient(problem: Problem, proba: RowArray, mix: Mixing, G: np.ndarray | None = None) -> np.ndarray:
    """Return G of the rows p M, (n_classes, n_features); G of the rows p may be known.

    (Y - P M)' diag(c) X = Y' diag(c) X - M' P' diag(c) X: where they are few beside the rows' own numbers, the sums of
    the rows of each class tell it, which are read once.
    """
    are_few = problem.n_classes * problem.rows.n_features <= problem.rows.n_nonzeros
    if mix.moved and not are_few:
        return dual_gradient(problem, mixed(proba, mix))
    G = dual_gradient(problem, proba) if G is None else G
    return mix.of_sums(G, problem.sums_by_class - G) if mix.moved else G


def offset_gain(proba: RowArray, codes: np.ndarray, weights: np.ndarray, offset: np.ndarray | None) -> np.ndarray:
    """Return sum_i c_i <p_i - y_i, o_i>, which fixed offsets o add to every bound, and the sum of its terms' sizes."""
    if offset is None:
        return np.zeros(2)
    return np.asarray(RowArray.total(offset_gain_of, proba, codes, weights, offset))


def mixed_gain(
    proba: RowArray, codes: np.ndarray, weights: np.ndarray, offset: np.ndarray | None, mix: Mixing
) -> np.ndarray:
    """Return `offset_gain` of the rows p M, which are made for nothing else."""
    return offset_gain(proba if offset is None else mixed(proba, mix), codes, weights, offset)


def entropies(
    proba: RowArray, codes: np.ndarray, weights: np.ndarray, scales: Sequence[float], mix: Mixing | None = None
) -> tuple[np.ndarray, float]:
    """Return sum_i c_i H((1 - s) y_i + s q_i), H(p) = -sum_k p_k log p_k, in float64, for each scale s.

    q_i is p_i, or with `mix` p_i M. Also returns the largest probability that a row q_i gives to classes other than its
    own, at most 1.
    """
    of_rows = partial(entropies_of, scales=np.array(scales, dtype=np.float64), mix=mix)
    totals, largest = cast(
        tuple[np.ndarray, float], RowArray.total(of_rows, proba, codes, weights, by=(np.add, np.maximum))
    )
    return totals, min(1.0, largest)


def entropy(proba: RowArray, codes: np.ndarray, weights: np.ndarray, scale: float) -> float:
    """Return what `entropies` does for one scale."""
    return float(entropies(proba, codes, weights, [scale])[0][0])


def best_scaled(
    penalty: Penalty,
    G: np.ndarray,
    proba: RowArray,
    codes: np.ndarray,
    weights: np.ndarray,
    gain: float = 0.0,
    mix: Mixing | None = None,
) -> float:
    """Return the largest D((1 - s) Y + s P M) of the scales s that are worth trying; G and `gain` belong to s = 1."""
    scales = sorted(feasible_scales(penalty, G))
    found = entropies(proba, codes, weights, scales, mix)[0]
    return max(float(sure + s * gain - penalty.conjugate(s * G)) for s, sure in zip(scales, found, strict=True))


def feasible_scales(penalty: Penalty, G: np.ndarray) -> set[float]:
    """Return the largest scale with a finite g*(s G), and the largest at which no gradient passes its threshold."""
    largest = penalty.largest_feasible_scale(G)
    if not np.any(penalty.l2):  # both are the same number
        return {largest}
    return {largest, min(1.0, 1.0 / max(1.0, float(penalty.threshold_ratio(G).max(initial=0.0))))}


def dual_value(problem: Problem, proba: RowArray) -> float:
    """Return the largest D((1 - s) Y + s P), in the precision of `proba`; half a pass.

    D(P) = sum_i c_i (H(p_i) + <p_i - y_i, o_i>) - g*(G) with G = (Y - P)' diag(c) X bounds the optimum from below where
    the class sums are those of the labels, which they are made to be if there is an intercept.
    """
    codes, weights, penalty = problem.codes, problem.weights, problem.penalty
    mix = Mixing.none(problem.n_classes)
    if problem.fit_intercept:
        mix = mixing(problem.class_weights, excess_of(flows(proba, codes, weights))[0])
    G, gain = balanced_gradient(problem, proba, mix), mixed_gain(proba, codes, weights, problem.offset, mix)[0]
    return best_scaled(penalty, G, proba, codes, weights, float(gain), mix)


# ---- functions of some rows ------------------------------------------------------------------------------------------


def moved(proba: Array, along: Array) -> Array:
    """Return proba + (diag p - p p') v for each row, clipped to the simplex; a row of which nothing is left stays.

    >>> moved(np.array([[0.5, 0.5]]), np.array([[0.2, 0.0]]))
    array([[0.55, 0.45]])
    >>> moved(np.array([[0.5, 0.5]]), np.array([[8.0, 0.0]]))
    array([[1., 0.]])
    """
    return backend_of(proba).moved(proba, along)


def moved_between(proba: Array, start: Array, end: Array) -> Array:
    """Return rows of probabilities `moved` along the scores from one point to another."""
    return moved(proba, end - start)


def moved_softmax(z: Array, along: Array) -> Array:
    """Return the softmax of scores, `moved`."""
    return moved(softmax(z), along)


def mixed_of(p: Array, *, mix: Mixing) -> Array:
    """Return p_i M."""
    return backend_of(p).mixed(p, mix)


def flows_of(p: Array, codes: Array, weights: Array) -> Array:
    """Return `flows`."""
    return backend_of(p).flows(p, codes, weights)


def offset_gain_of(p: Array, codes: Array, weights: Array, offset: Array) -> Array:
    """Return `offset_gain`."""
    xp = arrays.namespace(p)
    terms = of_others(arrays.cast(p, np.float64), codes) * (offset - of_own_class(offset, codes)[:, None])
    return xp.stack([weights @ xp.sum(terms, axis=1), weights @ xp.sum(xp.abs(terms), axis=1)])


def entropies_of(
    p: Array, codes: Array, weights: Array, *, scales: np.ndarray, mix: Mixing | None
) -> tuple[Array, Array]:
    """Return `entropies`."""
    return backend_of(p).entropies(p, codes, weights, scales, mix)
