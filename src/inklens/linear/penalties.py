"""Penalties g(W): value, proximal operator, convex conjugate.

Shapes: W and G are (n_classes, n_features). The intercept is never penalised.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ElasticNet:
    """g(W) = l1 ||W||_1 + l2/2 ||W||^2, with no penalty, L1 and L2 as its corners.

    >>> ElasticNet(l1=1.0, l2=0.0).value(np.array([[1.0, -2.0]]))
    3.0
    """

    l1: float
    l2: float

    def value(self, W: np.ndarray) -> float:
        """Return g(W)."""
        return float(self.l1 * np.abs(W).sum() + 0.5 * self.l2 * np.vdot(W, W))

    def gradient(self, W: np.ndarray) -> np.ndarray:
        """Return the gradient of the smooth part, l2 W."""
        return self.l2 * W

    def prox(self, W: np.ndarray, step: float) -> np.ndarray:
        """Return argmin_V ||V - W||^2 / (2 step) + g(V)."""
        return np.sign(W) * np.maximum(np.abs(W) - step * self.l1, 0.0) / (1.0 + step * self.l2)

    def conjugate(self, G: np.ndarray) -> float:
        """Return g*(G) = sup_W <G, W> - g(W); infinite outside its domain."""
        excess = np.maximum(np.abs(G) - self.l1, 0.0)
        if self.l2 > 0.0:
            return float(np.vdot(excess, excess) / (2.0 * self.l2))
        return 0.0 if not excess.any() else np.inf

    def largest_feasible_scale(self, G: np.ndarray) -> float:
        """Return the largest s <= 1 with g*(s G) finite."""
        if self.l2 > 0.0:
            return 1.0
        largest = float(np.abs(G).max(initial=0.0))
        return 1.0 if largest <= self.l1 else self.l1 / largest * (1.0 - 4.0 * np.finfo(float).eps)
