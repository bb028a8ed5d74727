"""The kernels once more, in as few lines as they take on the array API standard: reference, fallback, other devices.

The C library computes the same where it was compiled and the rows are NumPy's; these functions run wherever the rows
are: NumPy arrays and SciPy matrices, torch or JAX tensors, CuPy arrays. The rows stay there; what goes in and comes out
are NumPy arrays (coefficients, scores, probabilities).

Shapes are those of `backend.py`.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.special import entr, xlog1py

from inklens.linear import arrays, deadline
from inklens.linear.arrays import Array, cast, like, namespace, to_numpy
from inklens.linear.kernels.backend import SUMMED_AT_ONCE, LossPass, PairColumns
from inklens.linear.kernels.storage import Inspection, Storage, select, single, with_ones

CHUNK = 1 << 24  # entries that are converted to the type of a pass, and summed in it, at a time: 64 MB of float32
SWEEPS_A_LOOK = 8  # of `threshold_descent`, between two looks at all conditions
SLOW_RATIO = 0.1  # of the violation that these leave: then sweeps are slow
BYTES_CHUNK = 1 << 12  # rows that `to_bytes` takes at a time


def chunks(rows: Array, width: int | None = None) -> Iterator[slice]:
    """Yield slices over the rows such that `width` entries of each (all of them) make up at most CHUNK."""
    n_samples, n_features = rows.shape
    step = max(1, CHUNK // max(1, width or n_features))
    if sparse.issparse(rows):
        step = max(1, n_samples)
    for start in range(0, n_samples, step):
        yield slice(start, min(start + step, n_samples))


class Reference:
    """A `Backend` on the array API; it has no state. Numbers of threads are the libraries' own business."""

    name = "numpy"
    visitor = column_visitor = None  # a row or column at a time is slow in Python

    # ---- passes over rows --------------------------------------------------------------------------------------------

    def scores(
        self, storage: Storage, coef: np.ndarray, intercept: np.ndarray, out: np.ndarray, n_threads: int = 1
    ) -> None:
        rows = storage.matrix
        W, b = like(rows, coef.T, out.dtype), like(rows, intercept, out.dtype)
        for part in chunks(rows):
            out[part] = to_numpy(cast(rows[part, :], out.dtype) @ W + b)

    def loss_pass(
        self,
        storage: Storage,
        coef: np.ndarray,
        intercept: np.ndarray,
        codes: np.ndarray,
        weights: np.ndarray,
        scores_out: np.ndarray,
        proba_out: np.ndarray,
        n_threads: int = 1,
    ) -> LossPass:
        rows, dtype = storage.matrix, proba_out.dtype
        W, b = like(rows, coef.T, dtype), like(rows, intercept, dtype)
        loss, gradient, sums = 0.0, np.zeros(coef.shape), np.zeros(len(coef))
        for part in chunks(rows):
            X = cast(rows[part, :], dtype)
            z = X @ W + b
            own, c = like(z, codes[part], np.int32), like(z, weights[part], np.float64)
            part_loss, proba, residual = loss_and_residual(z, own, c)
            scores_out[part], proba_out[part] = to_numpy(z), to_numpy(proba)
            loss += part_loss
            gradient += to_numpy(residual.T @ X)
            sums += _class_sums(residual)
        return LossPass(loss, gradient, sums)

    def hessian_pass(
        self,
        storage: Storage,
        proba: np.ndarray,
        weights: np.ndarray,
        direction: np.ndarray,
        intercept_direction: np.ndarray,
        n_threads: int = 1,
    ) -> LossPass:
        return _curved(
            storage.matrix, lambda part, X: like(X, proba[part], proba.dtype), weights, direction, intercept_direction,
            proba.dtype,
        )  # fmt: skip

    def curvature_pass(
        self,
        storage: Storage,
        coef: np.ndarray,
        intercept: np.ndarray,
        weights: np.ndarray,
        direction: np.ndarray,
        intercept_direction: np.ndarray,
        dtype: npt.DTypeLike,
        n_threads: int = 1,
    ) -> LossPass:
        rows = storage.matrix
        W, b = like(rows, coef.T, dtype), like(rows, intercept, dtype)
        return _curved(rows, lambda _, X: _softmax(X @ W + b), weights, direction, intercept_direction, dtype)

    def transpose_pass(
        self, storage: Storage, residual: np.ndarray, n_threads: int = 1, *, squared: bool = False
    ) -> np.ndarray:
        rows = storage.matrix
        product = np.zeros((residual.shape[1], rows.shape[1]))
        for part in chunks(rows):
            X = cast(rows[part, :], residual.dtype)
            R = like(rows, residual[part], residual.dtype)
            product += to_numpy(R.T @ (_square(X) if squared else X))
        return product

    def n_added(self, storage: Storage) -> int:
        return storage.shape[0]

    def row_squares(self, storage: Storage, unit: np.ndarray, out: np.ndarray) -> None:
        rows = storage.matrix
        squared_unit = like(rows, unit.astype(np.float64) ** 2, np.float64)
        for part in chunks(rows):
            out[part] = to_numpy(_square(cast(rows[part, :], np.float64)) @ squared_unit)

    # ---- rows of probabilities ---------------------------------------------------------------------------------------

    def flows(self, proba: np.ndarray, codes: np.ndarray, weights: np.ndarray) -> np.ndarray:
        n_classes = proba.shape[1]
        step, found = max(SUMMED_AT_ONCE, n_classes), np.zeros((n_classes, n_classes))
        for start in range(0, len(proba), step):
            p = proba[start : start + step]
            of_class = weights[start : start + step], codes[start : start + step], np.arange(len(p) + 1)
            found += sparse.csc_array(of_class, shape=(n_classes, len(p))) @ p.astype(np.float64)
        return found

    def residual(self, proba: np.ndarray, codes: np.ndarray, weights: np.ndarray) -> np.ndarray:
        out = -proba * weights[:, None].astype(proba.dtype)
        own = np.arange(len(proba)), codes
        out[own] = 0.0
        out[own] = -out.sum(axis=1)
        return np.asarray(out)

    def entropies(
        self, proba: np.ndarray, codes: np.ndarray, weights: np.ndarray, scales: np.ndarray
    ) -> tuple[np.ndarray, float]:
        q = _others(proba, codes)
        given, found = q.sum(axis=1), np.empty(len(scales))
        for place, scale in enumerate(scales):
            left = np.minimum(scale * given, 1.0)
            found[place] = weights @ (entr(scale * q).sum(axis=1) - xlog1py(1.0 - left, -left))
        return found, float(given.max(initial=0.0))

    def moved(self, proba: np.ndarray, along: np.ndarray) -> np.ndarray:
        mean = np.einsum("ik,ik->i", proba, along)[:, None]
        point = proba * np.maximum(1.0 + along - mean, 0.0)
        total = point.sum(axis=1, keepdims=True)
        return np.asarray(np.divide(point, total, out=proba.copy(), where=total > 0.0))

    # ---- layout ------------------------------------------------------------------------------------------------------

    def inspect(self, storage: Storage, n_threads: int = 1) -> Inspection | None:
        if storage.indices is not None:
            return _inspected(storage, storage.indices)
        rows = storage.values
        xp = namespace(rows)
        has_nan = bool(xp.isdtype(rows.dtype, "real floating"))
        low, high, n_nonzeros = np.full(rows.shape[1], np.inf), np.full(rows.shape[1], -np.inf), 0
        for part in chunks(rows):
            X = rows[part, :]
            if has_nan and not bool(xp.all(xp.isfinite(X))):
                return None
            low = np.minimum(low, to_numpy(xp.min(X, axis=0)))
            high = np.maximum(high, to_numpy(xp.max(X, axis=0)))
            n_nonzeros += int(xp.sum(cast(X != 0, np.int64)))
        return Inspection(low, high, n_nonzeros)

    def pack(self, storage: Storage, n_threads: int = 1) -> tuple[Storage, bool]:
        matrix = sparse.csr_array(storage.values)
        narrow = np.uint16 if matrix.shape[1] <= 1 << 16 else np.int32
        exact = Storage(
            matrix.data, matrix.indices.astype(narrow), matrix.indptr.astype(np.int64), matrix.shape, storage.backend
        )
        packed = single(exact)
        return packed, packed is exact or bool((packed.values == exact.values).all())

    def to_bytes(self, values: np.ndarray, unit: float, error: float, n_threads: int = 1) -> np.ndarray | None:
        out = np.empty(values.shape, dtype=np.uint8)
        for start in range(0, len(values), BYTES_CHUNK):
            part = values[start : start + BYTES_CHUNK]
            multiples = np.clip(np.nan_to_num(np.rint(part / unit)), 0.0, 255.0)
            if not (np.abs(multiples * unit - part) <= error * part).all():
                return None
            out[start : start + BYTES_CHUNK] = multiples
        return out

    def with_columns(self, storage: Storage, inspection: Inspection) -> Storage:
        return storage

    # ---- second derivatives as matrices ------------------------------------------------------------------------------

    def edge_grams(self, storage: Storage, proba: np.ndarray, weights: np.ndarray, n_threads: int = 1) -> np.ndarray:
        rows, (first, second) = storage.matrix, np.triu_indices(proba.shape[1], 1)
        grams = np.zeros((len(first), rows.shape[1] + 1, rows.shape[1] + 1))
        step = max(1, CHUNK // (rows.shape[1] + 1))
        for start in range(0, rows.shape[0], step):
            part = slice(start, min(start + step, rows.shape[0]))
            X = cast(rows[part, :], np.float64)
            X = with_ones(X.toarray() if sparse.issparse(X) else X)
            for gram, a, b in zip(grams, first, second, strict=True):
                deadline.check()
                edge = proba[part, a] * proba[part, b] * weights[part]
                gram += to_numpy((X * like(X, edge[:, None], np.float64)).T @ X)
        return grams

    def class_grams(self, X: Storage, curvature: np.ndarray, out: np.ndarray, n_threads: int = 1) -> None:
        class_grams(X, curvature, out)

    def factor_blocks(self, A: np.ndarray, n_threads: int = 1) -> None:
        size = A.shape[1]
        for block in A:
            deadline.check()
            lower = np.tril(block[:, :size]).astype(np.float64)
            symmetric = lower + np.tril(lower, -1).T
            symmetric[np.arange(size), np.arange(size)] *= 1.0 + 1e-6  # float32's rounding may have left it singular
            block[:, :size] = np.linalg.inv(symmetric)

    def solve_blocks(self, A: np.ndarray, x: np.ndarray, n_threads: int = 1) -> np.ndarray:
        return np.asarray(np.einsum("kij,kj->ki", A[:, :, : A.shape[1]], x))

    def pair_hessian(
        self,
        storage: Storage,
        chosen: np.ndarray,
        pairs: PairColumns,
        proba: np.ndarray,
        weights: np.ndarray,
        hessian: np.ndarray,
        *,
        scale: float = 1.0,
        sampling_threshold: float = 0.0,
        seed: int = 0,
        n_threads: int = 1,
    ) -> None:
        """As in `Backend`; no pair is sampled.

        1 - p_ik is the sum of the other classes: rounded differences would leave the matrix indefinite where rows are
        sure.
        """
        X = with_ones(select(storage, chosen, pairs.used[:-1], np.float32) * scale)
        edges = np.searchsorted(pairs.classes, np.arange(pairs.n_classes + 1))
        others = proba @ (1.0 - np.eye(pairs.n_classes, dtype=proba.dtype))
        for part in chunks(X, width=len(pairs.place)):
            deadline.check()
            wide = arrays.take(X[part, :], pairs.place, axis=1)
            weighted = wide * like(X, proba[part][:, pairs.classes], np.float32)
            scaled = weighted * like(X, weights[part, None], np.float32)
            product = -to_numpy(weighted.T @ scaled)
            for k, (first, last) in enumerate(pairwise(edges)):
                own = slice(int(first), int(last))
                rest = like(X, others[part, k, None], np.float32)
                product[own, own] = to_numpy(wide[:, own].T @ (scaled[:, own] * rest))
            hessian += product

    # ---- the quadratic subproblem ------------------------------------------------------------------------------------

    def subtract_product(self, H: np.ndarray, left: np.ndarray, right: np.ndarray, n_threads: int = 1) -> None:
        H -= (left @ right).astype(np.float32)

    def symmetric_product(self, H: np.ndarray, x: np.ndarray, n_threads: int = 1) -> np.ndarray:
        return np.asarray(H @ x)

    def gram_descent(
        self,
        H: np.ndarray,
        gradient: np.ndarray,
        w: np.ndarray,
        l1: np.ndarray,
        l2: np.ndarray,
        *,
        tolerance: float,
        max_sweeps: int,
        n_threads: int = 1,
        unit: np.ndarray | None = None,
        side: np.ndarray | None = None,
    ) -> None:
        unit, side = l1 if unit is None else unit, np.zeros(len(w)) if side is None else side
        for _ in range(max_sweeps):
            largest = 0.0
            for j in np.flatnonzero(np.isfinite(l1)):
                curvature = H[j, j] + l2[j]
                target = H[j, j] * w[j] - gradient[j]
                if curvature <= 0.0:
                    continue
                shrunk = 0.0 if target * side[j] < 0.0 else max(abs(target) - l1[j], 0.0)
                step = np.sign(target) * shrunk / curvature - w[j]
                w[j] += step
                gradient += step * H[j]
                largest = max(largest, abs(step) * curvature / unit[j])
            if largest <= tolerance:
                return
            deadline.check()

    def group_descent(
        self,
        H: np.ndarray,
        gradient: np.ndarray,
        w: np.ndarray,
        group: np.ndarray,
        l2: np.ndarray,
        *,
        tolerance: float,
        max_sweeps: int,
        n_threads: int = 1,
    ) -> None:
        group_descent(H, gradient, w, group, l2, tolerance, max_sweeps)

    def threshold_descent(
        self,
        H: np.ndarray,
        gradient: np.ndarray,
        w: np.ndarray,
        l1: np.ndarray,
        l2: np.ndarray,
        *,
        is_grouped: bool,
        tolerance: float,
        max_looks: int,
    ) -> float:
        n_classes = len(w) // max(1, len(l1))
        left = threshold_violation(gradient, w, l1, l2, is_grouped=is_grouped)
        for _ in range(max_looks):
            if left <= tolerance:
                break
            if is_grouped:
                group_descent(H, gradient, w, l1, l2, 0.0, SWEEPS_A_LOOK)
            else:
                self.gram_descent(
                    H, gradient, w, np.tile(l1, n_classes), np.tile(l2, n_classes),
                    tolerance=0.0, max_sweeps=SWEEPS_A_LOOK,
                )  # fmt: skip
            before, left = left, threshold_violation(gradient, w, l1, l2, is_grouped=is_grouped)
            if not left <= SLOW_RATIO * before:
                break
        return left

    def factor_face(
        self,
        H: np.ndarray,
        active: np.ndarray,
        ridge: np.ndarray,
        curvature: np.ndarray | None = None,
        n_threads: int = 1,
    ) -> "ReferenceFactor | None":
        deadline.check()
        face = H[np.ix_(active, active)] + np.diag(ridge)
        if curvature is not None:
            n_classes, _, q = curvature.shape
            each = np.arange(q)
            for k in range(n_classes):
                for m in range(n_classes):
                    face[k * q + each, m * q + each] -= curvature[k, m]
        try:
            return ReferenceFactor(*cho_factor(face))
        except LinAlgError:
            return None


class ReferenceFactor(NamedTuple):
    """SciPy's Cholesky factor."""

    factor: np.ndarray
    is_lower: bool

    def solve(self, side: np.ndarray) -> np.ndarray:
        """Return the inverse times a vector, (m,)."""
        return np.asarray(cho_solve(self, side))

    def solve_many(self, sides: np.ndarray, n_threads: int) -> np.ndarray:
        """Return the inverse times some vectors, (m, n)."""
        return np.asarray(cho_solve(self, sides))


# ---- functions that the compiled backend uses as well ----------------------------------------------------------------


def class_grams(X: Storage, curvature: np.ndarray, out: np.ndarray) -> None:
    """See `Backend.class_grams`."""
    columns = X.matrix.toarray() if X.indices is not None else X.values
    ones = with_ones(columns)
    roots = like(ones, np.sqrt(curvature), np.float32)
    size = ones.shape[1]
    for k in range(curvature.shape[1]):
        deadline.check()
        weighted = ones * roots[:, k : k + 1]
        out[k, :size, :size] += to_numpy(namespace(ones).matmul(weighted.T, weighted))


def group_descent(
    H: np.ndarray,
    gradient: np.ndarray,
    w: np.ndarray,
    group: np.ndarray,
    l2: np.ndarray,
    tolerance: float,
    max_sweeps: int,
) -> None:
    """See `Backend.group_descent`: proximal gradient steps, one group after the other."""
    q = len(group)
    for _ in range(max_sweeps):
        largest = 0.0
        for j in np.flatnonzero(np.isfinite(group)):
            curvature = float(np.abs(H[j::q, j::q]).sum(axis=1).max()) + l2[j]
            if curvature <= 0.0:
                continue
            trial = w[j::q] - (gradient[j::q] + l2[j] * w[j::q]) / curvature
            length = float(np.linalg.norm(trial))
            kept = max(0.0, 1.0 - group[j] / (curvature * length)) if length > 0.0 else 0.0
            step = kept * trial - w[j::q]
            w[j::q] += step
            gradient += step @ H[j::q]
            largest = max(largest, float(np.abs(step).max()) * curvature / group[j])
        if largest <= tolerance:
            return
        deadline.check()


def threshold_violation(
    gradient: np.ndarray, w: np.ndarray, l1: np.ndarray, l2: np.ndarray, *, is_grouped: bool
) -> float:
    """Return the largest KKT violation of a quadratic with thresholds, in units of l1; shapes as in the descent."""
    W = w.reshape(-1, len(l1))
    slope = gradient.reshape(W.shape) + l2 * W
    if not is_grouped:
        found = np.where(W != 0.0, np.abs(slope + l1 * np.sign(W)), np.maximum(np.abs(slope) - l1, 0.0))
    else:
        norms = np.linalg.norm(W, axis=0)
        inside = np.linalg.norm(slope + l1 * W / np.where(norms > 0.0, norms, 1.0), axis=0)
        found = np.where(norms > 0.0, inside, np.maximum(np.linalg.norm(slope, axis=0) - l1, 0.0))
    return float((found / l1).max(initial=0.0))


# ---- parts of a pass -------------------------------------------------------------------------------------------------


def loss_and_residual(z: Array, codes: Array, weights: Array) -> tuple[float, Array, Array]:
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


def _curved(
    rows: Array,
    proba_of: Callable[[slice, Array], Array],
    weights: np.ndarray,
    direction: np.ndarray,
    intercept_direction: np.ndarray,
    dtype: npt.DTypeLike,
) -> LossPass:
    """Return sum_i c_i (diag p_i - p_i p_i')(D x_i + d) x_i' for probabilities `proba_of(part, rows of it)`."""
    D, d = like(rows, direction.T, dtype), like(rows, intercept_direction, dtype)
    product, sums = np.zeros(direction.shape), np.zeros(len(direction))
    for part in chunks(rows):
        X = cast(rows[part, :], dtype)
        along, p = X @ D + d, proba_of(part, X)
        c = like(along, weights[part], dtype)
        curved = p * (along - namespace(along).sum(p * along, axis=1, keepdims=True)) * c[:, None]
        product += to_numpy(curved.T @ X)
        sums += _class_sums(curved)
    return LossPass(0.0, product, sums)


def _softmax(z: Array) -> Array:
    xp = namespace(z)
    exponentials = xp.exp(z - xp.max(z, axis=1, keepdims=True))
    return exponentials / xp.sum(exponentials, axis=1, keepdims=True)


def _class_sums(residual: Array) -> np.ndarray:
    return to_numpy(namespace(residual).sum(cast(residual, np.float64), axis=0))


def _square(X: Array) -> Array:
    return X.multiply(X) if sparse.issparse(X) else X * X


def _numpy_dtype(z: Array) -> npt.DTypeLike:
    return np.float64 if z.dtype == namespace(z).float64 else np.float32


def _others(p: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the probabilities of the classes that a row does not belong to, 0 for its own, (n_rows, n_classes)."""
    out = p.astype(np.float64)
    out[np.arange(len(p)), codes] = 0.0
    return out


def _inspected(storage: Storage, columns: np.ndarray) -> Inspection | None:
    """Return what sparse rows tell."""
    n_samples, n_features = storage.shape
    values, counts = storage.values.astype(np.float64, copy=False), np.bincount(columns, minlength=n_features)
    if not np.isfinite(values).all():
        return None
    low, high = np.full(n_features, np.inf), np.full(n_features, -np.inf)
    np.minimum.at(low, columns, values)
    np.maximum.at(high, columns, values)
    holed = counts < n_samples
    low[holed], high[holed] = np.minimum(low[holed], 0.0), np.maximum(high[holed], 0.0)
    return Inspection(low, high, len(values))
