"""The quadratic subproblem of a proximal Newton step, over chosen (feature, class) pairs.

    minimise over v:  -G_S'(v - w) + (v - w)' H_SS (v - w) / 2 + g(v)

Shapes: pairs are sorted by class; H (n_pairs, n_pairs) float32, vectors (n_pairs,).
"""

import ctypes
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from inklens.linear import kernels
from inklens.linear.blocks import Rows

MAX_FACES = 12
FACE_SHRINKS = 8


class Pairs(NamedTuple):
    """The coefficients that may move."""

    classes: np.ndarray  # (n_pairs,), ascending
    features: np.ndarray  # (n_pairs,)


class Model(NamedTuple):
    """The loss's Hessian over pairs with the intercepts eliminated.

    When the pairs move by d, the best intercepts move by -follow' d - inverse g for their gradient g, and what the pairs
    feel of it is the slope -follow g.
    """

    hessian: np.ndarray  # (n_pairs, n_pairs) float32
    follow: np.ndarray  # (n_pairs, n_classes) float64
    inverse: np.ndarray  # (n_classes, n_classes): pseudo-inverse of the intercepts' own Hessian


class _Job(ctypes.Structure):
    _fields_ = (
        ("rows", ctypes.c_void_p),
        ("n_rows", ctypes.c_int64),
        ("n_pairs", ctypes.c_int64),
        ("n_classes", ctypes.c_int32),
        ("n_threads", ctypes.c_int32),
        *((name, ctypes.c_void_p) for name in ("chosen", "first", "feature", "proba", "weights")),
        ("scale", ctypes.c_float),
        ("light", ctypes.c_float),
        ("seed", ctypes.c_uint32),
        ("hessian", ctypes.c_void_p),
        *((name, ctypes.c_void_p) for name in ("packed", "degree", "order")),
        *((name, ctypes.c_int64) for name in ("n_blocks", "next_row_block", "next_block")),
        ("failed", ctypes.c_int32),
    )


# ---- the Hessian -----------------------------------------------------------------------------------------------------


def newton_model(
    rows: Rows,
    proba: np.ndarray,
    weights: np.ndarray,
    pairs: Pairs,
    *,
    fit_intercept: bool = True,
    light: float = 0.0,
    seed: int = 0,
) -> Model:
    """Return the model of the loss at `proba`; edges lighter than `light` are sampled (see `subproblem.c`)."""
    n_classes = proba.shape[1]
    if not fit_intercept:
        still = np.zeros((len(pairs.classes), n_classes)), np.zeros((n_classes, n_classes))
        return Model(pair_hessian(rows, proba, weights, pairs, light, seed), *still)
    ends = np.searchsorted(pairs.classes, np.arange(n_classes), side="right")
    extended = Pairs(np.insert(pairs.classes, ends, np.arange(n_classes)), np.insert(pairs.features, ends, rows.n_features))
    full = pair_hessian(rows, proba, weights, extended, light, seed)
    bordering = extended.features == rows.n_features
    border = full[np.ix_(~bordering, bordering)].astype(np.float64)
    own = full[np.ix_(bordering, bordering)].astype(np.float64)
    ridge = np.trace(own) / n_classes**2 + np.finfo(np.float32).tiny  # along (1, ..., 1), where `own` and `border` are 0
    centring = np.eye(n_classes) - 1.0 / n_classes
    inverse = centring @ np.linalg.inv(own + ridge) @ centring
    follow = border @ inverse
    hessian = np.ascontiguousarray(full[np.ix_(~bordering, ~bordering)])
    hessian -= follow.astype(np.float32) @ border.T.astype(np.float32)
    return Model(hessian, follow, inverse)


def pair_hessian(
    rows: Rows, proba: np.ndarray, weights: np.ndarray, pairs: Pairs, light: float = 0.0, seed: int = 0
) -> np.ndarray:
    """Return sum_i c_i x_ij x_il p_ik (1[k = m] - p_im) over pairs (j, k), (l, m); feature n_features is a column of ones."""
    if kernels.active() == "numpy":
        return _pair_hessian_numpy(rows, proba, weights, pairs)
    n_classes = proba.shape[1]
    hessian = np.zeros((len(pairs.classes), len(pairs.classes)), dtype=np.float32)
    first = np.searchsorted(pairs.classes, np.arange(n_classes + 1)).astype(np.int64)
    features = np.ascontiguousarray(pairs.features, dtype=np.int32)
    for block, part in rows._parts():
        open_rows = 1.0 - proba[part].max(axis=1) > 0.02 * light / max(weights.max(), np.finfo(float).tiny)
        chosen = np.flatnonzero(open_rows & (weights[part] > 0.0))
        p = np.ascontiguousarray(proba[part][chosen], dtype=np.float32)
        c = np.ascontiguousarray(weights[part][chosen], dtype=np.float32)
        described = kernels.describe(block.fast)
        arrays = (chosen, first, features, p, c)
        job = _Job(
            ctypes.addressof(described), len(chosen), len(features), n_classes, rows.n_threads,
            *(kernels.pointer(array) for array in arrays), rows.scale, light, seed & 0xFFFFFFFF, kernels.pointer(hessian),
        )  # fmt: skip
        if kernels.function("pair_hessian", (ctypes.c_void_p,))(ctypes.byref(job)):
            raise MemoryError(f"no memory for the Hessian over {len(features)} coefficients")
        seed += 1
    return hessian


def _pair_hessian_numpy(rows: Rows, proba: np.ndarray, weights: np.ndarray, pairs: Pairs) -> np.ndarray:
    """Return the same in NumPy, exact."""
    hessian = np.zeros((len(pairs.classes), len(pairs.classes)), dtype=np.float32)
    used, place = np.unique(pairs.features, return_inverse=True)
    for _, part in rows._parts():
        chosen = np.arange(part.start, part.stop)
        dense = rows.dense(used[used < rows.n_features], chosen)
        if used[-1] == rows.n_features:
            dense = np.column_stack([dense, np.ones(len(dense), dtype=np.float32)])
        p, c = proba[part].astype(np.float32), weights[part].astype(np.float32)
        weighted = dense[:, place] * p[:, pairs.classes]
        hessian -= weighted.T @ (weighted * c[:, None])
        for k in np.unique(pairs.classes):
            own = np.flatnonzero(pairs.classes == k)
            columns = dense[:, place[own]]
            hessian[np.ix_(own, own)] += columns.T @ (columns * (c * p[:, k])[:, None])
    return hessian


# ---- its descent: elementwise penalty --------------------------------------------------------------------------------


def descend(
    hessian: np.ndarray, gradient: np.ndarray, w: np.ndarray, l1: np.ndarray, l2: np.ndarray, *, tolerance: float, max_sweeps: int
) -> int:
    """Run coordinate descent in place on `gradient` (of the quadratic, at w) and `w`; return the number of sweeps."""
    if kernels.active() != "numpy":
        types = (ctypes.c_int64, *(ctypes.c_void_p,) * 5, ctypes.c_float, ctypes.c_int)
        arrays = (kernels.pointer(array) for array in (hessian, gradient, w, l1, l2))
        return int(kernels.function("gram_descent", types)(len(w), *arrays, tolerance, max_sweeps))
    for sweep in range(1, max_sweeps + 1):
        largest = 0.0
        for j in range(len(w)):
            curvature = hessian[j, j] + l2[j]
            if curvature <= 0.0:
                continue
            target = hessian[j, j] * w[j] - gradient[j]
            step = np.sign(target) * max(abs(target) - l1[j], 0.0) / curvature - w[j]
            if step != 0.0:
                w[j] += step
                gradient += step * hessian[j]
                largest = max(largest, abs(step) * curvature / l1[j])
        if largest <= tolerance:
            return sweep
    return max_sweeps


def solve_elementwise(
    hessian: np.ndarray, gradient: np.ndarray, w: np.ndarray, l1: np.ndarray, l2: np.ndarray, *, tolerance: float
) -> np.ndarray:
    """Return the minimiser v up to a breach of `tolerance`, in units of l1, of the optimality conditions.

    Coordinate descent finds the signs; then Newton steps on their face (one Cholesky each), cut off where a coefficient
    would change its sign, with sweeps between them.
    """
    g, v = gradient.astype(np.float32), w.astype(np.float32)
    l1, l2 = l1.astype(np.float32), l2.astype(np.float32)
    sweeps = 12
    for _ in range(MAX_FACES):
        descend(hessian, g, v, l1, l2, tolerance=tolerance / 4, max_sweeps=sweeps)
        if breach(g, v, l1, l2) <= tolerance:
            break
        active = np.flatnonzero(v)
        signs = np.sign(v[active])
        face = hessian[np.ix_(active, active)]
        slope = g[active] + l1[active] * signs + l2[active] * v[active]
        step = _newton_direction(face, l2[active], slope)
        if step is None:
            sweeps = 40
            continue
        for shortened in _cut_off(v[active], step, signs):
            moved = shortened - v[active]
            pull = face @ moved
            change = moved @ (slope + 0.5 * (pull + l2[active] * moved))
            if change < 0.0:
                v[active] = shortened
                g += hessian[:, active] @ moved
                break
        sweeps = 5
    return v.astype(np.float64)


def breach(gradient: np.ndarray, v: np.ndarray, l1: np.ndarray, l2: np.ndarray) -> float:
    """Return the largest breach of the optimality conditions, in units of l1."""
    slope = gradient + l2 * v
    return float((np.where(v != 0.0, np.abs(slope + l1 * np.sign(v)), np.maximum(np.abs(slope) - l1, 0.0)) / l1).max())


def _newton_direction(face: np.ndarray, ridge: np.ndarray, slope: np.ndarray) -> np.ndarray | None:
    """Solve (face + ridge) step = -slope; None where rounding made the matrix indefinite."""
    matrix = face.copy()
    diagonal = matrix.ravel()[:: len(matrix) + 1]
    diagonal += ridge + 1e-5 * diagonal + np.finfo(np.float32).tiny
    try:
        return -cho_solve(cho_factor(matrix, overwrite_a=True, check_finite=False), slope, check_finite=False)
    except LinAlgError:
        return None


def _cut_off(v: np.ndarray, step: np.ndarray, signs: np.ndarray) -> Iterator[np.ndarray]:
    """Yield v + t step for shrinking t, zero where the sign would change."""
    for shrink in range(FACE_SHRINKS):
        target = v + 0.4**shrink * step
        yield np.where(np.sign(target) == signs, target, 0.0).astype(np.float32)
