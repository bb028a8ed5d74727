"""A pytest plugin: scikit-learn's own tests of its logistic regression, run against ours.

With this folder on the path:
``python -m pytest -p scikit_learn_names --pyargs sklearn.linear_model.tests.test_logistic``

The two classes have scikit-learn's parameters, and answer them with ours. What only concerns its solvers (which
penalties each takes, 64-bit indices, how each words that it ran out of rounds) is answered here, not by the package.
Its tol is about a gradient, and is taken as the square root of a gap.
"""

import inspect
import warnings

import numpy as np
import sklearn.linear_model
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model._base import LinearClassifierMixin
from sklearn.linear_model._logistic import _check_solver
from sklearn.metrics import check_scoring
from sklearn.utils import check_array

from inklens import SoftmaxRegression, SoftmaxRegressionCV

Theirs, TheirsCV = sklearn.linear_model.LogisticRegression, sklearn.linear_model.LogisticRegressionCV
L1_RATIO = {"l1": 1.0, "l2": 0.0}
NARROW = ("liblinear", "sag", "saga")  # solvers that take 32-bit indices only
LEAST_GAP = 1e-14  # relative; float64 can tell no more
NOT_CONVERGED = {
    "liblinear": "Liblinear failed to converge, increase the number of iterations.",
    "lbfgs": "lbfgs failed to converge",
    "newton-cg": "newton-cg failed to converge. Increase the number of iterations.",
    "newton-cholesky": "Newton solver did not converge after 1 iterations",
    "sag": "The max_iter was reached which means the coef_ did not converge",
    "saga": "The max_iter was reached which means the coef_ did not converge",
}


def stored(init):
    """Return an `__init__` with the parameters and defaults of another, which stores them."""
    signature = inspect.signature(init)

    def __init__(self, *args, **parameters):
        bound = signature.bind(self, *args, **parameters)
        bound.apply_defaults()
        for name, value in list(bound.arguments.items())[1:]:
            setattr(self, name, value)

    __init__.__signature__ = signature
    return __init__


class LogisticRegression(SoftmaxRegression):
    """scikit-learn's `LogisticRegression`, fitted by `SoftmaxRegression`."""

    _parameter_constraints = Theirs._parameter_constraints
    __init__ = stored(Theirs.__init__)

    _predict_proba_lr = LinearClassifierMixin._predict_proba_lr

    # what SoftmaxRegression reads and scikit-learn has no name for
    group, binary, time_budget, standardize, penalty_factor, positive = False, "logistic", None, False, None, False

    def _fit(self, X, y, sample_weight, callback, offset=None):
        check_parameters(self, y, self.l1_ratio, "l1_ratio")
        if self.solver in NARROW:
            check_array(X, accept_sparse=True, accept_large_sparse=False)
        X = check_array(X, accept_sparse=True, dtype=np.float64) if self.solver == "liblinear" else X
        if self.n_jobs is not None:
            warnings.warn("'n_jobs' has no effect there, and is deprecated", FutureWarning, stacklevel=2)
        given = {name: getattr(self, name) for name in ("C", "l1_ratio", "tol")}
        self.C, self.l1_ratio, self.tol = translated(self)
        try:
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                return super()._fit(X, y, sample_weight, callback, offset)
        finally:
            vars(self).update(given)
            for warning in told:
                of_gap = warning.category is ConvergenceWarning and "stopped" in str(warning.message)
                if not of_gap:
                    warnings.warn(warning.message, stacklevel=2)
                elif self.n_iter_[0] >= self.max_iter:  # float64 cannot tell more where it ended before
                    warnings.warn(NOT_CONVERGED[self.solver], ConvergenceWarning, stacklevel=2)


def check_parameters(model, y, l1_ratio, name):
    """Refuse and warn as scikit-learn does of combinations that only its solvers are concerned by."""
    if model.penalty != "deprecated":
        warnings.warn("'penalty' was deprecated there", FutureWarning, stacklevel=3)
    if l1_ratio is None:
        warnings.warn(f"'{name}=None' was deprecated there", FutureWarning, stacklevel=3)
    ratios = np.atleast_1d(0.0 if l1_ratio is None or isinstance(l1_ratio, str) else l1_ratio)
    if model.penalty == "elasticnet" and l1_ratio is None:
        raise ValueError("an elastic net needs l1_ratio")
    if model.penalty in L1_RATIO and 0.0 < ratios[0] < 1.0:
        text = f"l1_ratio parameter is only used when penalty is 'elasticnet'. Got (penalty={model.penalty})"
        warnings.warn(text, UserWarning, stacklevel=3)
    if model.penalty in L1_RATIO and ratios[0] != L1_RATIO[model.penalty]:
        text = f"Inconsistent values: penalty={model.penalty} with {name}={l1_ratio}"
        warnings.warn(text, UserWarning, stacklevel=3)
    if model.penalty is None and model.C != 1.0:
        warnings.warn("Setting penalty=None will ignore the C", UserWarning, stacklevel=3)
    for ratio in ratios:
        kind = model.penalty
        if kind == "deprecated":
            kind = {0.0: "l2", 1.0: "l1"}.get(float(ratio), "elasticnet")
        _check_solver(model.solver, None if getattr(model, "C", 1.0) == np.inf else kind, model.dual)
    if model.solver == "liblinear" and len(np.unique(y)) > 2:
        raise ValueError("The 'liblinear' solver does not support multiclass classification.")


def translated(model):
    """Return C, l1_ratio and tol: scikit-learn's tol is about the gradient, and a gap is as the square of that."""
    ratio = L1_RATIO.get(model.penalty, model.l1_ratio)
    C, ratio = (np.inf, 0.0) if model.penalty is None else (model.C, 0.0 if ratio is None else ratio)
    return C, ratio, gap_of(model.tol)


def gap_of(tol):
    return max(min(tol, 1e-2) ** 2, LEAST_GAP)


class LogisticRegressionCV(SoftmaxRegressionCV):
    """scikit-learn's `LogisticRegressionCV`, fitted by `SoftmaxRegressionCV`."""

    _parameter_constraints = TheirsCV._parameter_constraints
    __init__ = stored(TheirsCV.__init__)

    group, binary, rule, C_max = False, "logistic", "best", 1.0
    standardize, penalty_factor, positive = False, None, False

    @property
    def path_tol(self):
        return self.tol

    def _get_scorer(self):
        return self._scorer()

    def _scorer(self):
        return check_scoring(SoftmaxRegression(), "accuracy" if self.scoring in (None, "warn") else self.scoring)

    def _search(self, X, y, sample_weight, params):
        check_parameters(self, y, self.l1_ratios, "l1_ratios")
        for name, text in (
            ("l1_ratios", "The default value for l1_ratios will change there"),
            ("scoring", "The default value of the parameter 'scoring' will change there"),
            ("use_legacy_attributes", "The default value of use_legacy_attributes will change from True there"),
        ):
            if isinstance(getattr(self, name), str) and getattr(self, name) == "warn":
                warnings.warn(text, FutureWarning, stacklevel=2)
        given = {name: getattr(self, name) for name in ("Cs", "l1_ratios", "scoring", "cv", "tol")}
        self.tol = gap_of(self.tol)
        self.Cs = np.logspace(-4, 4, self.Cs) if np.ndim(self.Cs) == 0 else self.Cs
        self.l1_ratios = (0.0,) if self.l1_ratios is None or isinstance(self.l1_ratios, str) else self.l1_ratios
        self.scoring = None if isinstance(self.scoring, str) and self.scoring == "warn" else self.scoring
        try:
            super()._search(X, y, sample_weight, params)
        finally:
            vars(self).update(given)
        self.Cs_ = self.Cs_[0]
        if self.use_legacy_attributes:
            self._say_it_the_old_way()
        return self

    def _say_it_the_old_way(self):
        """Give the attributes the layout that scikit-learn leaves behind in 1.10: a dictionary over classes."""
        names = self.classes_[-len(self.coef_) :]
        scores, n_iter = (np.moveaxis(a, 1, 2) for a in (self.scores_, self.n_iter_))
        paths = np.moveaxis(self.coefs_paths_, 1, 2)  # (n_folds, n_Cs, n_l1_ratios, n_classes, n_dof)
        if self.l1_ratios is None or isinstance(self.l1_ratios, str):
            scores, n_iter, paths = scores[..., 0], n_iter[..., 0], paths[:, :, 0]
        self.scores_ = dict.fromkeys(names, scores)
        self.coefs_paths_ = {name: paths[..., k, :] for k, name in enumerate(names)}
        self.n_iter_ = n_iter[None]
        self.C_, self.l1_ratio_ = np.full(len(names), self.C_), np.full(len(names), self.l1_ratio_)


def pytest_configure():
    """Put ours in the place of scikit-learn's: in a process with this plugin alone, not wherever it is imported."""
    sklearn.linear_model.LogisticRegression = LogisticRegression
    sklearn.linear_model.LogisticRegressionCV = LogisticRegressionCV
