"""The optimisation problem: weighted softmax loss over rows plus a penalty.

    P(W, b) = sum_i c_i [ logsumexp(z_i) - z_i,yi ] + g(W),     z_i = W x_i + b + o_i

Shapes: codes (n_samples,) in 0..n_classes-1, weights c (n_samples,), coef W (n_classes, n_features),
intercept b (n_classes,), fixed offsets o (n_samples, n_classes), mostly none.
"""

from dataclasses import InitVar, dataclass, field, replace
from functools import cached_property, partial
from typing import cast

import numpy as np
import numpy.typing as npt

from inklens.errors import DataError
from inklens.linear import arrays
from inklens.linear.arrays import Array
from inklens.linear.kernels.by_class import class_sums
from inklens.linear.kernels.choice import residuals
from inklens.linear.problem.penalties import Penalty
from inklens.linear.rows.filled import filled
from inklens.linear.rows.row_arrays import RowArray
from inklens.linear.rows.rows import Evaluation, Rows
from inklens.linear.softmax import loss_of_scores, softmax

MAX_WEIGHT = 1e15  # largest C times total weight: beyond, float64 cannot tell the penalty from none
MIN_WEIGHT = 1e-20  # smallest: below, the loss runs out of float32
RADIUS_RATIO = 10.0  # of unpenalised coefficients to the solution's: a bound holds up to there
TAIL_RATIO = 20.0  # of a column's largest value to its root mean square, from which few rows hold such values
UNEQUAL_RATIO = 10.0  # of the largest column's span to the median's, from which sampled rows add rounds
LEAST_RADIUS = 1.0  # in scores, where the solution's hardly move them
MIN_WEIGHT_UNPENALISED = 1e-12  # smallest total weight without a penalty, where no other term sets a scale


def check_strength(C: float, weights: np.ndarray) -> None:
    """Raise where the penalty or the loss would vanish in rounding beside the other."""
    if not (np.isfinite(weights).all() and (weights >= 0.0).all()):
        raise DataError("weights of samples and classes must be finite and at least 0")
    with np.errstate(over="ignore", under="ignore"):
        total = float(weights.sum() if np.isinf(C) else C * weights.sum())
    if np.isinf(C) and not MIN_WEIGHT_UNPENALISED <= total <= MAX_WEIGHT:
        raise DataError(
            f"the weights sum to {total:g}, outside {MIN_WEIGHT_UNPENALISED:g} to {MAX_WEIGHT:g}; multiply all by one "
            "factor: without a penalty only their ratios matter"
        )
    if not MIN_WEIGHT <= total <= MAX_WEIGHT:
        remedy = "a smaller C, or C=inf for no penalty" if total > MAX_WEIGHT else "a larger C"
        raise DataError(
            f"C times the sum of the sample weights must lie between {MIN_WEIGHT:g} and {MAX_WEIGHT:g}, so that "
            f"neither loss nor penalty vanishes in rounding; got C={C:g} and {total:g}; give {remedy}"
        )


@dataclass(frozen=True, eq=False)
class Facts:
    """What rows, labels and weights tell under every penalty: read once, and shared along a path.

    `free_columns` are known where the rows are some of those of another problem.
    """

    rows: Rows
    codes: np.ndarray
    weights: np.ndarray
    n_classes: int
    fit_intercept: bool
    free_columns: np.ndarray | None = None

    @cached_property
    def free(self) -> np.ndarray:
        """Columns whose coefficients may differ from 0; a constant column is the intercept's business."""
        if self.free_columns is not None:
            return self.free_columns
        return np.asarray(~self.rows.constant | ((self.rows.high != 0.0) & (not self.fit_intercept)))

    @cached_property
    def is_raw(self) -> bool:
        """Whether columns have very unequal sizes, so that a few rows carry most of their squares."""
        span = (self.rows.high - self.rows.low)[self.free]
        return bool(len(span) and span.max() > UNEQUAL_RATIO * np.median(span))

    @cached_property
    def largest(self) -> np.ndarray:
        """Largest |x_ij| of each column, (n_features,)."""
        return np.asarray(np.maximum(np.abs(self.rows.low), np.abs(self.rows.high)))

    @cached_property
    def has_tails(self) -> bool:
        """Whether the largest value of most columns is far beyond their others: it stands for few rows."""
        squares, largest = self.rows.column_squares(self.weights)[self.free], self.largest[self.free]
        means = np.maximum(np.sqrt(squares / self.weights.sum()), np.finfo(float).tiny)
        return bool(len(means) and np.median(largest / means) > TAIL_RATIO)

    @cached_property
    def held(self) -> np.ndarray:
        """Numbers of the columns whose coefficients are 0."""
        return np.flatnonzero(~self.free)

    @cached_property
    def class_weights(self) -> np.ndarray:
        """Total weight of each class, (n_classes,)."""
        return np.bincount(self.codes, self.weights, minlength=self.n_classes)

    @cached_property
    def filled(self) -> "tuple[np.ndarray, Facts] | None":
        """The columns that hold anything, and what is told of the rows of these alone; None where most do."""
        found = filled(self.rows)
        if found is None:
            return None
        columns, rows = found
        known = Facts(rows, self.codes, self.weights, self.n_classes, self.fit_intercept, self.free[columns])
        return columns, known

    @cached_property
    def sums_by_class(self) -> np.ndarray:
        """sum_i c_i x_ij over the rows of each class, (n_classes, n_features)."""
        return self.rows.sums_by_class(self.codes, self.weights, self.n_classes)

    @cached_property
    def sums(self) -> np.ndarray:
        """sum_i c_i x_ij, (n_features,)."""
        return self.rows.column_sums(self.weights)

    @cached_property
    def magnitudes(self) -> np.ndarray:
        """A bound on sum_i c_i |x_ij|, (n_features,): the scale of rounding errors in a gradient.

        Exact for columns of one sign. Elsewhere it is Cauchy and Schwarz's, for which no |x_ij| have to be made.
        """
        rows, total = self.rows, self.weights.sum()
        one_signed = (rows.low >= 0.0) | (rows.high <= 0.0)
        found = np.abs(self.sums) if one_signed.any() else np.empty(rows.n_features)
        if not one_signed.all():
            found = np.where(one_signed, found, np.sqrt(total * rows.column_squares(self.weights)))
        return found * (1.0 + 1e-9)  # rounding of these sums


@dataclass(frozen=True, eq=False)
class Problem:
    """Rows, labels, weights and penalty of one fit.

    `known` are facts that hold for this problem, too; `dataclasses.replace` takes none over.
    """

    rows: Rows
    codes: np.ndarray  # int32
    weights: np.ndarray  # float64
    n_classes: int
    penalty: Penalty
    fit_intercept: bool = True
    known: InitVar[Facts | None] = None
    offset: np.ndarray | None = None  # float64, (n_samples, n_classes)
    facts: Facts = field(init=False, repr=False)

    def __post_init__(self, known: Facts | None) -> None:
        """Bring labels and weights to the types that the kernels read."""
        object.__setattr__(self, "codes", np.require(self.codes, np.int32, ["C", "A"]))
        object.__setattr__(self, "weights", np.require(self.weights, np.float64, ["C", "A"]))
        facts = known or Facts(self.rows, self.codes, self.weights, self.n_classes, self.fit_intercept)
        object.__setattr__(self, "facts", facts)

    @cached_property
    def is_penalised(self) -> bool:
        """Whether any coefficient costs anything."""
        return bool(np.any(self.penalty.l1) or np.any(self.penalty.l2))

    @cached_property
    def unpenalised(self) -> np.ndarray | None:
        """Which columns cost nothing though others do, (n_features,); None in most problems."""
        l1, l2 = self.penalty.l1, self.penalty.l2
        if not self.is_penalised or np.all(l1) or np.all(l2):
            return None
        costless = np.broadcast_to((np.asarray(l1) == 0.0) & (np.asarray(l2) == 0.0), self.free.shape) & self.free
        return costless if costless.any() else None

    @property
    def free(self) -> np.ndarray:
        """Columns whose coefficients may differ from 0, (n_features,)."""
        return self.facts.free

    @property
    def class_weights(self) -> np.ndarray:
        """Total weight of each class, (n_classes,)."""
        return self.facts.class_weights

    @property
    def magnitudes(self) -> np.ndarray:
        """sum_i c_i |x_ij|, (n_features,)."""
        return self.facts.magnitudes

    @property
    def sums_by_class(self) -> np.ndarray:
        """sum_i c_i x_ij over the rows of each class, (n_classes, n_features)."""
        return self.facts.sums_by_class

    def evaluate(
        self,
        coef: np.ndarray,
        intercept: np.ndarray,
        *,
        dtype: npt.DTypeLike = np.float32,
        keeps_scores: bool = True,
    ) -> Evaluation:
        """Return loss, gradient, scores and probabilities; gradients of what may not move are 0."""
        if self.offset is None:
            at = self.rows.loss_and_gradient(
                coef, intercept, self.codes, self.weights, dtype=dtype, keeps_scores=keeps_scores
            )
        else:
            at = self._evaluate_with_offset(coef, intercept, dtype)
        if len(self.facts.held):
            at.gradient[:, self.facts.held] = 0.0
        if not self.fit_intercept:
            at.intercept_gradient[:] = 0.0
        return at

    def scores(
        self,
        coef: np.ndarray,
        intercept: np.ndarray,
        *,
        dtype: npt.DTypeLike = np.float32,
        is_held: bool | None = None,
    ) -> RowArray:
        """Return z_i = W x_i + b + o_i, held or to be computed when they are read; half a pass for each reading."""
        return with_offset(self.rows.row_scores(coef, intercept, dtype=dtype, is_held=is_held), self.offset)

    def _evaluate_with_offset(self, coef: np.ndarray, intercept: np.ndarray, dtype: npt.DTypeLike) -> Evaluation:
        """Evaluate in two half passes, between which the offsets are added."""
        scores = self.scores(coef, intercept, dtype=dtype)
        proba = RowArray.combine(softmax, scores)
        loss = RowArray.total(loss_of_scores, scores, self.codes, self.weights)
        residual = self.residual(proba)
        sums = np.asarray(RowArray.total(class_sums, residual))
        gradient = -self.rows.transpose_product(residual).astype(np.float64)
        return Evaluation(float(cast(float, loss)), gradient, -sums, scores, proba)

    def residual(self, proba: RowArray) -> RowArray:
        """Return c_i (y_i - p_i), 1 - p_own without cancellation, (n_samples, n_classes)."""
        return RowArray.combine(residuals, proba, self.codes, self.weights)

    def near(self, coef: np.ndarray) -> "Problem":
        """Return the problem among unpenalised coefficients that are not much larger than these.

        Of those no bound is proven over all: sum_j |w_j| size_j, the most by which they move a score, is held to
        RADIUS_RATIO times what it is at `coef`. Where all coefficients are penalised, this is the problem itself.
        """
        costless = self.unpenalised
        if costless is None:
            return self
        size = np.maximum(np.abs(self.rows.low), np.abs(self.rows.high))
        moved = float((np.abs(coef[:, costless]) * size[costless]).sum())
        radius = RADIUS_RATIO * max(moved, LEAST_RADIUS)
        return self.under(self.penalty.within(radius / np.where(costless, size, 1.0)))

    def loss_between(self, start: RowArray, end: RowArray, share: float) -> float:
        """Return the loss a share of the way from some scores to others; no pass where these are held."""
        loss = RowArray.total(partial(loss_part_way, share=share), start, end, self.codes, self.weights)
        return float(cast(float, loss))

    # ---- problems made of this one -----------------------------------------------------------------------------------

    def under(self, penalty: Penalty) -> "Problem":
        """Return the problem with another penalty; nothing is read again."""
        return replace(self, penalty=penalty, known=self.facts)

    def at(self, C: float) -> "Problem":
        """Return loss + penalty / C, which has the optimum of C * loss + penalty."""
        return self.under(self.penalty.scaled(1.0 / C))

    def over(self, chosen: np.ndarray, rows: Rows | None = None, weights: np.ndarray | None = None) -> "Problem":
        """Return the problem on some rows (sorted indices); what may move stays the same.

        `rows` are these rows where they have been taken already. Without `weights` theirs are scaled to the same total.
        """
        rows, codes = self.rows.take(chosen) if rows is None else rows, self.codes[chosen]
        if weights is None:
            weights = self.weights[chosen]
            weights = weights * (self.weights.sum() / weights.sum())
        known = Facts(rows, codes, weights, self.n_classes, self.fit_intercept, self.free)
        offset = None if self.offset is None else self.offset[chosen]
        return replace(self, rows=rows, codes=codes, weights=weights, offset=offset, known=known)

    @property
    def subsample(self) -> "Problem":
        """The problem on some thousand rows in memory: enough for second derivatives of rows that are not held."""
        return self.over(*self.rows.subsample)


def with_offset(scores: RowArray, offset: np.ndarray | None) -> RowArray:
    """Return scores with fixed offsets added in their precision; the scores themselves where there are none."""
    if offset is None:
        return scores
    return RowArray.combine(plus, scores, offset)


# ---- functions of some rows ------------------------------------------------------------------------------------------


def loss_part_way(before: Array, after: Array, codes: Array, weights: Array, *, share: float) -> Array:
    """Return the loss a share of the way from some scores to others, in their precision."""
    return loss_of_scores(before + float(share) * (after - before), codes, weights)


def plus(z: Array, offset: Array) -> Array:
    """Return scores with offsets, in their precision."""
    return z + arrays.cast(offset, arrays.dtype_of(z))
