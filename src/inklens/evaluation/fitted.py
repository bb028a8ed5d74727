"""The problem that a fitted model solved, so that its rows can be asked again."""

from typing import Any

import numpy as np

from inklens.errors import DataError, ParameterError
from inklens.linear.problem.penalties import ElasticNet, penalty_of
from inklens.linear.problem.problem import Problem
from inklens.linear.rows.rows import Rows


def problem_of(model: Any, X: Any, y: Any, sample_weight: Any = None) -> Problem:
    """Return the problem of a fitted `SoftmaxRegression` on the rows that it was fitted on.

    Raises
    ------
    ParameterError, DataError
        The model weighs classes, or the rows are not of its shape and classes.
    """
    if getattr(model, "class_weight", None) is not None:
        raise ParameterError("give the class weights as sample_weight, one number per row, and class_weight=None")
    rows = X if isinstance(X, Rows) else Rows.of(X)
    if rows.n_features != model.coef_.shape[1] or rows.n_samples != len(y):
        raise DataError(
            f"expected the rows of the fit, with {model.coef_.shape[1]} columns and one label each, got "
            f"{rows.n_samples} rows of {rows.n_features} columns and {len(y)} labels"
        )
    y = np.asarray(y)
    codes = np.minimum(np.searchsorted(model.classes_, y), len(model.classes_) - 1)
    if not (model.classes_[codes] == y).all():
        raise DataError(
            f"the model has no class '{y[model.classes_[codes] != y][0]}'; give the rows that it was fitted on"
        )
    weights = np.ones(len(y)) if sample_weight is None else np.array(sample_weight, dtype=np.float64)
    unpenalised = not np.isfinite(model.C)
    return Problem(
        rows,
        codes,
        weights if unpenalised else model.C * weights,
        len(model.classes_),
        ElasticNet(0.0, 0.0) if unpenalised else penalty_of(model.l1_ratio, group=model.group),
        getattr(model, "fit_intercept", True),
    )
