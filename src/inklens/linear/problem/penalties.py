"""Penalties g(W): value, proximal operator, convex conjugate, and what a sparse method asks of them.

Shapes: W and G are (n_classes, n_features). The intercept is never penalised. `l1`, `l2` and `group` are numbers, or
one number per feature. G is minus a gradient of the loss: what pulls coefficients away from zero, with its sign.

Coefficients without any penalty (l1 = l2 = 0) have a conjugate that is finite at 0 alone, where no rounding lets G be.
Proofs look at a ball of them instead, sum_j |w_j| / reach_j <= 1, whose conjugate is max_j reach_j |G_j|.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, Self, TypeAlias

import numpy as np

PerFeature: TypeAlias = float | np.ndarray  # one number for all features, or (n_features,)

LEAST_FACTOR = 1e-50  # a share of L1, or a column's factor, that counts: squares of their product are numbers still
SHRINK = 1.0 - 4.0 * np.finfo(float).eps  # keeps a scaled dual point inside its domain after rounding


class Penalty(Protocol):
    """What a convex penalty g(W) offers to methods and proofs.

    What is *thresholded together* is a single coefficient under L1 and a column of W under the group penalty: it is
    zero at an optimum where the size of its gradient stays below the threshold `l1`.
    """

    # ---- what it is --------------------------------------------------------------------------------------------------

    @property
    def l1(self) -> PerFeature:
        """Threshold: what keeps a coefficient (the norm of a column) at zero."""

    @property
    def l2(self) -> PerFeature:
        """Ridge: the factor of ||W||^2 / 2."""

    @property
    def is_smooth(self) -> bool:
        """Whether g has a gradient everywhere."""

    @property
    def is_grouped(self) -> bool:
        """Whether the coefficients of a feature are thresholded together."""

    @property
    def signs(self) -> np.ndarray | None:
        """The sign, 1 or -1, that a class's coefficients may have, (n_classes, 1); None where they may have any."""

    @property
    def held(self) -> np.ndarray | None:
        """Which classes have no coefficients but 0, the first ones, (n_classes, 1); None where all may have some."""

    @property
    def unit(self) -> PerFeature:
        """What gradients are measured in: the threshold, and where there is none the least one of other features."""

    # ---- the function ------------------------------------------------------------------------------------------------

    def value(self, W: np.ndarray) -> float:
        """Return g(W)."""

    def gradient(self, W: np.ndarray) -> np.ndarray:
        """Return the gradient of the smooth part, l2 W, in the shape of W."""

    def prox(self, W: np.ndarray, step: PerFeature) -> np.ndarray:
        """Return argmin_V ||V - W||^2 / (2 step) + g(V), in the shape of W."""

    def conjugate(self, G: np.ndarray) -> float:
        """Return g*(G) = sup_W <G, W> - g(W); infinite outside its domain."""

    def largest_feasible_scale(self, G: np.ndarray) -> float:
        """Return the largest s <= 1 with g*(s G) finite."""

    def farthest(self, G: np.ndarray, error: PerFeature) -> np.ndarray:
        """Return of all that lie within `error` of G what has the largest g*, in the shape of W."""

    def feasible(self, W: np.ndarray) -> np.ndarray:
        """Return W with what has a forbidden sign set to 0."""

    def within(self, reach: PerFeature) -> Self:
        """Return the penalty whose unpenalised coefficients stay in the ball sum_j |w_j| / reach_j <= 1."""

    # ---- the same penalty of other variables -------------------------------------------------------------------------

    def scaled(self, factor: float) -> Self:
        """Return factor * g."""

    def in_units(self, scale: np.ndarray) -> Self:
        """Return the same penalty as a function of W' = scale * W, scale (n_features,)."""

    def over(self, columns: np.ndarray) -> Self:
        """Return the penalty of some columns alone."""

    def times(self, factors: np.ndarray) -> Self:
        """Return the penalty with each feature's part multiplied by a factor, (n_features,)."""

    def signed(self, signs: np.ndarray) -> Self:
        """Return the penalty that is infinite where coefficients lack the sign of their class, (n_classes, 1)."""

    # ---- what is thresholded together: (n_classes, n_features), or (1, n_features) for groups ------------------------

    def inner(self, A: np.ndarray, B: np.ndarray) -> np.ndarray:
        """Return the products <a, b> of what is thresholded together."""

    def sizes(self, W: np.ndarray) -> np.ndarray:
        """Return the sizes |w| of what is thresholded together."""

    # ---- optimality, always (n_classes, n_features) ------------------------------------------------------------------

    def support(self, W: np.ndarray) -> np.ndarray:
        """Return which coefficients are not held at zero."""

    def threshold_ratio(self, G: np.ndarray) -> np.ndarray:
        """Return the size of the gradient over the threshold: a zero stays one up to 1."""

    def kkt_violations(self, W: np.ndarray, G: np.ndarray) -> np.ndarray:
        """Return by how much each coefficient violates the optimality condition G in dg(W), in thresholds."""

    def kkt_violation(self, W: np.ndarray, G: np.ndarray) -> float:
        """Return the largest of `kkt_violations`."""


@dataclass(frozen=True, eq=False)
class ElasticNet:
    """g(W) = l1 ||W||_1 + l2/2 ||W||^2, with no penalty, L1 and L2 as its corners.

    Where `signs` are given g is infinite at other ones; `value` and `gradient` are asked for points that have them.

    >>> ElasticNet(l1=1.0, l2=0.0).value(np.array([[1.0, -2.0]]))
    3.0
    """

    l1: PerFeature
    l2: PerFeature
    signs: np.ndarray | None = None  # (n_classes, 1) of 1 and -1
    reach: PerFeature | None = None  # of unpenalised coefficients, in proofs
    held: np.ndarray | None = None  # (n_classes, 1): the first classes may have none but coefficients of 0

    is_grouped = False

    @cached_property
    def is_smooth(self) -> bool:
        """Whether g has a gradient everywhere."""
        return self.signs is None and not np.any(self.l1)

    @property
    def unit(self) -> PerFeature:
        """The threshold l1; where it is 0 the least of other features, and without any the least ridge."""
        if np.all(self.l1):
            return self.l1
        return np.where(np.asarray(self.l1) > 0.0, self.l1, _least_positive(self.l1, self.l2))

    def value(self, W: np.ndarray) -> float:
        """Return g(W)."""
        if self.is_smooth and np.ndim(self.l2) == 0:
            return 0.5 * float(self.l2) * float(np.vdot(W, W)) if self.l2 else 0.0
        if np.ndim(self.l1) == 0 and np.ndim(self.l2) == 0:
            ridge = 0.5 * float(self.l2) * float(np.vdot(W, W)) if self.l2 else 0.0
            return float(self.l1) * float(np.abs(W).sum()) + ridge
        l1, l2, W = _where_not_zero(W, self.l1, self.l2)
        return float((l1 * np.abs(W)).sum()) + 0.5 * float(W @ (l2 * W))

    def gradient(self, W: np.ndarray) -> np.ndarray:
        """Return the gradient of the smooth part, l2 W."""
        return self.l2 * W

    def prox(self, W: np.ndarray, step: PerFeature) -> np.ndarray:
        """Return argmin_V ||V - W||^2 / (2 step) + g(V)."""
        shrunk = np.maximum(self._outward(W) - step * self.l1, 0.0) / (1.0 + step * self.l2)
        return np.asarray((np.sign(W) if self.signs is None else self.signs) * shrunk)

    def conjugate(self, G: np.ndarray) -> float:
        """Return g*(G) = sup_W <G, W> - g(W); infinite outside its domain."""
        if self.is_smooth and np.all(self.l2):
            return 0.5 * float(np.vdot(G, G / self.l2))
        excess, l2 = self._outward(G) - self.l1, np.broadcast_to(self.l2, G.shape)
        if self.reach is not None:
            excess, held = self._without_unpenalised(excess)
        else:
            held = 0.0
        over = excess > 0.0
        excess, l2 = excess[over], l2[over]
        return held + float((excess / l2) @ excess) / 2.0 if l2.all() else np.inf

    def largest_feasible_scale(self, G: np.ndarray) -> float:
        """Return the largest s <= 1 with g*(s G) finite."""
        if np.all(self.l2):
            return 1.0
        has_ridge = np.broadcast_to(self.l2, G.shape) > 0.0
        if self.reach is not None:
            has_ridge |= np.broadcast_to(self.l1, G.shape) == 0.0
        return _largest_scale(self._outward(G), np.where(has_ridge, np.inf, self.l1))

    def farthest(self, G: np.ndarray, error: PerFeature) -> np.ndarray:
        """Return of all that lie within `error` of G what has the largest g*; without signs g* is even."""
        return np.asarray(np.abs(G) + error if self.signs is None else G + self.signs * error)

    def feasible(self, W: np.ndarray) -> np.ndarray:
        """Return W with what has a forbidden sign set to 0."""
        return W if self.signs is None else np.where(self.signs * W > 0.0, W, 0.0)

    def within(self, reach: PerFeature) -> "ElasticNet":
        """Return the penalty whose unpenalised coefficients stay in a ball."""
        return replace(self, reach=reach)

    def scaled(self, factor: float) -> "ElasticNet":
        """Return factor * g."""
        return replace(self, l1=self.l1 * factor, l2=self.l2 * factor)

    def in_units(self, scale: np.ndarray) -> "ElasticNet":
        """Return the same penalty as a function of W' = scale * W."""
        reach = None if self.reach is None else self.reach * scale
        return replace(self, l1=self.l1 / scale, l2=self.l2 / scale / scale, reach=reach)

    def times(self, factors: np.ndarray) -> "ElasticNet":
        """Return the penalty with each feature's part multiplied by a factor."""
        return replace(self, l1=self.l1 * factors, l2=self.l2 * factors)

    def signed(self, signs: np.ndarray) -> "ElasticNet":
        """Return the penalty that is infinite where coefficients lack the sign of their class."""
        return replace(self, signs=signs)

    def over(self, columns: np.ndarray) -> "ElasticNet":
        """Return the penalty of some columns alone."""
        reach = None if self.reach is None else _of_columns(self.reach, columns)
        return replace(self, l1=_of_columns(self.l1, columns), l2=_of_columns(self.l2, columns), reach=reach)

    def inner(self, A: np.ndarray, B: np.ndarray) -> np.ndarray:
        """Return the products <a, b> of what is thresholded together, (n_classes, n_features)."""
        return np.asarray(A * B)

    def sizes(self, W: np.ndarray) -> np.ndarray:
        """Return the sizes of what is thresholded together, (n_classes, n_features)."""
        return np.asarray(np.abs(W))

    def threshold_ratio(self, G: np.ndarray) -> np.ndarray:
        """Return |G| / l1, 0 where G pulls to a forbidden sign."""
        return _ratio(self._outward(G), self.l1)

    def support(self, W: np.ndarray) -> np.ndarray:
        """Return which coefficients are not held at zero, (n_classes, n_features); never those without a threshold."""
        used = W != 0.0
        if np.all(self.l1):
            return np.asarray(used)
        return np.asarray(used | ((np.asarray(self.l1) == 0.0) & (True if self.held is None else ~self.held)))

    def kkt_violations(self, W: np.ndarray, G: np.ndarray) -> np.ndarray:
        """Return |G - l2 W - l1 sign W| / l1 where W is not 0, and what |G| exceeds l1 by, in thresholds, elsewhere."""
        excess, used = np.maximum(self._outward(G) - self.l1, 0.0), W != 0.0
        l1, l2, own = _where_not_zero(W, self.l1, self.l2)
        excess[used] = np.abs(G[used] - l2 * own - l1 * np.sign(own))
        return _ratio(excess, self.unit)

    def kkt_violation(self, W: np.ndarray, G: np.ndarray) -> float:
        """Return the largest of `kkt_violations`."""
        return float(self.kkt_violations(W, G).max(initial=0.0))

    def _outward(self, G: np.ndarray) -> np.ndarray:
        """Return how strongly G pulls coefficients from zero: |G|, or where signs are given G towards these."""
        outward = np.abs(G) if self.signs is None else np.maximum(self.signs * G, 0.0)
        return np.asarray(outward if self.held is None else np.where(self.held, 0.0, outward))

    def _without_unpenalised(self, excess: np.ndarray) -> tuple[np.ndarray, float]:
        """Return `excess` without unpenalised coefficients, and their part of the conjugate."""
        free = np.broadcast_to((np.asarray(self.l1) == 0.0) & (np.asarray(self.l2) == 0.0), excess.shape)
        held = float(np.where(free, self.reach * excess, 0.0).max(initial=0.0))
        return np.where(free, 0.0, excess), held


@dataclass(frozen=True, eq=False)
class GroupLasso:
    """g(W) = group sum_j ||W_.j||_2 + l2/2 ||W||^2: a feature enters for all classes or for none.

    Yuan and Lin (2006), J. R. Stat. Soc. B 68, equation 2.2; one group per column of W.

    >>> GroupLasso(group=1.0, l2=0.0).value(np.array([[3.0, 0.0], [4.0, 0.0]]))
    5.0
    """

    group: PerFeature
    l2: PerFeature

    is_smooth = False
    is_grouped = True
    signs = None
    held = None

    @property
    def l1(self) -> PerFeature:
        """The threshold that a column's norm of the gradient must pass."""
        return self.group

    @property
    def unit(self) -> PerFeature:
        """The threshold."""
        return self.group

    def value(self, W: np.ndarray) -> float:
        """Return g(W)."""
        return float((self.group * np.linalg.norm(W, axis=0)).sum() + 0.5 * (self.l2 * W * W).sum())

    def gradient(self, W: np.ndarray) -> np.ndarray:
        """Return the gradient of the smooth part, l2 W."""
        return self.l2 * W

    def prox(self, W: np.ndarray, step: PerFeature) -> np.ndarray:
        """Return argmin_V ||V - W||^2 / (2 step) + g(V)."""
        norms = np.linalg.norm(W, axis=0)
        kept = np.maximum(norms - step * self.group, 0.0)
        return np.asarray(W * _ratio(kept, norms) / (1.0 + step * self.l2))

    def conjugate(self, G: np.ndarray) -> float:
        """Return g*(G) = sup_W <G, W> - g(W); infinite outside its domain."""
        return ElasticNet(self.group, self.l2).conjugate(np.linalg.norm(G, axis=0))

    def largest_feasible_scale(self, G: np.ndarray) -> float:
        """Return the largest s <= 1 with g*(s G) finite."""
        return ElasticNet(self.group, self.l2).largest_feasible_scale(np.linalg.norm(G, axis=0))

    def farthest(self, G: np.ndarray, error: PerFeature) -> np.ndarray:
        """Return of all that lie within `error` of G what has the largest g*, which is even."""
        return np.asarray(np.abs(G) + error)

    def feasible(self, W: np.ndarray) -> np.ndarray:
        """Return W: any sign may be had."""
        return W

    def within(self, reach: PerFeature) -> "GroupLasso":
        """Return the penalty: every feature has a threshold."""
        return self

    def scaled(self, factor: float) -> "GroupLasso":
        """Return factor * g."""
        return GroupLasso(self.group * factor, self.l2 * factor)

    def in_units(self, scale: np.ndarray) -> "GroupLasso":
        """Return the same penalty as a function of W' = scale * W."""
        return GroupLasso(self.group / scale, self.l2 / scale / scale)

    def times(self, factors: np.ndarray) -> "GroupLasso":
        """Return the penalty with each feature's part multiplied by a factor."""
        return GroupLasso(self.group * factors, self.l2 * factors)

    def signed(self, signs: np.ndarray) -> "GroupLasso":
        """Raise: what is thresholded together has any signs."""
        raise NotImplementedError("signs of coefficients are not a group's")

    def over(self, columns: np.ndarray) -> "GroupLasso":
        """Return the penalty of some columns alone."""
        return GroupLasso(_of_columns(self.group, columns), _of_columns(self.l2, columns))

    def inner(self, A: np.ndarray, B: np.ndarray) -> np.ndarray:
        """Return the products <a_j, b_j> of the columns, (1, n_features)."""
        return np.asarray((A * B).sum(axis=0, keepdims=True))

    def sizes(self, W: np.ndarray) -> np.ndarray:
        """Return the norms of the columns, (1, n_features)."""
        return np.asarray(np.linalg.norm(W, axis=0, keepdims=True))

    def threshold_ratio(self, G: np.ndarray) -> np.ndarray:
        """Return |G_.j| / group, the same for every class."""
        return np.broadcast_to(_ratio(np.linalg.norm(G, axis=0), self.group), G.shape)

    def support(self, W: np.ndarray) -> np.ndarray:
        """Return which coefficients are not held at zero, (n_classes, n_features)."""
        return np.broadcast_to((W != 0.0).any(axis=0), W.shape)

    def kkt_violations(self, W: np.ndarray, G: np.ndarray) -> np.ndarray:
        """Return each column's distance from the subdifferential, in thresholds, the same for every class."""
        gradient = G - self.l2 * W
        norms = np.linalg.norm(W, axis=0)
        inside = np.linalg.norm(gradient - self.group * W * _ratio(1.0, norms), axis=0)
        outside = np.maximum(np.linalg.norm(gradient, axis=0) - self.group, 0.0)
        return np.broadcast_to(_ratio(np.where(norms > 0.0, inside, outside), self.group), W.shape)

    def kkt_violation(self, W: np.ndarray, G: np.ndarray) -> float:
        """Return the largest of `kkt_violations`."""
        return float(self.kkt_violations(W, G).max(initial=0.0))


def of_one_row(penalty: Penalty) -> ElasticNet | None:
    """Return the penalty of two classes' W = (-w/2, w/2) as a function of (0, w); None where signs tell them apart.

    The loss sees the difference alone, and no two rows with this difference cost less: the optimal values are the same.

    >>> W = np.array([[-1.0, 0.5], [1.0, -0.5]])
    >>> group, one = GroupLasso(1.0, 3.0), of_one_row(GroupLasso(1.0, 3.0))
    >>> bool(np.isclose(group.value(W), one.value(np.array([[0.0, 0.0], [2.0, -1.0]]))))
    True
    """
    if penalty.signs is not None:
        return None
    root = np.sqrt(2.0) if penalty.is_grouped else 1.0
    return ElasticNet(penalty.l1 / root, penalty.l2 / 2.0, held=np.array([[True], [False]]))


def penalty_of(l1_ratio: float, *, group: bool = False, single: bool = False) -> ElasticNet | GroupLasso:
    """Return l1_ratio * (||W||_1, or sum_j ||W_.j||_2 with `group`) + (1 - l1_ratio)/2 ||W||^2.

    With `single` W = (-w/2, w/2) stands for the one vector w of two classes, and the penalty is w's own: |w|_1 is
    ||W||_1 and |w|^2 is 2 ||W||^2. No other W with the same difference costs less, so the optimum has this form.
    """
    l1_ratio = l1_ratio if l1_ratio >= LEAST_FACTOR else 0.0
    if single:
        return ElasticNet(l1_ratio, 2.0 * (1.0 - l1_ratio))
    if group and l1_ratio > 0.0:
        return GroupLasso(l1_ratio, 1.0 - l1_ratio)
    return ElasticNet(l1_ratio, 1.0 - l1_ratio)


def _of_columns(size: PerFeature, columns: np.ndarray) -> PerFeature:
    """Return the numbers of some columns; one number stays the one for all."""
    return np.asarray(size)[columns] if np.ndim(size) else size


def _where_not_zero(W: np.ndarray, *per_feature: PerFeature) -> tuple[np.ndarray, ...]:
    """Return numbers per feature, or for all, and W, each at the entries of W that are not 0; most are, in text."""
    used = np.flatnonzero(W != 0.0)
    sizes = (
        np.broadcast_to(size, W.shape).ravel()[used] if np.ndim(size) else np.asarray(size) for size in per_feature
    )
    return *sizes, W.ravel()[used]


def _ratio(numerator: PerFeature, denominator: PerFeature) -> np.ndarray:
    """Return numerator / denominator, 0 where the denominator is 0."""
    if np.ndim(denominator) == 0 and denominator != 0.0:
        return np.asarray(numerator / denominator, dtype=float)
    numerator, denominator = np.broadcast_arrays(np.asarray(numerator, float), np.asarray(denominator, float))
    return np.divide(numerator, denominator, out=np.zeros(numerator.shape), where=denominator != 0.0)


def _least_positive(*sizes: PerFeature) -> float:
    """Return the least positive number of the first of `sizes` that has one, 1 where none has."""
    for size in sizes:
        positive = np.asarray(size)[np.asarray(size) > 0.0]
        if positive.size:
            return float(positive.min())
    return 1.0


def _largest_scale(size: np.ndarray, bound: PerFeature) -> float:
    """Return the largest s <= 1 with s * size <= bound everywhere, also after rounding."""
    over = size > bound
    if not over.any():
        return 1.0
    return float((np.broadcast_to(bound, size.shape)[over] / size[over]).min() * SHRINK)
