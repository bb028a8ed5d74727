"""`SoftmaxRegression` for skl2onnx, alone or at the end of a Pipeline."""

from typing import TYPE_CHECKING, Any

import numpy as np

from inklens.errors import require
from inklens.linear.softmax import per_class

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

    from inklens.linear.estimators import SoftmaxRegression


def register_skl2onnx() -> None:
    """Tell skl2onnx how to convert `SoftmaxRegression` and `SoftmaxRegressionCV`; call it once before `to_onnx`.

    They become what a scikit-learn `LogisticRegression` with the same coefficients does, with the same options (such as
    ``options={"zipmap": False}``).

    Raises
    ------
    MissingPackageError
        skl2onnx is not installed.
    """
    require("skl2onnx", extra="onnx")
    from skl2onnx import update_registered_converter
    from skl2onnx.operator_converters.linear_classifier import convert_sklearn_linear_classifier
    from skl2onnx.shape_calculators.linear_classifier import calculate_linear_classifier_output_shapes

    from inklens.linear.estimators import SoftmaxRegression
    from inklens.linear.model_selection import SoftmaxRegressionCV

    def convert(scope: object, operator: Any, container: object) -> None:
        ours = operator.raw_operator
        operator.raw_operator = _as_logistic(ours)
        try:
            convert_sklearn_linear_classifier(scope, operator, container)
        finally:
            operator.raw_operator = ours

    for estimator in (SoftmaxRegression, SoftmaxRegressionCV):
        update_registered_converter(
            estimator,
            f"Inklens{estimator.__name__}",
            calculate_linear_classifier_output_shapes,
            convert,
            options={"nocl": [True, False], "zipmap": [True, False, "columns"], "raw_scores": [True, False]},
        )


def _as_logistic(model: "SoftmaxRegression") -> "LogisticRegression":
    """Return scikit-learn's estimator with the same answers; its two classes always have one row."""
    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression

    dense = clone(model)
    vars(dense).update(vars(model))
    coef, intercept = per_class(dense.densify().coef_, dense.intercept_)
    two = len(coef) == 2
    found = LogisticRegression()
    found.coef_, found.intercept_ = (np.diff(coef, axis=0), np.diff(intercept)) if two else (coef, intercept)
    found.classes_, found.n_features_in_ = model.classes_, model.n_features_in_
    return found
