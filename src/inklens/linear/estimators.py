"""`SoftmaxRegression`: the solver behind scikit-learn's estimator contract."""

import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from numbers import Integral, Real
from typing import Self, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning
from sklearn.utils import Tags, compute_class_weight
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_n_features, check_is_fitted, validate_data

from inklens.classes import DISCRETE, check_discrete, labels_of, require_alike
from inklens.errors import DataError, ParameterError, ScaleWarning
from inklens.linear import arrays
from inklens.linear.blas import threads_of
from inklens.linear.conditioning import remark_on
from inklens.linear.driver import FitInterrupted, FitLost, Solution, Status, solve
from inklens.linear.other_names import answer_other_names
from inklens.linear.problem.build import make_problem
from inklens.linear.problem.problem import Problem
from inklens.linear.returned import in_float32, is_float32, single
from inklens.linear.rows.compressed import checked_csr
from inklens.linear.rows.elsewhere import brought, by_parts, is_elsewhere
from inklens.linear.rows.layouts import dense_storage, make_block
from inklens.linear.rows.mapped import require_whole
from inklens.linear.rows.opening import Matrix, given_back
from inklens.linear.rows.rows import Rows
from inklens.linear.softmax import log_softmax, per_class, raw_prediction, softmax
from inklens.linear.watching import Callback, CallbackSupportMixin, Watching, validated, watched
from inklens.reprs import Card, certificate_facts, listed

ClassWeight: TypeAlias = Mapping[object, float] | str | None
RandomState: TypeAlias = int | np.random.RandomState | None

NUMBERS = (np.float64, np.float32, np.uint8)


class SoftmaxRegression(CallbackSupportMixin, ClassifierMixin, BaseEstimator):
    r"""Fit a multinomial logistic regression whose `tol` is a guarantee.

    Minimises, with :math:`z_i = W x_i + b` and sample weights :math:`s_i`,

    .. math:: C \sum_i s_i [\log \sum_k e^{z_{ik}} - z_{i y_i}]
              + \rho \|W\|_1 + \tfrac{1-\rho}{2} \|W\|_F^2

    and stops once a proven lower bound shows that the objective is within `tol`, relatively, of the optimum. The
    intercept is never penalised. Two classes have one row w, and :math:`C \sum_i s_i \log(1 + e^{-z_i})` with
    :math:`z_i = \pm (w x_i + b)`, as scikit-learn has it, unless `binary` asks for a row for each.

    Parameters
    ----------
    C : float, default=1.0
        Inverse penalty strength, in (0, inf]. Small C: strong penalty, small coefficients, many zeros under L1.
        ``C=inf`` is no penalty; then :math:`\sum_i s_i` loss is minimised. Per-sample strength: alpha = 1 / (C n).
        C times the total weight must lie between 1e-20 and 1e15: else one part is lost in the rounding of the other.
    l1_ratio : float, default=0.0
        :math:`\rho` in [0, 1]: 0 is L2, 1 is L1, between is the elastic net.
    group : bool, default=False
        Replace :math:`\|W\|_1` by :math:`\sum_j \|W_{\cdot j}\|_2`: a feature enters for all classes or for none.
    standardize : bool, default=False
        Penalise each coefficient times its column's standard deviation (by the rows' weights in the loss), as if
        columns had been scaled to deviation 1. `coef_`, the objective and the bound are those of the columns as given.
    penalty_factor : array-like (n_features,), default=None
        What each column's penalty is multiplied by: 0 is none, infinity leaves the column out. They are not rescaled
        to a mean of 1, as glmnet's are. With factors of 0, `lower_bound_` holds among coefficients of these columns
        that move scores at most ten times as much as the fitted ones do.
    positive : bool, default=False
        Allow no negative coefficient: each class's score is a sum of evidence for it. Of two classes it is the second's
        coefficients against the first that may not be negative.
    binary : {"logistic", "softmax"}, default="logistic"
        What is fitted to two classes: "logistic" is one row w, penalised as it is; "softmax" a row for each class,
        both penalised, as for more classes. Under L2 the latter has the optimum of the former at half of C; under L1
        both have the same.
    tol : float, default=1e-4
        Promise on (objective - lower bound) / objective.
    fit_intercept : bool, default=True
        Whether to fit b.
    class_weight : dict, "balanced" or None, default=None
        Factor on the weight of each class's rows.
    max_iter : int, default=10000
        Upper limit on rounds of the method; 0 proves what can be said of the start.
    time_budget : float or None, default=None
        Seconds after which the best point so far is returned, with its bound.
    warm_start : bool, default=False
        Start from the last fit's coefficients.
    random_state : None or int, default=None
        Kept for compatibility; the fit is deterministic.
    n_jobs : int or None, default=None
        Number of threads; None and -1 use all cores that the process may use.

    Attributes
    ----------
    coef_ : ndarray (n_classes, n_features), (1, n_features) for two classes unless ``binary="softmax"``
        float32 where X was, if the gap at the rounded numbers is still as promised, else float64. Sparse after
        `sparsify`.
    intercept_ : ndarray (n_classes,), or (1,)
    classes_ : ndarray (n_classes,)
        Labels of rows with a weight; a class of weight 0 is left out, with a warning.
    objective_, lower_bound_ : float
        The value reached, and a proven bound below the optimum. Without a penalty the bound holds among all
        coefficients with at most ten times the sum of absolute values of `coef_`.
    dual_gap_ : float
        ``(objective_ - lower_bound_) / objective_``.
    status_ : {"certified", "separated", "stopped"}
        Within `tol`; no finite optimum exists and that is proven; or a limit came first (warns).
    converged_ : bool
        Whether `status_` is "certified".
    separated_ : bool
        Whether the classes were proven separable (only looked for when ``C=inf``); `margin_` is then the proven lead
        of every row's own class under the returned coefficients.
    mle_exists_ : bool or None
        Without a penalty: whether a finite optimum exists; None where neither is proven, and under a penalty.
    dual_point_ : DualPoint or None
        What proves `lower_bound_`: see `inklens.linear.proofs.certificates.lower_bound`.
    gradient_norm_ : float
        Largest violation of the optimality conditions, in units of the gradient.
    n_iter_ : ndarray (1,)
        Rounds of the method.
    n_passes_ : float
        Loss-and-gradient evaluations over all rows.
    history_ : list of (seconds, passes, objective, lower bound)
        How the fit went.

    References
    ----------
    Friedman, Hastie, Tibshirani (2010), J. Stat. Softw. 33(1), section 4, for the model; Boyd and Vandenberghe (2004),
    section 5.5.1, for the stopping rule.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> model = SoftmaxRegression(C=1.0).fit(X, y)
    >>> model.status_, bool(model.dual_gap_ <= 1e-4), model.coef_.shape
    ('certified', True, (3, 4))
    """

    _parameter_constraints = {  # noqa: RUF012 (scikit-learn's protocol)
        "C": [Interval(Real, 0.0, np.inf, closed="right")],
        "l1_ratio": [Interval(Real, 0.0, 1.0, closed="both")],
        "tol": [Interval(Real, 0.0, None, closed="left")],
        "group": ["boolean"],
        "standardize": ["boolean"],
        "penalty_factor": ["array-like", None],
        "positive": ["boolean"],
        "binary": [StrOptions({"logistic", "softmax"})],
        "fit_intercept": ["boolean"],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "time_budget": [Interval(Real, 0.0, None, closed="neither"), None],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    }

    @answer_other_names
    def __init__(
        self,
        *,
        C: float = 1.0,
        l1_ratio: float = 0.0,
        group: bool = False,
        standardize: bool = False,
        penalty_factor: npt.ArrayLike | None = None,
        positive: bool = False,
        binary: str = "logistic",
        tol: float = 1e-4,
        fit_intercept: bool = True,
        class_weight: ClassWeight = None,
        max_iter: int = 10_000,
        time_budget: float | None = None,
        warm_start: bool = False,
        random_state: RandomState = None,
        n_jobs: int | None = None,
    ) -> None:
        self.C = C
        self.l1_ratio = l1_ratio
        self.group = group
        self.standardize = standardize
        self.penalty_factor = penalty_factor
        self.positive = positive
        self.binary = binary
        self.tol = tol
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.max_iter = max_iter
        self.time_budget = time_budget
        self.warm_start = warm_start
        self.random_state = random_state
        self.n_jobs = n_jobs

    @classmethod
    @cache
    def _get_param_names(cls) -> list[str]:
        """Return the names of the parameters; scikit-learn inspects the signature anew for each fit."""
        names: list[str] = super()._get_param_names()
        return names

    @watched
    @validated
    def fit(
        self,
        X: Matrix,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        *,
        offset: npt.ArrayLike | None = None,
        callback: Callback | None = None,
    ) -> Self:
        """Fit to X (n_samples, n_features) and y (n_samples,).

        Parameters
        ----------
        X : array-like or sparse matrix (n_samples, n_features), list of these, or `Rows`
            Finite numbers. uint8 and float32 are used as they are, memory-mapped arrays are read block by block, a list
            is stacked row by row, and ``Rows.of(pixels, scale=1 / 255)`` fits pixels as ``pixels / 255`` with no copy.
            Torch tensors and CuPy or JAX arrays stay on their device, and passes over them run there. Dask arrays and
            tables, lists of delayed parts, and lists of files are read by Dask's workers, and stay there: `Rows.of`.
        y : array-like (n_samples,)
            At least two different labels.
        sample_weight : array-like (n_samples,), default=None
            Weight of each row; 0 leaves it out, 2 counts it twice.
        offset : array-like (n_samples, n_classes), default=None
            A fixed part of each row's scores, which is not fitted: what is known before, such as another model's scores
            or log prior odds; for two classes (n_samples,) will do, the second's against the first. `predict` knows
            none: add those of new rows to `decision_function`.
        callback : callable, default=None
            Called as ``callback(solution)`` while fitting, with a copy of the best point; stops the fit when it returns
            True. scikit-learn's callbacks (`set_callbacks`) work too where its version has them.

        Raises
        ------
        ValueError
            NaN or infinity, one class, no rows or columns, parameters out of range, values too large or too small for
            any coefficient to be found.
        FitInterrupted
            On Ctrl-C; the best point so far has been stored, with its bound. After any other error, but for the next,
            the estimator is as it was before.
        FitLost
            Where workers hold the rows, and are lost for good; the best point so far has been stored, and a fit with
            ``warm_start=True`` goes on from there.
        """
        with all_or_nothing(self):
            return self._fit(X, y, sample_weight, callback, offset)

    def _fit(
        self,
        X: Matrix,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None,
        callback: Callback | None,
        offset: npt.ArrayLike | None = None,
    ) -> Self:
        began = time.perf_counter()
        if not (callback is None or callable(callback)):
            raise ParameterError(f"expected a function of the solution as callback, got {callback!r:.60}")
        arrays.require_plain(y=y, sample_weight=sample_weight, offset=offset)
        rows, y = self._validated(X, y)
        with given_back(rows, X):
            return self._fit_rows(rows, X, y, sample_weight, callback, offset, began)

    def _fit_rows(
        self,
        rows: Rows,
        X: Matrix,
        y: np.ndarray,
        sample_weight: npt.ArrayLike | None,
        callback: Callback | None,
        offset: npt.ArrayLike | None,
        began: float,
    ) -> Self:
        sample_weight, offset = self._here(sample_weight, rows), self._here(offset, rows)
        weights = with_class_weights(y, arrays.checked_weights(sample_weight, len(y)), self.class_weight)
        if offset is not None:
            offset = arrays.real_numbers(offset, name="offset", expected=f"numbers for each of the {len(y)} rows")
            if len(np.atleast_1d(offset)) != len(y):
                raise DataError(f"expected an offset for each of the {len(y)} rows, got {len(np.atleast_1d(offset))}")
        if not weights.all():  # a row of weight 0 is a row left out
            kept = np.flatnonzero(weights)
            rows, y, weights = rows.take(kept), y[kept], weights[kept]
            offset = None if offset is None else offset[kept]
        classes, codes = np.unique(y, return_inverse=True)
        if y.dtype.kind in DISCRETE and 2 * len(classes) > len(y):  # it warns
            check_discrete(y)
        if len(classes) < 2:
            raise DataError(
                "This solver needs samples of at least 2 classes in the data, but the data contains only "
                f"one class: {classes.tolist()}"
            )
        problem = make_problem(
            rows, codes, weights, len(classes),
            C=self.C, l1_ratio=self.l1_ratio, group=self.group, single=self._is_single(classes),
            standardize=self.standardize, penalty_factor=self.penalty_factor, positive=self.positive,
            fit_intercept=self.fit_intercept, offset=offset,
        )  # fmt: skip
        return self._solved(
            problem, X, y, classes, self._start(classes, rows.n_features), self._budget(began), callback
        )

    def _solved(
        self,
        problem: Problem,
        X: Matrix,
        y: np.ndarray,
        classes: np.ndarray,
        start: tuple[np.ndarray, np.ndarray] | None,
        time_budget: float | None = None,
        callback: Callback | None = None,
    ) -> Self:
        """Solve the problem of X and y, keep what was found, and warn where something is to be known of it."""
        with Watching(self, X, y, classes, callback) as watch:
            try:
                solution = solve(
                    problem, tol=self.tol, max_iter=self.max_iter, time_budget=time_budget, start=start, callback=watch
                )
            except FitInterrupted as interruption:
                self._keep(interruption.solution, classes, problem, X)
                raise
            except FitLost as lost:
                self._keep(lost.solution, classes, problem, None)
                raise
        self._keep(solution, classes, problem, X)
        text = solution.remark(self.tol)
        if text:
            warnings.warn(text, ConvergenceWarning, stacklevel=6)
        if solution.unheard is not None and solution.unheard.any():
            names = getattr(self, "feature_names_in_", None)
            warnings.warn(remark_on(solution.unheard, names), ScaleWarning, stacklevel=6)
        return self

    def _is_single(self, classes: np.ndarray) -> bool:
        """Tell whether the classes are two that share one row of coefficients."""
        return len(classes) == 2 and self.binary == "logistic"

    def _budget(self, began: float) -> float | None:
        """Return what reading and laying out the rows has left of the budget."""
        if self.time_budget is None:
            return None
        return max(float(self.time_budget) - (time.perf_counter() - began), np.finfo(float).tiny)

    def _validated(self, X: Matrix, y: npt.ArrayLike) -> tuple[Rows, np.ndarray]:
        """Return X as `Rows` and y as a one-dimensional array, checked by scikit-learn's rules where they apply."""
        blocks = isinstance(X, list | tuple) and len(X) > 0 and arrays.is_matrix(X[0])
        if isinstance(X, Rows) or blocks or arrays.is_foreign(X) or is_elsewhere(X):
            rows = X if isinstance(X, Rows) else Rows.of(X, n_threads=threads_of(self.n_jobs))
            y = labels_of(self._here(y, rows), rows.n_samples).ravel()
            if 0 in rows.shape:
                missing = "sample" if rows.n_samples == 0 else "feature"
                raise DataError(
                    f"Found array with 0 {missing}(s) (shape={rows.shape}) while a minimum of 1 is required."
                )
            self.n_features_in_ = rows.n_features
            if rows.names is not None:
                self.feature_names_in_ = np.array(rows.names, dtype=object)
            return rows, y
        if isinstance(X, np.ndarray) and isinstance(y, np.ndarray) and _is_plain(X, y):
            self.n_features_in_ = X.shape[1]
            self.__dict__.pop("feature_names_in_", None)
            return Rows.of(X, n_threads=threads_of(self.n_jobs)), y
        X = _checked(self, X)
        labels = labels_of(self._here(y, None), X.shape[0])
        if labels.ndim > 1:
            text = "A column-vector y was passed when a 1d array was expected. Give y.ravel()."
            warnings.warn(text, DataConversionWarning, stacklevel=6)
        return Rows.of(X, n_threads=threads_of(self.n_jobs)), labels.ravel()

    def _here(self, values: npt.ArrayLike | None, rows: Rows | None) -> npt.ArrayLike | None:
        """Return labels or weights as an array of this process."""
        if arrays.is_foreign(values):
            return arrays.to_numpy(values)
        return brought(values, None if rows is None else rows.client)

    def _start(self, classes: np.ndarray, n_features: int) -> tuple[np.ndarray, np.ndarray] | None:
        if not self.warm_start or not hasattr(self, "coef_"):
            return None
        if self.coef_.shape[1] != n_features or not np.array_equal(self.classes_, classes):
            return None
        coef, intercept = per_class(_dense(self.coef_), self.intercept_)
        return coef.astype(np.float64), intercept.astype(np.float64)

    def _keep(self, solution: Solution, classes: np.ndarray, problem: Problem, X: Matrix | None) -> None:
        self.classes_ = classes
        if self._is_single(classes):
            solution = single(solution, problem.penalty)
        if is_float32(X):
            solution = in_float32(solution, problem, self.tol)
        self.coef_, self.intercept_ = solution.coef, solution.intercept
        self.objective_, self.lower_bound_ = float(solution.objective), float(solution.lower_bound)
        self.dual_gap_, self.status_, self.separated_ = float(solution.gap), solution.status.value, solution.separated
        self.margin_ = solution.separation.margin if solution.separation is not None else None
        self.mle_exists_, self.dual_point_ = solution.exists, solution.dual
        self.converged_, self.gradient_norm_ = solution.status == Status.CERTIFIED, solution.gradient_norm
        self.n_iter_ = np.array([solution.n_iter], dtype=np.int32)
        self.n_passes_, self.history_ = solution.n_passes, solution.history

    def sparsify(self) -> Self:
        """Hold `coef_` as a sparse matrix, which saves memory where most of it is zero under L1."""
        check_is_fitted(self)
        self.coef_ = sparse.csr_matrix(self.coef_)
        return self

    def densify(self) -> Self:
        """Hold `coef_` as an array again."""
        check_is_fitted(self)
        self.coef_ = _dense(self.coef_)
        return self

    def decision_function(self, X: Matrix) -> arrays.Array:
        """Return the scores z_k = b_k + w_k . x, (n_samples, n_classes); for two classes z_1 - z_0, (n_samples,)."""
        if is_elsewhere(X):
            check_is_fitted(self)
            n_classes = len(self.classes_)
            return by_parts(self.decision_function, X, n_classes if n_classes > 2 else None, np.float64)
        raw = self._raw(X)
        return raw[:, 1] - raw[:, 0] if len(self.classes_) == 2 else raw

    def predict(self, X: Matrix) -> arrays.Array:
        """Return the label of the largest score, (n_samples,).

        Of rows that Dask's workers read, here and below, the answer is a lazy Dask array.
        """
        if is_elsewhere(X):
            check_is_fitted(self)
            return by_parts(self.predict, X, None, self.classes_.dtype)
        raw = self._raw(X)
        return np.asarray(self.classes_[arrays.to_numpy(arrays.namespace(raw).argmax(raw, axis=1))])

    def predict_proba(self, X: Matrix) -> arrays.Array:
        """Return softmax probabilities, (n_samples, n_classes), in the order of `classes_`.

        For torch tensors, CuPy and JAX arrays the answer is one, too, on the same device.
        """
        if is_elsewhere(X):
            check_is_fitted(self)
            return by_parts(self.predict_proba, X, len(self.classes_), np.float64)
        return softmax(self._raw(X))

    def predict_log_proba(self, X: Matrix) -> arrays.Array:
        """Return log-probabilities, (n_samples, n_classes)."""
        if is_elsewhere(X):
            check_is_fitted(self)
            return by_parts(self.predict_log_proba, X, len(self.classes_), np.float64)
        return log_softmax(self._raw(X))

    def score(self, X: Matrix, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> float:
        """Return the accuracy on X (n_samples, n_features) and y (n_samples,)."""
        return accuracy(brought(self.predict(X)), brought(y), brought(sample_weight))

    def _raw(self, X: Matrix) -> arrays.Array:
        """Return a score for each class, (n_samples, n_classes)."""
        scores = self._scores(X)
        return scores if scores.shape[1] > 1 else arrays.namespace(scores).concat([-scores / 2, scores / 2], axis=1)

    def _scores(self, X: Matrix) -> arrays.Array:
        """Return a score for each row of `coef_`."""
        check_is_fitted(self)
        if arrays.is_foreign(X):
            values = make_block(dense_storage(X)).exact.matrix
            _check_n_features(self, values, reset=False)
            raw = raw_prediction(values, _dense(self.coef_), self.intercept_)
            return raw if arrays.is_foreign(raw) else arrays.like(X, raw, np.float64)
        if isinstance(X, Rows):
            coef, intercept = per_class(_dense(self.coef_), self.intercept_)
            raw = X.scores(coef, intercept, dtype=np.float64)
            return np.ascontiguousarray(raw if len(coef) == self.coef_.shape[0] else raw[:, 1:] - raw[:, :1])
        X = _checked(self, X, reset=False, ensure_all_finite=True)
        return raw_prediction(X, self.coef_, self.intercept_)

    def named_coefficients(self) -> dict[str, dict[str, float]]:
        """Return the coefficients by class and by feature: ``pandas.DataFrame(model.named_coefficients())`` is a table.

        The one row of two classes speaks for the second, and has its name.
        Features have the names of the columns that the fit saw (`feature_names_in_`), else x0, x1, ...

        Examples
        --------
        >>> model = SoftmaxRegression().fit([[0.0], [1.0]], ["no", "yes"])
        >>> sorted(model.named_coefficients()["yes"])
        ['x0']
        """
        check_is_fitted(self)
        names = self._feature_names()
        return {
            label: dict(zip(names, row.tolist(), strict=True))
            for label, row in zip(self._row_labels(), _dense(self.coef_), strict=True)
        }

    def _row_labels(self) -> list[str]:
        """Return what each row of `coef_` speaks for; the one row of two classes for the second."""
        return [str(label) for label in self.classes_.tolist()][-self.coef_.shape[0] :]

    def _feature_names(self) -> list[str]:
        if hasattr(self, "feature_names_in_"):
            return [str(name) for name in self.feature_names_in_]
        return [f"x{column}" for column in range(self.coef_.shape[1])]

    def _card(self) -> Card:
        coef, names = _dense(self.coef_), self._feature_names()
        facts: dict[str, object] = {
            "parameters": repr(self),
            "classes": listed(self.classes_.tolist()),
            "features": f"{len(names)}: {listed(names, most=8)}" if hasattr(self, "feature_names_in_") else len(names),
            "coefficients": f"{len(coef)} x {len(names)}, {int((coef == 0.0).sum()):,} of them exactly zero",
        }
        if hasattr(self, "objective_"):
            facts |= certificate_facts(self.objective_, self.lower_bound_, self.dual_gap_, self.status_)
        if hasattr(self, "feature_names_in_"):
            facts |= {
                f"largest for {label}": self._largest(row)
                for label, row in zip(self._row_labels()[:5], coef, strict=False)
            }
        return Card(f"{type(self).__name__}: {len(self.classes_)} classes, {len(names)} features", facts)

    def _largest(self, row: np.ndarray) -> str:
        names = self._feature_names()
        order = np.argsort(-np.abs(row), kind="stable")[:4]
        return ", ".join(f"{names[j]} {row[j]:+.3g}" for j in order if row[j] != 0.0) or "none"

    def _repr_html_inner(self) -> str:
        return self._card().to_html() if hasattr(self, "coef_") else str(super()._repr_html_inner())

    def _repr_mimebundle_(self, **kwargs: object) -> dict[str, str]:
        bundle: dict[str, str] = super()._repr_mimebundle_(**kwargs)
        return {**bundle, "text/html": self._repr_html_inner()} if "text/html" in bundle else bundle

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


@contextmanager
def all_or_nothing(estimator: BaseEstimator) -> Iterator[None]:
    """Undo what a fit has changed if it fails; one that was interrupted, or lost its rows, keeps its best point."""
    before = dict(vars(estimator))
    try:
        yield
    except (FitInterrupted, FitLost):
        raise
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


def with_class_weights(y: np.ndarray, weights: np.ndarray, class_weight: ClassWeight) -> np.ndarray:
    """Return the weights of rows times those of their classes; warn where nothing is left of a class."""
    if class_weight is None and weights.all():
        return weights
    used = np.flatnonzero(weights)
    if class_weight is not None and len(used):
        classes, codes = np.unique(y[used], return_inverse=True)
        try:
            factors = compute_class_weight(class_weight, classes=classes, y=y[used], sample_weight=weights[used])
        except ValueError as error:  # of classes that are not among them, or of a weight that is no number
            raise DataError(f"class_weight has to give a number for a class: {error}") from error
        weights = weights.copy()
        weights[used] *= factors[codes]
    left = np.unique(y[weights != 0.0])
    lost = np.setdiff1d(y, left)
    if len(lost) and len(left) > 1:  # of less than two classes there is an error
        text = f"all rows of the classes {lost.tolist()} have weight 0: they are left out, and never predicted"
        warnings.warn(text, UserWarning, stacklevel=6)
    return weights


def accuracy(predicted: np.ndarray, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> float:
    """Return the share of rows, by their weights, whose label is predicted."""
    arrays.require_plain(y=y)
    labels = labels_of(arrays.to_numpy(y) if arrays.is_foreign(y) else y, len(predicted)).ravel()
    require_alike(labels, predicted)
    return float(np.average(predicted == labels, weights=arrays.checked_weights(sample_weight, len(predicted))))


def _checked(
    estimator: BaseEstimator, X: Matrix, *, reset: bool = True, ensure_all_finite: bool = False
) -> np.ndarray | sparse.csr_array:
    """Return a matrix by scikit-learn's rules, whose errors of values are ours."""
    require_whole(X)
    X = checked_csr(X) if sparse.issparse(X) else arrays.require_numbers(X)
    try:
        return validate_data(
            estimator, X, accept_sparse=["csr", "csc", "coo"], accept_large_sparse=True, dtype=NUMBERS,
            ensure_all_finite=ensure_all_finite, reset=reset,
        )  # fmt: skip
    except DataError:
        raise
    except TypeError as error:
        raise arrays.NoNumbersError(str(error)) from error
    except ValueError as error:
        raise DataError(str(error) if sparse.issparse(X) else arrays.no_numbers(X, error)) from error
    except OverflowError as error:
        raise DataError(str(error)) from error


def _is_plain(X: np.ndarray, y: np.ndarray) -> bool:
    """Tell whether scikit-learn's checks, which take as long as a small fit, would change nothing."""
    if type(X) is not np.ndarray or type(y) is not np.ndarray or X.dtype not in NUMBERS:
        return False
    return X.ndim == 2 and X.size > 0 and y.shape == X.shape[:1] and y.dtype.kind in DISCRETE


def _dense(coef: np.ndarray) -> np.ndarray:
    """Return coefficients as an array where `sparsify` has made a matrix of them."""
    return np.asarray(coef.toarray()) if isinstance(coef, sparse.spmatrix | sparse.sparray) else coef
