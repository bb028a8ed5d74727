"""The optimisation problem: weighted softmax loss over rows plus a penalty.

    P(W, b) = sum_i c_i [ logsumexp(z_i) - z_i,yi ] + g(W),     z_i = W x_i + b

Shapes: X (n_samples, n_features) dense or CSR float64, codes (n_samples,) in 0..n_classes-1, weights c (n_samples,),
coef W (n_classes, n_features), intercept b (n_classes,).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from inklens.linear.penalties import ElasticNet
from inklens.linear.softmax import log_softmax, raw_prediction


class Evaluation(NamedTuple):
    """Loss, probabilities and gradient of the loss at one point; costs one pass over the rows."""

    loss: float
    proba: np.ndarray  # (n_samples, n_classes)
    coef_gradient: np.ndarray  # (n_classes, n_features)
    intercept_gradient: np.ndarray  # (n_classes,)


@dataclass(frozen=True, eq=False)
class Problem:
    """Rows, labels, weights and penalty of one fit."""

    X: Any
    codes: np.ndarray
    weights: np.ndarray
    n_classes: int
    penalty: ElasticNet
    fit_intercept: bool = True

    @cached_property
    def indicator(self) -> np.ndarray:
        """One-hot labels, (n_samples, n_classes)."""
        return np.eye(self.n_classes)[self.codes]

    def raw_prediction(self, coef: np.ndarray, intercept: np.ndarray) -> np.ndarray:
        """Return the scores, (n_samples, n_classes)."""
        return raw_prediction(self.X, coef, intercept)

    def evaluate(self, coef: np.ndarray, intercept: np.ndarray) -> Evaluation:
        """Return loss, probabilities and gradient."""
        log_proba = log_softmax(self.raw_prediction(coef, intercept))
        loss = -float(self.weights @ log_proba[np.arange(len(self.codes)), self.codes])
        proba = np.exp(log_proba)
        residual = (proba - self.indicator) * self.weights[:, None]
        intercept_gradient = residual.sum(axis=0) * self.fit_intercept
        return Evaluation(loss, proba, residual.T @ self.X, intercept_gradient)

    def curvature_bound(self) -> float:
        """Return L with Hessian <= L I: half the largest eigenvalue of X' diag(c) X (Boehning 1992)."""
        vector = np.ones(self.X.shape[1])
        norm = 0.0
        for _ in range(30):
            vector = self.X.T @ (self.weights * (self.X @ vector))
            norm = float(np.linalg.norm(vector))
            if norm == 0.0:
                break
            vector /= norm
        return 0.55 * (norm + self.weights.sum() * self.fit_intercept) + np.finfo(float).tiny
