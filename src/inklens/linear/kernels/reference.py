"""The kernels once more, in as few lines as they take on the array API standard: reference, fallback, other devices.

The C library computes the same where it was compiled and the rows are NumPy's; these functions run wherever the rows
are: NumPy arrays and SciPy matrices, torch or JAX tensors, CuPy arrays. The rows stay there. Coefficients go in and
sums come out as NumPy arrays; numbers for each row may be NumPy's too, or lie where the rows are.

Shapes are those of `backend.py`.
"""

import operator
from collections.abc import Callable, Iterable, Iterator
from functools import reduce
from itertools import combinations, pairwise, starmap
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from inklens.linear import arrays, deadline
from inklens.linear.arrays import Array, cast, chunks, like, namespace, to_numpy
from inklens.linear.kernels.backend import SUMMED_AT_ONCE, LossPass, PairColumns
from inklens.linear.kernels.by_class import class_sums, is_own_class, labelled, of_others, of_own_class
from inklens.linear.kernels.mixing import Mixing
from inklens.linear.kernels.storage import Inspection, Storage, select, single, with_ones

SWEEPS_A_LOOK = 8  # of `threshold_descent`, between two looks at all conditions
SLOW_RATIO = 0.1  # of the violation that these leave: then sweeps are slow
BYTES_CHUNK = 1 << 12  # rows that `to_bytes` takes at a time

Sums: TypeAlias = tuple[Array, ...]  # over some rows, where these are


def scored(
    rows: Array, coef: np.ndarray, intercept: np.ndarray, dtype: npt.DTypeLike
) -> Iterator[tuple[slice, Array, Array]]:
    """Yield some rows at a time, in the type of a pass, and their scores, where the rows are."""
    W, b = like(rows, coef.T, dtype), like(rows, intercept, dtype)
    for part in chunks(rows):
        deadline.check()
        X = cast(rows[part, :], dtype)
        yield part, X, X @ W + b


def evaluated(
    rows: Array, coef: np.ndarray, intercept: np.ndarray, codes: Array, weights: Array, dtype: npt.DTypeLike
) -> Iterator[tuple[slice, Array, Array, Sums]]:
    """Yield some rows at a time: their scores, probabilities, and (loss, gradient, class sums), where the rows are."""
    for part, X, z in scored(rows, coef, intercept, dtype):
        own, c = like(z, codes[part], np.int64), like(z, weights[part], np.float64)
        loss, proba, residual = loss_and_residual(z, own, c)
        yield part, z, proba, (loss, cast(residual.T @ X, np.float64), class_sums(residual))


def summed(parts: Iterable[Sums]) -> tuple[np.ndarray, ...]:
    """Return sums over some rows at a time as sums over all, which come here once."""
    return tuple(map(to_numpy, reduce(lambda a, b: tuple(map(operator.add, a, b)), parts)))


class Reference:
    """A `Backend` on the array API; it has no state. Numbers of threads are the libraries' own business."""

    name = "numpy"
    visitor = column_visitor = None  # a row or column at a time is slow in Python
    rounds = None  # `methods/direct.py` takes them as quickly

    # ---- passes over rows --------------------------------------------------------------------------------------------

    def scores(
        self, storage: Storage, coef: np.ndarray, intercept: np.ndarray, out: np.ndarray, n_threads: int = 1
    ) -> None:
        for part, _, z in scored(storage.matrix, coef, intercept, out.dtype):
            out[part] = to_numpy(z)

    def loss_pass(
        self,
        storage: Storage,
        coef: np.ndarray,
        intercept: np.ndarray,
        codes: Array,
        weights: Array,
        scores_out: np.ndarray | None,
        proba_out: np.ndarray,
        n_threads: int = 1,
    ) -> LossPass:
        found = []
        for part, z, proba, sums in evaluated(storage.matrix, coef, intercept, codes, weights, proba_out.dtype):
            if scores_out is not None:
                scores_out[part] = to_numpy(z)
            proba_out[part] = to_numpy(proba)
            found.append(sums)
        loss, gradient, of_classes = summed(found)
        return LossPass(float(loss), gradient, of_classes)

    def hessian_pass(
        self,
        storage: Storage,
        proba: Array,
        weights: Array,
        direction: np.ndarray,
        intercept_direction: np.ndarray,
        n_threads: int = 1,
    ) -> LossPass:
        dtype = arrays.dtype_of(proba)
        return _curved(
            storage.matrix, lambda part, X: like(X, proba[part, :], dtype), weights, direction, intercept_direction,
            dtype,
        )  # fmt: skip

    def curvature_pass(
        self,
        storage: Storage,
        coef: np.ndarray,
        intercept: np.ndarray,
        weights: Array,
        direction: np.ndarray,
        intercept_direction: np.ndarray,
        dtype: npt.DTypeLike,
        n_threads: int = 1,
    ) -> LossPass:
        rows = storage.matrix
        W, b = like(rows, coef.T, dtype), like(rows, intercept, dtype)
        return _curved(rows, lambda _, X: _softmax(X @ W + b), weights, direction, intercept_direction, dtype)

    def transpose_pass(
        self, storage: Storage, residual: Array, n_threads: int = 1, *, squared: bool = False
    ) -> np.ndarray:
        rows, dtype = storage.matrix, arrays.dtype_of(residual)

        def product(part: slice) -> Sums:
            X, R = cast(rows[part, :], dtype), like(rows, residual[part, :], dtype)
            return (cast(R.T @ (_square(X) if squared else X), np.float64),)

        return summed(map(product, chunks(rows)))[0]

    def residual_pass(
        self, storage: Storage, proba: Array, codes: Array, weights: Array, n_threads: int = 1
    ) -> np.ndarray:
        return self.transpose_pass(storage, self.residual(proba, codes, weights), n_threads)

    def class_pass(
        self,
        storage: Storage,
        codes: Array | None,
        weights: Array,
        n_classes: int,
        n_threads: int = 1,
        *,
        squared: bool = False,
    ) -> np.ndarray:
        return self.transpose_pass(storage, labelled(weights, codes, n_classes), n_threads, squared=squared)

    def n_added(self, storage: Storage) -> int:
        return storage.shape[0]

    def row_squares(self, storage: Storage, unit: np.ndarray, out: np.ndarray) -> None:
        rows = storage.matrix
        squared_unit = like(rows, unit.astype(np.float64) ** 2, np.float64)
        for part in chunks(rows):
            out[part] = to_numpy(_square(cast(rows[part, :], np.float64)) @ squared_unit)

    # ---- rows of probabilities ---------------------------------------------------------------------------------------

    def flows(self, proba: Array, codes: Array, weights: Array) -> Array:
        xp, (n_rows, n_classes) = namespace(proba), proba.shape
        p = cast(proba, np.float64)
        of_class = cast(is_own_class(p, codes), np.float64) * weights[:, None]
        step = max(1, min(n_rows, max(SUMMED_AT_ONCE, n_classes)))
        whole = -(-n_rows // step) * step
        p, of_class = (xp.concat([of, xp.zeros_like(of[: whole - n_rows, :])]) for of in (p, of_class))
        p, of_class = (xp.reshape(of, (whole // step, step, n_classes)) for of in (p, of_class))
        return xp.sum(xp.matmul(xp.matrix_transpose(of_class), p), axis=0)

    def residual(self, proba: Array, codes: Array, weights: Array) -> Array:
        c = cast(weights, arrays.dtype_of(proba))[:, None]
        return -_from_own(of_others(proba, codes) * c, codes)

    def entropies(
        self, proba: Array, codes: Array, weights: Array, scales: np.ndarray, mixing: Mixing | None
    ) -> tuple[Array, Array]:
        p = cast(proba, np.float64)
        xp, q = namespace(p), of_others(p if mixing is None else self.mixed(p, mixing), codes)
        given, found = xp.sum(q, axis=1), []
        for scale in scales.tolist():
            kept = xp.clip(1.0 - scale * given, 0.0, 1.0)
            left = xp.where(kept > 0.0, scale * given, xp.zeros_like(given))
            found.append(weights @ (xp.sum(_entropy(scale * q), axis=1) - kept * xp.log1p(-left)))
        return xp.stack(found) if found else np.empty(0), xp.max(given) if q.shape[0] else 0.0

    def mixed(self, proba: Array, mixing: Mixing) -> Array:
        kept, taken, given = (
            like(proba, of, arrays.dtype_of(proba)) for of in (mixing.kept, mixing.taken.T, mixing.given)
        )
        return proba * kept + (proba @ taken) @ given

    def moved(self, proba: Array, along: Array) -> Array:
        xp = namespace(proba)
        mean = xp.sum(proba * along, axis=1, keepdims=True)
        point = proba * xp.clip(1.0 + along - mean, 0.0, None)
        total = xp.sum(point, axis=1, keepdims=True)
        left = total > 0.0
        return xp.where(left, point / xp.where(left, total, xp.ones_like(total)), proba)

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

    def edge_grams(self, storage: Storage, proba: Array, weights: Array, n_threads: int = 1) -> np.ndarray:
        rows = storage.matrix

        def grams(part: slice) -> Sums:
            X = cast(rows[part, :], np.float64)
            X = with_ones(X.toarray() if sparse.issparse(X) else X)
            p, c = like(X, proba[part, :], np.float64), like(X, weights[part], np.float64)
            found = []
            for a, b in combinations(range(proba.shape[1]), 2):
                deadline.check()
                found.append((X * (p[:, a] * p[:, b] * c)[:, None]).T @ X)
            return tuple(found)

        return np.stack(summed(map(grams, chunks(rows, rows.shape[1] + 1))))

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
        chosen: Array,
        pairs: PairColumns,
        proba: Array,
        weights: Array,
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
        edges = np.searchsorted(pairs.classes, np.arange(pairs.n_classes + 1)).tolist()
        of_class = [slice(*ends) for ends in pairwise(edges)]
        not_own = like(X, 1.0 - np.eye(pairs.n_classes), np.float32)

        def products(part: slice) -> Sums:
            deadline.check()
            p, c = like(X, proba[part, :], np.float32), like(X, weights[part], np.float32)
            wide, rest = arrays.take(X[part, :], pairs.place, axis=1), p @ not_own
            weighted = wide * arrays.take(p, pairs.classes, axis=1)
            scaled = weighted * c[:, None]
            own = (wide[:, of].T @ (scaled[:, of] * rest[:, k : k + 1]) for k, of in enumerate(of_class))
            return weighted.T @ scaled, *own

        between, *within = summed(map(products, chunks(X, width=len(pairs.place))))
        added = -between
        for of, product in zip(of_class, within, strict=True):
            added[of, of] = product
        hessian += added

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


def loss_and_residual(z: Array, codes: Array, weights: Array) -> tuple[Array, Array, Array]:
    """Return the loss that belongs to scores z, the probabilities, and c_i (p_i - y_i); no pass over the data."""
    xp = namespace(z)
    shifted = z - xp.max(z, axis=1, keepdims=True)
    exponentials = xp.exp(shifted)
    total = xp.sum(exponentials, axis=1, keepdims=True)
    proba = exponentials / total
    lead = cast(xp.log(total[:, 0]), np.float64) - cast(of_own_class(shifted, codes), np.float64)
    residual = _from_own(of_others(proba, codes), codes) * cast(weights, arrays.dtype_of(z))[:, None]
    return xp.sum(weights * lead), proba, residual


def _curved(
    rows: Array,
    proba_of: Callable[[slice, Array], Array],
    weights: Array,
    direction: np.ndarray,
    intercept_direction: np.ndarray,
    dtype: npt.DTypeLike,
) -> LossPass:
    """Return sum_i c_i (diag p_i - p_i p_i')(D x_i + d) x_i' for probabilities `proba_of(part, rows of it)`."""

    def curved(part: slice, X: Array, along: Array) -> Sums:
        p, c = proba_of(part, X), like(along, weights[part], dtype)
        residual = p * (along - namespace(along).sum(p * along, axis=1, keepdims=True)) * c[:, None]
        return cast(residual.T @ X, np.float64), class_sums(residual)

    return LossPass(0.0, *summed(starmap(curved, scored(rows, direction, intercept_direction, dtype))))


def _softmax(z: Array) -> Array:
    xp = namespace(z)
    exponentials = xp.exp(z - xp.max(z, axis=1, keepdims=True))
    return exponentials / xp.sum(exponentials, axis=1, keepdims=True)


def _from_own(others: Array, codes: Array) -> Array:
    """Return numbers of the other classes with minus their sum for the own: p_own - 1 without cancellation."""
    xp = namespace(others)
    return xp.where(is_own_class(others, codes), -xp.sum(others, axis=1, keepdims=True), others)


def _entropy(p: Array) -> Array:
    """Return -p log p, entry by entry: 0 for 0, and -infinity for what is no probability."""
    xp = namespace(p)
    found = -p * xp.log(xp.where(p > 0.0, p, xp.ones_like(p)))
    return xp.where(p < 0.0, xp.full_like(p, -np.inf), found)


def _square(X: Array) -> Array:
    return X.multiply(X) if sparse.issparse(X) else X * X


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
