"""`SoftmaxRegressionCV`: choose C and l1_ratio by cross-validation along certified paths."""

from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Self

import numpy as np
import numpy.typing as npt
from sklearn.base import _fit_context
from sklearn.model_selection import BaseCrossValidator, check_cv
from sklearn.utils import check_random_state, compute_class_weight
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight

from inklens.classes import stratified_folds
from inklens.errors import DataError
from inklens.linear.estimators import (
    Callback,
    ClassWeight,
    Matrix,
    RandomState,
    SoftmaxRegression,
    all_or_nothing,
)
from inklens.linear.path import fit_points, path_grid, warn_of_gaps
from inklens.linear.problem.build import Penalizing
from inklens.linear.problem.problem import Problem, check_strength
from inklens.linear.rows.rows import Rows
from inklens.linear.softmax import log_softmax


class SoftmaxRegressionCV(SoftmaxRegression):
    r"""Softmax regression with C, and if wanted l1_ratio, chosen by cross-validation.

    Each fold fits a warm-started path, every point proven to `path_tol`. The one-standard-error rule takes the
    strongest penalty whose mean score is within one standard error of the best.

    Parameters
    ----------
    Cs : int or array-like of float, default=20
        Values of C; a number spaces them geometrically from the largest C that zeroes every coefficient up to `C_max`
        (without L1, from `C_max` / 10,000).
    C_max : float, default=10.0
        Weakest penalty tried, where `Cs` is a number.
    l1_ratios : array-like of float, default=(1.0,)
        Values of l1_ratio in [0, 1].
    cv : int, splitter or iterable of (train, test), default=5
        Number of stratified folds, at least 2. A class with a single row stays in every training set.
    scoring : {"neg_log_loss", "accuracy"}, default="neg_log_loss"
        Mean over the fold's rows, weighted by sample weights; larger is better.
    rule : {"one_se", "best"}, default="one_se"
        One-standard-error rule, or the best mean score.
    group : bool, default=False
        Whether each feature is in or out for all classes.
    standardize, penalty_factor, positive
        As for `SoftmaxRegression`; deviations are those of each fold's training rows.
    tol, path_tol : float, default=1e-4, 1e-3
        Promise on the relative gap of the final fit, and of every fit of the search.
    fit_intercept, class_weight, max_iter, n_jobs
        As for `SoftmaxRegression`.
    random_state : None, int or RandomState, default=0
        Deals the rows into folds.

    Attributes
    ----------
    C_, l1_ratio_ : float
        The choice.
    Cs_ : ndarray (n_l1_ratios, n_Cs)
    scores_ : ndarray (n_l1_ratios, n_Cs, n_folds)
    mean_scores_, standard_errors_ : ndarray (n_l1_ratios, n_Cs)
    path_gaps_ : ndarray (n_l1_ratios, n_Cs, n_folds)
        Proven relative gap of every fit of the search.
    coef_, intercept_, classes_, dual_gap_, status_, ...
        Of the final fit to all rows, as for `SoftmaxRegression`.

    References
    ----------
    Breiman et al. (1984), Classification and Regression Trees, section 3.4.3; Hastie, Tibshirani, Friedman (2009),
    section 7.10, for the one-standard-error rule.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> model = SoftmaxRegressionCV(Cs=8).fit(X, y)
    >>> model.scores_.shape, bool(model.score(X, y) > 0.9), bool((model.path_gaps_ <= 1e-3).all())
    ((1, 8, 5), True, True)
    """

    _parameter_constraints = {  # noqa: RUF012 (scikit-learn's protocol)
        **{
            name: rule
            for name, rule in SoftmaxRegression._parameter_constraints.items()
            if name not in {"C", "l1_ratio", "time_budget", "warm_start"}
        },
        "Cs": [Interval(Integral, 1, None, closed="left"), "array-like"],
        "C_max": [Interval(Real, 0.0, None, closed="neither")],
        "l1_ratios": ["array-like"],
        "cv": [Interval(Integral, 2, None, closed="left"), HasMethods(["split", "get_n_splits"]), "array-like"],
        "scoring": [StrOptions({"neg_log_loss", "accuracy"})],
        "rule": [StrOptions({"one_se", "best"})],
        "path_tol": [Interval(Real, 0.0, None, closed="neither")],
    }

    def __init__(
        self,
        *,
        Cs: int | Sequence[float] = 20,
        C_max: float = 10.0,
        l1_ratios: Sequence[float] = (1.0,),
        cv: int | BaseCrossValidator | Iterable[tuple[np.ndarray, np.ndarray]] = 5,
        scoring: str = "neg_log_loss",
        rule: str = "one_se",
        group: bool = False,
        standardize: bool = False,
        penalty_factor: npt.ArrayLike | None = None,
        positive: bool = False,
        tol: float = 1e-4,
        path_tol: float = 1e-3,
        fit_intercept: bool = True,
        class_weight: ClassWeight = None,
        max_iter: int = 10_000,
        random_state: RandomState = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.Cs = Cs
        self.C_max = C_max
        self.l1_ratios = l1_ratios
        self.cv = cv
        self.scoring = scoring
        self.rule = rule
        self.group = group
        self.standardize = standardize
        self.penalty_factor = penalty_factor
        self.positive = positive
        self.tol = tol
        self.path_tol = path_tol
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.max_iter = max_iter
        self.random_state = random_state
        self.n_jobs = n_jobs

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: Matrix, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> Self:
        """Choose C and l1_ratio, then fit to all of X (n_samples, n_features) and y (n_samples,).

        Raises
        ------
        ValueError
            As `SoftmaxRegression.fit`; also an l1_ratio outside [0, 1], or a training fold that lacks a class.
        """
        with all_or_nothing(self):
            return self._fit(X, y, sample_weight, None)

    def _fit(self, X: Matrix, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None, callback: Callback | None) -> Self:
        rows, y = self._validated(X, y)
        check_classification_targets(y)
        given = _check_sample_weight(sample_weight, y, dtype=np.float64, ensure_non_negative=True)
        kept = np.flatnonzero(given)
        n_samples = len(given)
        if len(kept) < n_samples:
            rows, y, given = rows.take(kept), y[kept], given[kept]
        classes, codes = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise DataError(f"This solver needs samples of at least 2 classes in the data, got one class: {classes}")
        ratios = np.asarray(self.l1_ratios, dtype=np.float64)
        if ratios.ndim != 1 or len(ratios) == 0 or not ((ratios >= 0.0) & (ratios <= 1.0)).all():
            raise DataError(f"l1_ratios must be a list of numbers between 0 and 1, got {self.l1_ratios!r}")
        weights = given
        if self.class_weight is not None:
            weights = given * compute_class_weight(self.class_weight, classes=classes, y=y, sample_weight=given)[codes]
        check_strength(self.C_max, weights)
        folds = self._folds(codes, len(classes), kept, n_samples)
        searched = [self._search(rows, codes.astype(np.int32), weights, given, ratio, folds) for ratio in ratios]
        self.Cs_, self.scores_, self.path_gaps_ = (np.stack(part) for part in zip(*searched, strict=True))
        chosen_ratio, chosen_C = self._choose()
        warn_of_gaps(np.repeat(self.Cs_, self.scores_.shape[2]), self.path_gaps_.ravel(), self.path_tol)
        self.l1_ratio_, self.C_ = float(ratios[chosen_ratio]), float(self.Cs_[chosen_ratio, chosen_C])
        final = SoftmaxRegression(
            C=self.C_, l1_ratio=self.l1_ratio_, group=self.group, standardize=self.standardize,
            penalty_factor=self.penalty_factor, positive=self.positive, tol=self.tol, fit_intercept=self.fit_intercept,
            class_weight=self.class_weight, max_iter=self.max_iter, n_jobs=self.n_jobs,
        ).fit(rows, y, sample_weight=given)  # fmt: skip
        kept_names = {"n_features_in_", "feature_names_in_"}  # of X as given
        for name, value in vars(final).items():
            if name.endswith("_") and name not in kept_names:
                setattr(self, name, value)
        return self

    def _folds(
        self, codes: np.ndarray, n_classes: int, kept: np.ndarray, n_samples: int
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return sorted (train, test) indices of each fold among the rows that are kept.

        A splitter counts in the `n_samples` rows as given; rows of no weight stay out of what it deals.
        """
        if isinstance(self.cv, Integral):
            fold_of = stratified_folds(codes, int(self.cv), check_random_state(self.random_state))
            folds = [(np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)) for fold in range(int(self.cv))]
            folds = [(train, test) for train, test in folds if len(test)]
        else:
            splitter = check_cv(self.cv, codes, classifier=True)
            labels = np.zeros(n_samples, dtype=codes.dtype)
            labels[kept] = codes
            place = np.full(n_samples, -1)
            place[kept] = np.arange(len(kept))
            dealt = splitter.split(np.zeros((n_samples, 1)), labels)
            folds = [(_among(place[train]), _among(place[test])) for train, test in dealt]
        if not folds:
            raise DataError("cross-validation needs a class with at least two rows")
        for number, (train, _) in enumerate(folds):
            if len(np.unique(codes[train])) < n_classes:
                raise DataError(f"training fold {number} lacks a class; use fewer folds, or stratified ones")
        return folds

    def _search(
        self,
        rows: Rows,
        codes: np.ndarray,
        weights: np.ndarray,
        given: np.ndarray,
        ratio: float,
        folds: list[tuple[np.ndarray, np.ndarray]],
    ) -> tuple[np.ndarray, ...]:
        """Return the values of C, and score and gap of each at each fold, (n_Cs, n_folds)."""
        n_classes = int(codes.max()) + 1

        def problem(part: Rows, chosen: np.ndarray) -> Problem:
            asked = Penalizing(ratio, self.group, False, self.standardize, self.penalty_factor, self.positive)
            return asked.problem(part, codes[chosen], weights[chosen], n_classes, fit_intercept=self.fit_intercept)

        grid = path_grid(problem(rows, np.arange(len(codes))), self.Cs, self.C_max)
        scores, gaps = np.empty((2, len(grid), len(folds)))
        for fold, (train, test) in enumerate(folds):
            training, held_out = rows.take(train), rows.take(test)
            for point, (_, solution) in enumerate(fit_points(problem(training, train), grid, self.path_tol)):
                raw = held_out.scores(solution.coef, solution.intercept, dtype=np.float64)
                scores[point, fold] = self._score(raw, codes[test], given[test])
                gaps[point, fold] = solution.gap
        return grid, scores, gaps

    def _score(self, raw: np.ndarray, codes: np.ndarray, weights: np.ndarray) -> float:
        if self.scoring == "accuracy":
            return float(np.average(raw.argmax(axis=1) == codes, weights=weights))
        return float(np.average(log_softmax(raw)[np.arange(len(raw)), codes], weights=weights))

    def _choose(self) -> tuple[int, int]:
        """Return the indices of l1_ratio and C."""
        self.mean_scores_ = self.scores_.mean(axis=2)
        n_folds = self.scores_.shape[2]
        spread = self.scores_.std(axis=2, ddof=1) if n_folds > 1 else np.zeros_like(self.mean_scores_)
        self.standard_errors_ = spread / np.sqrt(n_folds)
        ratio, best = (int(at) for at in np.unravel_index(self.mean_scores_.argmax(), self.mean_scores_.shape))
        if self.rule == "best":
            return ratio, best
        enough = self.mean_scores_[ratio] >= self.mean_scores_[ratio, best] - self.standard_errors_[ratio, best]
        return ratio, int(np.flatnonzero(enough)[0])


def _among(places: np.ndarray) -> np.ndarray:
    """Return the sorted places of rows that are kept; -1 marks the others."""
    return np.sort(places[places >= 0])
