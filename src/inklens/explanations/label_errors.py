"""Label errors by confident learning: rows whose given label is improbable to a model that was fitted without them.

Every row gets out-of-fold probabilities (K folds). A class's threshold is the mean probability that its own rows give
it; a row is confidently of class l where p_l reaches the threshold of l. The confident joint counts the confident rows
by given and confident class; calibrated to the number of rows of each given class, it estimates how many labels are
wrong. That many rows are suspects, ranked by the log-odds of the likeliest other class against the given one, which is
the sum of the evidence that is shown for it.

Shapes: proba (n_samples, n_classes), codes (n_samples,) number of the given class.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from inklens.classes import encode, labels_of, stratified_folds
from inklens.errors import DataError, ParameterError
from inklens.explanations.evidence import Evidence, explain
from inklens.linear.arrays import checked_weights
from inklens.linear.rows.elsewhere import brought, require_room
from inklens.linear.rows.opening import opened
from inklens.linear.rows.rows import Rows
from inklens.linear.softmax import per_class
from inklens.model.linear_model import LinearModel
from inklens.progress import Progress
from inklens.quiet import quiet
from inklens.reprs import Shown

if TYPE_CHECKING:
    from inklens.linear.estimators import SoftmaxRegression
    from inklens.linear.rows.opening import Matrix


@dataclass(frozen=True, eq=False, repr=False)
class LabelErrors(Shown):
    """Suspect labels, from out-of-fold probabilities.

    Parameters
    ----------
    classes : tuple of str
        Class names.
    codes : int array (n_samples,)
        Number of the given class of each row.
    proba : array (n_samples, n_classes)
        Probabilities by a model that was fitted without the row.

    References
    ----------
    Northcutt, Jiang, Chuang (2021), Confident learning, J. Artif. Intell. Res. 70, eq. 1 to 3 for thresholds, the
    confident joint and its calibration.

    Examples
    --------
    >>> proba = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.1, 0.9], [0.95, 0.05]])
    >>> found = LabelErrors(("a", "b"), np.array([0, 0, 1, 1, 1]), proba)
    >>> found.thresholds.round(2).tolist(), found.suspects.tolist(), [found.classes[k] for k in found.suggested[[4]]]
    ([0.85, 0.55], [4], ['a'])
    """

    classes: tuple[str, ...]
    codes: npt.NDArray[np.integer]
    proba: npt.NDArray[np.float64]

    @property
    def self_confidence(self) -> np.ndarray:
        """Probability of the given label, (n_samples,)."""
        return np.asarray(self.proba[np.arange(len(self.codes)), self.codes])

    @cached_property
    def suggested(self) -> np.ndarray:
        """Number of the likeliest other class, (n_samples,)."""
        others = self.proba.copy()
        others[np.arange(len(self.codes)), self.codes] = -1.0
        return np.asarray(others.argmax(axis=1))

    @cached_property
    def log_odds(self) -> np.ndarray:
        """Log-odds of the likeliest other class against the given one, (n_samples,); the higher, the more suspect."""
        tiny = np.finfo(float).tiny
        likeliest = self.proba[np.arange(len(self.codes)), self.suggested]
        return np.asarray(np.log(np.maximum(likeliest, tiny)) - np.log(np.maximum(self.self_confidence, tiny)))

    @cached_property
    def thresholds(self) -> np.ndarray:
        """Mean probability that the rows of a class give it, (n_classes,); 1 for a class without rows."""
        counts = np.bincount(self.codes, minlength=len(self.classes))
        sums = np.bincount(self.codes, weights=self.self_confidence, minlength=len(self.classes))
        return np.divide(sums, counts, out=np.ones(len(counts)), where=counts > 0)

    @cached_property
    def confident(self) -> np.ndarray:
        """Number of the class that a row confidently is: the likeliest of those that reach their threshold; else -1."""
        reached = np.where(self.proba >= self.thresholds, self.proba, -1.0)
        return np.where(reached.max(axis=1) >= 0.0, reached.argmax(axis=1), -1)

    @property
    def joint(self) -> np.ndarray:
        """The confident joint: rows by given class (row) and confident class (column), (n_classes, n_classes)."""
        counts = np.zeros((len(self.classes), len(self.classes)), dtype=np.int64)
        confident = self.confident >= 0
        np.add.at(counts, (self.codes[confident], self.confident[confident]), 1)
        return counts

    @property
    def n_estimated(self) -> int:
        """Estimated number of wrong labels: the off-diagonal sum of the calibrated confident joint."""
        joint, counts = self.joint, np.bincount(self.codes, minlength=len(self.classes))
        confident = joint.sum(axis=1)
        wrong = confident - np.diag(joint)
        error_rate = np.divide(wrong, confident, out=np.zeros(len(wrong)), where=confident > 0)
        return int(np.rint(error_rate @ counts))

    @cached_property
    def suspects(self) -> np.ndarray:
        """The `n_estimated` rows with the largest log-odds against their label, the most suspect first."""
        ranked = np.argsort(-self.log_odds, kind="stable")[: self.n_estimated]
        return ranked[self.log_odds[ranked] > 0.0]


@dataclass(frozen=True, eq=False, repr=False)
class OutOfFold(Shown):
    """Models of K folds: row i was not seen by model number ``fold[i]``."""

    models: tuple[LinearModel, ...]
    fold: np.ndarray  # (n_samples,)
    proba: np.ndarray  # (n_samples, n_classes)
    gaps: tuple[float, ...]  # proven relative gap of each fit

    def explain(self, row: int, frame: np.ndarray) -> Evidence:
        """Return the evidence on a row's frame by the model that did not see it."""
        return explain(self.models[self.fold[row]], frame)


def out_of_fold(
    reader: LinearModel,
    X: "Matrix",
    y: npt.ArrayLike,
    *,
    estimator: "SoftmaxRegression",
    sample_weight: npt.ArrayLike | None = None,
    folds: int = 5,
    seed: int = 0,
    progress: Progress | None = None,
) -> OutOfFold:
    """Fit `folds` models like `reader`, each without one part of the rows, and judge that part with it.

    Every fit starts from the one before and is certified on its own, so where it starts changes its answer by no more
    than its gap. Rows that workers hold stay there, where a fold takes the memory of its part of them; labels, weights
    and probabilities come here, and the folds are those of the same rows on one machine.

    Parameters
    ----------
    reader : LinearModel
        Whose classes, features and frames the models share; where the first fit starts.
    X : `Rows`, or whatever `SoftmaxRegression.fit` takes
        What the linear model is fed, (n_samples, n_features), ink from 0 to 1: ``Rows.of(X, scale=1 / 255)`` is that of
        bytes.
    y : str array (n_samples,)
        Given labels.
    estimator : SoftmaxRegression
        With the parameters of every fit, such as C and tol; it is copied, not fitted.
    sample_weight : array (n_samples,), optional
        Weights of the rows in the fits; every row is judged, whatever its weight.
    folds : int
        2 or more; stratified.
    seed : int
        Of the shuffle of the rows.
    progress : callable, optional
        Called as ``progress(done, total, text)``.

    Raises
    ------
    ParameterError, DataError
        Fewer than 2 folds, a class with a single row, or more probabilities than this process has room for.
    """
    with opened(X) as rows:
        labels = labels_of(brought(y, rows.client), rows.n_samples).ravel()
        if rows.client is not None:
            require_room((rows.n_samples, len(reader.classes)), "out-of-fold probabilities")
        weights = checked_weights(brought(sample_weight, rows.client), len(labels))
        return _judged(reader, rows, labels, weights, estimator=estimator, folds=folds, seed=seed, progress=progress)


def _judged(
    reader: LinearModel,
    rows: Rows,
    y: np.ndarray,
    weights: np.ndarray,
    *,
    estimator: "SoftmaxRegression",
    folds: int,
    seed: int,
    progress: Progress | None,
) -> OutOfFold:
    from sklearn.base import clone

    codes = encode(y, reader.classes)
    _check_folds(codes, folds)
    fold = stratified_folds(codes, folds, np.random.default_rng(seed))
    present = np.unique(codes)
    fit: SoftmaxRegression = clone(estimator).set_params(warm_start=True)
    fit.classes_ = np.array(reader.classes)[present]
    fit.coef_, fit.intercept_ = reader.coef[present], reader.intercept[present]
    proba = np.zeros((len(y), len(reader.classes)))
    models, gaps = [], []
    for number in range(int(fold.max()) + 1):
        if progress is not None:
            progress(number, folds, f"judging the labels of part {number + 1} of {folds} by the others")
        seen, held = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        _check_weights(codes[seen], weights[seen], reader.classes, present)
        _fit_quietly(fit, rows.take(seen), y[seen], weights[seen])
        proba[held[:, None], present] = fit.predict_proba(rows.chosen(held))
        models.append(_with_coefficients(reader, fit, present))
        gaps.append(float(fit.dual_gap_))
    return OutOfFold(tuple(models), fold, proba, tuple(gaps))


def _check_folds(codes: np.ndarray, folds: int) -> None:
    if folds < 2:
        raise ParameterError(f"expected 2 folds or more, got {folds}")
    single = np.flatnonzero(np.bincount(codes) == 1)
    if len(single):
        raise DataError(
            f"class number {int(single[0])} has a single row, so no model can be fitted without it that knows the "
            "class; give at least two rows of every class"
        )


def _check_weights(codes: np.ndarray, weights: np.ndarray, classes: tuple[str, ...], present: np.ndarray) -> None:
    weightless = np.setdiff1d(present, codes[weights > 0.0])
    if len(weightless):
        raise DataError(
            f"the class {classes[int(weightless[0])]!r} has no weight in the rows of a fold, so its model would not "
            "know the class; give weight to more of its rows"
        )


def _fit_quietly(fit: "SoftmaxRegression", rows: Rows, y: np.ndarray, weights: np.ndarray) -> None:
    """Fit without a warning: where a fold ran into a limit, its gap says so."""
    from sklearn.exceptions import ConvergenceWarning

    with quiet(ConvergenceWarning):
        fit.fit(rows, y, weights)


def _with_coefficients(reader: LinearModel, fit: "SoftmaxRegression", present: np.ndarray) -> LinearModel:
    """Return the model with the coefficients of a fold's fit; classes without rows keep its own."""
    coef, intercept = reader.coef.copy(), reader.intercept.copy()
    coef[present], intercept[present] = per_class(fit.coef_, fit.intercept_)
    return LinearModel(coef, intercept, reader.classes, reader.image_shape, reader.features)
