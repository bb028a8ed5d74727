"""`SoftmaxRegressionCV`: choose C and l1_ratio by cross-validation along certified paths."""

import inspect
from collections.abc import Callable, Iterable, Sequence
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.metrics import check_scoring, get_scorer_names, make_scorer
from sklearn.model_selection import BaseCrossValidator, check_cv
from sklearn.utils import Bunch, _safe_indexing, check_random_state
from sklearn.utils._metadata_requests import _raise_for_params, _routing_enabled
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.metadata_routing import UNUSED, MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import _check_method_params, _num_samples, check_is_fitted

from inklens.classes import labels_of, require_alike, stratified_folds
from inklens.errors import DataError
from inklens.linear import arrays
from inklens.linear.estimators import (
    ClassWeight,
    RandomState,
    SoftmaxRegression,
    all_or_nothing,
    with_class_weights,
)
from inklens.linear.path import path_grid, warn_of_gaps
from inklens.linear.problem.build import Penalizing
from inklens.linear.problem.problem import check_strength
from inklens.linear.rows.elsewhere import is_elsewhere
from inklens.linear.rows.opening import Matrix, given_back
from inklens.linear.rows.rows import Rows
from inklens.linear.search import NEVER, Fold, FoldPath, fold_paths
from inklens.linear.softmax import log_softmax
from inklens.linear.watching import validated

FAST_SCORES = {"neg_log_loss", "accuracy", None}  # computed from scores; others are asked through an estimator
LEAST_LOG_PROBA = float(np.log(np.finfo(np.float64).eps))  # as scikit-learn's log_loss: one row cannot decide alone
MOST_SCORES = 1 << 18  # of held-out rows, for some fits at once
MOST_PATH_BYTES = 1 << 28  # of coefficients of all fits that are kept

Scorer = Callable[..., float]


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
        Number of stratified folds, at least 2. A class with a single row stays in every training set. A class that a
        training set lacks is never predicted by its fits.
    scoring : str, callable or None, default="neg_log_loss"
        Any of scikit-learn's scorers by name, a callable (estimator, X, y) -> float, or None, which is accuracy; larger
        is better. Weighted by sample weights, where metadata routing is not enabled. Log-probabilities count as at
        least log 2.2e-16, as in scikit-learn.
    rule : {"one_se", "best"}, default="one_se"
        One-standard-error rule, or the best mean score; the smallest C of equals.
    refit : bool, default=True
        Whether to fit all rows with the choice. Else the coefficients are the means over the folds, of which nothing
        is proven.
    group, binary
        As for `SoftmaxRegression`.
    standardize, penalty_factor, positive
        As for `SoftmaxRegression`; deviations are those of all rows.
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
    Cs_, l1_ratios_ : ndarray (n_l1_ratios, n_Cs), (n_l1_ratios,)
        What was tried.
    scores_ : ndarray (n_folds, n_l1_ratios, n_Cs)
    coefs_paths_ : ndarray (n_folds, n_l1_ratios, n_Cs, n_classes or 1, n_features + 1) or None
        Coefficients of all fits, with the intercept, if there is one, at the end. None where they would take more than
        256 MiB.
    mean_scores_, standard_errors_ : ndarray (n_l1_ratios, n_Cs)
    path_gaps_, n_iter_ : ndarray (n_folds, n_l1_ratios, n_Cs)
        Proven relative gap of every fit of the search, and its rounds.
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
    >>> model = SoftmaxRegressionCV(Cs=8, scoring="accuracy").fit(X, y)
    >>> model.scores_.shape, bool(model.score(X, y) > 0.9), bool((model.path_gaps_ <= 1e-3).all())
    ((5, 1, 8), True, True)
    """

    __metadata_request__score = {"sample_weight": UNUSED}  # noqa: RUF012 (scikit-learn's protocol): the scorer's

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
        "scoring": [StrOptions(set(get_scorer_names())), callable, None],
        "refit": ["boolean"],
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
        scoring: str | Scorer | None = "neg_log_loss",
        rule: str = "one_se",
        refit: bool = True,
        group: bool = False,
        standardize: bool = False,
        penalty_factor: npt.ArrayLike | None = None,
        positive: bool = False,
        binary: str = "logistic",
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
        self.refit = refit
        self.group = group
        self.standardize = standardize
        self.penalty_factor = penalty_factor
        self.positive = positive
        self.binary = binary
        self.tol = tol
        self.path_tol = path_tol
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.max_iter = max_iter
        self.random_state = random_state
        self.n_jobs = n_jobs

    @property
    def C(self) -> float:  # type: ignore[override]
        """The choice of C, by the name that `SoftmaxRegression` has."""
        return self.C_

    @property
    def l1_ratio(self) -> float:  # type: ignore[override]
        """The choice of l1_ratio, likewise."""
        return self.l1_ratio_

    @validated
    def fit(self, X: Matrix, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None, **params: object) -> Self:
        """Choose C and l1_ratio, then fit to all of X (n_samples, n_features) and y (n_samples,).

        Parameters
        ----------
        X, y, sample_weight
            As for `SoftmaxRegression.fit`.
        **params : array-like (n_samples,)
            `groups` for the splitter; with ``sklearn.set_config(enable_metadata_routing=True)`` whatever splitter and
            scorer request.

        Raises
        ------
        ValueError
            As `SoftmaxRegression.fit`; also an l1_ratio outside [0, 1], or no fold with rows to judge.
        """
        arrays.require_plain(y=y, sample_weight=sample_weight)
        with all_or_nothing(self):
            return self._search(X, y, sample_weight, params)

    def _search(
        self, X: Matrix, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None, params: dict[str, object]
    ) -> Self:
        routed = self._routed("fit", {**params, "sample_weight": sample_weight})
        rows, labels = self._validated(X, y)
        with given_back(rows, X):
            return self._search_rows(rows, X, labels, sample_weight, routed)

    def _search_rows(
        self, rows: Rows, X: Matrix, labels: np.ndarray, sample_weight: npt.ArrayLike | None, routed: Bunch
    ) -> Self:
        sample_weight = self._here(sample_weight, rows)
        given = arrays.checked_weights(sample_weight, len(labels))
        weights = with_class_weights(labels, given, self.class_weight)
        kept = np.flatnonzero(weights)
        classes, codes = np.unique(labels[kept], return_inverse=True)
        if len(classes) < 2:
            raise DataError(f"This solver needs samples of at least 2 classes in the data, got one class: {classes}")
        if len(kept) < len(labels):
            rows = rows.take(kept)
        ratios = self._checked_ratios()
        check_strength(self.C_max, weights[kept])
        asked = [
            Penalizing(
                ratio, self.group, self._is_single(classes), self.standardize, self.penalty_factor, self.positive
            )
            for ratio in ratios
        ]
        data = rows, codes, weights[kept], len(classes)
        problems = [penalty.problem(*data, fit_intercept=self.fit_intercept) for penalty in asked]
        self.Cs_ = np.stack([path_grid(problem, self.Cs, self.C_max) for problem in problems])
        folds = self._folds(X, codes, kept, len(labels), routed.splitter.split)
        told = {**routed.scorer.score, **({"sample_weight": given} if "sample_weight" in routed.scorer.score else {})}
        judge = _Judge(self, X, labels, rows, codes, kept, classes, told)
        by_ratio = [
            fold_paths(problem, folds, grid, self.path_tol) for problem, grid in zip(problems, self.Cs_, strict=True)
        ]
        paths = [list(of_fold) for of_fold in zip(*by_ratio, strict=True)]
        self.scores_ = np.array(
            [[judge.scores(path, fold) for path in of_fold] for fold, of_fold in zip(folds, paths, strict=True)]
        )
        self.path_gaps_ = np.array([[path.gaps for path in of_fold] for of_fold in paths])
        warn_of_gaps(np.broadcast_to(self.Cs_, self.path_gaps_.shape).ravel(), self.path_gaps_.ravel(), self.path_tol)
        ratio, point = self._choose()
        self.l1_ratios_ = ratios
        self.l1_ratio_, self.C_ = float(ratios[ratio]), float(self.Cs_[ratio, point])
        chosen = [of_fold[ratio] for of_fold in paths]
        self.coefs_paths_ = self._all_coefficients(paths, classes)
        if self.refit:
            problem = asked[ratio].problem(*data, C=self.C_, fit_intercept=self.fit_intercept)
            complete = [path for path in chosen if not (path.intercepts == NEVER).any()]
            self._solved(problem, X, labels, classes, _mean(complete, point) if complete else None)
        else:
            self.classes_ = classes
            self.coef_, self.intercept_ = self._as_shown(*_mean(chosen, point), classes)
        self.n_iter_ = np.array([[path.n_iter for path in of_fold] for of_fold in paths])
        return self

    def _checked_ratios(self) -> np.ndarray:
        ratios = arrays.real_numbers(self.l1_ratios, name="l1_ratios", expected="numbers between 0 and 1")
        if ratios.ndim != 1 or len(ratios) == 0 or not ((ratios >= 0.0) & (ratios <= 1.0)).all():
            raise DataError(f"l1_ratios must be a list of numbers between 0 and 1, got {self.l1_ratios!r}")
        return ratios

    def _folds(
        self, X: Matrix, codes: np.ndarray, kept: np.ndarray, n_samples: int, params: dict[str, object]
    ) -> list[Fold]:
        """Return the folds among the rows that are kept.

        A splitter counts in the `n_samples` rows as given; rows of no weight stay out of what it deals.
        """
        if isinstance(self.cv, Integral):
            fold_of = stratified_folds(codes, int(self.cv), check_random_state(self.random_state))
            folds = [Fold(np.flatnonzero(fold_of != k), np.flatnonzero(fold_of == k)) for k in range(int(self.cv))]
        else:
            labels = np.zeros(n_samples, dtype=codes.dtype)
            labels[kept] = codes
            place = np.full(n_samples, -1)
            place[kept] = np.arange(len(kept))
            dealt: Iterable[Iterable[object]] = self.cv  # type: ignore[assignment]  # pairs, where it is no splitter
            if self.cv is None or hasattr(self.cv, "split"):
                dealt = check_cv(self.cv, labels, classifier=True).split(np.zeros((n_samples, 1)), labels, **params)
            folds = [Fold(*(_among(place[_of_fold(rows, n_samples)]) for rows in _pair(fold))) for fold in dealt]
        folds = [fold for fold in folds if len(fold.test)]
        if not folds:
            raise DataError("cross-validation needs a class with at least two rows")
        if not all(len(fold.train) for fold in folds):
            raise DataError("a training fold has no rows with a weight; use fewer folds")
        return folds

    def _all_coefficients(self, paths: list[list[FoldPath]], classes: np.ndarray) -> np.ndarray | None:
        """Return coefficients and intercepts of all fits, unless they would fill the memory."""
        if sum(path.coefs.nbytes for of_fold in paths for path in of_fold) > MOST_PATH_BYTES:
            return None
        coefs = np.array([[path.coefs for path in of_fold] for of_fold in paths])
        intercepts = np.array([[path.intercepts for path in of_fold] for of_fold in paths])[..., None]
        both = np.concatenate([coefs, intercepts], axis=-1) if self.fit_intercept else coefs
        return np.diff(both, axis=-2) if self._is_single(classes) else both

    def _as_shown(self, coef: np.ndarray, intercept: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return coefficients and intercepts with the rows that `coef_` has."""
        return (np.diff(coef, axis=0), np.diff(intercept)) if self._is_single(classes) else (coef, intercept)

    def _choose(self) -> tuple[int, int]:
        """Return the indices of l1_ratio and C."""
        self.mean_scores_ = self.scores_.mean(axis=0)
        n_folds = len(self.scores_)
        spread = self.scores_.std(axis=0, ddof=1) if n_folds > 1 else np.zeros_like(self.mean_scores_)
        self.standard_errors_ = spread / np.sqrt(n_folds)
        best, ratio = (int(at) for at in np.unravel_index(self.mean_scores_.T.argmax(), self.mean_scores_.T.shape))
        if self.rule == "best":
            return ratio, best
        enough = self.mean_scores_[ratio] >= self.mean_scores_[ratio, best] - self.standard_errors_[ratio, best]
        return ratio, int(np.flatnonzero(enough)[0])

    def score(self, X: Matrix, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None, **params: object) -> float:
        """Return the score that `scoring` gives X (n_samples, n_features) and y (n_samples,)."""
        self._routed("score", {**params, "sample_weight": sample_weight})  # refuses what nobody asks for
        check_is_fitted(self)
        if not is_elsewhere(X):
            n_rows = X.n_samples if isinstance(X, Rows) else _num_samples(X)
            y = labels_of(self._here(y, None), n_rows).ravel()
            require_alike(y, self.classes_)
            sample_weight = None if sample_weight is None else arrays.checked_weights(sample_weight, n_rows)
        routed = self._routed("score", {**params, "sample_weight": sample_weight})
        X = Rows.of(X) if arrays.is_foreign(X) else X  # whose scores come here, as metrics want them
        return float(self._scorer()(self, X, y, **routed.scorer.score))

    def _scorer(self) -> Scorer:
        """Return `scoring` as a callable (estimator, X, y); None is accuracy."""
        found: Scorer = check_scoring(SoftmaxRegression(), "accuracy" if self.scoring is None else self.scoring)
        return found

    def _routed(self, method: str, params: dict[str, object]) -> Bunch:
        """Return which of the parameters go to splitter and scorer."""
        params = {name: value for name, value in params.items() if value is not None}
        if _routing_enabled():
            return process_routing(self, method, **params)
        _raise_for_params(dict.fromkeys(params.keys() - {"groups", "sample_weight"}, 0), self, method)
        to_splitter = {"groups": params["groups"]} if "groups" in params else {}
        to_scorer = {"sample_weight": params["sample_weight"]} if "sample_weight" in params else {}
        return Bunch(splitter=Bunch(split=to_splitter), scorer=Bunch(score=to_scorer))

    def get_metadata_routing(self) -> MetadataRouter:
        """Return what splitter and scorer request, for scikit-learn's metadata routing."""
        to_scorer = MethodMapping().add(caller="fit", callee="score").add(caller="score", callee="score")
        return (
            MetadataRouter(owner=self)
            .add_self_request(self)
            .add(splitter=check_cv(self.cv), method_mapping=MethodMapping().add(caller="fit", callee="split"))
            .add(scorer=self._scorer(), method_mapping=to_scorer)
        )


class _Judge:
    """Scores the fits of a fold on the rows that it holds out."""

    def __init__(
        self,
        search: SoftmaxRegressionCV,
        X: Matrix,
        labels: np.ndarray,
        rows: Rows,
        codes: np.ndarray,
        kept: np.ndarray,
        classes: np.ndarray,
        params: dict[str, Any],
    ) -> None:
        self.search, self.labels, self.rows, self.codes, self.kept = search, labels, rows, codes, kept
        self.classes, self.params = classes, params
        self.X: Any = sparse.csr_array(X) if sparse.issparse(X) else X
        self.has_rows_only = isinstance(X, Rows | list | tuple) or arrays.is_foreign(X) or is_elsewhere(X)

    def scores(self, path: FoldPath, fold: Fold) -> np.ndarray:
        """Return the score of each fit of the path, (n_Cs,)."""
        judge = self._quickly if self.search.scoring in FAST_SCORES else self._through_an_estimator
        return judge(path, fold)

    def _quickly(self, path: FoldPath, fold: Fold) -> np.ndarray:
        held_out, codes = self.rows.take(fold.test), self.codes[fold.test]
        weights = self.params.get("sample_weight")
        weights = None if weights is None else np.asarray(weights, dtype=np.float64)[self.kept[fold.test]]
        together = max(1, MOST_SCORES // (len(codes) * len(self.classes)))
        found = []
        for first in range(0, len(path.coefs), together):
            coefs, intercepts = (part[first : first + together] for part in (path.coefs, path.intercepts))
            flat = held_out.scores(coefs.reshape(-1, coefs.shape[2]), intercepts.ravel(), dtype=np.float64)
            own = self._of_rows(flat.reshape(len(codes), *intercepts.shape), codes)
            found.append(np.average(own, axis=0, weights=weights))
        return np.concatenate(found)

    def _of_rows(self, raw: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Return the score of each row under each fit; `raw` are (n_rows, n_fits, n_classes)."""
        if self.search.scoring != "neg_log_loss":
            return np.asarray(raw.argmax(axis=2) == codes[:, None])
        logs = log_softmax(raw.reshape(-1, raw.shape[2])).reshape(raw.shape)
        return np.asarray(np.maximum(logs[np.arange(len(raw)), :, codes], LEAST_LOG_PROBA))

    def _through_an_estimator(self, path: FoldPath, fold: Fold) -> np.ndarray:
        scorer, chosen = _of_classes(self.search._scorer(), self.classes), self.kept[fold.test]
        X = self.rows.take(fold.test) if self.has_rows_only else _safe_indexing(self.X, chosen)
        params = _check_method_params(self.X, self.params, indices=chosen)
        view = SoftmaxRegression(binary=self.search.binary)
        view.classes_ = self.classes
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self.search, name):
                setattr(view, name, getattr(self.search, name))
        found = []
        for coef, intercept in zip(path.coefs, path.intercepts, strict=True):
            view.coef_, view.intercept_ = self.search._as_shown(coef, intercept, self.classes)
            found.append(float(scorer(view, X, self.labels[chosen], **params)))
        return np.array(found)


def _mean(paths: list[FoldPath], point: int) -> tuple[np.ndarray, np.ndarray]:
    """Return coefficients and intercepts of a point, averaged over folds."""
    coef, intercept = ([getattr(path, part)[point] for path in paths] for part in ("coefs", "intercepts"))
    return np.mean(coef, axis=0), np.mean(intercept, axis=0)


def _of_classes(scorer: Scorer, classes: np.ndarray) -> Scorer:
    """Return one of scikit-learn's scorers with the classes told to its metric: a test set may lack some."""
    metric, told = getattr(scorer, "_score_func", None), dict(getattr(scorer, "_kwargs", {}))
    known = inspect.signature(metric).parameters if metric is not None else {}
    if metric is None or "labels" not in known or "labels" in told:
        return scorer
    told["labels"] = classes
    if "pos_label" in known and len(classes) == 2:
        told.setdefault("pos_label", classes[1])
    better = scorer._sign > 0  # type: ignore[attr-defined]
    kind = scorer._response_method  # type: ignore[attr-defined]
    made: Scorer = make_scorer(metric, greater_is_better=better, response_method=kind, **told)
    return made


def _pair(fold: Iterable[object]) -> tuple[object, object]:
    """Return the training and the test rows of what an iterable deals."""
    try:
        train, test = fold
    except (TypeError, ValueError) as error:
        text = f"expected (train, test), two arrays of rows, for each fold of cv, got {fold!r:.60}"
        raise DataError(text) from error
    return train, test


def _of_fold(given: object, n_samples: int) -> np.ndarray:
    """Return indices of rows, or of those that are true."""
    try:
        indices = np.asarray(given)
    except ValueError:  # lists of different lengths
        indices = np.empty((0, 0))
    if indices.dtype == bool and indices.shape == (n_samples,):
        return indices
    whole = indices.ndim == 1 and (indices.dtype.kind in "iu" or indices.size == 0)
    if not whole or (indices.size and not (-n_samples <= indices.min() and indices.max() < n_samples)):
        raise DataError(f"expected a fold of cv as indices of {n_samples} rows, counted from 0, got {given!r:.60}")
    return indices.astype(np.int64)


def _among(places: np.ndarray) -> np.ndarray:
    """Return the sorted places of rows that are kept; -1 marks the others."""
    return np.sort(places[places >= 0])
