"""Labels that are probably wrong: rows whose label a model that never saw them finds hard to believe.

Every row gets the probabilities of a model fitted without it (K folds). A class's threshold is the mean probability
that its own rows give it; a row is confidently of class l where p_l reaches the threshold of l. Counting the confident
rows by given and confident class, and scaling each given class up to all of its rows, estimates how many labels are
wrong; that many rows are suspects, those first whose label lies furthest behind another in log-odds, which is the sum
of the evidence that is shown for it.

Shapes: proba (n_samples, n_classes), codes (n_samples,) number of the given class.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from inklens.errors import DataError, ParameterError
from inklens.explanations.evidence import Evidence, explain
from inklens.linear.rows.rows import Rows


@dataclass(frozen=True, eq=False)
class LabelErrors:
    """What models that did not see a row say of its label.

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
    codes: np.ndarray
    proba: np.ndarray

    @property
    def self_confidence(self) -> np.ndarray:
        """Probability of the given label, (n_samples,)."""
        return self.proba[np.arange(len(self.codes)), self.codes]

    @cached_property
    def suggested(self) -> np.ndarray:
        """Number of the likeliest other class, (n_samples,)."""
        others = self.proba.copy()
        others[np.arange(len(self.codes)), self.codes] = -1.0
        return others.argmax(axis=1)

    @cached_property
    def log_odds(self) -> np.ndarray:
        """Log-odds of the likeliest other class against the given one, (n_samples,); the higher, the more suspect."""
        tiny = np.finfo(float).tiny
        likeliest = self.proba[np.arange(len(self.codes)), self.suggested]
        return np.log(np.maximum(likeliest, tiny)) - np.log(np.maximum(self.self_confidence, tiny))

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
        """Rows by given class (row) and confident class (column), (n_classes, n_classes)."""
        counts = np.zeros((len(self.classes), len(self.classes)), dtype=np.int64)
        sure = self.confident >= 0
        np.add.at(counts, (self.codes[sure], self.confident[sure]), 1)
        return counts

    @property
    def n_estimated(self) -> int:
        """How many labels are wrong: the joint, each given class scaled up to all of its rows, off its diagonal."""
        joint, counts = self.joint, np.bincount(self.codes, minlength=len(self.classes))
        sure = joint.sum(axis=1)
        share = np.divide(sure - np.diag(joint), sure, out=np.zeros(len(sure)), where=sure > 0)
        return int(np.rint(share @ counts))

    @cached_property
    def suspects(self) -> np.ndarray:
        """The `n_estimated` rows whose label is furthest behind another, the most suspect first."""
        ranked = np.argsort(-self.log_odds, kind="stable")[: self.n_estimated]
        return ranked[self.log_odds[ranked] > 0.0]


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """Models of K folds: row i was not seen by reader number ``fold[i]``."""

    readers: tuple[Any, ...]
    fold: np.ndarray  # (n_samples,)
    proba: np.ndarray  # (n_samples, n_classes)
    gaps: tuple[float, ...]  # proven relative gap of each fit

    def explain(self, row: int, frame: np.ndarray) -> Evidence:
        """Return the evidence on a row's frame by the model that did not see it."""
        return explain(self.readers[self.fold[row]], frame)


def out_of_fold(
    reader: Any,
    rows: Rows,
    y: np.ndarray,
    *,
    parameters: dict[str, Any],
    folds: int = 5,
    seed: int = 0,
    progress: Callable[[int, int, str], object] | None = None,
) -> OutOfFold:
    """Fit `folds` models like `reader`, each without one part of the rows, and judge that part with it.

    Every fit starts from the one before and is certified on its own, so what it starts from moves its answer by no more
    than its gap.

    Parameters
    ----------
    reader : DigitReader
        Whose classes, features and frames the models share; where the first fit starts.
    rows : Rows
        What the linear model is fed, (n_samples, n_features).
    y : str array (n_samples,)
        Given labels.
    parameters : dict
        Of `SoftmaxRegression`, such as C and tol.
    folds : int
        2 or more; each class is dealt evenly.
    seed : int
        Deals the rows.
    progress : callable, optional
        Called as ``progress(done, total, text)``.

    Raises
    ------
    ParameterError, DataError
        Fewer than 2 folds, or a class with a single row.
    """
    from inklens.linear.estimators import SoftmaxRegression

    codes = _codes(y, reader.classes)
    fold = deal(codes, folds, seed)
    present = np.unique(codes)
    model = SoftmaxRegression(**parameters, warm_start=True)
    model.classes_ = np.array(reader.classes)[present]
    model.coef_, model.intercept_ = reader.coef[present], reader.intercept[present]
    proba = np.zeros((len(y), len(reader.classes)))
    readers, gaps = [], []
    for number in range(int(fold.max()) + 1):
        if progress is not None:
            progress(number, folds, f"judging the labels of part {number + 1} of {folds} by the others")
        seen, held = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        _fit_quietly(model, rows.take(seen), np.asarray(y)[seen])
        proba[held[:, None], present] = model.predict_proba(rows.take(held))
        readers.append(_like(reader, model, present))
        gaps.append(float(model.dual_gap_))
    return OutOfFold(tuple(readers), fold, proba, tuple(gaps))


def deal(codes: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Return a fold for every row, each class dealt evenly in random order, (n_samples,).

    >>> deal(np.array([0, 0, 1, 1, 1, 1]), 2, seed=0).tolist().count(0)
    3
    """
    if folds < 2:
        raise ParameterError(f"expected 2 folds or more, got {folds}")
    counts = np.bincount(codes)
    if np.any(counts == 1):
        raise DataError(
            f"class number {int(np.flatnonzero(counts == 1)[0])} has a single row, so no model can be fitted without "
            "it that knows the class; give at least two rows of every class"
        )
    rng, fold, first = np.random.default_rng(seed), np.empty(len(codes), dtype=int), 0
    for code in np.flatnonzero(counts):
        rows = rng.permutation(np.flatnonzero(codes == code))
        fold[rows] = (first + np.arange(len(rows))) % folds
        first += len(rows)
    return fold


def _codes(y: np.ndarray, classes: tuple[str, ...]) -> np.ndarray:
    number = {name: k for k, name in enumerate(classes)}
    unknown = sorted(set(np.unique(y).tolist()) - number.keys())
    if unknown:
        raise DataError(f"the model has no class {unknown[0]!r}; give rows of the classes {', '.join(classes)}")
    return np.array([number[label] for label in np.asarray(y).tolist()])


def _fit_quietly(model: Any, rows: Rows, y: np.ndarray) -> None:
    """Fit; of a fold that ran into a limit the gap tells."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(rows, y)


def _like(reader: Any, model: Any, present: np.ndarray) -> Any:
    """Return the reader with the coefficients of a fold's model; classes without rows keep the reader's own."""
    coef, intercept = reader.coef.copy(), reader.intercept.copy()
    coef[present], intercept[present] = model.coef_, model.intercept_
    return replace(reader, coef=coef, intercept=intercept, provenance={}, dual=None)
