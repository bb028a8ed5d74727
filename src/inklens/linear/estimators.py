"""`SoftmaxRegression`: the solver behind scikit-learn's estimator contract."""

import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import compute_class_weight
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from inklens.linear.penalties import ElasticNet
from inklens.linear.problem import Problem
from inklens.linear.softmax import log_softmax, raw_prediction, softmax
from inklens.linear.solvers import Solution, solve


class SoftmaxRegression(ClassifierMixin, BaseEstimator):
    r"""Fit a multinomial logistic regression whose `tol` is a guarantee.

    Minimises, with :math:`z_i = W x_i + b` and sample weights :math:`s_i`,

    .. math:: C \sum_i s_i \big[\log \textstyle\sum_k e^{z_{ik}} - z_{i y_i}\big]
              + \rho \|W\|_1 + \tfrac{1-\rho}{2} \|W\|_F^2

    and stops once a proven lower bound shows that the objective is within `tol`, relatively, of the optimum. The
    intercept is never penalised.

    Parameters
    ----------
    C : float, default=1.0
        Inverse penalty strength, in (0, inf]. Small C: strong penalty, small coefficients, many zeros under L1.
        ``C=inf`` is no penalty; then :math:`\sum_i s_i` loss is minimised. Per-sample strength: alpha = 1 / (C n).
    l1_ratio : float, default=0.0
        :math:`\rho` in [0, 1]: 0 is L2, 1 is L1, between is the elastic net.
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
        The value reached, and a proven bound below the optimum.
    dual_gap_ : float
        (objective_ - lower_bound_) / objective_.
    status_ : {"certified", "separated", "stopped"}
        Within `tol`; no finite optimum exists and that is proven; or a limit came first (warns).
    converged_ : bool
        Whether `status_` is "certified".
    separated_ : bool
        Whether the classes were proven separable (only looked for when ``C=inf``).
    gradient_norm_ : float
        Largest violation of the optimality conditions, in units of the gradient.
    n_iter_, n_passes_ : int
        Rounds of the method, and loss-and-gradient evaluations over all rows.

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
        "fit_intercept": ["boolean"],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "time_budget": [Interval(Real, 0.0, None, closed="neither"), None],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        *,
        C=1.0,
        l1_ratio=0.0,
        tol=1e-4,
        fit_intercept=True,
        class_weight=None,
        max_iter=10_000,
        time_budget=None,
        warm_start=False,
        random_state=None,
        n_jobs=None,
    ):
        self.C = C
        self.l1_ratio = l1_ratio
        self.tol = tol
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.max_iter = max_iter
        self.time_budget = time_budget
        self.warm_start = warm_start
        self.random_state = random_state
        self.n_jobs = n_jobs

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, *, callback=None):
        """Fit to X (n_samples, n_features), dense or sparse, and y (n_samples,).

        Parameters
        ----------
        X : array-like or sparse matrix (n_samples, n_features)
            Finite numbers.
        y : array-like (n_samples,)
            At least two different labels.
        sample_weight : array-like (n_samples,), default=None
            Weight of each row; 0 leaves it out, 2 counts it twice.
        callback : callable, default=None
            Called as ``callback(solution)`` while fitting; stops the fit when it returns True.

        Raises
        ------
        ValueError
            NaN or infinity, one class, no rows or columns, parameters out of range.
        """
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=np.float64, order="C")
        check_classification_targets(y)
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        if not weights.all():  # a row of weight 0 is a row left out
            X, y, weights = X[weights > 0.0], y[weights > 0.0], weights[weights > 0.0]
        classes, codes = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(
                "This solver needs samples of at least 2 classes in the data, but the data contains only "
                f"one class: {classes.tolist()}"
            )
        if self.class_weight is not None:
            weights = (
                weights * compute_class_weight(self.class_weight, classes=classes, y=y, sample_weight=weights)[codes]
            )
        unpenalised = np.isinf(self.C)
        problem = Problem(
            X=X,
            codes=codes,
            weights=weights if unpenalised else self.C * weights,
            n_classes=len(classes),
            penalty=ElasticNet(0.0, 0.0) if unpenalised else ElasticNet(self.l1_ratio, 1.0 - self.l1_ratio),
            fit_intercept=self.fit_intercept,
        )
        solution = solve(
            problem,
            tol=self.tol,
            max_iter=self.max_iter,
            time_budget=self.time_budget,
            start=self._start(classes, X.shape[1]),
            callback=callback,
        )
        self.classes_ = classes
        self._keep(solution, problem)
        return self

    def _start(self, classes: np.ndarray, n_features: int) -> tuple[np.ndarray, np.ndarray] | None:
        if not self.warm_start or not hasattr(self, "coef_"):
            return None
        if self.coef_.shape[1] != n_features or not np.array_equal(self.classes_, classes):
            return None
        return self.coef_, self.intercept_

    def _keep(self, solution: Solution, problem: Problem) -> None:
        self.coef_, self.intercept_ = solution.coef, solution.intercept
        self.objective_, self.lower_bound_ = solution.objective, solution.lower_bound
        self.dual_gap_, self.status_, self.separated_ = solution.gap, solution.status, solution.separated
        self.converged_ = solution.status == "certified"
        self.n_iter_, self.n_passes_, self.history_ = solution.n_iter, solution.n_passes, solution.history
        at = problem.evaluate(self.coef_, self.intercept_)
        moved = problem.penalty.prox(self.coef_ - at.coef_gradient, 1.0) - self.coef_
        self.gradient_norm_ = float(max(np.abs(moved).max(), np.abs(at.intercept_gradient).max()))
        if self.status_ == "stopped":
            warnings.warn(
                f"stopped at a proven gap of {self.dual_gap_:.1e} instead of tol={self.tol:.1e} "
                f"(gradient {self.gradient_norm_:.1e}); raise max_iter or time_budget, or tol",
                ConvergenceWarning,
                stacklevel=3,
            )
        elif self.status_ == "separated":
            warnings.warn(
                "the classes are linearly separable, so without a penalty no finite optimum exists and larger "
                "coefficients always fit better; separating coefficients are returned; give a finite C for an optimum",
                ConvergenceWarning,
                stacklevel=3,
            )

    def decision_function(self, X):
        """Return the scores z_k = b_k + w_k . x, (n_samples, n_classes); for two classes z_1 - z_0, (n_samples,)."""
        raw = self._raw(X)
        return raw[:, 1] - raw[:, 0] if len(self.classes_) == 2 else raw

    def predict(self, X):
        """Return the label of the largest score, (n_samples,)."""
        largest = self._raw(X).argmax(axis=1)
        return self.classes_[largest]

    def predict_proba(self, X):
        """Return softmax probabilities, (n_samples, n_classes), in the order of `classes_`."""
        return softmax(self._raw(X))

    def predict_log_proba(self, X):
        """Return log-probabilities, (n_samples, n_classes)."""
        return log_softmax(self._raw(X))

    def _raw(self, X) -> np.ndarray:
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float64, reset=False)
        return raw_prediction(X, self.coef_, self.intercept_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
