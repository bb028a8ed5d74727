"""Rows as blocks: arrays, CSR matrices and memory-mapped files behind one set of products.

`Rows` is the only place that knows how the data lie in memory. Every sum over rows is a sum over blocks, and the loss
over blocks is the loss.

Shapes: coef (n_classes, n_features), intercept (n_classes,), codes and weights (n_samples,), scores and proba
(n_samples, n_classes). `dtype` is the type of a pass: float32, summed in float64 over chunks of rows, or float64
throughout, which is what certificates use.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from inklens.errors import DataError
from inklens.linear import kernels
from inklens.linear.kernels import Storage

SPARSE_BELOW = 0.4  # share of non-zeros below which one multiply-add per non-zero beats dense rows (measured: 0.35-0.5)
WIDE_BELOW = 0.03  # share of non-zeros below which columns are too short to be cut into panels of rows
PACK_UP_TO = 1 << 30  # bytes of a memory-mapped file beyond which rows are read anew in every pass
THREAD_WORK = 2_000_000  # multiply-adds below which a second thread costs more than it saves


class Evaluation(NamedTuple):
    """Loss, its gradient, scores and probabilities at one point; costs one pass."""

    loss: float
    gradient: np.ndarray  # (n_classes, n_features) float64
    intercept_gradient: np.ndarray  # (n_classes,) float64
    scores: np.ndarray  # (n_samples, n_classes)
    proba: np.ndarray  # (n_samples, n_classes)


class Inspection(NamedTuple):
    """What one reading of a block tells."""

    low: np.ndarray  # (n_features,) smallest value of each column
    high: np.ndarray
    n_nonzeros: int


@dataclass(frozen=True, eq=False)
class Block:
    """Some of the rows: `exact` holds the values as given, `fast` the same as float32 or uint8 (or is `exact`)."""

    exact: Storage
    fast: Storage
    inspection: Inspection

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return self.exact.shape[0]

    @cached_property
    def _exact(self) -> Storage:
        return with_columns(self.exact, self.inspection)

    @cached_property
    def _fast(self) -> Storage:
        return self._exact if self.fast is self.exact else with_columns(self.fast, self.inspection)

    def storage(self, dtype: Any) -> Storage:
        """Return the rows to use in a pass of that type; sparse ones are laid out by columns as well."""
        return self._fast if np.dtype(dtype) == np.float32 else self._exact


@dataclass(eq=False)
class Rows:
    """A data matrix as a list of blocks, times `scale`.

    Build it with `Rows.of`.

    >>> rows = Rows.of(np.array([[0, 255], [51, 0]], dtype=np.uint8), scale=1 / 255)
    >>> rows.scores(np.array([[1.0, 10.0]]), np.zeros(1), dtype=np.float64)
    array([[10. ],
           [ 0.2]])
    """

    blocks: list[Block]
    scale: float = 1.0
    n_threads: int = 1
    n_passes: float = field(default=0.0, init=False)
    _spare: kernels.Spare = field(default_factory=kernels.Spare, init=False, repr=False)

    @classmethod
    def of(cls, X: Any, *, scale: float = 1.0, n_threads: int | None = None) -> "Rows":
        """Return the rows of an array, a sparse matrix, a memory map, or of a list of these stacked on each other.

        Parameters
        ----------
        X : array (n_samples, n_features), sparse matrix, or list of either
            uint8 and float32 are used as they are, other numbers as float64. Never written to.
        scale : float, default=1.0
            The matrix meant is ``X * scale``; uint8 pixels with ``scale=1 / 255`` are never copied to floats.
        n_threads : int or None, default=None
            None is all cores that the process may use.

        Raises
        ------
        DataError
            Not two-dimensional, not numbers, NaN or infinity (row and column are named), blocks of different width.
        """
        n_threads = max(1, min(n_threads or default_threads(), 64))
        parts = list(X) if isinstance(X, list | tuple) and X and _is_matrix(X[0]) else [X]
        blocks: list[Block] = []
        for part in parts:
            blocks.append(make_block(part, n_threads, first_row=sum(block.n_samples for block in blocks)))
            if blocks[-1].exact.shape[1] != blocks[0].exact.shape[1]:
                raise DataError(
                    f"all blocks must have the same number of columns: the first has {blocks[0].exact.shape[1]}, "
                    f"block {len(blocks) - 1} has {blocks[-1].exact.shape[1]}"
                )
        return cls(blocks, float(scale), n_threads)

    # ---- shape and contents ------------------------------------------------------------------------------------------

    @property
    def n_samples(self) -> int:
        """Number of rows over all blocks."""
        return sum(block.n_samples for block in self.blocks)

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return self.blocks[0].exact.shape[1]

    @property
    def shape(self) -> tuple[int, int]:
        """(n_samples, n_features)."""
        return self.n_samples, self.n_features

    @cached_property
    def n_nonzeros(self) -> int:
        """Number of entries that are not zero."""
        return sum(block.inspection.n_nonzeros for block in self.blocks)

    @property
    def density(self) -> float:
        """Share of the entries that are not zero."""
        return self.n_nonzeros / max(1, self.n_samples * self.n_features)

    @property
    def is_sparse(self) -> bool:
        """Whether the passes skip zeros."""
        return all(block.fast.layout != kernels.DENSE for block in self.blocks)

    @cached_property
    def low(self) -> np.ndarray:
        """Smallest value of each column, (n_features,)."""
        extremes = [block.inspection.low for block in self.blocks], [block.inspection.high for block in self.blocks]
        return np.min([np.min(side, axis=0) * self.scale for side in extremes], axis=0)

    @cached_property
    def high(self) -> np.ndarray:
        """Largest value of each column, (n_features,)."""
        extremes = [block.inspection.low for block in self.blocks], [block.inspection.high for block in self.blocks]
        return np.max([np.max(side, axis=0) * self.scale for side in extremes], axis=0)

    @cached_property
    def constant(self) -> np.ndarray:
        """Mask of the columns with one value only, (n_features,)."""
        return self.low == self.high

    @cached_property
    def _absolute(self) -> "Rows":
        if (self.low >= 0.0).all():
            return self
        blocks = []
        for block in self.blocks:
            exact = block.exact._replace(values=np.abs(block.exact.values))
            blocks.append(Block(exact, _single(exact), inspect(exact, self.n_threads)))
        return Rows(blocks, abs(self.scale), self.n_threads)

    def absolute(self) -> "Rows":
        """Return the rows of |X|, which bound rounding errors; the rows themselves where nothing is negative."""
        return self._absolute

    def cost(self, n_classes: int) -> float:
        """Return the multiply-adds of one half of a pass."""
        size = self.n_nonzeros if self.is_sparse else self.n_samples * self.n_features
        return float(size) * kernels.lanes(n_classes)

    # ---- products with the rows --------------------------------------------------------------------------------------

    def scores(self, coef: np.ndarray, intercept: np.ndarray | None = None, *, dtype: Any = np.float32) -> np.ndarray:
        """Return z_i = W x_i + b, (n_samples, n_classes); half a pass."""
        intercept = np.zeros(len(coef)) if intercept is None else intercept
        out = kernels.empty_scores(self.n_samples, len(coef), dtype, self._spare)
        for block, part in self._parts():
            kernels.scores(block.storage(dtype), coef * self.scale, intercept, out[part], self._threads(len(coef)))
        self.n_passes += 0.5
        return out

    def loss_and_gradient(
        self,
        coef: np.ndarray,
        intercept: np.ndarray,
        codes: np.ndarray,
        weights: np.ndarray,
        *,
        dtype: Any = np.float32,
    ) -> Evaluation:
        """Return loss and gradient sum_i c_i (p_i - y_i) x_i' with the scores and probabilities; one pass."""
        n_classes = len(coef)
        scores, proba = (kernels.empty_scores(self.n_samples, n_classes, dtype, self._spare) for _ in range(2))
        gradient: Any = None
        loss, sums = 0.0, np.zeros(n_classes)
        for block, part in self._parts():
            found = kernels.loss_pass(
                block.storage(dtype),
                coef * self.scale,
                intercept,
                codes[part],
                weights[part],
                scores[part],
                proba[part],
                self._threads(n_classes),
            )
            loss, sums = loss + found.loss, sums + found.class_sums
            gradient = found.gradient if gradient is None else gradient + found.gradient
        self.n_passes += 1.0
        return Evaluation(loss, gradient * self.scale, sums, scores, proba)

    def hessian_product(
        self,
        proba: np.ndarray,
        weights: np.ndarray,
        direction: np.ndarray,
        intercept_direction: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the loss's Hessian times a direction, (n_classes, n_features) and (n_classes,); one pass.

        The pass has the type of `proba`.
        """
        n_classes = len(direction)
        product: Any = None
        sums = np.zeros(n_classes)
        for block, part in self._parts():
            found = kernels.hessian_pass(
                block.storage(proba.dtype),
                proba[part],
                weights[part],
                direction * self.scale,
                intercept_direction,
                self._threads(n_classes),
            )
            product = found.gradient if product is None else product + found.gradient
            sums = sums + found.class_sums
        self.n_passes += 1.0
        return product * self.scale, sums

    def transpose_product(self, residual: np.ndarray, *, squared: bool = False) -> np.ndarray:
        """Return residual' X, (n_classes, n_features), in the type of `residual`; half a pass.

        With `squared`, every entry of X is squared first.
        """
        product: Any = None
        for block, part in self._parts():
            storage, threads = block.storage(residual.dtype), self._threads(residual.shape[1])
            found = kernels.transpose_pass(storage, residual[part], threads, squared=squared)
            product = found if product is None else product + found
        self.n_passes += 0.5
        return product * (self.scale**2 if squared else self.scale)

    def column_sums(self, weights: np.ndarray) -> np.ndarray:
        """Return sum_i w_i x_ij, (n_features,), in float64."""
        return self.transpose_product(np.ascontiguousarray(weights, dtype=np.float64)[:, None])[0]

    def column_squares(self, weights: np.ndarray) -> np.ndarray:
        """Return sum_i w_i x_ij^2, (n_features,), in float64."""
        return self.transpose_product(np.ascontiguousarray(weights, dtype=np.float64)[:, None], squared=True)[0]

    # ---- parts of the matrix -----------------------------------------------------------------------------------------

    def dense(
        self, columns: np.ndarray | None = None, rows: np.ndarray | None = None, dtype: Any = np.float32
    ) -> np.ndarray:
        """Return some columns of some rows (sorted indices) as a scaled array, (n_rows, n_columns)."""
        pieces = []
        for block, part in self._parts():
            matrix = block.storage(dtype).matrix
            if rows is not None:
                matrix = matrix[_within(rows, part)]
            if columns is not None:
                matrix = matrix[:, columns]
            matrix = matrix.astype(dtype)
            pieces.append(matrix.toarray() if sparse.issparse(matrix) else matrix)
        stacked = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        if self.scale != 1.0:
            stacked *= np.dtype(dtype).type(self.scale)
        return stacked

    def standardised(self, shift: np.ndarray, scale: np.ndarray) -> "Rows":
        """Return (X - shift) / scale by columns, as a copy; shifted columns have no zeros."""
        blocks = []
        for block in self.blocks:
            exact = block.exact
            values = exact.values.astype(np.float64) * self.scale
            at = slice(None) if exact.indices is None else exact.indices
            exact = exact._replace(values=(values - shift[at]) / scale[at])
            inspection = Inspection(
                (block.inspection.low * self.scale - shift) / scale,
                (block.inspection.high * self.scale - shift) / scale,
                block.inspection.n_nonzeros,
            )
            blocks.append(Block(exact, _single(exact), inspection))
        return Rows(blocks, 1.0, self.n_threads)

    def take(self, rows: np.ndarray) -> "Rows":
        """Return some rows (sorted indices) as `Rows` of the same layout."""
        blocks = []
        for block, part in self._parts():
            inside = _within(rows, part)
            if len(inside) or not self.blocks[1:]:
                exact = _take(block.exact, inside)
                fast = exact if block.fast is block.exact else _take(block.fast, inside)
                blocks.append(Block(exact, fast, inspect(exact, self.n_threads)))
        return Rows(blocks, self.scale, self.n_threads)

    def csr(self, columns: np.ndarray, rows: np.ndarray | None = None) -> Storage:
        """Return some columns (ascending) of some rows (sorted indices) as scaled CSR, float32 with int32 columns."""
        place = np.full(self.n_features, -1, dtype=np.int32)
        place[columns] = np.arange(len(columns), dtype=np.int32)
        values: list[np.ndarray] = []
        indices: list[np.ndarray] = []
        sizes: list[np.ndarray] = []
        for block, part in self._parts():
            storage = block.fast
            if storage.indices is None:
                dense = storage.values if rows is None else storage.values[_within(rows, part)]
                storage = _sparse_storage(sparse.csr_array(dense))
            elif rows is not None:
                storage = _take(storage, _within(rows, part))
            assert storage.indices is not None and storage.indptr is not None  # noqa: PT018 (for the type checker)
            found, size = place[storage.indices], np.diff(storage.indptr)
            kept = found >= 0
            if not kept.all():
                size = np.diff(np.concatenate([[0], np.cumsum(kept)])[storage.indptr])
                storage, found = storage._replace(values=storage.values[kept]), found[kept]
            values.append(storage.values.astype(np.float32) * np.float32(self.scale))
            indices.append(found)
            sizes.append(size)
        indptr = np.concatenate([[0], np.cumsum(np.concatenate(sizes))]).astype(np.int64)
        return Storage(np.concatenate(values), np.concatenate(indices), indptr, (len(indptr) - 1, len(columns)))

    def _parts(self) -> Iterator[tuple[Block, slice]]:
        start = 0
        for block in self.blocks:
            yield block, slice(start, start + block.n_samples)
            start += block.n_samples

    def _threads(self, n_classes: int) -> int:
        """Return the number of threads that the amount of work deserves."""
        return int(min(self.n_threads, 1 + self.cost(n_classes) // THREAD_WORK))


def default_threads() -> int:
    """Return the number of cores this process may use; process pools lower it through OMP_NUM_THREADS."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(wanted)) if wanted.isdigit() and int(wanted) > 0 else cores


def _within(rows: np.ndarray, part: slice) -> np.ndarray:
    """Return those of the sorted row numbers that lie in a block, counted from its start."""
    first, last = np.searchsorted(rows, [part.start, part.stop])
    return rows[first:last] - part.start


def _is_matrix(X: Any) -> bool:
    return sparse.issparse(X) or (isinstance(X, np.ndarray) and X.ndim == 2)


# ---- at the border: any matrix into a block --------------------------------------------------------------------------


def make_block(X: Any, n_threads: int = 1, first_row: int = 0) -> Block:
    """Check one matrix, and lay it out for the kernels."""
    exact = _sparse_storage(X) if sparse.issparse(X) else _dense_storage(X)
    inspection = inspect(exact, n_threads, first_row)
    sparse_enough = inspection.n_nonzeros < SPARSE_BELOW * exact.shape[0] * exact.shape[1]
    if exact.indices is not None:
        return Block(exact, _single(exact), inspection)
    mapped = isinstance(X, np.memmap) or isinstance(getattr(X, "base", None), np.memmap)
    if mapped and exact.values.nbytes > PACK_UP_TO:
        streamed = exact._replace(skip_zeros=sparse_enough)
        return Block(streamed, streamed, inspection)
    if not sparse_enough:
        return Block(exact, _single(exact), inspection)
    packed, lossless = pack(exact, inspection, n_threads)
    return Block(packed if lossless else exact._replace(skip_zeros=True), packed, inspection)


def _dense_storage(X: Any) -> Storage:
    X = np.asarray(X)
    if X.ndim != 2:
        raise DataError(f"expected a two-dimensional array of rows and columns, got {X.ndim} dimension(s)")
    if X.dtype not in kernels.VALUE_TYPES or not X.dtype.isnative:
        X = _native(X)
    itemsize = X.itemsize
    if (X.shape[1] > 1 and X.strides[1] != itemsize) or X.strides[0] % itemsize or not X.flags.aligned:
        X = np.ascontiguousarray(X)
    return Storage(X, None, None, X.shape)


def _native(X: np.ndarray) -> np.ndarray:
    """Return numbers of any kind as uint8, float32 or float64 of this machine."""
    if X.dtype == np.bool_:
        return X.view(np.uint8) if X.dtype.itemsize == 1 else X.astype(np.uint8)
    if X.dtype.kind == "f" and X.dtype.itemsize <= 4:
        return X.astype(np.float32)
    try:
        return X.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"expected numbers, got {X.dtype} with an entry that is none: {error}") from error


def _sparse_storage(X: Any) -> Storage:
    X = X.tocsr()
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    values = X.data
    if values.dtype not in kernels.VALUE_TYPES or not values.dtype.isnative:
        values = _native(values)
    if not values.all():  # explicit zeros
        X = sparse.csr_array((values, X.indices, X.indptr), shape=X.shape, copy=True)
        X.eliminate_zeros()
        values = X.data
    small = np.uint16 if X.shape[1] <= 1 << 16 else np.int32
    indices = np.ascontiguousarray(X.indices, dtype=small)
    return Storage(np.ascontiguousarray(values), indices, np.ascontiguousarray(X.indptr, dtype=np.int64), X.shape)


def _single(storage: Storage) -> Storage:
    """Return the rows with float64 values as float32, or the rows themselves."""
    if storage.values.dtype != np.float64:
        return storage
    with np.errstate(over="ignore"):
        return storage._replace(values=storage.values.astype(np.float32))


def _take(storage: Storage, rows: np.ndarray) -> Storage:
    if storage.indices is None or storage.indptr is None:
        return storage._replace(values=storage.values[rows], shape=(len(rows), storage.shape[1]))
    sizes = np.diff(storage.indptr)[rows]
    indptr = np.concatenate([[0], np.cumsum(sizes)])
    entries = np.arange(indptr[-1]) + np.repeat(storage.indptr[rows] - indptr[:-1], sizes)
    return Storage(storage.values[entries], storage.indices[entries], indptr, (len(rows), storage.shape[1]))


def with_columns(storage: Storage, inspection: Inspection) -> Storage:
    """Return sparse rows with their entries by columns as well, for the way back of a pass; others as they are."""
    n_samples, n_features = storage.shape
    if storage.indices is None or storage.indptr is None or kernels.active() == "numpy" or n_samples < kernels.PANEL:
        return storage
    if inspection.n_nonzeros < WIDE_BELOW * n_samples * n_features:
        turned = sparse.csr_array(storage.matrix).tocsc()
        narrow = np.uint16 if n_samples <= 1 << 16 else np.int32
        rows, starts = turned.indices.astype(narrow), turned.indptr.astype(np.int64)
        return storage._replace(transpose=Storage(turned.data, rows, starts, (n_features, n_samples)))
    starts = np.empty((-(-n_samples // kernels.PANEL), (n_features + 1) // 2 + 1), dtype=np.int64)
    sides = storage.indices, storage.indices.itemsize, storage.indptr, n_samples, n_features, starts
    nothing = np.empty(0, dtype=np.uint8)
    kernels.call("make_panels", storage.values, 0, *sides, nothing, nothing)
    values, rows = np.zeros((starts[-1, -1], 2), storage.values.dtype), np.empty(starts[-1, -1], dtype=np.uint8)
    kernels.call("make_panels", storage.values, storage.values.itemsize, *sides, values, rows)
    return storage._replace(panels=kernels.Panels(values, rows, starts))


def inspect(storage: Storage, n_threads: int = 1, first_row: int = 0) -> Inspection:
    """Read every value once; raise where one is not finite."""
    values, (n_samples, n_features) = storage.values, storage.shape
    if storage.indices is not None:
        _require_finite(storage, first_row)
        if 0 in storage.shape:
            return Inspection(np.zeros(n_features), np.zeros(n_features), 0)
        return Inspection(*_extremes(storage, storage.indices), len(values))
    if kernels.active() == "numpy" or 0 in storage.shape:
        _require_finite(storage, first_row)
        empty = np.zeros(n_features)
        low, high = (values.min(axis=0), values.max(axis=0)) if n_samples else (empty, empty)
        return Inspection(low.astype(np.float64), high.astype(np.float64), int(np.count_nonzero(values)))
    sides = np.empty((n_threads, 2, n_features))
    row_nonzeros = np.zeros(n_samples, dtype=np.int64)

    def read(start: int, stop: int, thread: int) -> int:
        scratch = np.empty((2, n_features))
        part = values[start:stop]
        return kernels.call(
            "inspect", part, kernels.VALUE_TYPES[values.dtype], len(part), n_features, _stride(values),
            sides[thread, 0], sides[thread, 1], scratch, row_nonzeros[start:stop],
        )  # fmt: skip

    bad = _shared(read, n_samples, n_threads)
    if max(bad) >= 0:
        _require_finite(storage, first_row)
    used = sides[: len(bad)]
    return Inspection(used[:, 0].min(axis=0), used[:, 1].max(axis=0), int(row_nonzeros.sum()))


def _extremes(storage: Storage, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return smallest and largest value of each column of sparse rows, (n_features,) each."""
    n_samples, n_features = storage.shape
    values = storage.values[np.argsort(columns, kind="stable")].astype(np.float64)
    counts = np.bincount(columns, minlength=n_features)
    filled = np.flatnonzero(counts)
    low, high = np.zeros(n_features), np.zeros(n_features)
    if len(filled):
        starts = (np.cumsum(counts) - counts)[filled]
        low[filled], high[filled] = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
    holed = counts < n_samples
    low[holed], high[holed] = np.minimum(low[holed], 0.0), np.maximum(high[holed], 0.0)
    return low, high


def pack(storage: Storage, inspection: Inspection, n_threads: int = 1) -> tuple[Storage, bool]:
    """Return dense rows as CSR, uint8 or float32, and whether no value changed."""
    values, (n_samples, n_features) = storage.values, storage.shape
    if kernels.active() == "numpy":
        matrix = sparse.csr_array(values)
        packed = _single(_sparse_storage(matrix))
        return packed, values.dtype != np.float64 or bool((packed.values == matrix.data).all())
    indptr = np.zeros(n_samples + 1, dtype=np.int64)
    np.cumsum(np.count_nonzero(values, axis=1), out=indptr[1:])
    narrow = n_features <= 1 << 16
    indices = np.empty(indptr[-1], dtype=np.uint16 if narrow else np.int32)
    data = np.empty(indptr[-1], dtype=np.uint8 if values.dtype == np.uint8 else np.float32)

    def write(start: int, stop: int, thread: int) -> int:
        part = values[start:stop]
        return kernels.call(
            "pack", part, kernels.VALUE_TYPES[values.dtype], len(part), n_features, _stride(values),
            int(indptr[start]), indices, int(narrow), data,
        )  # fmt: skip

    lossless = all(_shared(write, n_samples, n_threads))
    return Storage(data, indices, indptr, storage.shape), lossless


def _stride(values: np.ndarray) -> int:
    return values.strides[0] // values.itemsize


def _shared(work: Callable[[int, int, int], int], n_samples: int, n_threads: int) -> Sequence[int]:
    """Run `work(start, stop, thread)` over equal shares of the rows."""
    n_threads = max(1, min(n_threads, n_samples // 256))
    edges = [n_samples * thread // n_threads for thread in range(n_threads + 1)]
    if n_threads == 1:
        return [work(0, n_samples, 0)]
    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(work, edges[:-1], edges[1:], range(n_threads)))


def _require_finite(storage: Storage, first_row: int) -> None:
    values = storage.values
    if values.dtype.kind != "f":
        return
    chunk = 1 << 20 if values.ndim == 1 else max(1, (1 << 20) // max(1, values.shape[1]))
    for start in range(0, len(values), chunk):
        wrong = ~np.isfinite(values[start : start + chunk])
        if not wrong.any():
            continue
        where = np.argwhere(wrong)[0]
        entry = start + int(where[0])
        value = values[(entry, *where[1:])]
        if storage.indices is not None and storage.indptr is not None:
            row = int(np.searchsorted(storage.indptr, entry, side="right")) - 1
            column = int(storage.indices[entry])
        else:
            row, column = entry, int(where[1])
        name = "NaN" if np.isnan(value) else "infinity"
        raise DataError(
            f"X contains {name} in row {first_row + row}, column {column} (both counted from 0); "
            "remove such rows or fill in the missing values first"
        )
