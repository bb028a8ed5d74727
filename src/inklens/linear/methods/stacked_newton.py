"""Newton's method for many ridge fits on the same few rows at once: the folds of a cross-validation.

A fit on some thousand numbers takes less time than Python needs to start it. Here all folds take each step together:
one matrix product makes the scores of all, one all Hessians (from the products of columns, made once), and one call
solves all systems. Where these are too large, conjugate gradients solve them, all folds in step.

Coefficients are held as W = U V with U an orthonormal basis of what sums to zero over the classes, where a ridge has
its optimum: the Hessian over V (n_classes - 1 rows) is positive definite, the intercept included.

Shapes as in `proofs/stacked.py`; V and steps (n_fits, n_classes - 1, n_features).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from inklens.linear.proofs.stacked import Fits, StackedFits, lower_bounds

P = TypeVar("P")  # see `Fits`

MOST_SYSTEM_WORK = 1e7  # multiply-adds of a Hessian, beyond which none is made
MOST_UNKNOWNS = 150  # of a system that is solved directly
FORCING = 0.1  # of the gradient, down to which conjugate gradients solve
DAMPING = 1e-9  # of a preconditioner's diagonal, by which columns that are sums of others do not make it singular
MOST_PRODUCTS = 30  # of these in a step
MOST_PRODUCTS_ALONG = 100  # along axes of rows that are not here, where the other way is a fit at a time
MOST_ROUNDS = 30  # of one point: beyond, other methods take over
MOST_PAST = 3  # points of a path that say where it leads
MOST_HALVINGS = 20  # of a step that leads uphill
WORTH_PROVING = 0.9  # of the gap that is asked for: up to that a believed gap is proven


@dataclass(frozen=True, eq=False)
class StackedPoint:
    """The fits at one strength of the penalty, and what is proven of each."""

    W: np.ndarray
    gaps: np.ndarray
    n_iter: np.ndarray


class Axes(NamedTuple):
    """Coordinates in which columns are orthogonal: coefficients W = V Q' of centred columns."""

    Q: np.ndarray  # (n_features, n_features) orthonormal, without the intercept's column
    mean: np.ndarray | None  # of the columns; None without an intercept

    def columns(self, V: np.ndarray) -> np.ndarray:
        """Return coefficients along axes, the intercept last, as those of the columns."""
        if self.mean is None:
            return np.asarray(V @ self.Q.T)
        W = V[..., :-1] @ self.Q.T
        return np.concatenate([W, (V[..., -1] - W @ self.mean)[..., None]], axis=-1)

    def along(self, gradient: np.ndarray) -> np.ndarray:
        """Return a gradient by columns as one along the axes."""
        if self.mean is None:
            return np.asarray(gradient @ self.Q)
        G = gradient[..., :-1] - gradient[..., -1:] * self.mean
        return np.concatenate([G @ self.Q, gradient[..., -1:]], axis=-1)


class _Place(NamedTuple, Generic[P]):
    """Coefficients of all fits, with what the rows say of them."""

    V: np.ndarray
    W: np.ndarray
    loss: np.ndarray
    proba: P

    def objective(self, ridge: np.ndarray) -> np.ndarray:
        """Return each fit's loss with its penalty, (n_fits,)."""
        return np.asarray(self.loss + 0.5 * (self.W * (ridge * self.W)).sum(axis=(1, 2)))


class StackedNewton(Generic[P]):
    """Fits in a row on the same rows, each from where the one before ended.

    `squares` (n_features,) is the diagonal of X'X where its columns are orthogonal, or along `axes`: it preconditions
    alone, which fits whose rows are not here need. Without `proves`, gaps are those of exact arithmetic, for who proves
    points in other coordinates.
    """

    def __init__(
        self, fits: Fits[P], squares: np.ndarray | None = None, *, axes: Axes | None = None, proves: bool = True
    ) -> None:
        self.fits, self.squares, self.axes, self.proves = fits, squares, axes, proves
        n_fits, n_features, n = len(fits.totals), fits.n_features, fits.n_classes - 1
        self.basis = _basis(fits.n_classes)
        self.first, self.second = np.tril_indices(n_features)
        self.a, self.b = np.tril_indices(n)
        work = len(self.a) * len(self.first) * fits.n_samples
        self.is_direct = axes is None and n * n_features <= MOST_UNKNOWNS and work <= MOST_SYSTEM_WORK
        if self.is_direct:
            X = self._here.X
            columns = np.ascontiguousarray(X.T)
            self.products = np.empty((len(self.first), fits.n_samples))  # of column pairs, in the order of these
            for k, column in enumerate(columns):
                np.multiply(columns[: k + 1], column, out=self.products[k * (k + 1) // 2 :][: k + 1])
        self.inverse: np.ndarray | None = None  # of a point's preconditioner
        V = np.zeros((n_fits, n, n_features))
        if fits.fit_intercept:
            V[:, :, -1] = np.log(fits.wanted) @ self.basis
        self.place = self._at(V)
        self.past: dict[float, np.ndarray] = {}  # V at the logarithm of a penalty's strength

    def fit(self, ridge: np.ndarray, tol: float) -> StackedPoint:
        """Return the fits under a ridge (n_features,), within `tol` unless rounds run out or a step fails."""
        place, self.inverse = self._begun(ridge), None
        objective = place.objective(ridge)
        gaps, n_iter = np.full(len(objective), np.inf), np.zeros(len(objective), dtype=np.int32)
        for _ in range(MOST_ROUNDS):
            gradient = self.basis.T @ self._along(self.fits.gradient(place.proba)) + ridge * place.V
            self._prove(gaps, place, objective, gradient, ridge, tol)
            open_ = gaps > tol
            if not open_.any():
                break
            try:
                solved = self._solved if self.is_direct else self._nearly_solved
                step = solved(place.proba, gradient, ridge) * open_[:, None, None]
            except np.linalg.LinAlgError:  # as where sure probabilities leave no curvature that float64 sees
                break
            n_iter += open_
            for _ in range(MOST_HALVINGS):
                tried = self._at(place.V - step)
                after = tried.objective(ridge)
                uphill = ~(after <= objective * (1.0 + 1e-12))
                if not uphill.any():
                    break
                step = np.where(uphill[:, None, None], step / 4.0, step)
            else:
                break
            place, objective = tried, after
        self.place = place
        self.past[float(np.log(ridge.max()))] = place.V
        return StackedPoint(self._columns(place.W), gaps, n_iter)

    @property
    def _here(self) -> StackedFits:
        """The fits, whose rows are here."""
        assert isinstance(self.fits, StackedFits)
        return self.fits

    def _columns(self, W: np.ndarray) -> np.ndarray:
        return W if self.axes is None else self.axes.columns(W)

    def _along(self, gradient: np.ndarray) -> np.ndarray:
        return gradient if self.axes is None else self.axes.along(gradient)

    def _begun(self, ridge: np.ndarray) -> _Place[P]:
        """Return where the fits before ended, or where their path leads by a parabola in log C, if that is lower."""
        at, past = float(np.log(ridge.max())), list(self.past.items())[-MOST_PAST:]
        if at in self.past or len(past) < 2:
            return self.place
        V = np.zeros_like(self.place.V)
        for place, known in past:
            V += known * np.prod([(at - other) / (place - other) for other, _ in past if other != place])
        ahead = self._at(V)
        is_lower = ahead.objective(ridge) < self.place.objective(ridge)
        V, W = (
            np.where(is_lower[:, None, None], own, other) for own, other in zip(ahead[:2], self.place[:2], strict=True)
        )
        loss = np.where(is_lower, ahead.loss, self.place.loss)
        return _Place(V, W, loss, self.fits.either(self.place.proba, ahead.proba, is_lower))

    def _at(self, V: np.ndarray) -> _Place[P]:
        """Return a place."""
        W = self.basis @ V
        return _Place(V, W, *self.fits.loss_and_proba(self._columns(W)))

    def _prove(
        self,
        gaps: np.ndarray,
        place: _Place[P],
        objective: np.ndarray,
        gradient: np.ndarray,
        ridge: np.ndarray,
        tol: float,
    ) -> None:
        """Write the proven gaps where one that is still open is believed to be closed."""
        penalised = ridge > 0.0
        believed = 0.5 * (gradient[:, :, penalised] ** 2 / ridge[penalised]).sum(axis=(1, 2))
        if not ((gaps > tol) & (believed <= WORTH_PROVING * tol * objective)).any():
            return
        if not self.proves:
            np.divide(believed, objective, out=gaps, where=objective > 0.0)
            return
        bounds = lower_bounds(self.fits, self._columns(place.W), place.loss, place.proba, ridge)
        with np.errstate(divide="ignore", invalid="ignore"):
            proven = np.where(objective > 0.0, np.maximum(0.0, objective - bounds) / objective, 0.0)
        np.minimum(gaps, np.where(np.isnan(proven), np.inf, proven), out=gaps)

    def _nearly_solved(self, proba: P, gradient: np.ndarray, ridge: np.ndarray) -> np.ndarray:
        """Return H^-1 g to a tenth by preconditioned conjugate gradients, all fits in step."""
        if self.inverse is None:
            self.inverse = self._preconditioner(proba, ridge)
        inverse, hessian = self.inverse, self.fits.hessian(proba)
        step, left = np.zeros_like(gradient), gradient.copy()
        along = self._preconditioned(inverse, left)
        direction, product = along, _dots(left, along)
        enough = FORCING**2 * product
        for _ in range(MOST_PRODUCTS if self.axes is None else MOST_PRODUCTS_ALONG):
            if (product <= enough).all():
                break
            turned = self._curved(hessian, direction, ridge)
            share = np.divide(product, _dots(direction, turned), out=np.zeros_like(product), where=product > enough)
            step += share[:, None, None] * direction
            left -= share[:, None, None] * turned
            along = self._preconditioned(inverse, left)
            after = _dots(left, along)
            turn = np.divide(after, product, out=np.zeros_like(product), where=product > 0.0)
            direction, product = along + turn[:, None, None] * direction, after
        else:  # curvature differs between rows by far
            if self.axes is not None:  # so far will do
                return step
            if self.squares is not None and not self.past:
                raise np.linalg.LinAlgError("other methods are as quick")
            self.squares = self.inverse = None
        return step

    def _curved(
        self, hessian: Callable[[np.ndarray], np.ndarray], direction: np.ndarray, ridge: np.ndarray
    ) -> np.ndarray:
        """Return H V: rows are visited in float32, of which a step's tenth asks no more."""
        back = self._along(hessian(self._columns(self.basis @ direction)))
        return np.asarray(self.basis.T @ back + ridge * direction)

    def _preconditioner(self, proba: P, ridge: np.ndarray) -> np.ndarray:
        """Return the inverse of X'diag(c p_k (1 - p_k))X + ridge of each class, from the mean over the folds.

        Of orthogonal columns it is a diagonal, from the mean over the rows, too, (n_classes, n_features).
        """
        if self.squares is not None:
            curvature = self.fits.curvature(proba)
            return np.asarray(1.0 / (curvature[:, None] * self.squares + ridge + np.finfo(float).tiny))
        X, p = self._here.X, np.asarray(proba)
        mean = (self._here.weights[:, None] * p * (1.0 - p)).mean(axis=0)
        columns, spread = np.ascontiguousarray(X.T), np.empty(X.T.shape)
        grams = np.empty((len(mean), len(spread), len(spread)))
        for own, gram in zip(np.sqrt(mean), grams, strict=True):
            np.multiply(columns, own, out=spread)
            np.matmul(spread, spread.T, out=gram)
        diagonal = np.arange(X.shape[1])
        grams[:, diagonal, diagonal] *= 1.0 + DAMPING
        grams[:, diagonal, diagonal] += ridge + np.finfo(float).tiny
        return np.linalg.inv(grams)

    def _preconditioned(self, inverse: np.ndarray, V: np.ndarray) -> np.ndarray:
        W = self.basis @ V
        if inverse.ndim == 2:
            return np.asarray(self.basis.T @ (W * inverse))
        return np.asarray(self.basis.T @ np.moveaxis(np.moveaxis(W, 1, 0) @ inverse, 0, 1))

    def _solved(self, proba: P, gradient: np.ndarray, ridge: np.ndarray) -> np.ndarray:
        """Return the Newton steps H^-1 g; H_ab = sum_i c_i [U'(diag p_i - p_i p_i') U]_ab x_i x_i' + ridge."""
        n_fits, n, n_features = gradient.shape
        p = np.asarray(proba)
        along = self.basis.T @ p
        curvature = (self.basis[:, self.a] * self.basis[:, self.b]).T @ p
        curvature -= along[:, self.a] * along[:, self.b]
        curvature *= self._here.weights[:, None]
        packed = (curvature.reshape(-1, p.shape[2]) @ self.products.T).reshape(n_fits, len(self.a), -1)
        blocks = np.empty((n_fits, len(self.a), n_features, n_features))
        blocks[:, :, self.first, self.second] = packed
        blocks[:, :, self.second, self.first] = packed
        H = np.empty((n_fits, n, n_features, n, n_features))
        for pair, (a, b) in enumerate(zip(self.a, self.b, strict=True)):
            H[:, a, :, b] = H[:, b, :, a] = blocks[:, pair]
        systems, diagonal = H.reshape(n_fits, n * n_features, -1), np.arange(n * n_features)
        systems[:, diagonal, diagonal] += np.tile(ridge, n)
        return np.linalg.solve(systems, gradient.reshape(n_fits, -1, 1)).reshape(gradient.shape)


def _dots(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Return the inner product of each fit's arrays, (n_fits,)."""
    return np.asarray(np.einsum("fkj,fkj->f", A, B))


def _basis(n_classes: int) -> np.ndarray:
    """Return an orthonormal basis of the vectors that sum to zero, (n_classes, n_classes - 1) (Helmert's).

    >>> bool(np.allclose(_basis(4).T @ _basis(4), np.eye(3))), bool(np.allclose(_basis(4).sum(axis=0), 0.0))
    (True, True)
    """
    k = np.arange(1, n_classes)
    row = np.arange(n_classes)[:, None]
    return np.asarray(np.where(row < k, 1.0, np.where(row == k, -k, 0.0)) / np.sqrt(k * (k + 1.0)))
