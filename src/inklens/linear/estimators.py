"""`SoftmaxRegression`: the solver behind scikit-learn's estimator contract."""

import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from numbers import Integral, Real
from typing import Any, ParamSpec, Self, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags, compute_class_weight
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_n_features, _check_sample_weight, check_is_fitted, validate_data

from inklens.errors import DataError, ScaleWarning
from inklens.linear import arrays
from inklens.linear.conditioning import remark_on
from inklens.linear.driver import FitInterrupted, Solution, Status, solve
from inklens.linear.problem.build import make_problem
from inklens.linear.rows.compressed import checked_csr
from inklens.linear.rows.layouts import dense_storage, make_block
from inklens.linear.rows.rows import Rows, is_matrix
from inklens.linear.softmax import log_softmax, raw_prediction, softmax
from inklens.reprs import Card, certificate_facts, listed

P = ParamSpec("P")
T = TypeVar("T")
Callback: TypeAlias = Callable[[Solution], object]
ClassWeight: TypeAlias = Mapping[object, float] | str | None
RandomState: TypeAlias = int | np.random.RandomState | None

try:  # experimental since scikit-learn 1.9
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands in for scikit-learn's."""

    def with_callbacks(method: Callable[P, T]) -> Callable[P, T]:
        """Leave the method as it is."""
        return method


OTHER_NAMES = {  # parameters that tutorials give to scikit-learn's LogisticRegression
    "penalty": "l1_ratio=1 is L1, l1_ratio=0 L2, between them an elastic net, and C=inf no penalty",
    "solver": "no solver is to be chosen; tol says how near the optimum the fit must come",
    "multi_class": "the model is always the softmax of all classes",
    "alpha": "C = 1 / (alpha * n_samples) gives the same model",
    "dual": "it is not to be chosen",
    "verbose": "pass fit(..., callback=...) to watch the fit",
    "intercept_scaling": "the intercept is never penalised",
}
PENALTIES = {"l1": "l1_ratio=1", "l2": "l1_ratio=0", "elasticnet": "l1_ratio=0.5", None: "C=inf", "none": "C=inf"}


def answer_other_names(init: Callable[P, None]) -> Callable[P, None]:
    """Let an `__init__` answer parameters of other estimators with those that do it here, as a `TypeError`."""

    @wraps(init)
    def checked(*args: P.args, **parameters: P.kwargs) -> None:
        for name in OTHER_NAMES.keys() & parameters.keys():
            value = parameters[name]
            advice = OTHER_NAMES[name]
            if name == "penalty" and (value is None or isinstance(value, str)) and value in PENALTIES:
                advice = f"write {PENALTIES[value]}"
            raise TypeError(f"there is no parameter {name}={value!r}: {advice}")
        init(*args, **parameters)

    return checked


Matrix: TypeAlias = npt.ArrayLike | sparse.sparray | sparse.spmatrix | Rows
NUMBERS = (np.float64, np.float32, np.uint8)


class SoftmaxRegression(CallbackSupportMixin, ClassifierMixin, BaseEstimator):
    r"""Fit a multinomial logistic regression whose `tol` is a guarantee.

    Minimises, with :math:`z_i = W x_i + b` and sample weights :math:`s_i`,

    .. math:: C \sum_i s_i [\log \sum_k e^{z_{ik}} - z_{i y_i}]
              + \rho \|W\|_1 + \tfrac{1-\rho}{2} \|W\|_F^2

    and stops once a proven lower bound shows that the objective is within `tol`, relatively, of the optimum. The
    intercept is never penalised.

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
    tol : float, default=1e-4
        Promise on (objective - lower bound) / objective.
    fit_intercept : bool, default=True
        Whether to fit b.
    class_weight : dict, "balanced" or None, default=None
        Factor on the weight of each class's rows.
    max_iter : int, default=10000
        Upper limit on rounds of the method.
    time_budget : float or None, default=None
        Seconds after which the best point so far is returned, with its bound.
    warm_start : bool, default=False
        Start from the last fit's coefficients.
    random_state : None or int, default=None
        Kept for compatibility; the fit is deterministic.
    n_jobs : int or None, default=None
        Number of threads; None uses all cores that the process may use.

    Attributes
    ----------
    coef_ : ndarray (n_classes, n_features)
    intercept_ : ndarray (n_classes,)
    classes_ : ndarray (n_classes,)
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
    n_iter_, n_passes_ : int, float
        Rounds of the method, and loss-and-gradient evaluations over all rows.
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
        "fit_intercept": ["boolean"],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
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
        self.tol = tol
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.max_iter = max_iter
        self.time_budget = time_budget
        self.warm_start = warm_start
        self.random_state = random_state
        self.n_jobs = n_jobs

    @with_callbacks  # type: ignore[untyped-decorator]
    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(
        self,
        X: Matrix,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        *,
        callback: Callback | None = None,
    ) -> Self:
        """Fit to X (n_samples, n_features) and y (n_samples,).

        Parameters
        ----------
        X : array-like or sparse matrix (n_samples, n_features), list of these, or `Rows`
            Finite numbers. uint8 and float32 are used as they are, memory-mapped arrays are read block by block, a list
            is stacked row by row, and ``Rows.of(pixels, scale=1 / 255)`` fits pixels as ``pixels / 255`` with no copy.
            Torch tensors and CuPy or JAX arrays stay on their device, and passes over them run there.
        y : array-like (n_samples,)
            At least two different labels.
        sample_weight : array-like (n_samples,), default=None
            Weight of each row; 0 leaves it out, 2 counts it twice.
        callback : callable, default=None
            Called as ``callback(solution)`` while fitting, with a copy of the best point; stops the fit when it returns
            True. scikit-learn's callbacks (`set_callbacks`) work too where its version has them.

        Raises
        ------
        ValueError
            NaN or infinity, one class, no rows or columns, parameters out of range, values too large or too small for
            any coefficient to be found.
        FitInterrupted
            On Ctrl-C; the best point so far has been stored, with its bound. After any other error the estimator is as
            it was before.
        """
        with all_or_nothing(self):
            return self._fit(X, y, sample_weight, callback)

    def _fit(self, X: Matrix, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None, callback: Callback | None) -> Self:
        began = time.perf_counter()
        rows, y = self._validated(X, y)
        check_classification_targets(y)
        if arrays.is_foreign(sample_weight):
            sample_weight = arrays.to_numpy(sample_weight)
        weights = _check_sample_weight(sample_weight, y, dtype=np.float64, ensure_non_negative=True).copy()
        if not weights.all():  # a row of weight 0 is a row left out
            kept = np.flatnonzero(weights)
            rows, y, weights = rows.take(kept), y[kept], weights[kept]
        classes, codes = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise DataError(
                "This solver needs samples of at least 2 classes in the data, but the data contains only "
                f"one class: {classes.tolist()}"
            )
        if self.class_weight is not None:
            weights = (
                weights * compute_class_weight(self.class_weight, classes=classes, y=y, sample_weight=weights)[codes]
            )
        problem = make_problem(
            rows, codes, weights, len(classes),
            C=self.C, l1_ratio=self.l1_ratio, group=self.group, fit_intercept=self.fit_intercept,
        )  # fmt: skip
        with _Watching(self, X, y, classes, callback) as watch:
            try:
                solution = solve(
                    problem,
                    tol=self.tol,
                    max_iter=self.max_iter,
                    time_budget=self._budget_left(began),
                    start=self._start(classes, rows.n_features),
                    callback=watch,
                )
            except FitInterrupted as interruption:
                self._keep(interruption.solution, classes)
                raise
        self._keep(solution, classes)
        text = solution.remark(self.tol)
        if text:
            warnings.warn(text, ConvergenceWarning, stacklevel=5)
        if solution.unheard is not None and solution.unheard.any():
            names = getattr(self, "feature_names_in_", None)
            warnings.warn(remark_on(solution.unheard, names), ScaleWarning, stacklevel=5)
        return self

    def _budget_left(self, began: float) -> float | None:
        """Return what reading and laying out the rows has left of the budget."""
        if self.time_budget is None:
            return None
        return max(float(self.time_budget) - (time.perf_counter() - began), np.finfo(float).tiny)

    def _validated(self, X: Matrix, y: npt.ArrayLike) -> tuple[Rows, np.ndarray]:
        """Return X as `Rows` and y as a one-dimensional array, checked by scikit-learn's rules where they apply."""
        if arrays.is_foreign(y):
            y = arrays.to_numpy(y)
        blocks = isinstance(X, list | tuple) and len(X) > 0 and is_matrix(X[0])
        if isinstance(X, Rows) or blocks or arrays.is_foreign(X):
            rows = X if isinstance(X, Rows) else Rows.of(X, n_threads=_n_threads(self.n_jobs))
            y = np.ravel(np.asarray(y))
            if len(y) != rows.n_samples:
                raise DataError(f"X has {rows.n_samples} rows and y {len(y)} labels; give one label for each row")
            if 0 in rows.shape:
                missing = "sample" if rows.n_samples == 0 else "feature"
                raise DataError(
                    f"Found array with 0 {missing}(s) (shape={rows.shape}) while a minimum of 1 is required."
                )
            self.n_features_in_ = rows.n_features
            return rows, y
        X = checked_csr(X) if sparse.issparse(X) else X
        X, y = validate_data(
            self, X, y, accept_sparse=["csr", "csc", "coo"], accept_large_sparse=True, dtype=NUMBERS,
            ensure_all_finite=False,
        )  # fmt: skip
        return Rows.of(X, n_threads=_n_threads(self.n_jobs)), np.asarray(y)

    def _start(self, classes: np.ndarray, n_features: int) -> tuple[np.ndarray, np.ndarray] | None:
        if not self.warm_start or not hasattr(self, "coef_"):
            return None
        if self.coef_.shape[1] != n_features or not np.array_equal(self.classes_, classes):
            return None
        return self.coef_, self.intercept_

    def _keep(self, solution: Solution, classes: np.ndarray) -> None:
        self.classes_ = classes
        self.coef_, self.intercept_ = solution.coef, solution.intercept
        self.objective_, self.lower_bound_ = float(solution.objective), float(solution.lower_bound)
        self.dual_gap_, self.status_, self.separated_ = float(solution.gap), solution.status.value, solution.separated
        self.margin_ = solution.separation.margin if solution.separation is not None else None
        self.mle_exists_, self.dual_point_ = solution.exists, solution.dual
        self.converged_, self.gradient_norm_ = solution.status == Status.CERTIFIED, solution.gradient_norm
        self.n_iter_, self.n_passes_, self.history_ = solution.n_iter, solution.n_passes, solution.history

    def decision_function(self, X: Matrix) -> arrays.Array:
        """Return the scores z_k = b_k + w_k . x, (n_samples, n_classes); for two classes z_1 - z_0, (n_samples,)."""
        raw = self._raw(X)
        return raw[:, 1] - raw[:, 0] if len(self.classes_) == 2 else raw

    def predict(self, X: Matrix) -> np.ndarray:
        """Return the label of the largest score, (n_samples,)."""
        raw = self._raw(X)
        return np.asarray(self.classes_[arrays.to_numpy(arrays.namespace(raw).argmax(raw, axis=1))])

    def predict_proba(self, X: Matrix) -> arrays.Array:
        """Return softmax probabilities, (n_samples, n_classes), in the order of `classes_`.

        For torch tensors, CuPy and JAX arrays the answer is one, too, on the same device.
        """
        return softmax(self._raw(X))

    def predict_log_proba(self, X: Matrix) -> arrays.Array:
        """Return log-probabilities, (n_samples, n_classes)."""
        return log_softmax(self._raw(X))

    def _raw(self, X: Matrix) -> arrays.Array:
        check_is_fitted(self)
        if arrays.is_foreign(X):
            values = make_block(dense_storage(X)).exact.matrix
            _check_n_features(self, values, reset=False)
            raw = raw_prediction(values, self.coef_, self.intercept_)
            return raw if arrays.is_foreign(raw) else arrays.like(X, raw, np.float64)
        if isinstance(X, Rows):
            return np.ascontiguousarray(X.scores(self.coef_, self.intercept_, dtype=np.float64))
        X = checked_csr(X) if sparse.issparse(X) else X
        X = validate_data(self, X, accept_sparse=["csr", "csc", "coo"], dtype=NUMBERS, reset=False)
        return raw_prediction(X, self.coef_, self.intercept_)

    def named_coefficients(self) -> dict[str, dict[str, float]]:
        """Return the coefficients by class and by feature: ``pandas.DataFrame(model.named_coefficients())`` is a table.

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
            str(label): dict(zip(names, row.tolist(), strict=True))
            for label, row in zip(self.classes_.tolist(), self.coef_, strict=True)
        }

    def _feature_names(self) -> list[str]:
        if hasattr(self, "feature_names_in_"):
            return [str(name) for name in self.feature_names_in_]
        return [f"x{column}" for column in range(self.coef_.shape[1])]

    def _card(self) -> Card:
        zeros, names = int((self.coef_ == 0.0).sum()), self._feature_names()
        facts: dict[str, object] = {
            "parameters": repr(self),
            "classes": listed(self.classes_.tolist()),
            "features": f"{len(names)}: {listed(names, most=8)}" if hasattr(self, "feature_names_in_") else len(names),
            "coefficients": f"{len(self.coef_)} x {len(names)}, {zeros:,} of them exactly zero",
        }
        if hasattr(self, "objective_"):
            facts |= certificate_facts(self.objective_, self.lower_bound_, self.dual_gap_, self.status_)
        if hasattr(self, "feature_names_in_"):
            facts |= {f"largest for {label}": self._largest(k) for k, label in enumerate(self.classes_.tolist()[:5])}
        return Card(f"{type(self).__name__}: {len(self.classes_)} classes, {len(names)} features", facts)

    def _largest(self, k: int) -> str:
        names, row = self._feature_names(), self.coef_[k]
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
    """Undo what a fit has changed if it fails; a fit that was interrupted keeps its best point."""
    before = dict(vars(estimator))
    try:
        yield
    except FitInterrupted:
        raise
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


class _Watching:
    """Passes each step on to a plain callback and to scikit-learn's callbacks."""

    def __init__(
        self, estimator: BaseEstimator, X: Matrix, y: np.ndarray, classes: np.ndarray, callback: Callback | None
    ) -> None:
        self.estimator, self.data, self.classes, self.callback = estimator, {"X": X, "y": y}, classes, callback
        self.context: Any = None  # scikit-learn's, which has no types

    def __enter__(self) -> Callable[[Solution], bool] | None:
        if getattr(self.estimator, "_skl_callbacks", None):
            self.context = self.estimator._init_callback_context(max_subtasks=None)
            self.context.call_on_fit_task_begin(estimator=self.estimator, **self.data)
        return self.step if self.context is not None or self.callback is not None else None

    def step(self, solution: Solution) -> bool:
        stop = bool(self.callback(solution)) if self.callback is not None else False
        if self.context is not None:
            part = self.context.subcontext(task_name="step")
            part.call_on_fit_task_begin(estimator=self.estimator, **self.data)
            stop |= bool(
                part.call_on_fit_task_end(
                    estimator=self.estimator,
                    metadata={"objective": solution.objective, "lower_bound": solution.lower_bound},
                    reconstruction_attributes={
                        "coef_": solution.coef, "intercept_": solution.intercept, "classes_": self.classes.copy()
                    },
                    **self.data,
                )
            )  # fmt: skip
        return stop

    def __exit__(self, *error: object) -> None:
        if self.context is not None and error[0] is None:
            self.context.call_on_fit_task_end(estimator=self.estimator, **self.data)


def _n_threads(n_jobs: int | None) -> int | None:
    """Return scikit-learn's `n_jobs` as a number of threads; None is all cores, -2 all but one."""
    if n_jobs is None or n_jobs > 0:
        return n_jobs
    from joblib import effective_n_jobs

    return int(effective_n_jobs(n_jobs))
