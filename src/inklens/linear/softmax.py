"""The softmax model itself: scores, log-probabilities, probabilities.

Shapes: X (n_samples, n_features), coef (n_classes, n_features), intercept (n_classes,).
"""

import numpy as np


def raw_prediction(X, coef: np.ndarray, intercept: np.ndarray) -> np.ndarray:
    """Return the scores z_ik = b_k + w_k . x_i, shape (n_samples, n_classes).

    >>> raw_prediction(np.array([[1.0, 2.0]]), np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0.5, 0.0]))
    array([[1.5, 2. ]])
    """
    return np.asarray(X @ coef.T) + intercept


def log_softmax(raw: np.ndarray) -> np.ndarray:
    """Return log p_k = z_k - log sum_l exp z_l for each row, safe for scores of any size.

    >>> log_softmax(np.array([[1e4, 0.0]]))
    array([[ 0.e+00, -1.e+04]])
    """
    shifted = raw - raw.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def softmax(raw: np.ndarray) -> np.ndarray:
    """Return p_k = exp z_k / sum_l exp z_l for each row.

    >>> softmax(np.array([[0.0, np.log(3)]]))
    array([[0.25, 0.75]])
    """
    exponentials = np.exp(raw - raw.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)
