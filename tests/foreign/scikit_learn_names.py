"""A pytest plugin: scikit-learn's own tests of its logistic regression, run against ours.

``python -m pytest -p tests.foreign.scikit_learn_names --pyargs sklearn.linear_model.tests.test_logistic``

The two classes have scikit-learn's parameters, and answer them with ours; what a parameter cannot mean here (a solver, its
scaling of the intercept) is stored and not used.
"""

import inspect
import warnings

import numpy as np
import sklearn.linear_model

from inklens import SoftmaxRegression, SoftmaxRegressionCV

Theirs, TheirsCV = sklearn.linear_model.LogisticRegression, sklearn.linear_model.LogisticRegressionCV
L1_RATIO = {"l1": 1.0, "l2": 0.0}


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

    # what SoftmaxRegression reads and scikit-learn has no name for
    group, binary, time_budget = False, "logistic", None

    def _fit(self, X, y, sample_weight, callback):
        given = {name: getattr(self, name) for name in ("C", "l1_ratio", "penalty")}
        self.C, self.l1_ratio = translated(self)
        try:
            return super()._fit(X, y, sample_weight, callback)
        finally:
            vars(self).update(given)


def translated(model):
    """Return C and l1_ratio of scikit-learn's penalty."""
    if model.penalty is None:
        return np.inf, 0.0
    ratio = L1_RATIO.get(model.penalty, model.l1_ratio)
    return model.C, 0.0 if ratio is None else ratio


class LogisticRegressionCV(SoftmaxRegressionCV):
    """scikit-learn's `LogisticRegressionCV`, fitted by `SoftmaxRegressionCV`."""

    _parameter_constraints = TheirsCV._parameter_constraints
    __init__ = stored(TheirsCV.__init__)

    group, binary, rule, C_max = False, "logistic", "best", 1.0

    @property
    def path_tol(self):
        return self.tol

    def _search(self, X, y, sample_weight, params):
        given = {name: getattr(self, name) for name in ("Cs", "l1_ratios", "scoring", "cv")}
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


sklearn.linear_model.LogisticRegression = LogisticRegression
sklearn.linear_model.LogisticRegressionCV = LogisticRegressionCV
