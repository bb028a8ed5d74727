"""The optimisation problem that a fitted model solved, on the rows that it was fitted on."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from inklens.classes import encode, labels_of, require_alike
from inklens.errors import DataError, ParameterError
from inklens.linear.arrays import checked_weights
from inklens.linear.problem.build import make_problem
from inklens.linear.problem.problem import Problem
from inklens.linear.rows.elsewhere import brought
from inklens.linear.rows.rows import Rows


class FittedEstimator(Protocol):
    """What is read from a fitted `SoftmaxRegression`, or from anything with scikit-learn's names for the same."""

    C: float
    l1_ratio: float
    group: bool
    standardize: bool
    penalty_factor: npt.ArrayLike | None
    positive: bool
    binary: str
    fit_intercept: bool
    class_weight: object
    coef_: np.ndarray  # (n_classes, n_features), or (1, n_features) for two classes
    intercept_: np.ndarray  # (n_classes,), or (1,)
    classes_: np.ndarray  # (n_classes,)


def problem_of(
    model: FittedEstimator, rows: Rows, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
) -> Problem:
    """Return the problem of a fitted `SoftmaxRegression` on the rows that it was fitted on.

    Raises
    ------
    ParameterError, DataError
        The model weighs classes, or the rows are not of its shape, columns and classes.
    """
    if model.class_weight is not None:
        raise ParameterError("give the class weights as sample_weight, one number per row, and class_weight=None")
    if rows.n_features != model.coef_.shape[1]:
        raise DataError(
            f"expected the rows of the fit, with {model.coef_.shape[1]} columns, got {rows.n_samples} rows of "
            f"{rows.n_features} columns"
        )
    labels = labels_of(brought(y, rows.client), rows.n_samples).ravel()
    require_alike(labels, model.classes_)
    _check_names(model, rows)
    codes = encode(labels, model.classes_)
    weights = checked_weights(brought(sample_weight, rows.client), len(labels))
    return make_problem(
        rows,
        codes,
        weights,
        len(model.classes_),
        C=model.C,
        l1_ratio=model.l1_ratio,
        group=model.group,
        standardize=model.standardize,
        penalty_factor=model.penalty_factor,
        positive=model.positive,
        single=len(model.classes_) == 2 and model.binary == "logistic",
        fit_intercept=model.fit_intercept,
    )


def _check_names(model: FittedEstimator, rows: Rows) -> None:
    """Raise where a table's columns are not those of the fit, in their order."""
    fitted = getattr(model, "feature_names_in_", None)
    if rows.names is not None and fitted is not None and list(fitted) != rows.names:
        different = next(j for j, name in enumerate(fitted) if name != rows.names[j])
        raise DataError(
            f"expected the columns of the fit in their order, and column {different} is {rows.names[different]!r} "
            f"where it was {fitted[different]!r}; select the columns as for the fit"
        )
