"""The proof of `certificates.py` for many fits on the same few rows at once, under a ridge.

Every formula is that of `certificates.certify` with the softmax as dual point and scale 1; only the loops over fits are
NumPy's. A row that a fit leaves out has weight 0 there, which lengthens the sums that rounding is counted for.

Shapes: X (n_samples, n_features), with a last column of ones where there is an intercept; W (n_fits, n_classes,
n_features); weights (n_fits, n_samples); proba (n_fits, n_classes, n_samples), rows last, as NumPy is slow along short
axes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeVar

import numpy as np
from scipy import sparse
from scipy.special import entr, xlog1py

from inklens.linear.proofs.certificates import SURE_OF_SCORES, gamma

P = TypeVar("P")  # what the probabilities of all fits are held in


class Fits(Protocol[P]):
    """Fits that share rows and labels, and have weights of their own."""

    @property
    def n_classes(self) -> int:
        """Number of classes."""

    @property
    def n_samples(self) -> int:
        """Number of rows."""

    @property
    def n_features(self) -> int:
        """Number of columns, with that of the intercept."""

    @property
    def fit_intercept(self) -> bool:
        """Whether the last column is one of ones."""

    @property
    def magnitudes(self) -> np.ndarray:
        """sum_i c_i |x_ij|, with the rounding of these sums, (n_fits, n_features)."""

    @property
    def farthest(self) -> np.ndarray:
        """The largest |x_ij| of each column, (n_features,)."""

    @property
    def totals(self) -> np.ndarray:
        """The weight of all rows, (n_fits,)."""

    @property
    def wanted(self) -> np.ndarray:
        """The weight of each class, (n_fits, n_classes)."""

    def loss_and_proba(self, W: np.ndarray) -> tuple[np.ndarray, P]:
        """Return each fit's loss (n_fits,), and probabilities."""

    def gradient(self, proba: P) -> np.ndarray:
        """Return the gradient of the loss, in the shape of W."""

    def hessian(self, proba: P) -> Callable[[np.ndarray], np.ndarray]:
        """Return the product of the loss's Hessian with numbers in the shape of W, to float32."""

    def curvature(self, proba: P) -> np.ndarray:
        """Return the mean of c_i p_ik (1 - p_ik) over rows and fits, (n_classes,)."""

    def either(self, proba: P, other: P, where: np.ndarray) -> P:
        """Return the probabilities of some fits, and others of those where (n_fits,)."""

    def entropy(self, proba: P) -> np.ndarray:
        """Return sum_i c_i H(p_i), (n_fits,)."""

    def largest_residual(self, proba: P) -> np.ndarray:
        """Return the largest residual of any row, (n_fits,)."""

    def flows(self, proba: P) -> tuple[np.ndarray, np.ndarray]:
        """Return the weighted probability that each class gets from rows of others, and that its own rows give away."""

    def mixed(self, proba: P, mix: np.ndarray) -> P:
        """Return M p_i of each fit, `mix` (n_fits, n_classes, n_classes)."""


@dataclass(frozen=True, eq=False)
class StackedFits:
    """Rows and labels that fits share, and each fit's own weights: see `Fits`, with all numbers in NumPy's arrays."""

    X: np.ndarray | sparse.csr_array
    codes: np.ndarray
    weights: np.ndarray
    n_classes: int
    fit_intercept: bool

    @cached_property
    def single(self) -> np.ndarray | sparse.csr_array:
        """The rows in float32."""
        return self.X.astype(np.float32)

    @cached_property
    def magnitudes(self) -> np.ndarray:
        """sum_i c_i |x_ij|, with the rounding of these sums, (n_fits, n_features)."""
        return np.asarray((self.weights @ np.abs(self.X)) * (1.0 + 1e-9))

    @cached_property
    def farthest(self) -> np.ndarray:
        """The largest |x_ij| of each column, (n_features,)."""
        largest = abs(self.X).max(axis=0)
        return np.asarray(largest.toarray() if sparse.issparse(largest) else largest).ravel()

    @cached_property
    def totals(self) -> np.ndarray:
        """The weight of all rows, (n_fits,)."""
        return np.asarray(self.weights.sum(axis=1))

    @cached_property
    def indicator(self) -> np.ndarray:
        """Which class each row belongs to, (n_classes, n_samples)."""
        return np.asarray(np.arange(self.n_classes)[:, None] == self.codes)

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return len(self.codes)

    @property
    def n_features(self) -> int:
        """Number of columns, with that of the intercept."""
        return int(self.X.shape[1])

    @cached_property
    def wanted(self) -> np.ndarray:
        """The weight of each class, (n_fits, n_classes)."""
        return np.asarray(self.weights @ self.indicator.T.astype(np.float64))

    def scores(self, W: np.ndarray) -> np.ndarray:
        """Return z = W x, (n_fits, n_classes, n_samples)."""
        return np.asarray((W.reshape(-1, W.shape[2]) @ self.X.T).reshape(*W.shape[:2], -1))

    def loss_and_proba(self, W: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return each fit's loss (n_fits,), and probabilities."""
        z = self.scores(W)
        z -= z.max(axis=1, keepdims=True)
        own = z[:, self.codes, np.arange(z.shape[2])]
        np.exp(z, out=z)
        total = z.sum(axis=1)
        loss = (self.weights * (np.log(total) - own)).sum(axis=1)
        return loss, z / total[:, None]

    def others(self, proba: np.ndarray) -> np.ndarray:
        """Return the probabilities of classes that a row does not belong to, 0 for its own."""
        return np.where(self.indicator, 0.0, proba)

    def gradient(self, proba: np.ndarray) -> np.ndarray:
        """Return the gradient of the loss, in the shape of W; 1 - p_own without cancellation."""
        residual = self.others(proba)
        residual -= self.indicator * residual.sum(axis=1)[:, None]
        residual *= self.weights[:, None]
        return np.asarray((residual.reshape(-1, residual.shape[2]) @ self.X).reshape(*residual.shape[:2], -1))

    def hessian(self, proba: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """Return the product of the loss's Hessian with numbers in the shape of W; rows are visited in float32."""
        X, single = self.single, proba.astype(np.float32)
        curvature = single * self.weights[:, None].astype(np.float32)

        def product(W: np.ndarray) -> np.ndarray:
            W = W.astype(np.float32)
            z = (W.reshape(-1, W.shape[2]) @ X.T).reshape(single.shape)
            z -= np.einsum("fki,fki->fi", single, z)[:, None]
            z *= curvature
            return np.asarray((z.reshape(-1, z.shape[2]) @ X).reshape(W.shape))

        return product

    def curvature(self, proba: np.ndarray) -> np.ndarray:
        """Return the mean of c_i p_ik (1 - p_ik) over rows and fits, (n_classes,)."""
        return np.asarray((self.weights[:, None] * proba * (1.0 - proba)).mean(axis=(0, 2)))

    def either(self, proba: np.ndarray, other: np.ndarray, where: np.ndarray) -> np.ndarray:
        """Return the probabilities of some fits, and others of those where (n_fits,)."""
        return np.where(where[:, None, None], other, proba)

    def entropy(self, proba: np.ndarray) -> np.ndarray:
        """Return sum_i c_i H(p_i), (n_fits,), p_own = 1 - sum of the others."""
        q = self.others(proba)
        given = np.minimum(q.sum(axis=1), 1.0)
        return np.asarray((self.weights * (entr(q).sum(axis=1) - xlog1py(1.0 - given, -given))).sum(axis=1))

    def largest_residual(self, proba: np.ndarray) -> np.ndarray:
        """Return the largest residual of any row, (n_fits,)."""
        return np.asarray(np.minimum(1.0, self.others(proba).sum(axis=1).max(axis=1)))

    def flows(self, proba: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the weighted probability that each class gets from rows of others, and that its own rows give away."""
        q = self.others(proba) * self.weights[:, None]
        return q.sum(axis=2), q.sum(axis=1) @ self.indicator.T.astype(np.float64)

    def mixed(self, proba: np.ndarray, mix: np.ndarray) -> np.ndarray:
        """Return M p_i of each fit."""
        return np.asarray(mix @ proba)


def lower_bounds(fits: Fits[P], W: np.ndarray, loss: np.ndarray, proba: P, ridge: np.ndarray) -> np.ndarray:
    """Return a proven lower bound of each fit's optimum, (n_fits,).

    `loss` and `proba` are those at W, `ridge` (n_features,) is the factor of ||W||^2 / 2, 0 for the intercept alone.
    """
    n_samples, n_classes = fits.n_samples, fits.n_classes
    slack = _loss_rounding(fits, W, loss, proba)
    proba, leak = _balanced(fits, proba) if fits.fit_intercept else (proba, np.zeros(len(W)))
    of_sums = gamma(n_samples + 8 * n_classes + 20)
    relative, shift = of_sums + 2.0 * leak, of_sums * fits.largest_residual(proba) + 2.0 * leak
    penalised = ridge > 0.0
    G = np.abs(fits.gradient(proba)[:, :, penalised]) + (shift[:, None] * fits.magnitudes[:, penalised])[:, None]
    conjugate = 0.5 * ((G / ridge[penalised]) * G).sum(axis=(1, 2))
    sure = fits.entropy(proba)
    slack += n_classes * (shift * fits.totals + relative * sure)
    return np.asarray(np.maximum(0.0, sure - slack - conjugate))


def _balanced(fits: Fits[P], proba: P) -> tuple[P, np.ndarray]:
    """Move probability until class sums are those of the labels; also the share of a class still misplaced."""
    wanted = fits.wanted
    gained, given = fits.flows(proba)
    for _ in range(2):
        proba = fits.mixed(proba, _mixing(wanted, gained - given))
        gained, given = fits.flows(proba)
    unsure = np.abs(gained - given) + gamma(fits.n_samples + 2 * fits.n_classes) * (gained + given)
    with np.errstate(divide="ignore", invalid="ignore"):
        leak = np.where(unsure > 0.0, unsure / (wanted + gained - given), 0.0).max(axis=1)
    return proba, np.where(np.isfinite(leak), leak, 1.0)


def _mixing(wanted: np.ndarray, excess: np.ndarray) -> np.ndarray:
    """Return the column-stochastic matrices that move each fit's excess to the classes that are short of it."""
    surplus, shortage = np.maximum(excess, 0.0), np.maximum(-excess, 0.0)
    present, short = wanted + excess, shortage.sum(axis=1, keepdims=True)
    share = np.divide(surplus, present, out=np.zeros_like(surplus), where=(present > 0.0) & (short > 0.0))
    to = np.divide(shortage, short, out=np.zeros_like(shortage), where=short > 0.0)
    return np.asarray(np.eye(wanted.shape[1]) * (1.0 - share)[:, None] + to[:, :, None] * share[:, None])


def _loss_rounding(fits: Fits[P], W: np.ndarray, loss: np.ndarray, proba: P) -> np.ndarray:
    n_samples, n_classes, n_features = fits.n_samples, fits.n_classes, fits.n_features
    widest = np.abs(W).max(axis=1)
    of_scores = gamma(n_features + n_classes + 20)
    is_sure = of_scores * (widest @ fits.farthest) <= SURE_OF_SCORES
    largest = np.where(is_sure, np.minimum(1.0, 1.2 * fits.largest_residual(proba)), 1.0)
    moved = 2.0 * largest * of_scores * (fits.magnitudes * widest).sum(axis=1)
    return np.asarray(moved + gamma(n_classes + 12) * fits.totals + gamma(n_samples + 20) * loss)
