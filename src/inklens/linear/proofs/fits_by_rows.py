"""Many fits on rows that are not here, as on a device: their coefficients are columns of one product with the rows.

What `stacked.StackedFits` does with NumPy is done here by functions of some rows, where the rows are; only sums come
back.

Shapes: W (n_fits, n_classes, n_features), the intercept in the last column where there is one; weights (n_samples,
n_fits); numbers for each row (n_samples, n_fits * n_classes), the classes of a fit beside each other.
"""

from collections.abc import Callable
from functools import cached_property, partial
from typing import cast

import numpy as np

from inklens.linear import arrays
from inklens.linear.arrays import Array
from inklens.linear.kernels.by_class import class_sums
from inklens.linear.problem.problem import Problem
from inklens.linear.rows.row_arrays import RowArray


class FitsByRows:
    """See `stacked.Fits`; `weights` are each fit's own, of the problem's rows."""

    def __init__(self, problem: Problem, weights: np.ndarray) -> None:
        self.rows, self.codes, self.weights = problem.rows, problem.codes, np.ascontiguousarray(weights)
        self.columns, self.fit_intercept = np.flatnonzero(problem.free), problem.fit_intercept
        self.n_fits, self.n_classes, self.n_samples = weights.shape[1], problem.n_classes, len(weights)
        self.n_features = len(self.columns) + problem.fit_intercept

    @cached_property
    def magnitudes(self) -> np.ndarray:
        """See `StackedFits`."""
        found = self.rows.absolute().transpose_product(self.rows.array(self.weights))[:, self.columns]
        if self.fit_intercept:
            found = np.column_stack([found, self.totals])
        return np.asarray(found * (1.0 + 1e-9))

    @cached_property
    def farthest(self) -> np.ndarray:
        """See `StackedFits`."""
        largest = np.maximum(np.abs(self.rows.low), np.abs(self.rows.high))[self.columns]
        return np.append(largest, 1.0) if self.fit_intercept else largest

    @cached_property
    def totals(self) -> np.ndarray:
        """See `StackedFits`."""
        return np.asarray(self.weights.sum(axis=0))

    @cached_property
    def wanted(self) -> np.ndarray:
        """See `StackedFits`."""
        own = [np.bincount(self.codes, weights, minlength=self.n_classes) for weights in self.weights.T]
        return np.stack(own)

    def loss_and_proba(self, W: np.ndarray) -> tuple[np.ndarray, RowArray]:
        """See `StackedFits`."""
        z = self.rows.row_scores(*self._rows_of(W), dtype=np.float64)
        return self._total(losses, z), RowArray.combine(partial(probabilities, n_fits=self.n_fits), z)

    def gradient(self, proba: RowArray) -> np.ndarray:
        """See `StackedFits`."""
        return self._folded(self._combined(residuals, proba))

    def hessian(self, proba: RowArray) -> Callable[[np.ndarray], np.ndarray]:
        """See `StackedFits`."""
        single = RowArray.combine(in_single, proba)

        def product(W: np.ndarray) -> np.ndarray:
            z = self.rows.row_scores(*self._rows_of(W), dtype=np.float32)
            curved = RowArray.combine(partial(curved_scores, n_fits=self.n_fits), z, single, self.weights)
            return self._folded(curved)

        return product

    def curvature(self, proba: RowArray) -> np.ndarray:
        """See `StackedFits`."""
        spread = np.asarray(RowArray.total(partial(spreads, n_fits=self.n_fits), proba, self.weights))
        return np.asarray(spread.reshape(self.n_fits, -1).mean(axis=0) / self.n_samples)

    def either(self, proba: RowArray, other: RowArray, where: np.ndarray) -> RowArray:
        """See `StackedFits`."""
        return RowArray.combine(partial(chosen, where=np.repeat(where, self.n_classes)), proba, other)

    def entropy(self, proba: RowArray) -> np.ndarray:
        """See `StackedFits`."""
        return self._total(entropies, proba)

    def largest_residual(self, proba: RowArray) -> np.ndarray:
        """See `StackedFits`."""
        found = RowArray.total(partial(largest_given, n_fits=self.n_fits), proba, self.codes, by=np.maximum)
        return np.asarray(np.minimum(1.0, np.asarray(found)))

    def flows(self, proba: RowArray) -> tuple[np.ndarray, np.ndarray]:
        """See `StackedFits`."""
        found = RowArray.total(partial(flows_of, n_fits=self.n_fits), proba, self.codes, self.weights)
        gained, given = cast(tuple[np.ndarray, np.ndarray], found)
        return gained.reshape(self.n_fits, -1), given.reshape(self.n_fits, -1)

    def mixed(self, proba: RowArray, mix: np.ndarray) -> RowArray:
        """See `StackedFits`."""
        return RowArray.combine(partial(mixed_rows, mix=mix), proba)

    def _total(self, function: Callable[..., Array], values: RowArray) -> np.ndarray:
        return np.asarray(RowArray.total(partial(function, n_fits=self.n_fits), values, self.codes, self.weights))

    def _combined(self, function: Callable[..., Array], values: RowArray) -> RowArray:
        return RowArray.combine(partial(function, n_fits=self.n_fits), values, self.codes, self.weights)

    def _rows_of(self, W: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return coefficients (n_fits * n_classes, columns of the rows) and intercepts."""
        coef = np.zeros((self.n_fits * self.n_classes, self.rows.n_features))
        coef[:, self.columns] = W[..., : len(self.columns)].reshape(len(coef), -1)
        return coef, W[..., -1].ravel() if self.fit_intercept else np.zeros(len(coef))

    def _folded(self, residual: RowArray) -> np.ndarray:
        """Return residual' [X 1] in the shape of W."""
        found = self.rows.transpose_product(residual)[:, self.columns].astype(np.float64)
        if self.fit_intercept:
            found = np.column_stack([found, np.asarray(RowArray.total(class_sums, residual))])
        return found.reshape(self.n_fits, self.n_classes, -1)


# ---- functions of some rows ------------------------------------------------------------------------------------------


def by_fit(values: Array, n_fits: int) -> Array:
    """Return numbers as (n_rows, n_fits, n_classes)."""
    return arrays.namespace(values).reshape(values, (values.shape[0], n_fits, -1))


def flat(values: Array) -> Array:
    """Return numbers as (n_rows, n_fits * n_classes)."""
    return arrays.namespace(values).reshape(values, (values.shape[0], -1))


def is_own(values: Array, codes: Array) -> Array:
    """Return the mask of each row's own class, (n_rows, 1, n_classes), for numbers by fit."""
    classes = arrays.like(values, np.arange(values.shape[2]), np.int64)
    return arrays.like(values, codes, np.int64)[:, None, None] == classes[None, None, :]


def given_to_others(p: Array, codes: Array, n_fits: int) -> Array:
    """Return the probabilities of classes that a row does not belong to, 0 for its own, by fit."""
    p = by_fit(p, n_fits)
    xp = arrays.namespace(p)
    return xp.where(is_own(p, codes), xp.zeros_like(p), p)


def probabilities(z: Array, *, n_fits: int) -> Array:
    """Return the softmax of each fit."""
    xp, z = arrays.namespace(z), by_fit(z, n_fits)
    p = xp.exp(z - xp.max(z, axis=2, keepdims=True))
    return flat(p / xp.sum(p, axis=2, keepdims=True))


def losses(z: Array, codes: Array, weights: Array, *, n_fits: int) -> Array:
    """Return sum_i c_i [ logsumexp(z_i) - z_i,yi ] of each fit, (n_fits,)."""
    xp, z = arrays.namespace(z), by_fit(z, n_fits)
    z = z - xp.max(z, axis=2, keepdims=True)
    own = xp.sum(xp.where(is_own(z, codes), z, xp.zeros_like(z)), axis=2)
    return xp.sum(weights * (xp.log(xp.sum(xp.exp(z), axis=2)) - own), axis=0)


def residuals(p: Array, codes: Array, weights: Array, *, n_fits: int) -> Array:
    """Return c_i (p_i - y_i); 1 - p_own without cancellation."""
    q = given_to_others(p, codes, n_fits)
    xp = arrays.namespace(q)
    given = xp.sum(q, axis=2, keepdims=True)
    return flat((q - xp.where(is_own(q, codes), given, xp.zeros_like(q))) * weights[:, :, None])


def in_single(p: Array) -> Array:
    """Return numbers in float32."""
    return arrays.cast(p, np.float32)


def curved_scores(z: Array, p: Array, weights: Array, *, n_fits: int) -> Array:
    """Return c_i (diag(p_i) - p_i p_i') z_i, in the precision of z."""
    xp, z, p = arrays.namespace(z), by_fit(z, n_fits), by_fit(p, n_fits)
    own = arrays.cast(weights, arrays.dtype_of(z))[:, :, None]
    return flat(own * p * (z - xp.sum(p * z, axis=2, keepdims=True)))


def spreads(p: Array, weights: Array, *, n_fits: int) -> Array:
    """Return sum_i c_i p_ik (1 - p_ik), (n_fits, n_classes)."""
    p = by_fit(p, n_fits)
    return arrays.namespace(p).sum(weights[:, :, None] * p * (1.0 - p), axis=0)


def chosen(p: Array, other: Array, *, where: np.ndarray) -> Array:
    """Return the columns of another array where this is said, and else those of this."""
    xp = arrays.namespace(p)
    return xp.where(arrays.like(p, where, np.float64)[None, :] > 0.5, other, p)


def largest_given(p: Array, codes: Array, *, n_fits: int) -> Array:
    """Return the largest residual of any row, (n_fits,)."""
    q = given_to_others(p, codes, n_fits)
    xp = arrays.namespace(q)
    return xp.max(xp.sum(q, axis=2), axis=0)


def entropies(p: Array, codes: Array, weights: Array, *, n_fits: int) -> Array:
    """Return sum_i c_i H(p_i), (n_fits,), p_own = 1 - sum of the others."""
    q = given_to_others(p, codes, n_fits)
    xp = arrays.namespace(q)
    given = xp.clip(xp.sum(q, axis=2), 0.0, 1.0)
    one = xp.ones_like(q)
    of_others = -xp.sum(q * xp.log(xp.where(q > 0.0, q, one)), axis=2)
    own = 1.0 - given
    of_own = -own * xp.log1p(-xp.where(own > 0.0, given, xp.zeros_like(given)))
    return xp.sum(weights * (of_others + of_own), axis=0)


def flows_of(p: Array, codes: Array, weights: Array, *, n_fits: int) -> tuple[Array, Array]:
    """Return the weighted probability that each class gets from rows of others, and that its own rows give away."""
    q = given_to_others(p, codes, n_fits) * weights[:, :, None]
    xp = arrays.namespace(q)
    given = xp.where(is_own(q, codes), xp.sum(q, axis=2, keepdims=True), xp.zeros_like(q))
    return xp.sum(q, axis=0), xp.sum(given, axis=0)


def mixed_rows(p: Array, *, mix: np.ndarray) -> Array:
    """Return M p_i of each fit, `mix` (n_fits, n_classes, n_classes)."""
    n_fits = len(mix)
    xp, p = arrays.namespace(p), by_fit(p, n_fits)
    turned = xp.matmul(xp.permute_dims(p, (1, 0, 2)), arrays.like(p, np.swapaxes(mix, 1, 2), np.float64))
    return flat(xp.permute_dims(turned, (1, 0, 2)))
