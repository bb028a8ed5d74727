"""The optimisation problem: weighted softmax loss over rows plus a penalty.

    P(W, b) = sum_i c_i [ logsumexp(z_i) - z_i,yi ] + g(W),     z_i = W x_i + b

Shapes: codes (n_samples,) in 0..n_classes-1, weights c (n_samples,), coef W (n_classes, n_features),
intercept b (n_classes,).
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from inklens.errors import DataError
from inklens.linear.rows.row_arrays import RowArray
from inklens.linear.rows.rows import Evaluation, Rows
from inklens.linear.softmax import loss_of_scores

WEAKEST = 1e15  # largest C times total weight: beyond, float64 cannot tell the penalty from none
FAINTEST = 1e-20  # smallest: below, the loss runs out of float32
FAINTEST_ALONE = 1e-12  # smallest total weight without a penalty, where no other term sets a scale


def check_strength(C: float, weights: np.ndarray) -> None:
    """Raise where the penalty or the loss would vanish in rounding beside the other."""
    if not (np.isfinite(weights).all() and (weights >= 0.0).all()):
        raise DataError("weights of samples and classes must be finite and at least 0")
    with np.errstate(over="ignore", under="ignore"):
        total = float(weights.sum() if np.isinf(C) else C * weights.sum())
    if np.isinf(C) and not FAINTEST_ALONE <= total <= WEAKEST:
        raise DataError(
            f"the weights sum to {total:g}, outside {FAINTEST_ALONE:g} to {WEAKEST:g}; multiply all by one factor: "
            "without a penalty only their ratios matter"
        )
    if not FAINTEST <= total <= WEAKEST:
        remedy = "a smaller C, or C=inf for no penalty" if total > WEAKEST else "a larger C"
        raise DataError(
            f"C times the sum of the sample weights must lie between {FAINTEST:g} and {WEAKEST:g}, so that neither "
            f"loss nor penalty vanishes in rounding; got C={C:g} and {total:g}; give {remedy}"
        )


@dataclass(frozen=True, eq=False)
class Problem:
    """Rows, labels, weights and penalty of one fit."""

    rows: Rows
    codes: np.ndarray  # int32
    weights: np.ndarray  # float64
    n_classes: int
    penalty: Any
    fit_intercept: bool = True

    def __post_init__(self) -> None:
        """Bring labels and weights to the types that the kernels read."""
        object.__setattr__(self, "codes", np.ascontiguousarray(self.codes, dtype=np.int32))
        object.__setattr__(self, "weights", np.ascontiguousarray(self.weights, dtype=np.float64))

    @property
    def is_penalised(self) -> bool:
        """Whether any coefficient costs anything."""
        return any(np.any(getattr(self.penalty, name, 0.0)) for name in ("l1", "l2"))

    @cached_property
    def free(self) -> np.ndarray:
        """Columns whose coefficients may differ from 0; a constant column is the intercept's business."""
        return ~self.rows.constant | ((self.rows.high != 0.0) & (not self.fit_intercept))

    def evaluate(self, coef: np.ndarray, intercept: np.ndarray, *, dtype: Any = np.float32) -> Evaluation:
        """Return loss, gradient, scores and probabilities; gradients of what may not move are 0."""
        at = self.rows.loss_and_gradient(coef, intercept, self.codes, self.weights, dtype=dtype)
        at.gradient[:, ~self.free] = 0.0
        if not self.fit_intercept:
            at.intercept_gradient[:] = 0.0
        return at

    def loss_between(self, start: RowArray, end: RowArray, share: float) -> float:
        """Return the loss a share of the way from some scores to others; no pass where these are held."""
        t = start.dtype.type(share)
        scores = RowArray.combine(lambda _, z, after: z + t * (after - z), start, end)
        return sum(loss_of_scores(z, self.codes[part], self.weights[part]) for part, z in scores.readings())

    # ---- what certificates need, read once ---------------------------------------------------------------------------

    @cached_property
    def class_weights(self) -> np.ndarray:
        """Total weight of each class, (n_classes,)."""
        return np.bincount(self.codes, self.weights, minlength=self.n_classes)

    @cached_property
    def magnitudes(self) -> np.ndarray:
        """sum_i c_i |x_ij|, (n_features,): the scale of rounding errors in a gradient."""
        return self.rows.absolute().column_sums(self.weights)

    def at(self, C: float) -> "Problem":
        """Return loss + penalty / C, which has the optimum of C * loss + penalty; nothing is read again."""
        scaled = replace(self, penalty=self.penalty.scaled(1.0 / C))
        scaled.__dict__.update(free=self.free, class_weights=self.class_weights, magnitudes=self.magnitudes)
        return scaled

    def restrict(self, rows: np.ndarray) -> "Problem":
        """Return the problem on some rows (sorted indices), their weights scaled to the same total."""
        return self.over(rows, self.rows.take(rows), self._raised(rows))

    @property
    def subsample(self) -> "Problem":
        """The problem on some thousand rows in memory: enough for second derivatives of rows that are not held."""
        chosen, rows = self.rows.subsample
        return self.over(chosen, rows, self._raised(chosen))

    def over(self, chosen: np.ndarray, rows: Rows, weights: np.ndarray) -> "Problem":
        """Return the problem on the chosen rows, which are these, with other weights."""
        some = replace(self, rows=rows, codes=self.codes[chosen], weights=weights)
        some.__dict__["free"] = self.free
        return some

    def _raised(self, chosen: np.ndarray) -> np.ndarray:
        weights = self.weights[chosen]
        return weights * (self.weights.sum() / weights.sum())
