"""The quadratic subproblem of a proximal Newton step, over chosen (feature, class) pairs.

    minimise over v:  -G_S'(v - w) + (v - w)' H_SS (v - w) / 2 + g(v)

Shapes: pairs are sorted by class; H (n_pairs, n_pairs) float32, vectors (n_pairs,).
"""

import ctypes
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from inklens.linear.kernels import compiled as kernels
from inklens.linear.kernels import reference as twin
from inklens.linear.methods.faces import Faces, Factor
from inklens.linear.rows.layouts import select, with_ones
from inklens.linear.rows.row_arrays import RowArray
from inklens.linear.rows.rows import Rows

MAX_FACES = 14  # rounds of sweeps and face steps
QUICK = 0.5  # sweeps that leave this share of the breach are better than a face step
FACE_SHRINKS = 8
LARGEST_BLOCK = 160  # coordinates of a block in `descent.c`
FIRST_SWEEPS = 8
LATER_SWEEPS = 3


class Pairs(NamedTuple):
    """The coefficients that may move."""

    classes: np.ndarray  # (n_pairs,), ascending
    features: np.ndarray  # (n_pairs,)


class Model(NamedTuple):
    """The loss's Hessian over pairs with the intercepts eliminated.

    When the pairs move by d, the best intercepts move by -follow' d - inverse g for their gradient g, and what the
    pairs feel of it is the slope -follow g. The intercepts' own rows stay in the matrix, unused: taking them out would
    copy it.
    """

    hessian: np.ndarray  # (n_pairs, n_pairs) float32, intercepts included
    pairs: Pairs  # sorted by class; the intercept of a class comes after its features, as feature number n_features
    is_intercept: np.ndarray  # (n_pairs,)
    follow: np.ndarray  # (n_pairs, n_classes) float64, 0 for the intercepts
    inverse: np.ndarray  # (n_classes, n_classes): pseudo-inverse of the intercepts' own Hessian
    diagonal: np.ndarray  # (n_pairs,) as it was before the intercepts were eliminated
    n_threads: int
    faces: Faces


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
        ("slot", ctypes.c_void_p),
        ("n_slots", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("class_list", "order")),
        *((name, ctypes.c_int64) for name in ("span", "span_end", "from", "to", "n_blocks")),
        *((name, ctypes.c_int64) for name in ("next_class", "next_row_block", "next_block")),
        ("failed", ctypes.c_int32),
    )


# ---- the Hessian -----------------------------------------------------------------------------------------------------


def newton_model(
    rows: Rows,
    proba: RowArray | np.ndarray,
    weights: np.ndarray,
    pairs: Pairs,
    *,
    fit_intercept: bool = True,
    light: float = 0.0,
    seed: int = 0,
    steady: float = 0.0,
) -> Model:
    """Return the model of the loss at `proba`; edges lighter than `light` are sampled (see `pair_hessian.c`).

    `steady`, in units of the intercepts' mean curvature, is added to that along each.
    """
    n_classes = proba.shape[1]
    if fit_intercept:
        ends = np.searchsorted(pairs.classes, np.arange(n_classes), side="right")
        pairs = Pairs(
            np.insert(pairs.classes, ends, np.arange(n_classes)), np.insert(pairs.features, ends, rows.n_features)
        )
    hessian = pair_hessian(rows, proba, weights, pairs, light, seed)
    is_intercept = pairs.features == rows.n_features
    diagonal = hessian.diagonal().copy()
    border = np.ascontiguousarray(hessian[:, is_intercept], dtype=np.float64)
    if not fit_intercept:
        still = np.zeros((len(hessian), n_classes)), np.zeros((n_classes, n_classes))
        return Model(hessian, pairs, is_intercept, *still, diagonal, rows.n_threads, Faces())
    own = border[is_intercept]
    size = np.trace(own) / n_classes + np.finfo(np.float32).tiny
    ridge = size / n_classes  # along (1, ..., 1), where `own` and `border` are 0
    centring = np.eye(n_classes) - 1.0 / n_classes
    inverse = centring @ np.linalg.inv(own + ridge + (1e-6 + steady) * size * np.eye(n_classes)) @ centring
    border[is_intercept] = 0.0
    follow = border @ inverse
    if kernels.active() == "numpy":
        hessian -= (border @ follow.T).astype(np.float32)
    else:
        kernels.call(
            "subtract_product", len(hessian), n_classes, hessian, border, np.ascontiguousarray(follow.T), rows.n_threads
        )
    return Model(hessian, pairs, is_intercept, follow, inverse, diagonal, rows.n_threads, Faces())


def pair_hessian(
    rows: Rows, proba: RowArray | np.ndarray, weights: np.ndarray, pairs: Pairs, light: float = 0.0, seed: int = 0
) -> np.ndarray:
    """Return sum_i c_i x_ij x_il p_ik (1[k = m] - p_im) over pairs (j, k), (l, m); feature n_features is all ones."""
    n_classes = proba.shape[1]
    hessian = np.zeros((len(pairs.classes), len(pairs.classes)), dtype=np.float32)
    first = np.searchsorted(pairs.classes, np.arange(n_classes + 1)).astype(np.int64)
    used, places = np.unique(np.append(pairs.features, rows.n_features), return_inverse=True)
    features = places[:-1].astype(np.int32)
    slot = np.full(rows.n_features + 1, len(used) - 1, dtype=np.int32)
    slot[used] = np.arange(len(used))
    for block, part, own in rows.parts(proba):
        fast = block.fast
        open_rows = 1.0 - own.max(axis=1) > 0.02 * light / max(weights.max(), np.finfo(float).tiny)
        chosen = np.flatnonzero(open_rows & (weights[part] > 0.0))
        if not fast.is_compiled:
            X = with_ones(select(fast, chosen, used[:-1], np.float32) * rows.scale)
            hessian += twin.pair_hessian(X, features, pairs.classes, own[chosen], weights[part][chosen])
            continue
        p = np.ascontiguousarray(own[chosen].T, dtype=np.float32)
        c = np.ascontiguousarray(weights[part][chosen], dtype=np.float32)
        described = kernels.describe(fast)
        arrays = (chosen, first, features, p, c)
        job = _Job(
            ctypes.addressof(described), len(chosen), len(features), n_classes, rows.n_threads,
            *(kernels.pointer(array) for array in arrays), rows.scale, light, seed & 0xFFFFFFFF,
            kernels.pointer(hessian), kernels.pointer(slot), len(used) - 1,
        )  # fmt: skip
        if kernels.function("pair_hessian", (ctypes.c_void_p,))(ctypes.byref(job)):
            raise MemoryError(f"no memory for the Hessian over {len(features)} coefficients")
        seed += 1
    return hessian


# ---- its descent: elementwise penalty --------------------------------------------------------------------------------


def solve_elementwise(
    hessian: np.ndarray,
    gradient: np.ndarray,
    w: np.ndarray,
    l1: np.ndarray,
    l2: np.ndarray,
    *,
    tolerance: float,
    n_threads: int = 1,
    faces: "Faces | None" = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the minimiser v up to a breach of `tolerance`, in units of l1, of the optimality conditions.

    Also returns the gradient of the quadratic at v.

    Coordinate descent finds the signs; then Newton steps on their face (one Cholesky each), cut off where a coefficient
    would change its sign, with sweeps between them. Coordinates of infinite l1 stay at 0.
    """
    g, v = gradient.copy(), w.copy()
    faces = Faces() if faces is None else faces

    def descend(sweeps: int) -> float:
        _descend(hessian, g, v, l1, l2, tolerance / 4, sweeps, n_threads)
        return breach(g, v, l1, l2)

    _alternate(descend, lambda: _face_step(hessian, g, v, l1, l2, n_threads, faces), tolerance)
    return v, g


def _alternate(descend: Callable[[int], float], face_step: Callable[[], bool], tolerance: float) -> None:
    """Sweep while that shrinks the breach quickly, else step on the face, until the breach is within tolerance."""
    before, now = np.inf, descend(FIRST_SWEEPS)
    for _ in range(MAX_FACES):
        if now <= tolerance:
            return
        slow = now > QUICK * before
        stepped = slow and face_step()
        before, now = (np.inf if slow else now), descend(LATER_SWEEPS if stepped else FIRST_SWEEPS)


def breach(gradient: np.ndarray, v: np.ndarray, l1: np.ndarray, l2: np.ndarray) -> float:
    """Return the largest breach of the optimality conditions, in units of l1."""
    moves = np.isfinite(l1)
    gradient, v, l1, l2 = (vector[moves] for vector in (gradient, v, l1, l2))
    slope = gradient + l2 * v
    breaches = np.where(v != 0.0, np.abs(slope + l1 * np.sign(v)), np.maximum(np.abs(slope) - l1, 0.0)) / l1
    return float(breaches.max(initial=0.0))


def _descend(
    hessian: np.ndarray,
    gradient: np.ndarray,
    w: np.ndarray,
    l1: np.ndarray,
    l2: np.ndarray,
    tolerance: float,
    max_sweeps: int,
    n_threads: int,
) -> None:
    """Run coordinate descent in place on `gradient` (of the quadratic, at w) and `w`."""
    if kernels.active() != "numpy":
        types = (ctypes.c_int64, *(ctypes.c_void_p,) * 5, ctypes.c_double, ctypes.c_int64, ctypes.c_int64)
        arrays = (kernels.pointer(array) for array in (hessian, gradient, w, l1, l2))
        if kernels.function("gram_descent", types)(len(w), *arrays, tolerance, max_sweeps, n_threads) < 0:
            raise MemoryError("no memory for a block of the subproblem")
        return
    for _ in range(max_sweeps):
        largest = 0.0
        for j in np.flatnonzero(np.isfinite(l1)):
            curvature = hessian[j, j] + l2[j]
            target = hessian[j, j] * w[j] - gradient[j]
            if curvature <= 0.0:
                continue
            step = np.sign(target) * max(abs(target) - l1[j], 0.0) / curvature - w[j]
            w[j] += step
            gradient += step * hessian[j]
            largest = max(largest, abs(step) * curvature / l1[j])
        if largest <= tolerance:
            return


def _face_step(
    hessian: np.ndarray, g: np.ndarray, v: np.ndarray, l1: np.ndarray, l2: np.ndarray, n_threads: int, faces: Faces
) -> bool:
    """Take the Newton step that keeps the signs of v, shortened until the model falls; tell whether there was one."""
    active = np.flatnonzero(v)
    signs = np.sign(v[active])
    slope = g[active] + l1[active] * signs + l2[active] * v[active]
    direction = faces.solve(hessian, active, l2[active], -slope, n_threads)
    if direction is None:
        return False
    for shrink in range(FACE_SHRINKS):
        target = v[active] + 0.4**shrink * direction
        step = np.zeros_like(v)
        step[active] = np.where(np.sign(target) == signs, target, 0.0) - v[active]
        moved, pull = step[active], product(hessian, step, n_threads)
        if moved @ (slope + 0.5 * (pull[active] + l2[active] * moved)) < 0.0:
            v += step
            g += pull
            return True
    return False


def product(hessian: np.ndarray, vector: np.ndarray, n_threads: int) -> np.ndarray:
    """Return hessian @ vector."""
    if kernels.active() == "numpy":
        return hessian @ vector
    out = np.empty_like(vector)
    kernels.call("symmetric_product", len(vector), hessian, vector, out, n_threads)
    return out


# ---- its descent: one group per feature ------------------------------------------------------------------------------


def solve_grouped(
    hessian: np.ndarray,
    gradient: np.ndarray,
    w: np.ndarray,
    group: np.ndarray,
    l2: np.ndarray,
    *,
    tolerance: float,
    n_threads: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the minimiser for the penalty sum_j group_j |v_j|, up to a breach of `tolerance` in units of `group`.

    `group` and `l2` hold one number per feature (q,), the other vectors (n_classes * q,) in order of the classes. Block
    descent finds the features; Newton steps on the smooth function over these follow (one Cholesky each).
    """
    g, v = gradient.copy(), w.copy()
    if len(group) == 0:
        return v, g

    def descend(sweeps: int) -> float:
        _descend_groups(hessian, g, v, group, l2, tolerance / 4, sweeps, n_threads)
        return group_breach(g, v, group, l2)

    _alternate(descend, lambda: _group_face_step(hessian, g, v, group, l2, n_threads), tolerance)
    return v, g


def group_breach(gradient: np.ndarray, v: np.ndarray, group: np.ndarray, l2: np.ndarray) -> float:
    """Return the largest breach of the optimality conditions, in units of `group`."""
    moves = np.isfinite(group)
    g, v = (vector.reshape(-1, len(group))[:, moves] for vector in (gradient, v))
    norms, slope = np.linalg.norm(v, axis=0), g + l2[moves] * v
    unit = np.divide(v, norms, out=np.zeros_like(v), where=norms > 0.0)
    inside = np.linalg.norm(slope + group[moves] * unit, axis=0)
    outside = np.maximum(np.linalg.norm(slope, axis=0) - group[moves], 0.0)
    return float((np.where(norms > 0.0, inside, outside) / group[moves]).max(initial=0.0))


def _descend_groups(
    hessian: np.ndarray,
    gradient: np.ndarray,
    v: np.ndarray,
    group: np.ndarray,
    l2: np.ndarray,
    tolerance: float,
    max_sweeps: int,
    n_threads: int,
) -> None:
    """Run block coordinate descent in place."""
    q = len(group)
    n_classes = len(v) // q
    if kernels.active() != "numpy" and n_classes <= LARGEST_BLOCK:
        types = (ctypes.c_int64, ctypes.c_int64, *(ctypes.c_void_p,) * 5, ctypes.c_double, *(ctypes.c_int64,) * 2)
        arrays = (kernels.pointer(array) for array in (hessian, gradient, v, group, l2))
        if kernels.function("group_descent", types)(q, n_classes, *arrays, tolerance, max_sweeps, n_threads) < 0:
            raise MemoryError("no memory for a block of the subproblem")
        return
    for _ in range(max_sweeps):
        largest = 0.0
        for j in np.flatnonzero(np.isfinite(group)):
            curvature = float(np.abs(hessian[j::q, j::q]).sum(axis=1).max()) + l2[j]
            if curvature <= 0.0:
                continue
            trial = v[j::q] - (gradient[j::q] + l2[j] * v[j::q]) / curvature
            length = float(np.linalg.norm(trial))
            kept = max(0.0, 1.0 - group[j] / (curvature * length)) if length > 0.0 else 0.0
            step = kept * trial - v[j::q]
            v[j::q] += step
            gradient += step @ hessian[j::q]
            largest = max(largest, float(np.abs(step).max()) * curvature / group[j])
        if largest <= tolerance:
            return


def _group_face_step(
    hessian: np.ndarray, g: np.ndarray, v: np.ndarray, group: np.ndarray, l2: np.ndarray, n_threads: int
) -> bool:
    """Take a Newton step over the features in use, shortened until the model falls; tell whether there was one."""
    q = len(group)
    used = np.flatnonzero(v.reshape(-1, q).any(axis=0))
    active = (np.arange(len(v) // q)[:, None] * q + used).ravel()
    blocks = v[active].reshape(-1, len(used))
    norms = np.linalg.norm(blocks, axis=0)
    unit, bend = blocks / norms, group[used] / norms  # the norm's Hessian is group / |v_j| (I - unit unit')
    slope = (g[active].reshape(blocks.shape) + group[used] * unit + l2[used] * blocks).ravel()
    curved = bend * unit[:, None] * unit[None]
    factor = Factor.of(hessian, active, np.tile(l2[used] + bend, len(blocks)), n_threads, curved)
    if factor is None:
        return False
    direction = factor.solve(-slope)
    for shrink in range(FACE_SHRINKS):
        step = np.zeros_like(v)
        step[active] = 0.4**shrink * direction
        pull, moved = product(hessian, step, n_threads), step[active].reshape(blocks.shape)
        longer = group[used] @ (np.linalg.norm(blocks + moved, axis=0) - norms)
        smooth = (g[active] + 0.5 * pull[active]) @ step[active] + (l2[used] * moved * (blocks + 0.5 * moved)).sum()
        if longer + smooth < 0.0:
            v += step
            g += pull
            return True
    return False
