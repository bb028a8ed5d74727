"""Dual points: rows of probabilities that prove a lower bound, described by a few coefficients.

The linearised dual point at (W, b) along a Newton direction (D, d) is P + U, U_i = (diag p_i - p_i p_i')(D x_i + d):
its gradient is the Newton model's own, so that it is feasible up to what the model leaves out and its gap is of second
order in the direction. Rows that leave the simplex are clipped and normalised.

Shapes: coef, direction (n_classes, n_features), intercept, intercept_direction (n_classes,), proba (n_samples,
n_classes).
"""

from typing import NamedTuple

import numpy as np
from scipy.special import entr

from inklens.linear.blocks import Rows
from inklens.linear.softmax import softmax


class DualPoint(NamedTuple):
    """Softmax at (coef, intercept), moved along (direction, intercept_direction) where these are given."""

    coef: np.ndarray
    intercept: np.ndarray
    direction: np.ndarray | None = None
    intercept_direction: np.ndarray | None = None

    def proba(self, rows: Rows) -> np.ndarray:
        """Return the point in float64; half a pass for each of coef and direction."""
        proba = softmax(rows.scores(self.coef, self.intercept, dtype=np.float64))
        if self.direction is None:
            return proba
        return moved(proba, rows.scores(self.direction, self.intercept_direction, dtype=np.float64))


def moved(proba: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Return proba + (diag p - p p') v for each row, clipped to the simplex.

    >>> moved(np.array([[0.5, 0.5]]), np.array([[0.2, 0.0]]))
    array([[0.55, 0.45]])
    >>> moved(np.array([[0.5, 0.5]]), np.array([[8.0, 0.0]]))
    array([[1., 0.]])
    """
    mean = (proba * along).sum(axis=1, keepdims=True)
    point = proba * np.maximum(1.0 + along - mean, 0.0)
    return point / point.sum(axis=1, keepdims=True)


def balance(proba: np.ndarray, codes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Move probability from over- to under-represented classes until the weighted class sums are those of the labels.

    A row-stochastic (n_classes, n_classes) matrix does it, so rows stay in the simplex.

    >>> proba = balance(np.array([[0.9, 0.1], [0.7, 0.3]]), np.array([0, 1]), np.ones(2))
    >>> proba.sum(axis=0)
    array([1., 1.])
    """
    wanted = np.bincount(codes, weights, minlength=proba.shape[1])
    present = weights @ proba
    surplus, shortage = np.maximum(present - wanted, 0.0), np.maximum(wanted - present, 0.0)
    if shortage.sum() == 0.0:
        return proba
    share = np.divide(surplus, present, out=np.zeros_like(surplus), where=present > 0.0)
    mix = np.diag(1.0 - share) + np.outer(share, shortage / shortage.sum())
    return proba @ mix.astype(proba.dtype)


def softmax_gap(penalty, coef: np.ndarray, gradient: np.ndarray) -> float:
    """Return the gap at the softmax itself, g(W) + g*(G) - <G, W> with G = -gradient; no repair for the intercept."""
    return penalty.value(coef) + penalty.conjugate(-gradient) + float(np.vdot(gradient, coef))


def dual_value(penalty, proba: np.ndarray, codes: np.ndarray, weights: np.ndarray, G: np.ndarray) -> float:
    """Return D((1 - s) Y + s P) for the best of the scales s worth trying; G belongs to s = 1.

    D(P) = sum_i c_i H(p_i) - g*(G) with G = (Y - P)' diag(c) X bounds the optimum from below.
    """
    largest = penalty.largest_feasible_scale(G)
    scales = {largest, min(1.0, 1.0 / max(1.0, float(penalty.strength(G).max(initial=0.0))))}
    return max(_dual_at(scale, penalty, proba, codes, weights, G) for scale in scales)


def _dual_at(scale: float, penalty, proba, codes, weights, G) -> float:
    mixed = proba.astype(np.float64) * scale
    mixed[np.arange(len(mixed)), codes] += 1.0 - scale
    return float(weights @ entr(mixed).sum(axis=1)) - penalty.conjugate(scale * G)
