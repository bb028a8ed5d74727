"""The softmax model itself: scores, log-probabilities, probabilities.

The answers are arrays of the library that the argument is an array of.

Shapes: X (n_samples, n_features), coef (n_classes, n_features), intercept (n_classes,).
"""

from functools import cache

import numpy as np
from scipy import sparse

from inklens.linear.arrays import Array, cast, chunks, is_foreign, like, namespace
from inklens.linear.kernels.by_class import of_own_class


def raw_prediction(X: Array, coef: np.ndarray, intercept: np.ndarray) -> Array:
    """Return the scores z_ik = b_k + w_k . x_i, shape (n_samples, n_classes).

    >>> raw_prediction(np.array([[1.0, 2.0]]), np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0.5, 0.0]))
    array([[1.5, 2. ]])
    """
    if sparse.issparse(X) or sparse.issparse(coef):
        products = X @ coef.T
        return (products.toarray() if sparse.issparse(products) else np.asarray(products)) + intercept
    X = X if is_foreign(X) else np.asarray(X)
    W, b = like(X, coef.T, np.float64), like(X, intercept, np.float64)
    if not X.shape[0]:
        return like(X, np.empty((0, len(coef))), np.float64)
    return namespace(X).concat([cast(X[part, :], np.float64) @ W + b for part in chunks(X)])


def per_class(coef: np.ndarray, intercept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return coefficients and intercepts with a row for each class; the one row w of two classes is -w/2 and w/2.

    >>> per_class(np.array([[2.0, 4.0]]), np.array([1.0]))
    (array([[-1., -2.],
           [ 1.,  2.]]), array([-0.5,  0.5]))
    """
    if len(coef) > 1:
        return coef, intercept
    return np.vstack([-coef / 2, coef / 2]), np.append(-intercept / 2, intercept / 2)


def n_right(raw: np.ndarray, codes: np.ndarray) -> float:
    """Return for how many rows the largest score is that of their class, by its number; -1 is never right.

    >>> n_right(np.array([[0.0, 1.0], [0.0, 1.0]]), np.array([1, 0]))
    1.0
    """
    return float((raw.argmax(axis=1) == codes).sum())


@np.errstate(under="ignore")
def log_softmax(raw: Array) -> Array:
    """Return log p_k = z_k - log sum_l exp z_l for each row, safe for scores of any size.

    >>> log_softmax(np.array([[1e4, 0.0]]))
    array([[ 0.e+00, -1.e+04]])
    """
    xp = namespace(raw)
    shifted = raw - xp.max(raw, axis=1, keepdims=True)
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=1, keepdims=True))


@np.errstate(under="ignore")
def softmax(raw: Array) -> Array:
    """Return p_k = exp z_k / sum_l exp z_l for each row.

    >>> softmax(np.array([[0.0, np.log(3)]]))
    array([[0.25, 0.75]])
    """
    if isinstance(raw, np.ndarray) and raw.ndim == 2:  # classes first: NumPy is slow along short rows
        columns = np.array(raw.T, order="C")
        columns = np.exp(columns - columns.max(axis=0))
        return np.ascontiguousarray((columns / columns.sum(axis=0)).T)
    xp = namespace(raw)
    exponentials = xp.exp(raw - xp.max(raw, axis=1, keepdims=True))
    return exponentials / xp.sum(exponentials, axis=1, keepdims=True)


@np.errstate(under="ignore")
def loss_of_scores(z: Array, codes: Array, weights: Array) -> Array:
    """Return sum_i c_i [logsumexp(z_i) - z_i,yi].

    >>> round(float(loss_of_scores(np.array([[0.0, 0.0]]), np.array([1]), np.array([2.0]))), 4)  # 2 log 2
    1.3863
    """
    xp = namespace(z)
    largest = xp.max(z, axis=1, keepdims=True)
    own = of_own_class(z, codes) - largest[:, 0]
    total = cast(row_sums(xp.exp(z - largest)), np.float64)
    return weights @ (xp.log(total) - cast(own, np.float64))


def row_sums(values: Array) -> Array:
    """Return the sums of the rows: NumPy's own are slow where rows are short."""
    if is_foreign(values):
        return namespace(values).sum(values, axis=1)
    return np.asarray(values @ np.ones(values.shape[1], values.dtype))


# ---- its Hessian: diag(p) - p p' is the Laplacian of a graph over the classes, with edges p_k p_l --------------------


@cache
def pairs_of(n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the classes k < l of each pair, in order."""
    return np.triu_indices(n_classes, 1)


def laplacian(edges: np.ndarray, n_classes: int) -> np.ndarray:
    """Return the Hessian over all classes, (n_classes * r, n_classes * s), from the pairs' blocks (n_pairs, r, s).

    >>> laplacian(np.array([[[2.0]], [[3.0]], [[5.0]]]), 3)
    array([[ 5., -2., -3.],
           [-2.,  7., -5.],
           [-3., -5.,  8.]])
    """
    n_rows, n_columns = edges.shape[1:]
    L = np.zeros((n_classes, n_rows, n_classes, n_columns))
    for edge, k, m in zip(edges, *pairs_of(n_classes), strict=True):
        L[k, :, m] = L[m, :, k] = -edge
        L[k, :, k] += edge
        L[m, :, m] += edge
    return L.reshape(n_classes * n_rows, n_classes * n_columns)
