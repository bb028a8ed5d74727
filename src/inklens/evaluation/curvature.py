r"""Standard deviations of the coefficients of an L2 fit, from the Hessian of its objective (Laplace's approximation).

With H the Hessian of the objective :math:`C \sum_i s_i loss_i + \|W\|^2 / 2` at its optimum, and :math:`H_0` the part
of the data in it, in units in which the loss is -log likelihood:

.. math:: \Sigma_{posterior} = C H^{-1}, \qquad \Sigma_{sampling} = C H^{-1} H_0 H^{-1}

The first is the posterior covariance given the rows and the prior (the penalty is a normal prior of variance C for each
coefficient): where the rows are uninformative, a coefficient keeps the prior's deviation, sqrt(C). The second is the
covariance of the estimate over repeated samples: where the rows are uninformative, the penalty holds the coefficient
at 0, and it does not vary at all.

Softmax scores do not change when the same vector is added to every class. All deviations are those of coefficients
centred over the classes, which is how an L2 fit returns them.

Shapes: coef and deviations (n_classes, n_features); vectors of both parts (n_classes, n_features + 1), the intercept
last.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np
import numpy.typing as npt

from inklens.errors import DataError, ParameterError
from inklens.evaluation.fitted import FittedEstimator, problem_of
from inklens.evaluation.row_noise import normal_rows
from inklens.linear.methods.systems import metric_at, solve_system
from inklens.linear.problem.problem import Problem
from inklens.linear.rows.opening import opened
from inklens.linear.rows.row_arrays import RowArray
from inklens.linear.rows.rows import Rows
from inklens.linear.softmax import per_class
from inklens.progress import Progress
from inklens.reprs import Shown

MAX_INVERTED = 7_500  # coefficients up to which the Hessian is inverted: 450 MB in float64, some seconds
CHUNK_ROWS = 8_192  # rows that are widened to float64 at a time
BLOCK_ROWS = 512  # rows of a matrix that are squared at a time
NEGLIGIBLE_CURVATURE = 1e-10  # share of the penalty's curvature that all left-out rows may add up to
SINGULAR_RATIO = 1e-12  # squared ratio of a Cholesky factor's pivots below which a matrix is called singular
N_DRAWS = 200  # deviations to 5 %
SOLVE_TOL = 1e-3  # relative residual of the solves behind a draw


@dataclass(frozen=True, eq=False, repr=False)
class Curvature(Shown):
    """Coefficients with their standard deviations.

    Parameters
    ----------
    coef : array (n_classes, n_features)
        Centred over the classes.
    posterior, sampling : array (n_classes, n_features)
        Standard deviations given the rows and the penalty, and over repeated rows.
    intercept_posterior, intercept_sampling : array (n_classes,)
        The same of the intercepts.
    prior : float
        Deviation that the penalty alone allows a coefficient, sqrt(C (1 - 1 / n_classes)); infinite without one.
    n_draws : int
        Random draws behind the numbers; 0: the Hessian was inverted, they are exact.
    """

    coef: npt.NDArray[np.float64]
    posterior: npt.NDArray[np.float64]
    sampling: npt.NDArray[np.float64]
    intercept_posterior: np.ndarray
    intercept_sampling: np.ndarray
    prior: float
    n_draws: int = 0

    @property
    def relative_error(self) -> float:
        """Standard error of each deviation, relative to it: 1 / sqrt(2 n_draws), 0 where they are exact."""
        return 1.0 / np.sqrt(2.0 * self.n_draws) if self.n_draws else 0.0

    @property
    def clear(self) -> npt.NDArray[np.bool_]:
        """Whether a coefficient is more than two sampling deviations from zero, bool."""
        return (np.abs(self.coef) > 2.0 * self.sampling) & (self.sampling > 0.0)

    @property
    def known(self) -> npt.NDArray[np.float64]:
        """Proportion of the prior variance that the data remove, from 0 to 1, (n_classes, n_features)."""
        return np.clip(1.0 - (self.posterior / self.prior) ** 2, 0.0, 1.0)

    @property
    def effective(self) -> float:
        """Effective number of parameters: the trace of H^-1 H_0 over features."""
        return float((1.0 - 1.0 / len(self.coef)) * self.known.sum())

    def in_words(self) -> list[str]:
        """Say how much of the coefficients is chance."""
        how = f"from {self.n_draws} draws" if self.n_draws else "from the exact curvature"
        free = (len(self.coef) - 1) * self.coef.shape[1]
        return [
            f"{int(self.clear.sum()):,} of {self.coef.size:,} coefficients lie more than two standard deviations from "
            f"zero ({how}; over other rows of the same kind).",
            f"The data settle about {self.effective:,.0f} of {free:,} free coefficients; the penalty settles the rest.",
        ]

    def to_json(self) -> dict[str, object]:
        """Return the summary as plain numbers."""
        return {
            "coefficients": self.coef.size,
            "clear": int(self.clear.sum()),
            "effective": self.effective,
            "prior_deviation": self.prior,
            "largest_deviation": {"sampling": float(self.sampling.max()), "posterior": float(self.posterior.max())},
            "n_draws": self.n_draws,
            "relative_error": self.relative_error,
        }


def curvature(
    model: FittedEstimator,
    X: Rows | npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    sample_weight: npt.ArrayLike | None = None,
    n_draws: int | None = None,
    random_state: int = 0,
    progress: Progress | None = None,
) -> Curvature:
    """Return the standard deviation of every coefficient of a fit with an L2 penalty, or of a finite one with none.

    Parameters
    ----------
    model : SoftmaxRegression
        Fitted with ``l1_ratio=0``.
    X, y, sample_weight
        The rows that it was fitted on, as `SoftmaxRegression.fit` takes them: also `Rows`, and data of Dask's workers,
        which stay there.
    n_draws : int or None
        None inverts the Hessian where it has at most 7,500 rows (exact), and else takes 200 draws. A number takes so
        many draws from the normal law whose covariance is wanted, each by two linear solves that read the rows but
        build no matrix (Papandreou and Yuille 2010): every deviation is then an estimate with a relative standard
        error of 1 / sqrt(2 n_draws).
    progress : callable, optional
        Called as ``progress(done, total, what)``.

    Raises
    ------
    ParameterError
        L1 or a group penalty (their objective has no curvature at 0: resample the rows, see `stability`), or fewer than
        two draws.
    DataError
        Without a penalty: the rows leave some coefficients undetermined, so their deviation is infinite.

    References
    ----------
    MacKay (1992), Neural Computation 4, for Laplace's approximation; Gray (1992), JASA 87, for both covariances.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from inklens import SoftmaxRegression
    >>> X, y = load_iris(return_X_y=True)
    >>> found = curvature(SoftmaxRegression(C=1.0).fit(X, y), X, y)
    >>> found.posterior.shape, bool((found.sampling <= found.posterior).all())
    ((3, 4), True)
    """
    if np.isfinite(model.C) and model.l1_ratio > 0.0:
        raise ParameterError(
            "curvature needs a penalty that is smooth everywhere (L2), and L1 has a kink at 0; use stability, which "
            "resamples the rows"
        )
    if np.isfinite(model.C) and (model.standardize or model.penalty_factor is not None or model.positive):
        raise ParameterError(
            "curvature needs a penalty that is the same for every coefficient, and any sign: scale the columns "
            "beforehand and fit without standardize, penalty_factor and positive; or use stability"
        )
    if n_draws is not None and n_draws < 2:
        raise ParameterError(f"a deviation needs at least 2 draws, got {n_draws}; 200 give it to 5%")
    coef, intercept = per_class(model.coef_, model.intercept_)
    coef = coef - coef.mean(axis=0)
    with opened(X) as rows:
        problem = problem_of(model, rows, y, sample_weight)
        size = problem.n_classes * (int(problem.free.sum()) + 1)
        if n_draws is None and size <= MAX_INVERTED:
            variances = _by_inversion(problem, coef, intercept, progress)
        else:
            n_draws = n_draws or N_DRAWS
            variances = _by_draws(problem, coef, intercept, n_draws, random_state, progress)
    factor = model.C if np.isfinite(model.C) else 1.0
    ridge = float(np.max(problem.penalty.l2)) or 1.0  # 2 for the one row w of two classes: W = w/2
    posterior, sampling = (np.sqrt(factor * np.maximum(part, 0.0)) for part in variances)
    prior = float(np.sqrt(model.C / ridge * (1.0 - 1.0 / problem.n_classes)))
    return Curvature(coef, posterior[:, :-1], sampling[:, :-1], posterior[:, -1], sampling[:, -1], prior, n_draws or 0)


def hessian(problem: Problem, proba: RowArray) -> np.ndarray:
    """Return the loss's Hessian over (class, column) pairs of the free columns and the intercept, float64.

    H[(k, j), (l, m)] = sum_i c_i x_ij x_im p_ik ([k = l] - p_il), shape (n_classes * q, n_classes * q). A row's softmax
    Hessian is the Laplacian of the complete graph over the classes, so H is a sum over pairs of classes.
    """
    K, q = problem.n_classes, int(problem.free.sum()) + problem.fit_intercept
    blocks = np.zeros((K, q, K, q))
    products = _edge_products(problem, proba.held) if proba.held is not None else _summed_products(problem, proba)
    for k, m, product in products:
        blocks[k, :, m] -= product
        blocks[m, :, k] -= product
        blocks[k, :, k] += product
        blocks[m, :, m] += product
    return blocks.reshape(K * q, K * q)


def _edge_products(problem: Problem, proba: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yield classes k < m with sum_i c_i p_ik p_im x_i x_i' of some rows at a time, without those of no weight."""
    columns, least = np.flatnonzero(problem.free), _negligible(problem)
    for start in range(0, len(proba), CHUNK_ROWS):
        chosen = np.arange(start, min(start + CHUNK_ROWS, len(proba)))
        X = problem.rows.dense(columns, chosen, dtype=np.float64)
        X = np.column_stack([X, np.ones(len(X))]) if problem.fit_intercept else X
        p, c = proba[chosen], problem.weights[chosen]
        for k, m in combinations(range(problem.n_classes), 2):
            weight = c * p[:, k] * p[:, m]
            heavy = weight > least
            spread = X[heavy] * np.sqrt(weight[heavy])[:, None]
            yield k, m, spread.T @ spread


def _summed_products(problem: Problem, proba: RowArray) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yield the same of all rows, summed in one pass where they are: in a file, or on workers."""
    place = np.flatnonzero(np.append(problem.free, problem.fit_intercept))
    pairs = combinations(range(problem.n_classes), 2)
    for (k, m), gram in zip(pairs, problem.rows.edge_grams(proba, problem.weights), strict=True):
        yield k, m, gram[np.ix_(place, place)]


def _negligible(problem: Problem) -> float:
    """Return a weight so small that all rows of such weight together leave the penalised Hessian what it is."""
    largest = np.maximum(np.abs(problem.rows.low), np.abs(problem.rows.high))
    reach = problem.rows.n_samples * problem.n_classes * (1.0 + float((largest**2).sum()))
    return NEGLIGIBLE_CURVATURE * float(problem.penalty.l2) / reach


# ---- exact -----------------------------------------------------------------------------------------------------------


def _by_inversion(
    problem: Problem, coef: np.ndarray, intercept: np.ndarray, progress: Progress | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the diagonals of H^-1 and H^-1 H_0 H^-1 over centred coefficients, (n_classes, n_features + 1) each.

    Along the gauge (the same vector in every class) the data's part of H is 0. There the features have the penalty's l2
    and the others get a ridge; the inverse keeps that part apart, 11'/(n_classes * ridge), so that it can be taken off.
    """
    from scipy.linalg import lapack

    K, l2 = problem.n_classes, problem.penalty.l2
    _say(progress, 0, 2, "summing the curvature")
    H = hessian(problem, problem.evaluate(coef, intercept, dtype=np.float64).proba)
    q = len(H) // K
    has_prior = np.arange(q) < q - problem.fit_intercept if l2 > 0.0 else np.zeros(q, dtype=bool)
    ridge = np.where(has_prior, l2, 1e-3 * H.diagonal().reshape(K, q).mean(axis=0))
    for j in np.flatnonzero(~has_prior):
        H[j::q, j::q] += ridge[j] / K
    penalised = np.tile(has_prior, K)
    H[penalised, penalised] += l2
    _say(progress, 1, 2, "inverting the curvature")
    factor, failed = lapack.dpotrf(H.T, lower=1, overwrite_a=1)
    if failed or factor.diagonal().min() ** 2 <= SINGULAR_RATIO * factor.diagonal().max() ** 2:
        raise DataError(
            "the rows leave some coefficients undetermined, so without a penalty their deviation is infinite; "
            "fit with a finite C"
        )
    inverse, _ = lapack.dpotri(factor, lower=1, overwrite_c=1)
    diagonal, gauge = inverse.diagonal().reshape(K, q), 1.0 / (K * ridge)
    shrinkage = l2 * _row_squares(inverse, penalised).reshape(K, q)  # l2 H^-1 H^-1: what the penalty takes from H^-1
    posterior, sampling = diagonal - gauge, diagonal - shrinkage - np.where(has_prior, 0.0, gauge)
    return _on_all_columns(problem, posterior), _on_all_columns(problem, sampling, unknown=0.0)


def _row_squares(lower: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return sum_j A_ij^2 over chosen columns of a symmetric A given by its lower triangle, (n_rows,)."""
    total = np.zeros(len(lower))
    for start in range(0, len(lower), BLOCK_ROWS):
        part = slice(start, start + BLOCK_ROWS)
        total[part] += np.square(np.tril(lower[part], start)[:, columns]).sum(axis=1)
        total += np.square(np.tril(lower[part], start - 1)[columns[part]]).sum(axis=0)  # A_ij = A_ji for rows j > i
    return total


def _on_all_columns(problem: Problem, variances: np.ndarray, unknown: float | None = None) -> np.ndarray:
    """Put variances in their columns; where a column has one value only, the prior's, or `unknown`."""
    if unknown is None:
        l2 = float(np.max(problem.penalty.l2))  # one number here
        prior = 1.0 / l2 if l2 > 0.0 else np.inf
        unknown = (1.0 - 1.0 / problem.n_classes) * prior
    out = np.full((problem.n_classes, problem.rows.n_features + 1), unknown)
    columns = np.flatnonzero(problem.free)
    out[:, columns] = variances[:, : len(columns)]
    out[:, -1] = variances[:, -1] if problem.fit_intercept else 0.0
    return out


# ---- by draws --------------------------------------------------------------------------------------------------------


def _by_draws(
    problem: Problem,
    coef: np.ndarray,
    intercept: np.ndarray,
    n_draws: int,
    random_state: int,
    progress: Progress | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the same diagonals as means over draws.

    With a of covariance H_0 (rows' scores perturbed) and b of covariance l2 (the prior's part), H^-1 a has the sampling
    covariance H^-1 H_0 H^-1 and H^-1 (a + b) the posterior one, H^-1.
    """
    rng, l2 = np.random.default_rng(random_state), problem.penalty.l2
    proba = problem.evaluate(coef, intercept, dtype=np.float64).proba
    single = problem.evaluate(coef, intercept).proba
    metric = metric_at(problem, np.column_stack([coef, intercept]), single)
    numbers = np.arange(len(proba))
    totals = np.zeros((2, problem.n_classes, problem.rows.n_features + 1))
    for draw in range(n_draws):
        _say(progress, draw, n_draws, "drawing coefficients")
        perturb = partial(perturbed, seed=(random_state, draw))
        noise = RowArray.combine(perturb, proba, problem.weights, numbers)
        data = np.zeros(totals.shape[1:])
        data[:, :-1] = problem.rows.transpose_product(noise) * problem.free
        data[:, -1] = np.asarray(RowArray.total(partial(np.sum, axis=0), noise)) * problem.fit_intercept
        prior = np.zeros_like(data)
        prior[:, :-1] = np.sqrt(l2) * rng.standard_normal(data[:, :-1].shape) * problem.free
        sampled = solve_system(problem, single, metric, data, SOLVE_TOL)
        totals[1] += sampled**2
        if l2:
            sampled = sampled + solve_system(problem, single, metric, prior - prior.mean(axis=0), SOLVE_TOL)
        totals[0] += sampled**2
    posterior, sampling = totals / n_draws
    place = np.append(np.flatnonzero(problem.free), [problem.rows.n_features] * problem.fit_intercept).astype(int)
    return _on_all_columns(problem, posterior[:, place]), _on_all_columns(problem, sampling[:, place], unknown=0.0)


def perturbed(p: np.ndarray, weights: np.ndarray, numbers: np.ndarray, *, seed: tuple[int, int]) -> np.ndarray:
    """Return draws with each row's covariance c (diag(p) - p p'), (n_rows, n_classes); `numbers` follow each other."""
    noise = np.sqrt(p) * normal_rows(int(numbers[0]), p.shape, seed=seed)
    return np.asarray(np.sqrt(weights)[:, None] * (noise - p * noise.sum(axis=1, keepdims=True)))


def _say(progress: Progress | None, done: int, total: int, what: str) -> None:
    if progress is not None:
        progress(done, total, what)
