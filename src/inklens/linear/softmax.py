"""The softmax model itself: scores, log-probabilities, probabilities.

The answers are arrays of the library that the argument is an array of.

Shapes: X (n_samples, n_features), coef (n_classes, n_features), intercept (n_classes,).
"""

from typing import Any

import numpy as np
from scipy import sparse

from inklens.linear import arrays
from inklens.linear.kernels import reference as twin


def raw_prediction(X: Any, coef: np.ndarray, intercept: np.ndarray) -> Any:
    """Return the scores z_ik = b_k + w_k . x_i, shape (n_samples, n_classes).

    >>> raw_prediction(np.array([[1.0, 2.0]]), np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0.5, 0.0]))
    array([[1.5, 2. ]])
    """
    if not sparse.issparse(X):
        return twin.raw_prediction(X if arrays.is_foreign(X) else np.asarray(X), coef, intercept)
    return np.asarray(X @ coef.T) + intercept


def log_softmax(raw: Any) -> Any:
    """Return log p_k = z_k - log sum_l exp z_l for each row, safe for scores of any size.

    >>> log_softmax(np.array([[1e4, 0.0]]))
    array([[ 0.e+00, -1.e+04]])
    """
    xp = arrays.namespace(raw)
    shifted = raw - xp.max(raw, axis=1, keepdims=True)
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=1, keepdims=True))


def softmax(raw: Any) -> Any:
    """Return p_k = exp z_k / sum_l exp z_l for each row.

    >>> softmax(np.array([[0.0, np.log(3)]]))
    array([[0.25, 0.75]])
    """
    xp = arrays.namespace(raw)
    exponentials = xp.exp(raw - xp.max(raw, axis=1, keepdims=True))
    return exponentials / xp.sum(exponentials, axis=1, keepdims=True)
