"""The passes over rows, once more, on the array API standard: reference, fallback, and path to other devices.

`kernels.c` computes the same where it was compiled and the rows are NumPy's; these functions run wherever the rows are:
NumPy arrays and SciPy matrices, torch or JAX tensors, CuPy arrays. The rows stay there; what goes in and comes out are
NumPy arrays (coefficients, scores, probabilities).

Shapes: rows (n_samples, n_features), coef (n_classes, n_features), intercept (n_classes,), codes and weights
(n_samples,), scores and proba (n_samples, n_classes).
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from inklens.linear import arrays
from inklens.linear.arrays import cast, like, namespace, to_numpy

CHUNK = 1 << 24  # entries that are converted to the type of a pass, and summed in it, at a time: 64 MB of float32


class LossPass(NamedTuple):
    """What one fused pass computes."""

    loss: float
    gradient: np.ndarray  # (n_classes, n_features) float64
    class_sums: np.ndarray  # (n_classes,) float64: sum_i c_i (p_i - y_i)


def chunks(rows: Any, width: int | None = None) -> Iterator[slice]:
    """Yield slices over the rows such that `width` entries of each (all of them) make up at most CHUNK."""
    n_samples, n_features = rows.shape
    step = max(1, CHUNK // max(1, width or n_features))
    if sparse.issparse(rows):
        step = max(1, n_samples)
    for start in range(0, n_samples, step):
        yield slice(start, min(start + step, n_samples))


# ---- one pass --------------------------------------------------------------------------------------------------------


def raw_prediction(rows: Any, coef: np.ndarray, intercept: np.ndarray) -> Any:
    """Return the scores z_ik = b_k + w_k . x_i in float64, in the library and on the device of the rows."""
    W, b = like(rows, coef.T, np.float64), like(rows, intercept, np.float64)
    if not rows.shape[0]:
        return like(rows, np.empty((0, len(coef))), np.float64)
    return namespace(rows).concat([cast(rows[part, :], np.float64) @ W + b for part in chunks(rows)])


def scores(rows: Any, coef: np.ndarray, intercept: np.ndarray, out: np.ndarray) -> None:
    """Write z_i = W x_i + b into `out`, in its type."""
    W, b = like(rows, coef.T, out.dtype), like(rows, intercept, out.dtype)
    for part in chunks(rows):
        out[part] = to_numpy(cast(rows[part, :], out.dtype) @ W + b)


def loss_pass(
    rows: Any,
    coef: np.ndarray,
    intercept: np.ndarray,
    codes: np.ndarray,
    weights: np.ndarray,
    scores_out: np.ndarray,
    proba_out: np.ndarray,
) -> LossPass:
    """Return loss and gradient sum_i c_i (p_i - y_i) x_i'; write scores and probabilities, in their type."""
    dtype = proba_out.dtype
    W, b = like(rows, coef.T, dtype), like(rows, intercept, dtype)
    loss, gradient, sums = 0.0, np.zeros(coef.shape), np.zeros(len(coef))
    for part in chunks(rows):
        X = cast(rows[part, :], dtype)
        z = X @ W + b
        lost, proba, residual = loss_and_residual(z, like(z, codes[part], np.int32), like(z, weights[part], np.float64))
        scores_out[part], proba_out[part] = to_numpy(z), to_numpy(proba)
        loss += lost
        gradient += to_numpy(residual.T @ X)
        sums += _class_sums(residual)
    return LossPass(loss, gradient, sums)


def loss_and_residual(z: Any, codes: Any, weights: Any) -> tuple[float, Any, Any]:
    """Return the loss that belongs to scores z, the probabilities, and c_i (p_i - y_i); no pass over the data."""
    xp = namespace(z)
    shifted = z - xp.max(z, axis=1, keepdims=True)
    exponentials = xp.exp(shifted)
    total = xp.sum(exponentials, axis=1, keepdims=True)
    proba = exponentials / total
    own = codes[:, None] == like(z, np.arange(z.shape[1]), np.int32)[None, :]
    nothing = xp.zeros_like(z)
    lead = cast(xp.log(total[:, 0]), np.float64) - cast(xp.sum(xp.where(own, shifted, nothing), axis=1), np.float64)
    others = xp.where(own, nothing, proba)
    residual = xp.where(own, -xp.sum(others, axis=1, keepdims=True), others)  # p_own - 1 without cancellation
    return float(xp.sum(weights * lead)), proba, residual * cast(weights, _numpy_dtype(z))[:, None]


def hessian_pass(
    rows: Any, proba: np.ndarray, weights: np.ndarray, direction: np.ndarray, intercept_direction: np.ndarray
) -> LossPass:
    """Return the loss's Hessian times (direction, intercept_direction), in the type of `proba`."""
    dtype = proba.dtype
    D, d = like(rows, direction.T, dtype), like(rows, intercept_direction, dtype)
    product, sums = np.zeros(direction.shape), np.zeros(len(direction))
    for part in chunks(rows):
        X = cast(rows[part, :], dtype)
        along = X @ D + d
        p, c = like(along, proba[part], dtype), like(along, weights[part], dtype)
        xp = namespace(along)
        curved = p * (along - xp.sum(p * along, axis=1, keepdims=True)) * c[:, None]
        product += to_numpy(curved.T @ X)
        sums += _class_sums(curved)
    return LossPass(0.0, product, sums)


def transpose_pass(rows: Any, residual: np.ndarray, *, squared: bool = False) -> np.ndarray:
    """Return residual' X, or residual' X^2 (entry by entry), (n_classes, n_features) float64."""
    product = np.zeros((residual.shape[1], rows.shape[1]))
    for part in chunks(rows):
        X = cast(rows[part, :], residual.dtype)
        R = like(rows, residual[part], residual.dtype)
        product += to_numpy(R.T @ (_square(X) if squared else X))
    return product


def _class_sums(residual: Any) -> np.ndarray:
    return to_numpy(namespace(residual).sum(cast(residual, np.float64), axis=0))


def _square(X: Any) -> Any:
    return X.multiply(X) if sparse.issparse(X) else X * X


def _numpy_dtype(z: Any) -> Any:
    return np.float64 if z.dtype == namespace(z).float64 else np.float32


# ---- second derivatives as matrices ----------------------------------------------------------------------------------


def class_grams(X: Any, curvature: np.ndarray) -> np.ndarray:
    """Return X' diag(h_k) X for every class k, (n_classes, n_columns, n_columns) float32; curvature h >= 0."""
    xp = namespace(X)
    roots = like(X, np.sqrt(curvature), np.float32)
    grams = np.empty((curvature.shape[1], X.shape[1], X.shape[1]), dtype=np.float32)
    for k in range(curvature.shape[1]):
        weighted = X * roots[:, k : k + 1]
        grams[k] = to_numpy(xp.matmul(weighted.T, weighted))
    return grams


def pair_hessian(X: Any, places: np.ndarray, classes: np.ndarray, proba: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return sum_i c_i x_ij x_il p_ik (1[k = m] - p_im) over pairs (j, k), (l, m), (n_pairs, n_pairs) float32.

    `X` holds the columns in use, `places` the column of each pair, `classes` (ascending) its class. 1 - p_ik is the sum
    of the other classes: rounded differences would leave the matrix indefinite where rows are sure.
    """
    n_classes = proba.shape[1]
    hessian = np.zeros((len(places), len(places)), dtype=np.float32)
    edges = np.searchsorted(classes, np.arange(n_classes + 1))
    others = proba @ (1.0 - np.eye(n_classes, dtype=proba.dtype))
    for part in chunks(X, width=len(places)):
        wide = arrays.take(X[part, :], places, axis=1)
        weighted = wide * like(X, proba[part][:, classes], np.float32)
        scaled = weighted * like(X, weights[part, None], np.float32)
        product = -to_numpy(weighted.T @ scaled)
        for k, (first, last) in enumerate(pairwise(edges)):
            own = slice(int(first), int(last))
            product[own, own] = to_numpy(wide[:, own].T @ (scaled[:, own] * like(X, others[part, k, None], np.float32)))
        hessian += product
    return hessian


# ---- at the border ---------------------------------------------------------------------------------------------------


def is_finite(rows: Any) -> bool:
    """Tell whether no value is NaN or infinite."""
    xp = namespace(rows)
    if not xp.isdtype(rows.dtype, "real floating"):
        return True
    return all(bool(xp.all(xp.isfinite(rows[part, :]))) for part in chunks(rows))


def extremes(rows: Any) -> tuple[np.ndarray, np.ndarray, int]:
    """Return smallest and largest value of each column, and the number of values that are not 0."""
    xp = namespace(rows)
    low, high, n_nonzeros = np.full(rows.shape[1], np.inf), np.full(rows.shape[1], -np.inf), 0
    for part in chunks(rows):
        X = rows[part, :]
        low = np.minimum(low, to_numpy(xp.min(X, axis=0)))
        high = np.maximum(high, to_numpy(xp.max(X, axis=0)))
        n_nonzeros += int(xp.sum(cast(X != 0, np.int64)))
    return low, high, n_nonzeros
